{%- set ids = {'leads': 'lead_id', 'opportunities': 'opportunity_id'} -%}
-- A file has no rows of merged records; the record that is left lists their ids.
with lists as (

    {% for table, id in ids.items() -%}
        select
            source_system,
            load_id,
            source_row,
            '{{ table }}' as table_name,
            {{ id }} as survivor_id,
            created_at,
            lead_id,
            {{ json_text('extra_columns', "'~merged_ids'") }} as merged_ids
        from {{ ref('int_contract__' ~ table) }}
        where problem is null and extra_columns like '%~merged_ids%'
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

pairs as (

    select
        source_system,
        load_id,
        source_row,
        table_name,
        survivor_id,
        created_at,
        lead_id,
        {{ split_to_rows('merged_ids') }} as merged_id
    from lists

),

named as (

    select
        source_system,
        load_id,
        source_row,
        table_name,
        survivor_id,
        created_at,
        lead_id,
        -- HubSpot writes the moment of the merge behind a colon.
        {{ record_id("trim(split_part(merged_id, ':', 1))") | indent(8) }} as merged_id
    from pairs

),

ranked as (

    select
        *,
        row_number() over (
            partition by source_system, table_name, merged_id
            order by load_id, source_row, survivor_id
        ) as list_rank
    from named
    where merged_id <> '' and merged_id <> survivor_id

),

final as (

    select
        source_system,
        table_name,
        merged_id,
        survivor_id,
        created_at,
        lead_id
    from ranked
    where list_rank = 1

)

select * from final
