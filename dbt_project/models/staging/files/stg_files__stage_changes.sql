with source_rows as (

    select * from {{ source('files', 'stage_changes') }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        change_id,
        lead_id,
        changed_at,
        from_stage,
        to_stage,
        reason,
        changed_by,
        extra_columns
    from source_rows

)

select * from final
