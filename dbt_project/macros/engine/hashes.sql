{#
    Hashes: keys made from text.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# A whole number made from texts: the lead key of the pipeline. #}
{% macro hashed_key(columns) -%}
    {{ return(adapter.dispatch('hashed_key')(columns)) }}
{%- endmacro %}

{% macro duckdb__hashed_key(columns) -%}
    md5_number_lower(concat_ws(chr(31), {{ columns | join(', ') }}))
{%- endmacro %}

{# A keyed hash of a text: the same person gives the same hash, nobody can guess it back. #}
{% macro keyed_hash(text, key) -%}
    {{ return(adapter.dispatch('keyed_hash')(text, key)) }}
{%- endmacro %}

{% macro duckdb__keyed_hash(text, key) -%}
    sha256({{ key }} || chr(31) || {{ text }})
{%- endmacro %}
