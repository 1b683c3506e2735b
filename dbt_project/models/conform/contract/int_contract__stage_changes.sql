with delivered as (

    {{ delivered_rows('stage_changes') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'change_id', 'lead_id', 'changed_at', 'from_stage', 'to_stage',
            'reason', 'changed_by'
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
        coalesce(change_id, 'made:' || md5(row_text)) as change_id,
        lead_id,
        from_stage,
        to_stage,
        reason,
        changed_by,
        changed_at as changed_at_text,
        {{ parse_timestamp('changed_at') }} as changed_at,
        {{ row_as_json([
            'change_id', 'lead_id', 'changed_at', 'from_stage', 'to_stage',
            'reason', 'changed_by'
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
