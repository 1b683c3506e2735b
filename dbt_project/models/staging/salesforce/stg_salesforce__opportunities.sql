with opportunities as (

    select
        *,
        {{ salesforce_id('id') }} as opportunity_key,
        {{ parse_timestamp('created_date') }} as created_moment
    from {{ source('salesforce', 'salesforce_opportunities') }}
    where coalesce(is_deleted, 'false') = 'false'

),

history as (

    select
        source_system,
        {{ salesforce_id('opportunity_id') }} as opportunity_key,
        stage_name,
        created_date,
        {{ parse_timestamp('created_date') }} as changed_at
    from {{ source('salesforce', 'salesforce_opportunity_history') }}

),

-- A closing: the first row in the present stage after the last one in another stage.
left_other_stages as (

    select
        history.source_system,
        history.opportunity_key,
        max(history.changed_at) as changed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_key = opportunities.opportunity_key
            and history.stage_name != opportunities.stage_name
    group by history.source_system, history.opportunity_key

),

closings as (

    select
        history.source_system,
        history.opportunity_key,
        min(history.created_date) as closed_at
    from history
    inner join opportunities
        on
            history.source_system = opportunities.source_system
            and history.opportunity_key = opportunities.opportunity_key
            and history.stage_name = opportunities.stage_name
            and opportunities.is_closed = 'true'
    left join left_other_stages
        on
            history.source_system = left_other_stages.source_system
            and history.opportunity_key = left_other_stages.opportunity_key
    where
        left_other_stages.changed_at is null
        or history.changed_at >= left_other_stages.changed_at
    group by history.source_system, history.opportunity_key

),

contact_leads as (

    select * from {{ ref('base_salesforce__contact_leads') }}

),

links as (

    select
        source_system,
        converted_opportunity_id as opportunity_key,
        lead_id,
        1 as is_converted,
        0 as is_primary,
        cast(null as varchar) as linked_at
    from {{ ref('base_salesforce__leads') }}
    where converted_opportunity_id is not null
    union all
    select
        contact_roles.source_system,
        opportunities.opportunity_key,
        contact_leads.lead_id,
        0 as is_converted,
        case when contact_roles.is_primary = 'true' then 1 else 0 end as is_primary,
        contact_roles.created_date as linked_at
    from
        {{ source('salesforce', 'salesforce_opportunity_contact_roles') }}
            as contact_roles
    inner join opportunities
        on
            contact_roles.source_system = opportunities.source_system
            and {{ salesforce_id('contact_roles.opportunity_id') }}
            = opportunities.opportunity_key
    inner join contact_leads
        on
            contact_roles.source_system = contact_leads.source_system
            and {{ salesforce_id('contact_roles.contact_id') }}
            = contact_leads.contact_id
    where
        coalesce(contact_roles.is_deleted, 'false') = 'false'
        and (
            opportunities.created_moment >= contact_leads.known_since
            or contact_leads.lead_number = 1
        )
        and (
            opportunities.created_moment < contact_leads.known_until
            or contact_leads.known_until is null
        )

),

-- A deal proves its stages for each lead; its amount counts once, for the primary
-- contact's lead, else for the converted lead, else for the first one that was added.
ranked_links as (

    select
        source_system,
        opportunity_key,
        lead_id,
        row_number() over (
            partition by source_system, opportunity_key
            order by
                max(is_primary) desc,
                max(is_converted) desc,
                min(linked_at) asc,
                lead_id asc
        ) as link_number
    from links
    group by source_system, opportunity_key, lead_id

),

rates as (

    select
        {{ normalised('currency') }} as currency_key,
        rate,
        row_number() over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as rate_number,
        valid_from,
        lead(valid_from) over (
            partition by {{ normalised('currency') }}
            order by valid_from
        ) as valid_until
    from {{ ref('currency_rates') }}

),

-- In the company's currency, at the rate of the day on which the deal was made.
converted_amounts as (

    select
        opportunities.source_system,
        opportunities.opportunity_key,
        round({{ parse_number('opportunities.amount') }} * rates.rate, 2) as amount
    from opportunities
    inner join rates
        on {{ normalised('opportunities.currency_iso_code') }} = rates.currency_key
    where
        (opportunities.created_moment >= rates.valid_from or rates.rate_number = 1)
        and (
            opportunities.created_moment < rates.valid_until
            or rates.valid_until is null
        )

),

loss_reasons as (

    select
        source_system,
        min(field) as field
    from {{ source('salesforce', 'salesforce_fields') }}
    where role = 'loss_reason'
    group by source_system

),

final as (

    select
        opportunities.source_system,
        opportunities.load_id,
        'Opportunity' as source_file,
        cast(opportunities.source_row as bigint) as source_row,
        case
            when ranked_links.link_number > 1
                then opportunities.opportunity_key || ':' || ranked_links.lead_id
            else opportunities.opportunity_key
        end as opportunity_id,
        ranked_links.lead_id,
        opportunities.created_date as created_at,
        case
            when coalesce(ranked_links.link_number, 1) = 1
                then
                    coalesce(
                        cast(converted_amounts.amount as varchar),
                        opportunities.amount
                    )
        end as amount,
        case
            when opportunities.is_closed = 'true' then opportunities.is_won
            else 'false'
        end as is_won,
        case
            when opportunities.is_closed = 'true'
                then
                    coalesce(
                        closings.closed_at,
                        opportunities.last_stage_change_date,
                        -- A date alone must not lie before the creation on that day.
                        greatest(opportunities.close_date, opportunities.created_date)
                    )
        end as closed_at,
        case
            when
                opportunities.is_closed = 'true'
                and coalesce(opportunities.is_won, 'false') = 'false'
                then
                    {{ json_text(
                        'opportunities.custom_fields', 'loss_reasons.field'
                    ) }}
        end as loss_reason,
        case
            when opportunities.owner_id like '005%'
                then {{ salesforce_id('opportunities.owner_id') }}
        end as owner_id,
        cast(null as varchar) as extra_columns
    from opportunities
    left join ranked_links
        on
            opportunities.source_system = ranked_links.source_system
            and opportunities.opportunity_key = ranked_links.opportunity_key
    left join closings
        on
            opportunities.source_system = closings.source_system
            and opportunities.opportunity_key = closings.opportunity_key
    left join converted_amounts
        on
            opportunities.source_system = converted_amounts.source_system
            and opportunities.opportunity_key = converted_amounts.opportunity_key
    left join loss_reasons
        on opportunities.source_system = loss_reasons.source_system

)

select * from final
