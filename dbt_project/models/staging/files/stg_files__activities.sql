with source_rows as (

    select * from {{ source('files', 'activities') }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        activity_id,
        lead_id,
        rep_id,
        kind,
        occurred_at,
        direction,
        extra_columns
    from source_rows

)

select * from final
