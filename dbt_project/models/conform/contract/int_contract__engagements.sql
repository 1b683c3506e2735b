with delivered as (

    {{ delivered_rows('engagements') }}

),

as_text as (

    select
        *,
        {{ row_text([
            'engagement_id', 'lead_id', 'kind', 'occurred_at', 'channel', 'campaign'
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
        coalesce(engagement_id, 'made:' || md5(row_text)) as engagement_id,
        lead_id,
        kind,
        channel,
        campaign,
        occurred_at as occurred_at_text,
        {{ parse_timestamp('occurred_at') }} as occurred_at,
        {{ row_as_json([
            'engagement_id', 'lead_id', 'kind', 'occurred_at', 'channel', 'campaign'
        ]) }} as row_json
    from as_text

),

final as (

    select
        *,
        case
            when lead_id is null then 'lead_id'
            when kind is null then 'kind'
            when occurred_at is null then 'occurred_at'
        end as problem_column,
        case
            when lead_id is null then 'required value is missing'
            when kind is null then 'required value is missing'
            when occurred_at_text is null then 'required value is missing'
            when occurred_at is null then 'required time can not be read'
        end as problem
    from cast_rows

)

select * from final
