{#
    Times: what differs from engine to engine.
    Each macro dispatches: default__ is SQL that every engine knows, an engine adds its own version
    where it needs one, and no model changes.
#}

{# Text to a UTC timestamp: ISO 8601 with any offset, or without one (then it is UTC). #}
{% macro parse_timestamp(text) -%}
    {{ iso_moment("trim(" ~ text ~ ")") }}
{%- endmacro %}

{# A timestamp (UTC) as ISO text, with a fraction only where there is one. #}
{% macro utc_text(moment) -%}
    {{ return(adapter.dispatch('utc_text')(moment)) }}
{%- endmacro %}

{% macro duckdb__utc_text(moment) -%}
    case
        when microsecond({{ moment }}) % 1000000 = 0
            then replace(cast({{ moment }} as varchar), ' ', 'T') || 'Z'
        else strftime({{ moment }}, '%Y-%m-%dT%H:%M:%S.%fZ')
    end
{%- endmacro %}

{#
    A date or a time with its spaces and the name of its month tidied: `Mar 1st, 2026 10:15` is
    1.3.2026 10:15. Names are known in the languages that CRMs export in.
#}
{% macro written_date(text) -%}
    {{ return(adapter.dispatch('written_date')(text)) }}
{%- endmacro %}

{% macro duckdb__written_date(text) -%}
    {%- set months = [
        'jan january januar jänner jän janvier janv enero ene gennaio gen janeiro januari',
        'feb february februar février févr fév febrero febbraio fevereiro fev februari',
        'mar march märz mär mrz mars marzo março maart mrt',
        'apr april avril avr abril abr aprile',
        'may mai mayo maggio mag maio mei',
        'jun june juni juin junio giugno giu junho',
        'jul july juli juillet juil julio luglio lug julho',
        'aug august août agosto ago augustus augusti',
        'sep sept september septembre septiembre settembre set setembro',
        'oct october oktober okt octobre octubre ottobre ott outubro out',
        'nov november novembre noviembre novembro',
        'dec december dezember dez décembre déc diciembre dic dicembre dezembro'
    ] -%}
    {%- set names, numbers = [], [] -%}
    {%- for month in months -%}
        {%- set number = loop.index -%}
        {%- for name in month.split() -%}
            {%- do names.append(name) -%}
            {%- do numbers.append(number) -%}
        {%- endfor -%}
    {%- endfor -%}
    {#- Letters are what is neither space nor mark: \p{L} takes long to compile. -#}
    {%- set letters = '[^\\s\\d.,:;/()+-]' -%}
    {%- set day_first = '^(?:' ~ letters ~ '+\\.?,? )?(\\d{1,2})(?:st|nd|rd|th|º|\\.)?[\\s-]*'
        ~ '(?:de |of )?(' ~ letters ~ '{3,})\\.?,?[\\s-]*(?:de )?(\\d{4}|\\d{2})(\\D.*)?$' -%}
    {%- set month_first = '^(?:' ~ letters ~ '+,? )?(' ~ letters ~ '{3,})\\.?[\\s-]*(\\d{1,2})'
        ~ '(?:st|nd|rd|th)?(?:,[\\s-]*|[\\s-]+)(\\d{4})(\\D.*)?$' -%}
    case
        when not regexp_matches({{ text }}, '[^\d./:T+Z-]') then {{ text }}
        when regexp_matches({{ text }}, '^\d{4}-\d{2}-\d{2}[T ][0-9:.+-]+Z?$') then {{ text }}
        when regexp_matches({{ text }}, '{{ day_first }}')
            then
                regexp_extract({{ text }}, '{{ day_first }}', 1) || '.'
                || {{ numbers }}[list_position(
                    {{ names }}, lower(regexp_extract({{ text }}, '{{ day_first }}', 2))
                )]
                || regexp_replace(regexp_replace(trim({{ text }}), ' ?Uhr$', ''), '{{ day_first }}', '.\3\4')
        when regexp_matches({{ text }}, '{{ month_first }}')
            then
                regexp_extract({{ text }}, '{{ month_first }}', 2) || '.'
                || {{ numbers }}[list_position(
                    {{ names }}, lower(regexp_extract({{ text }}, '{{ month_first }}', 1))
                )]
                || regexp_replace({{ text }}, '{{ month_first }}', '.\3\4')
        else regexp_replace(regexp_replace(trim({{ text }}), ' ?Uhr$', ''), '[\s\p{Z}]+', ' ', 'g')
    end
{%- endmacro %}

{#
    Which part of a date such as 13/02/2026, tidied by `written_date`, comes first: `day` or `month`
    where only one reading makes sense, `same` where both agree, `dots` where dots say that the day
    does, `none` where there is no such date, `either` for one such as 01/02/2026 that the rest of its column has to explain; null for
    any other date.
#}
{% macro day_order_shown(written) -%}
    {{ return(adapter.dispatch('day_order_shown')(written)) }}
{%- endmacro %}

{% macro duckdb__day_order_shown(written) -%}
    {%- set numbers = '^(\\d{1,2})[/.-](\\d{1,2})[/.-](\\d{4}|\\d{2})(\\D|$)' -%}
    {%- set first = "cast(regexp_extract(" ~ written ~ ", '" ~ numbers ~ "', 1) as integer)" -%}
    {%- set second = "cast(regexp_extract(" ~ written ~ ", '" ~ numbers ~ "', 2) as integer)" -%}
    case
        when {{ written }} is null or not regexp_matches({{ written }}, '{{ numbers }}') then null
        when regexp_matches({{ written }}, '^\d{1,2}\.') then 'dots'
        when {{ second }} between 13 and 31 and {{ first }} <= 12 then 'month'
        when {{ first }} between 13 and 31 and {{ second }} <= 12 then 'day'
        when greatest({{ first }}, {{ second }}) > 12 then 'none'
        when {{ first }} = {{ second }} then 'same'
        else 'either'
    end
{%- endmacro %}

{#
    A date or a time, tidied by `written_date`, as ISO text (2026-03-01, 2026-03-01 09:30:00, with an
    offset where one is written); null where it is none, or where its column left open what
    01/02/2026 means. `day_order`: day, month or undecided. Understood: ISO 8601, numbers with the
    day or the month first, AM and PM, Excel's days since 1900, Unix time in seconds and
    milliseconds.
#}
{% macro iso_text(written, day_order) -%}
    {{ return(adapter.dispatch('iso_text')(written, day_order)) }}
{%- endmacro %}

{% macro duckdb__iso_text(written, day_order) -%}
    case
        when regexp_matches({{ written }}, '^\d{4}-\d{1,2}-\d{1,2}') then {{ written }}
        when regexp_matches({{ written }}, '^\d{4}[/.]\d{1,2}[/.]\d{1,2}')
            then regexp_replace({{ written }}, '^(\d{4})[/.](\d{1,2})[/.](\d{1,2})', '\1-\2-\3')
        when regexp_matches({{ written }}, '^(19|20)\d{6}$')
            then regexp_replace({{ written }}, '^(\d{4})(\d{2})(\d{2})', '\1-\2-\3')
        when regexp_matches({{ written }}, '^\d{10}(\d{3})?$')
            then
                strftime(
                    make_timestamp(cast(rpad({{ written }}, 16, '0') as bigint)),
                    '%Y-%m-%dT%H:%M:%S.%fZ'
                )
        when regexp_matches({{ written }}, '^[2-7]\d{4}([.,]\d+)?$')
            then
                regexp_replace(
                    strftime(
                        timestamp '1899-12-30' + to_seconds(
                            round(cast(replace({{ written }}, ',', '.') as double) * 86400)
                        ),
                        '%Y-%m-%d %H:%M:%S'
                    ),
                    case when regexp_matches({{ written }}, '[.,]\d*[1-9]') then '$^' else ' .*' end,
                    ''
                )
        else
            regexp_replace(
                regexp_extract(
                    regexp_replace(
                        {{ written }},
                        '^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(\D.*)?$',
                        case coalesce(nullif({{ day_order_shown(written) }}, 'either'), {{ day_order }})
                            when 'undecided' then null
                            when 'month' then '\3-\1-\2\4'
                            else '\3-\2-\1\4'
                        end
                    ),
                    '^(?:\d{4}|\d{2})-.*$'
                ),
                '^(\d{2}-)', '20\1'
            )
    end
{%- endmacro %}

{#
    The moment of a text as `iso_text` writes it (`moment`: as `iso_moment` reads it), in UTC. A time
    without an offset is one of `time_zone`; a date alone is its midnight in `date_zone`, so it
    stays that date in the reports.
#}
{% macro moment_in_utc(moment, iso, time_zone, date_zone) -%}
    {{ return(adapter.dispatch('moment_in_utc')(moment, iso, time_zone, date_zone)) }}
{%- endmacro %}

{% macro duckdb__moment_in_utc(moment, iso, time_zone, date_zone) -%}
    case
        when {{ time_zone }} = 'UTC' and {{ date_zone }} = 'UTC' then {{ moment }}
        when not contains({{ iso }}, ':') then {{ local_to_utc(moment, date_zone) }}
        when regexp_matches({{ iso }}, '(?i):\d{2}([.]\d+)? ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$')
            then {{ moment }}
        else {{ local_to_utc(moment, time_zone) }}
    end
{%- endmacro %}

{#
    A CRM's time as ISO text; a date alone where it is midnight in UTC to the fraction of a second,
    as CRMs and the tools that land their tables keep dates without a time.
#}
{% macro date_or_time(text) -%}
    {{ return(adapter.dispatch('date_or_time')(text)) }}
{%- endmacro %}

{% macro duckdb__date_or_time(text) -%}
    regexp_replace({{ text }}, '[T ]00:00:00([.]0+)?(Z|[+]00:?00)$', '')
{%- endmacro %}

{# ISO text to the moment that it writes: in UTC with an offset, else as the clock showed it. #}
{% macro iso_moment(iso) -%}
    {{ return(adapter.dispatch('iso_moment')(iso)) }}
{%- endmacro %}

{% macro duckdb__iso_moment(iso) -%}
    {%- set date_and_time = '^(\\d{4}-\\d{1,2}-\\d{1,2})(?:T|,? (?:at )?)(\\d{1,2})[:.](\\d{2})' -%}
    case
        when regexp_matches({{ iso }}, '^\d{4}-\d{1,2}-\d{1,2}([T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?)?$')
            then try_cast({{ iso }} as timestamp)
        when regexp_matches({{ iso }}, '(?i)\d ?[ap]\.? ?m\.?$')
            then
                try_strptime(
                    regexp_replace(
                        regexp_replace({{ iso }}, '{{ date_and_time }}', '\1 \2:\3'),
                        '(?i) ?([ap])\.? ?m\.?$', ' \1M'
                    ),
                    ['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p']
                )
        -- Only what writes an offset: DuckDB takes a zone's name over to later rows.
        when regexp_matches({{ iso }}, '^[^:]+[:.]\d{2}(:\d{2}([.]\d+)?)? ?[+-]\d{2}(:?\d{2})?$')
            then
                try_cast(
                    regexp_replace(
                        regexp_replace({{ iso }}, '{{ date_and_time }}([Z +-]|$)', '\1 \2:\3:00\4'),
                        ' ([+-]\d)', '\1'
                    ) as timestamptz
                ) at time zone 'UTC'
        else
            try_cast(
                regexp_replace(
                    regexp_replace(
                        regexp_replace({{ iso }}, '(?i) ?(Z|UTC|GMT)$', ''),
                        '{{ date_and_time }}$', '\1 \2:\3:00'
                    ),
                    '{{ date_and_time }}', '\1 \2:\3'
                ) as timestamp
            )
    end
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

{#
    A UTC timestamp that is a full hour in some time zone, so a whole quarter of an hour; null for
    any other. A column has few such moments, however many rows it has.
#}
{% macro quarter_hour(moment) -%}
    {{ return(adapter.dispatch('quarter_hour')(moment)) }}
{%- endmacro %}

{% macro duckdb__quarter_hour(moment) -%}
    case when epoch_us({{ moment }}) % 900000000 = 0 then {{ moment }} end
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
