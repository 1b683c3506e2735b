{%- set ids = {'leads': 'lead_id', 'opportunities': 'opportunity_id'} -%}
-- A file has no rows of merged records; the record that is left lists their ids.
with lists as (

    {% for table, id in ids.items() -%}
        select
            source_system,
            load_id,
            source_file,
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
        * exclude (merged_ids),
        {{ split_to_rows('merged_ids') }} as merged_id
    from lists

),

named as (

    select
        * exclude (merged_id),
        -- HubSpot writes the moment of the merge behind a colon.
        trim(split_part(merged_id, ':', 1)) as listed_id
    from pairs

),

final as (

    select
        *,
        {{ record_id(read_id('listed_id')) | indent(8) }} as merged_id
    from named
    where listed_id <> ''

)

select * from final
