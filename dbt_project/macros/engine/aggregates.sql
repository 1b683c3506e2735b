{#
    Aggregates that engines spell differently.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# The value of an expression in the row with the least order, among rows that fit. #}
{% macro first_by(expression, order_by, condition) -%}
    {{ return(adapter.dispatch('first_by')(expression, order_by, condition)) }}
{%- endmacro %}

{% macro duckdb__first_by(expression, order_by, condition) -%}
    arg_min({{ expression }}, {{ order_by }}) filter (where {{ condition }})
{%- endmacro %}

{# The interpolated quantile (0 to 1) of a numeric expression; nulls are left out. #}
{% macro quantile(expression, share) -%}
    {{ return(adapter.dispatch('quantile')(expression, share)) }}
{%- endmacro %}

{% macro default__quantile(expression, share) -%}
    percentile_cont({{ share }}) within group (order by {{ expression }})
{%- endmacro %}

{% macro duckdb__quantile(expression, share) -%}
    quantile_cont({{ expression }}, {{ share }})
{%- endmacro %}

{# The three least distinct texts of a group, as one text. #}
{% macro few_texts(text) -%}
    {{ return(adapter.dispatch('few_texts')(text)) }}
{%- endmacro %}

{% macro duckdb__few_texts(text) -%}
    array_to_string(min(distinct {{ text }}, 3), ', ')
{%- endmacro %}
