{# The public key of a mart's row: a hash of what makes the row one of a kind. #}
{% macro surrogate_key(columns) -%}
    md5(
        {%- for column in columns %}
            cast({{ column }} as {{ dbt.type_string() }})
            {{- " || chr(31) || " if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
