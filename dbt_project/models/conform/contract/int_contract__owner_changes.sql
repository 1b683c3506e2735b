with delivered as (

    {{ delivered_rows('owner_changes') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'lead_id', 'changed_at', 'owner_id'
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
        lead_id,
        owner_id,
        changed_at as changed_at_text,
        {{ parse_timestamp('changed_at') }} as changed_at,
        {{ row_as_json([
            'lead_id', 'changed_at', 'owner_id'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when lead_id is null then 'lead_id'
            when changed_at is null then 'changed_at'
        end as problem_column,
        case
            when lead_id is null then 'required value is missing'
            when changed_at_text is null then 'required value is missing'
            when changed_at is null then 'required time can not be read'
        end as problem
    from cast_rows

)

select * from final
