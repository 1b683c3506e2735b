with source_rows as (

    {{ rows_of_files('owner_changes') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('lead_id') }} as lead_id,
        changed_at,
        changed_at_utc,
        {{ record_id('owner_id') }} as owner_id,
        extra_columns
    from source_rows

)

select * from final
