{# An upper-case code as people read it: ORGANIC_SEARCH becomes Organic Search. Other texts stay. #}
{% macro hubspot_words(text) -%}
    {{ return(adapter.dispatch('hubspot_words')(text)) }}
{%- endmacro %}

{% macro duckdb__hubspot_words(text) -%}
    case
        when regexp_matches({{ text }}, '^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$')
            then
                array_to_string(
                    list_transform(
                        string_split(lower({{ text }}), '_'),
                        lambda word: upper(word[1]) || word[2:]
                    ),
                    ' '
                )
        else {{ text }}
    end
{%- endmacro %}

{# The contact property that fills a contract column of a lead. #}
{% macro hubspot_column(column) -%}
    {{ json_text('contacts.properties', 'lead_columns.' ~ column) }}
{%- endmacro %}

{# The name by which the stage maps know a property: those of the leads object with its name. #}
{% macro hubspot_property_key(object_type, property) -%}
    case
        when {{ object_type }} = 'contacts' then lower({{ property }})
        else {{ object_type }} || '.' || lower({{ property }})
    end
{%- endmacro %}
