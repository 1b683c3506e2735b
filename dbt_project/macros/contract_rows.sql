{#
    The contract's rows as text: what "the greatest row as text" and "exact duplicate" compare.
    The separator sorts before anything a CRM holds, so comparing the joined text compares the
    columns in order.
#}
{% macro row_text(columns) -%}
    concat(
        {%- for column in columns %}
            coalesce({{ column }}, ''){{ ", chr(1)," if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# A text that policy is compared with: without case and outer spaces, empty as null. #}
{% macro normalised(text) -%}
    nullif(lower(trim({{ text }})), '')
{%- endmacro %}

{#
    Exact duplicates per source of a staged table: rows that are equal in every column. Only ids
    that stand more than once are compared whole.
#}
{% macro count_exact_duplicates(relation, id_columns) -%}
select
    repeated_rows.source_system,
    count(*) - count(distinct md5(
        repeated_rows.row_text || chr(1) || coalesce(repeated_rows.extra_columns, '')
    )) as exact_duplicates
from {{ relation }} as repeated_rows
inner join (
    select
        source_system,
        {%- for column in id_columns %}
            coalesce({{ column }}, '') as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by {% for at in range(id_columns | length + 1) -%}
        {{ at + 1 }}{{ ', ' if not loop.last }}
    {%- endfor %}
    having count(*) > 1
) as repeated_ids
    on
        repeated_rows.source_system = repeated_ids.source_system
        {%- for column in id_columns %}
            and coalesce(repeated_rows.{{ column }}, '') = repeated_ids.{{ column }}
        {%- endfor %}
group by repeated_rows.source_system
{%- endmacro %}
