with delivered as (

    {{ delivered_rows('reps') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'rep_id', 'name', 'role', 'team', 'timezone', 'weekly_capacity',
            'is_active'
        ]) | indent(8) }} as row_text
    from delivered

),

cast_rows as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        row_text,
        extra_columns,
        rep_id,
        role,
        team,
        timezone,
        weekly_capacity as weekly_capacity_text,
        is_active as is_active_text,
        {{ parse_number('weekly_capacity') }} as weekly_capacity,
        {{ parse_boolean('is_active') }} as is_active,
        {{ row_as_json([
            'rep_id', 'name', 'role', 'team', 'timezone', 'weekly_capacity',
            'is_active'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when rep_id is null then 'rep_id'
        end as problem_column,
        case
            when rep_id is null then 'required value is missing'
        end as problem
    from cast_rows

)

select * from final
