with source_rows as (

    select * from {{ source('handoff', 'loads') }}

),

final as (

    select
        load_id,
        source_system,
        table_name,
        rows_read,
        is_current,
        loaded_by
    from source_rows

)

select * from final
