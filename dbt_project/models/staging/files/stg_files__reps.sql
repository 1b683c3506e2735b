with source_rows as (

    select * from {{ source('files', 'reps') }}

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
