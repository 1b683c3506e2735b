{%- set tables = [
    'leads', 'stage_changes', 'activities', 'engagements', 'opportunities', 'owner_changes',
    'reps', 'channel_spend'
] -%}
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
        * exclude (row_json),
        {{ json_text('row_json', 'column_name') }} as value_text,
        case table_name || '.' || column_name
            {%- for table in tables %}
                {%- for name, kind, _ in contract_columns(table) if kind != 'text' %}
            when '{{ table }}.{{ name }}' then '{{ kind }}'
                {%- endfor %}
            {%- endfor %}
        end as column_kind
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
            when
                column_kind in ('time', 'date')
                and {{ day_order_shown(written_date('value_text')) | indent(16) }} = 'either'
                then '{{ not_readable("open") }}'
            {%- for kind in ['money', 'number'] %}
            when
                column_kind = '{{ kind }}'
                and {{ decimal_mark_shown(
                    bare_number('value_text', kind == 'money')
                ) | indent(16) }} = 'either'
                then '{{ not_readable("open_number") }}'
            {%- endfor %}
            {%- for kind in ['event_id', 'id', 'time', 'date', 'whole', 'number', 'money', 'flag'] %}
            when column_kind = '{{ kind }}' then '{{ not_readable(kind) }}'
            {%- endfor %}
        end as reason
    from written

)

select * from final
