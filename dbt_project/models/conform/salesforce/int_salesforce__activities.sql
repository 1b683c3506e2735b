with activities as (

    select * from {{ ref('int_salesforce__tasks_and_events') }}

),

contact_leads as (

    select * from {{ ref('int_salesforce__contact_leads') }}

),

-- Activities move to the contact when a lead is converted. Of several leads that became
-- one contact an activity belongs to the one that was created last by then.
of_contacts as (

    select
        activities.source_system,
        activities.activity_id,
        contact_leads.lead_id
    from activities
    inner join contact_leads
        on
            activities.source_system = contact_leads.source_system
            and activities.who_id = contact_leads.contact_id
    where
        (
            activities.occurred_moment >= contact_leads.known_since
            or contact_leads.lead_number = 1
        )
        and (
            activities.occurred_moment < contact_leads.known_until
            or contact_leads.known_until is null
        )

),

assigned as (

    select
        activities.*,
        case
            when activities.who_id like '00Q%' then activities.who_id
            else of_contacts.lead_id
        end as lead_id
    from activities
    left join of_contacts
        on
            activities.source_system = of_contacts.source_system
            and activities.activity_id = of_contacts.activity_id

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        activity_id,
        lead_id,
        rep_id,
        kind,
        occurred_at,
        direction,
        cast(null as varchar) as extra_columns
    from assigned
    where lead_id is not null

)

select * from final
