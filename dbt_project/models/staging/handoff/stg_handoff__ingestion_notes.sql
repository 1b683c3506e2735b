with source_rows as (

    select * from {{ source('handoff', 'ingestion_notes') }}

),

final as (

    select
        source_system,
        load_id,
        table_name,
        severity,
        message
    from source_rows

)

select * from final
