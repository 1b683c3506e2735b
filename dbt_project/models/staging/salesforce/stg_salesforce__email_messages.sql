with source_rows as (

    select * from {{ source('salesforce', 'salesforce_email_messages') }}

),

final as (

    select
        source_system,
        {{ salesforce_id('activity_id') }} as task_id,
        {{ salesforce_flag('incoming') }} as is_incoming,
        {{ salesforce_flag('is_deleted') }} as is_deleted,
        message_date as sent_at_text
    from source_rows

)

select * from final
