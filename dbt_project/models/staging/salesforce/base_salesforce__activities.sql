with tasks as (

    select * from {{ source('salesforce', 'salesforce_tasks') }}
    where coalesce(is_deleted, 'false') = 'false' and is_closed = 'true'

),

events as (

    select * from {{ source('salesforce', 'salesforce_events') }}
    where
        coalesce(is_deleted, 'false') = 'false'
        and coalesce(is_child, 'false') = 'false'

),

emails as (

    select
        source_system,
        {{ salesforce_id('activity_id') }} as activity_id,
        max(incoming) as incoming,
        max(message_date) as message_date
    from {{ source('salesforce', 'salesforce_email_messages') }}
    where coalesce(is_deleted, 'false') = 'false' and activity_id is not null
    group by source_system, {{ salesforce_id('activity_id') }}

),

-- A task is due at its ActivityDate; it was done when it was completed, and a call
-- that is logged afterwards is created as completed.
unioned as (

    select
        'Task' as source_file,
        tasks.source_system,
        tasks.load_id,
        tasks.source_row,
        {{ salesforce_id('tasks.id') }} as activity_id,
        {{ salesforce_id('tasks.who_id') }} as who_id,
        {{ salesforce_id('tasks.owner_id') }} as rep_id,
        case
            when lower(tasks.task_subtype) in ('call', 'email')
                then lower(tasks.task_subtype)
            when emails.activity_id is not null then 'email'
            when lower(tasks.task_subtype) = 'listemail' then 'automated_email'
            when tasks.call_type is not null then 'call'
            else coalesce({{ normalised('tasks.type') }}, 'task')
        end as kind,
        case
            when emails.incoming = 'true' then 'inbound'
            when tasks.call_type is not null then lower(tasks.call_type)
            else 'outbound'
        end as direction,
        coalesce(
            emails.message_date,
            tasks.completed_date_time,
            case
                when tasks.activity_date <= substr(tasks.created_date, 1, 10)
                    then tasks.created_date
            end,
            tasks.activity_date,
            tasks.created_date
        ) as occurred_at
    from tasks
    left join emails
        on
            tasks.source_system = emails.source_system
            and {{ salesforce_id('tasks.id') }} = emails.activity_id
    union all
    select
        'Event' as source_file,
        source_system,
        load_id,
        source_row,
        {{ salesforce_id('id') }} as activity_id,
        {{ salesforce_id('who_id') }} as who_id,
        {{ salesforce_id('owner_id') }} as rep_id,
        coalesce({{ normalised('type') }}, 'meeting') as kind,
        'outbound' as direction,
        coalesce(start_date_time, activity_date_time, created_date) as occurred_at
    from events

),

final as (

    select
        source_file,
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        activity_id,
        who_id,
        rep_id,
        kind,
        direction,
        occurred_at,
        {{ parse_timestamp('occurred_at') }} as occurred_moment
    from unioned
    where who_id is not null

)

select * from final
