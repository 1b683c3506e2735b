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

{# A whole number with its thousands apart: 1,270. #}
{% macro grouped_digits(number) -%}
    {{ return(adapter.dispatch('grouped_digits')(number)) }}
{%- endmacro %}

{% macro duckdb__grouped_digits(number) -%}
    format('{:,}', {{ number }})
{%- endmacro %}

{#
    One value per row out of a text that lists them: for a select list. Semicolons, commas, bars and
    line breaks separate them, whatever a CRM writes, or they are a JSON list, as typed files hold
    several; spaces around and empty ones are left.
#}
{% macro split_to_rows(text) -%}
    {{ return(adapter.dispatch('split_to_rows')(text)) }}
{%- endmacro %}

{% macro duckdb__split_to_rows(text) -%}
    unnest({{ listed_values(text) }})
{%- endmacro %}

{# Beside `split_to_rows` in a select list: the place of each value in the text, from 1. #}
{% macro split_places(text) -%}
    {{ return(adapter.dispatch('split_places')(text)) }}
{%- endmacro %}

{% macro duckdb__split_places(text) -%}
    generate_subscripts({{ listed_values(text) }}, 1)
{%- endmacro %}

{% macro listed_values(text) -%}
    {#- translate drops characters without a counterpart: the brackets and quotes of a JSON list. -#}
    string_split(translate({{ text }}, ',|' || chr(10) || chr(13) || '[]"', ';;;;'), ';')
{%- endmacro %}
