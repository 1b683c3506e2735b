with source_rows as (

    select * from {{ source('files', 'owner_changes') }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        lead_id,
        changed_at,
        owner_id,
        extra_columns
    from source_rows

)

select * from final
