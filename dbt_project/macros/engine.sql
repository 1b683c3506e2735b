{#
    What differs from engine to engine, and only that. Each macro dispatches, so that another
    engine adds its own version here and no model changes.
#}

{# Text to a UTC timestamp: ISO 8601 with any offset, or without one (then it is UTC). #}
{% macro parse_timestamp(text) -%}
    {{ return(adapter.dispatch('parse_timestamp')(text)) }}
{%- endmacro %}

{% macro default__parse_timestamp(text) -%}
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

{# Text to a finite number; null when it is none. #}
{% macro parse_number(text) -%}
    {{ return(adapter.dispatch('parse_number')(text)) }}
{%- endmacro %}

{% macro default__parse_number(text) -%}
    case
        when regexp_matches(trim({{ text }}), '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$')
            then try_cast(trim({{ text }}) as double)
    end
{%- endmacro %}

{# Text to an amount of money; null when it is none. #}
{% macro parse_amount(text) -%}
    {{ return(adapter.dispatch('parse_amount')(text)) }}
{%- endmacro %}

{% macro default__parse_amount(text) -%}
    try_cast(trim({{ text }}) as decimal(18, 2))
{%- endmacro %}

{# Text to a boolean: true, t, yes, y, 1 and their opposites, without case; else null. #}
{% macro parse_boolean(text) -%}
    case
        when lower(trim({{ text }})) in ('true', 't', 'yes', 'y', '1') then true
        when lower(trim({{ text }})) in ('false', 'f', 'no', 'n', '0') then false
    end
{%- endmacro %}

{# Exact elapsed seconds between two timestamps, as a double. #}
{% macro seconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('seconds_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__seconds_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000.0)
{%- endmacro %}

{# A timestamp so many seconds (may be fractions, may be negative) away. #}
{% macro add_seconds(moment, seconds) -%}
    {{ return(adapter.dispatch('add_seconds')(moment, seconds)) }}
{%- endmacro %}

{% macro default__add_seconds(moment, seconds) -%}
    ({{ moment }} + to_microseconds(cast(round(({{ seconds }}) * 1000000) as bigint)))
{%- endmacro %}

{# The wall-clock time of a zone, as a UTC timestamp. #}
{% macro local_to_utc(local_time, zone) -%}
    {{ return(adapter.dispatch('local_to_utc')(local_time, zone)) }}
{%- endmacro %}

{% macro default__local_to_utc(local_time, zone) -%}
    (timezone({{ zone }}, {{ local_time }}) at time zone 'UTC')
{%- endmacro %}

{# A UTC timestamp, as the wall-clock time of a zone. #}
{% macro utc_to_local(moment, zone) -%}
    {{ return(adapter.dispatch('utc_to_local')(moment, zone)) }}
{%- endmacro %}

{% macro default__utc_to_local(moment, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ moment }}))
{%- endmacro %}

{# The value of an expression in the row with the least order, among rows that fit. #}
{% macro first_by(expression, order_by, condition) -%}
    {{ return(adapter.dispatch('first_by')(expression, order_by, condition)) }}
{%- endmacro %}

{% macro default__first_by(expression, order_by, condition) -%}
    arg_min({{ expression }}, {{ order_by }}) filter (where {{ condition }})
{%- endmacro %}

{# A whole number made from texts: the lead key of the pipeline. #}
{% macro hashed_key(columns) -%}
    {{ return(adapter.dispatch('hashed_key')(columns)) }}
{%- endmacro %}

{% macro default__hashed_key(columns) -%}
    md5_number_lower(concat_ws(chr(31), {{ columns | join(', ') }}))
{%- endmacro %}

{# A keyed hash of a text: the same person gives the same hash, nobody can guess it back. #}
{% macro keyed_hash(text, key) -%}
    {{ return(adapter.dispatch('keyed_hash')(text, key)) }}
{%- endmacro %}

{% macro default__keyed_hash(text, key) -%}
    sha256({{ key }} || chr(31) || {{ text }})
{%- endmacro %}

{# One row per day between two dates, both included: column `date_day`. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_between')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%}
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

{% macro default__weekday_name(date_column) -%}
    lower(dayname({{ date_column }}))
{%- endmacro %}

{# A row as a JSON object of its columns. #}
{% macro row_as_json(columns) -%}
    {{ return(adapter.dispatch('row_as_json')(columns)) }}
{%- endmacro %}

{% macro default__row_as_json(columns) -%}
    cast(
        json_object(
            {%- for column in columns %}
                '{{ column }}', {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        ) as varchar
    )
{%- endmacro %}

{# Text with whatever looks like an e-mail address or a phone number masked. #}
{% macro masked(text) -%}
    {{ return(adapter.dispatch('masked')(text)) }}
{%- endmacro %}

{% macro default__masked(text) -%}
    regexp_replace(
        regexp_replace(
            {{ text }}, '[^\s@<>,;:]+@[^\s@<>,;:]+\.[^\s@<>,;:]+', '[e-mail]', 'g'
        ),
        '\+?\(?\d[\d\s().\-/]{6,}\d', '[phone]', 'g'
    )
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
