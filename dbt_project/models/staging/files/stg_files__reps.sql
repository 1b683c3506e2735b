with source_rows as (

    {{ rows_of_files('reps') | indent(4) }}

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        {{ record_id('rep_id') }} as rep_id,
        name,
        role,
        team,
        timezone,
        weekly_capacity,
        is_active,
        extra_columns
    from source_rows

)

select * from final
