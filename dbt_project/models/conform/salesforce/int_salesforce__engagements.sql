with members as (

    select
        *,
        -- The response has a date only; a member who was added that day responded by
        -- being added.
        case
            when
                responded_date_text is null
                or substr(responded_date_text, 1, 10) = substr(created_at_text, 1, 10)
                then created_at_text
            else responded_date_text
        end as occurred_at
    from {{ ref('stg_salesforce__campaign_members') }}
    where coalesce(is_deleted, 'false') <> 'true' and has_responded = 'true'

),

campaigns as (

    select * from {{ ref('stg_salesforce__campaigns') }}

),

kinds as (

    select
        {{ normalised('campaign_type') }} as type_key,
        min({{ normalised('kind') }}) as kind
    from {{ ref('campaign_kinds') }}
    where crm = 'salesforce'
    group by {{ normalised('campaign_type') }}

),

contact_leads as (

    select * from {{ ref('int_salesforce__contact_leads') }}

),

of_contacts as (

    select
        members.source_system,
        members.member_id,
        contact_leads.lead_id
    from members
    inner join contact_leads
        on
            members.source_system = contact_leads.source_system
            and members.contact_id = contact_leads.contact_id
    where
        members.lead_id is null
        and (
            {{ parse_timestamp('members.occurred_at') }} >= contact_leads.known_since
            or contact_leads.lead_number = 1
        )
        and (
            {{ parse_timestamp('members.occurred_at') }} < contact_leads.known_until
            or contact_leads.known_until is null
        )

),

final as (

    select
        members.source_system,
        members.load_id,
        'CampaignMember' as source_file,
        members.source_row,
        members.member_id as engagement_id,
        coalesce(members.lead_id, of_contacts.lead_id) as lead_id,
        coalesce(
            kinds.kind,
            replace({{ normalised('campaigns.campaign_type') }}, ' ', '_'),
            'campaign_response'
        ) as kind,
        members.occurred_at,
        campaigns.campaign_type as channel,
        campaigns.campaign_name as campaign,
        cast(null as varchar) as extra_columns
    from members
    left join campaigns
        on
            members.source_system = campaigns.source_system
            and members.campaign_id = campaigns.campaign_id
    left join kinds
        on {{ normalised('campaigns.campaign_type') }} = kinds.type_key
    left join of_contacts
        on
            members.source_system = of_contacts.source_system
            and members.member_id = of_contacts.member_id
    where coalesce(members.lead_id, of_contacts.lead_id) is not null

)

select * from final
