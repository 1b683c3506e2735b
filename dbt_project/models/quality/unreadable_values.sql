{%- set tables = [
    'leads', 'stage_changes', 'activities', 'engagements', 'opportunities', 'owner_changes',
    'reps', 'channel_spend'
] -%}
{%- set paths_of = {} -%}
{%- for table in tables -%}
    {%- for name, kind, _ in contract_columns(table) if kind != 'text' -%}
        {%- do paths_of.setdefault(kind, []).append(table ~ '.' ~ name) -%}
    {%- endfor -%}
{%- endfor -%}
-- Every value that is there and could not be read, as it was written.
with rows_with_some as (

    {% for table in tables -%}
        select
            source_system,
            load_id,
            '{{ table }}' as table_name,
            source_file,
            source_row,
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
        load_id,
        table_name,
        source_file,
        source_row,
        {{ split_to_rows("unreadable") }} as column_name,
        row_json
    from rows_with_some

),

written as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        table_name || '.' || column_name as column_path,
        {{ json_text('row_json', 'column_name') }} as value_text
    from named

),

final as (

    select
        source_system,
        load_id,
        table_name,
        source_file,
        source_row,
        column_name,
        value_text,
        case
            {%- for kind, paths in paths_of.items() %}
                when
                    column_path in (
                        {%- for path in paths %}
                            '{{ path }}'{{ ',' if not loop.last }}
                        {%- endfor %}
                    )
                    then {{ why_not_readable('value_text', kind) }}
            {%- endfor %}
        end as reason
    from written

)

select * from final
