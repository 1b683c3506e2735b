with activities as (

    select * from {{ ref('stg_hubspot__activities') }}
    where is_archived = 'false'

),

contacts as (

    select
        source_system,
        from_type,
        from_id,
        to_id as contact_id
    from {{ ref('stg_hubspot__associations') }}
    where to_type = 'contacts'

),

final as (

    select
        activities.source_system,
        activities.load_id,
        activities.object_type as source_file,
        {{ dbt.safe_cast('activities.activity_id', 'bigint') }} as source_row,
        concat_ws(
            ':', activities.object_type, activities.activity_id, contacts.contact_id
        ) as activity_id,
        contacts.contact_id as lead_id,
        activities.owner_id as rep_id,
        case
            when activities.object_type = 'calls' then 'call'
            -- What did not take place is no touch.
            when
                activities.object_type = 'meetings'
                and activities.meeting_outcome in ('canceled', 'no_show', 'rescheduled')
                then 'meeting_' || activities.meeting_outcome
            when activities.object_type = 'meetings' then 'meeting'
            when activities.email_status in ('BOUNCED', 'FAILED')
                then 'email_' || lower(activities.email_status)
            else 'email'
        end as kind,
        coalesce(
            case
                when activities.object_type = 'meetings'
                    then activities.meeting_start_text
            end,
            activities.occurred_at_text,
            activities.created_at_text
        ) as occurred_at,
        case
            when activities.call_direction = 'INBOUND' then 'inbound'
            when activities.call_direction = 'OUTBOUND' then 'outbound'
            when activities.email_direction = 'EMAIL' then 'outbound'
            when activities.email_direction is not null then 'inbound'
        end as direction,
        cast(null as {{ dbt.type_string() }}) as extra_columns
    from activities
    inner join contacts
        on
            activities.source_system = contacts.source_system
            and activities.object_type = contacts.from_type
            and activities.activity_id = contacts.from_id

)

select * from final
