with source_rows as (

    {{ rows_of_files('activities') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('activity_id') }} as activity_id,
        {{ record_id('lead_id') }} as lead_id,
        {{ record_id('rep_id') }} as rep_id,
        kind,
        occurred_at,
        occurred_at_utc,
        direction,
        extra_columns
    from source_rows

)

select * from final
