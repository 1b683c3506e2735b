with source_rows as (

    select * from {{ source('handoff', 'rejected_rows') }}

),

final as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        reason,
        row_json
    from source_rows

)

select * from final
