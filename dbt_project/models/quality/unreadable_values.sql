{%- set tables = [
    'leads', 'stage_changes', 'activities', 'engagements', 'opportunities', 'owner_changes',
    'reps', 'channel_spend'
] -%}
-- Values that are there and could not be read, counted, with samples.
with rows_with_some as (

    {% for table in tables -%}
        select
            source_system,
            '{{ table }}' as table_name,
            unreadable,
            row_json
        from {{ ref('int_contract__' ~ table) }}
        where unreadable is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

named as (

    select
        source_system,
        table_name,
        {{ split_to_rows("unreadable") }} as column_name,
        row_json
    from rows_with_some

),

counted as (

    select
        source_system,
        table_name,
        column_name,
        {{ json_text('row_json', 'column_name') }} as value_text,
        count(*) as value_count,
        row_number() over (
            partition by source_system, table_name, column_name
            order by count(*) desc, {{ json_text('row_json', 'column_name') }}
        ) as value_rank
    from named
    group by
        source_system, table_name, column_name,
        {{ json_text('row_json', 'column_name') }}

),

final as (

    select
        source_system,
        table_name,
        column_name,
        cast(sum(value_count) as bigint) as unreadable_count,
        {{ dbt.listagg(
            "case when value_rank <= 5 then value_text end", "' | '",
            "order by value_rank"
        ) }} as samples
    from counted
    group by source_system, table_name, column_name

)

select * from final
