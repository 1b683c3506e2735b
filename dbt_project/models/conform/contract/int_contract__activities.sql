with delivered as (

    {{ delivered_rows('activities') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'activity_id', 'lead_id', 'rep_id', 'kind', 'occurred_at', 'direction'
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
        coalesce(activity_id, 'made:' || md5(row_text)) as activity_id,
        lead_id,
        rep_id,
        kind,
        direction,
        occurred_at as occurred_at_text,
        {{ parse_timestamp('occurred_at') }} as occurred_at,
        {{ row_as_json([
            'activity_id', 'lead_id', 'rep_id', 'kind', 'occurred_at', 'direction'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when lead_id is null then 'lead_id'
            when occurred_at is null then 'occurred_at'
        end as problem_column,
        case
            when lead_id is null then 'required value is missing'
            when occurred_at_text is null then 'required value is missing'
            when occurred_at is null then 'required time can not be read'
        end as problem
    from cast_rows

)

select * from final
