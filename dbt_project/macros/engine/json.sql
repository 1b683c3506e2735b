{#
    JSON: making and reading it.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# A row as a JSON object of its columns. #}
{% macro row_as_json(columns) -%}
    {{ return(adapter.dispatch('row_as_json')(columns)) }}
{%- endmacro %}

{% macro duckdb__row_as_json(columns) -%}
    cast(
        json_object(
            {%- for column in columns %}
                '{{ column }}', {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        ) as varchar
    )
{%- endmacro %}

{# The text of one key of a JSON object. #}
{% macro json_text(json, key) -%}
    {{ return(adapter.dispatch('json_text')(json, key)) }}
{%- endmacro %}

{% macro duckdb__json_text(json, key) -%}
    nullif(trim(json_extract_string({{ json }}, '$."' || nullif({{ key }}, '') || '"')), '')
{%- endmacro %}
