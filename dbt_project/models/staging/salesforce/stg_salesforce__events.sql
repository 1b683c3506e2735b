with source_rows as (

    select * from {{ source('salesforce', 'salesforce_events') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as event_id,
        {{ salesforce_id('who_id') }} as who_id,
        {{ salesforce_id('owner_id') }} as owner_id,
        {{ normalised('type') }} as event_type,
        {{ salesforce_flag('is_child') }} as is_child,
        {{ salesforce_flag('is_deleted') }} as is_deleted,
        start_date_time as start_at_text,
        activity_date_time as activity_at_text,
        created_date as created_at_text
    from source_rows

)

select * from final
