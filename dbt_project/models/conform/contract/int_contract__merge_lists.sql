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
        source_system,
        load_id,
        source_file,
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
        source_file,
        source_row,
        table_name,
        survivor_id,
        created_at,
        lead_id,
        -- HubSpot writes the moment of the merge behind a colon.
        trim(split_part(merged_id, ':', 1)) as listed_id
    from pairs

),

readable as (

    select
        *,
        {{ read_id('listed_id') | indent(8) }} as readable_id
    from named
    where listed_id <> ''

),

final as (

    select
        source_system,
        load_id,
        source_file,
        source_row,
        table_name,
        survivor_id,
        created_at,
        lead_id,
        listed_id,
        {{ record_id('readable_id') | indent(8) }} as merged_id
    from readable

)

select * from final
