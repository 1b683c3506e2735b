{#
    Text: what regular expressions and splitting differ in.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# Text with whatever looks like an e-mail address or a phone number masked. #}
{% macro masked(text) -%}
    {{ return(adapter.dispatch('masked')(text)) }}
{%- endmacro %}

{% macro duckdb__masked(text) -%}
    regexp_replace(
        regexp_replace(
            {{ text }}, '[^\s@<>,;:]+@[^\s@<>,;:]+\.[^\s@<>,;:]+', '[e-mail]', 'g'
        ),
        '\+?\(?\d[\d\s().\-/]{6,}\d', '[phone]', 'g'
    )
{%- endmacro %}

{# One value per row out of a text that separates them with semicolons: for a select list. #}
{% macro split_to_rows(text) -%}
    {{ return(adapter.dispatch('split_to_rows')(text)) }}
{%- endmacro %}

{% macro duckdb__split_to_rows(text) -%}
    unnest(string_split({{ text }}, ';'))
{%- endmacro %}

{# Ids of a JSON list, as typed files hold several (["11","12"]), as CRMs write them: 11;12. #}
{% macro listed_ids(text) -%}
    {{ return(adapter.dispatch('listed_ids')(text)) }}
{%- endmacro %}

{% macro duckdb__listed_ids(text) -%}
    case
        when {{ text }} like '[%]'
            then replace(regexp_replace({{ text }}, '[\[\]"\s]', '', 'g'), ',', ';')
        else {{ text }}
    end
{%- endmacro %}

{# Beside `split_to_rows` in a select list: the place of each value in the text, from 1. #}
{% macro split_places(text) -%}
    {{ return(adapter.dispatch('split_places')(text)) }}
{%- endmacro %}

{% macro duckdb__split_places(text) -%}
    generate_subscripts(string_split({{ text }}, ';'), 1)
{%- endmacro %}
