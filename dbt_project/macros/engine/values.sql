{#
    Numbers, amounts and truth values read from text.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# Text to a finite number; null when it is none. #}
{% macro parse_number(text) -%}
    {{ return(adapter.dispatch('parse_number')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_number(text) -%}
    case
        when regexp_matches(trim({{ text }}), '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$')
            then try_cast(trim({{ text }}) as double)
    end
{%- endmacro %}

{# Text to an amount of money; null when it is none. #}
{% macro parse_amount(text) -%}
    {{ return(adapter.dispatch('parse_amount')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_amount(text) -%}
    try_cast(trim({{ text }}) as decimal(18, 2))
{%- endmacro %}

{# Text to a boolean: true, t, yes, y, 1 and their opposites, without case; else null. #}
{% macro parse_boolean(text) -%}
    case
        when lower(trim({{ text }})) in ('true', 't', 'yes', 'y', '1') then true
        when lower(trim({{ text }})) in ('false', 'f', 'no', 'n', '0') then false
    end
{%- endmacro %}
