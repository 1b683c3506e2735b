{# Numbers as sentences show them. Each gives null for null. #}

{# A share as percents: 0.128 is 13 %, and below ten with a decimal: 0.076 is 7.6 %. #}
{% macro in_percent(share) -%}
    case
        when abs({{ share }}) < 0.0995
            then cast(cast(100 * {{ share }} as decimal(9, 1)) as {{ dbt.type_string() }})
        else {{ in_digits('round(100 * ' ~ share ~ ')') }}
    end || ' %'
{%- endmacro %}

{# A count: 1,270. #}
{% macro in_digits(count) -%}
    {{ grouped_digits('cast(' ~ count ~ ' as ' ~ dbt.type_bigint() ~ ')') }}
{%- endmacro %}

{# A number with two decimals: 0.49. #}
{% macro in_hundredths(number) -%}
    cast(cast({{ number }} as decimal(18, 2)) as {{ dbt.type_string() }})
{%- endmacro %}

{# A p value: p 0.012, or p below 0.001. #}
{% macro in_p(p_value) -%}
    case
        when {{ p_value }} < 0.001 then 'p below 0.001'
        else 'p ' || cast(cast({{ p_value }} as decimal(4, 3)) as {{ dbt.type_string() }})
    end
{%- endmacro %}

{# A period up to now: in the last 90 days. #}
{% macro in_the_last(days) -%}
    'in the last ' || {{ in_digits(days) }} || ' days'
{%- endmacro %}

{# A period between two dates, the second the day after it: 2026-01-01 to 2026-03-31. #}
{% macro from_to(start_date, next_date) -%}
    cast({{ start_date }} as {{ dbt.type_string() }}) || ' to ' || cast(
        cast({{ dbt.dateadd('day', -1, next_date) }} as date) as {{ dbt.type_string() }}
    )
{%- endmacro %}
