with source_rows as (

    {{ rows_of_files('stage_changes') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('change_id') }} as change_id,
        {{ record_id('lead_id') }} as lead_id,
        changed_at,
        changed_at_utc,
        from_stage,
        to_stage,
        reason,
        {{ record_id('changed_by') }} as changed_by,
        extra_columns
    from source_rows

)

select * from final
