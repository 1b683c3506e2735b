with members as (

    select
        *,
        {{ salesforce_id('id') }} as member_key,
        {{ salesforce_id('campaign_id') }} as campaign_key,
        {{ salesforce_id('contact_id') }} as contact_key,
        -- The response has a date only; a member who was added that day responded by
        -- being added.
        case
            when
                first_responded_date is null
                or substr(first_responded_date, 1, 10) = substr(created_date, 1, 10)
                then created_date
            else first_responded_date
        end as occurred_at
    from {{ source('salesforce', 'salesforce_campaign_members') }}
    where coalesce(is_deleted, 'false') = 'false' and has_responded = 'true'

),

campaigns as (

    select
        source_system,
        {{ salesforce_id('id') }} as campaign_key,
        name,
        type
    from {{ source('salesforce', 'salesforce_campaigns') }}

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

    select * from {{ ref('base_salesforce__contact_leads') }}

),

of_contacts as (

    select
        members.source_system,
        members.member_key,
        contact_leads.lead_id
    from members
    inner join contact_leads
        on
            members.source_system = contact_leads.source_system
            and members.contact_key = contact_leads.contact_id
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
        cast(members.source_row as bigint) as source_row,
        members.member_key as engagement_id,
        coalesce(
            {{ salesforce_id('members.lead_id') }}, of_contacts.lead_id
        ) as lead_id,
        coalesce(
            kinds.kind,
            replace({{ normalised('campaigns.type') }}, ' ', '_'),
            'campaign_response'
        ) as kind,
        members.occurred_at,
        campaigns.type as channel,
        campaigns.name as campaign,
        cast(null as varchar) as extra_columns
    from members
    left join campaigns
        on
            members.source_system = campaigns.source_system
            and members.campaign_key = campaigns.campaign_key
    left join kinds
        on {{ normalised('campaigns.type') }} = kinds.type_key
    left join of_contacts
        on
            members.source_system = of_contacts.source_system
            and members.member_key = of_contacts.member_key
    where coalesce(members.lead_id, of_contacts.lead_id) is not null

)

select * from final
