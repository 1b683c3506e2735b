{{ config(materialized='view') }}

with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

contact_leads as (

    select * from {{ ref('int_salesforce__contact_leads') }}

),

links as (

    select
        source_system,
        converted_opportunity_id as opportunity_id,
        lead_id,
        1 as is_converted,
        0 as is_primary,
        cast(null as varchar) as linked_at
    from {{ ref('stg_salesforce__leads') }}
    where converted_opportunity_id is not null
    union all
    select
        contact_roles.source_system,
        opportunities.opportunity_id,
        contact_leads.lead_id,
        0 as is_converted,
        case when contact_roles.is_primary = 'true' then 1 else 0 end as is_primary,
        contact_roles.created_at_text as linked_at
    from
        {{ ref('stg_salesforce__opportunity_contact_roles') }}
            as contact_roles
    inner join opportunities
        on
            contact_roles.source_system = opportunities.source_system
            and contact_roles.opportunity_id = opportunities.opportunity_id
    inner join contact_leads
        on
            contact_roles.source_system = contact_leads.source_system
            and contact_roles.contact_id = contact_leads.contact_id
    where
        coalesce(contact_roles.is_deleted, 'false') <> 'true'
        and (
            opportunities.created_at >= contact_leads.known_since
            or contact_leads.lead_number = 1
        )
        and (
            opportunities.created_at < contact_leads.known_until
            or contact_leads.known_until is null
        )

),

-- A deal proves its stages for each lead; its amount counts once, for the primary
-- contact's lead, else for the converted lead, else for the first one that was added.
final as (

    select
        source_system,
        opportunity_id,
        lead_id,
        row_number() over (
            partition by source_system, opportunity_id
            order by
                max(is_primary) desc,
                max(is_converted) desc,
                min(linked_at) asc,
                lead_id asc
        ) as link_number
    from links
    group by source_system, opportunity_id, lead_id

)

select * from final
