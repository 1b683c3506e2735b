with source_rows as (

    select * from {{ source('salesforce', 'salesforce_lead_history') }}

),

final as (

    select
        source_system,
        load_id,
        cast(source_row as bigint) as source_row,
        {{ salesforce_id('id') }} as history_id,
        {{ salesforce_id('lead_id') }} as lead_id,
        {{ salesforce_id('created_by_id') }} as changed_by,
        lower(trim(field)) as field_key,
        nullif(trim(old_value), '') as old_value,
        nullif(trim(new_value), '') as new_value,
        created_date as changed_at_text,
        {{ parse_timestamp('created_date') }} as changed_at
    from source_rows

)

select * from final
