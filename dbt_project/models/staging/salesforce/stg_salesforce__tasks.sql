with source_rows as (

    select * from {{ source('salesforce', 'salesforce_tasks') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as task_id,
        {{ salesforce_id('who_id') }} as who_id,
        {{ salesforce_id('owner_id') }} as owner_id,
        lower(task_subtype) as task_subtype,
        {{ normalised('type') }} as task_type,
        lower(call_type) as call_type,
        {{ salesforce_flag('is_closed') }} as is_closed,
        {{ salesforce_flag('is_deleted') }} as is_deleted,
        activity_date as due_date_text,
        completed_date_time as completed_at_text,
        created_date as created_at_text
    from source_rows

)

select * from final
