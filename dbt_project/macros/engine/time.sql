{#
    Times: what differs from engine to engine.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# Text to a UTC timestamp: ISO 8601 with any offset, or without one (then it is UTC). #}
{% macro parse_timestamp(text) -%}
    {{ return(adapter.dispatch('parse_timestamp')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_timestamp(text) -%}
    case
        when regexp_matches(trim({{ text }}), '^\d{4}-\d{1,2}-\d{1,2}')
            then
                try_cast(
                    regexp_replace(
                        regexp_replace(
                            upper(trim({{ text }})),
                            '^([^T ]+[T ]\d{1,2}:\d{2})(Z|[+-]|$| )', '\1:00\2'
                        ),
                        ' ([+-]\d)', '\1'
                    ) as timestamptz
                ) at time zone 'UTC'
    end
{%- endmacro %}

{# Text to a date; of a time the UTC date. #}
{% macro parse_date(text) -%}
    cast({{ parse_timestamp(text) }} as date)
{%- endmacro %}

{# Exact elapsed seconds between two timestamps, as a double. #}
{% macro seconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('seconds_between')(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__seconds_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0)
{%- endmacro %}

{# A timestamp so many seconds (may be fractions, may be negative) away. #}
{% macro add_seconds(moment, seconds) -%}
    {{ return(adapter.dispatch('add_seconds')(moment, seconds)) }}
{%- endmacro %}

{% macro duckdb__add_seconds(moment, seconds) -%}
    ({{ moment }} + to_microseconds(cast(round(({{ seconds }}) * 1000000) as bigint)))
{%- endmacro %}

{# The wall-clock time of a zone, as a UTC timestamp. #}
{% macro local_to_utc(local_time, zone) -%}
    {{ return(adapter.dispatch('local_to_utc')(local_time, zone)) }}
{%- endmacro %}

{% macro duckdb__local_to_utc(local_time, zone) -%}
    (timezone({{ zone }}, {{ local_time }}) at time zone 'UTC')
{%- endmacro %}

{# A UTC timestamp, as the wall-clock time of a zone. #}
{% macro utc_to_local(moment, zone) -%}
    {{ return(adapter.dispatch('utc_to_local')(moment, zone)) }}
{%- endmacro %}

{% macro duckdb__utc_to_local(moment, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ moment }}))
{%- endmacro %}

{# One row per day between two dates, both included: column `date_day`. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_between')(first_day, last_day)) }}
{%- endmacro %}

{% macro duckdb__days_between(first_day, last_day) -%}
    select cast(day_series.day_start as date) as date_day
    from generate_series(
        cast(({{ first_day }}) as timestamp),
        cast(({{ last_day }}) as timestamp),
        interval 1 day
    ) as day_series (day_start)
{%- endmacro %}

{# English weekday name of a date, lower case. #}
{% macro weekday_name(date_column) -%}
    {{ return(adapter.dispatch('weekday_name')(date_column)) }}
{%- endmacro %}

{% macro duckdb__weekday_name(date_column) -%}
    lower(dayname({{ date_column }}))
{%- endmacro %}
