with tasks as (

    select * from {{ ref('stg_salesforce__tasks') }}
    where coalesce(is_deleted, 'false') <> 'true' and is_closed = 'true'

),

events as (

    select * from {{ ref('stg_salesforce__events') }}
    where
        coalesce(is_deleted, 'false') <> 'true'
        and coalesce(is_child, 'false') <> 'true'

),

emails as (

    select
        source_system,
        task_id,
        max(is_incoming) as is_incoming,
        max(sent_at_text) as sent_at_text
    from {{ ref('stg_salesforce__email_messages') }}
    where coalesce(is_deleted, 'false') <> 'true' and task_id is not null
    group by source_system, task_id

),

-- A task is due at its ActivityDate; it was done when it was completed, and a call
-- that is logged afterwards is created as completed.
unioned as (

    select
        'Task' as source_file,
        tasks.source_system,
        tasks.load_id,
        tasks.source_row,
        tasks.task_id as activity_id,
        tasks.who_id,
        tasks.owner_id as rep_id,
        case
            when tasks.task_subtype in ('call', 'email') then tasks.task_subtype
            when emails.task_id is not null then 'email'
            when tasks.task_subtype = 'listemail' then 'automated_email'
            when tasks.call_type is not null then 'call'
            else coalesce(tasks.task_type, 'task')
        end as kind,
        case
            when emails.is_incoming = 'true' then 'inbound'
            when tasks.call_type is not null then tasks.call_type
            else 'outbound'
        end as direction,
        coalesce(
            emails.sent_at_text,
            tasks.completed_at_text,
            case
                when tasks.due_date_text <= substr(tasks.created_at_text, 1, 10)
                    then tasks.created_at_text
            end,
            tasks.due_date_text,
            tasks.created_at_text
        ) as occurred_at
    from tasks
    left join emails
        on
            tasks.source_system = emails.source_system
            and tasks.task_id = emails.task_id
    union all
    select
        'Event' as source_file,
        source_system,
        load_id,
        source_row,
        event_id as activity_id,
        who_id,
        owner_id as rep_id,
        coalesce(event_type, 'meeting') as kind,
        'outbound' as direction,
        coalesce(start_at_text, activity_at_text, created_at_text) as occurred_at
    from events

),

final as (

    select
        source_file,
        source_system,
        load_id,
        source_row,
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
