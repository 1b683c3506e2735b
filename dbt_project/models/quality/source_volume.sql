-- The rows of each table in its last whole day, week and four weeks, and what is usual.
with source_days as (

    select
        *,
        {{ dbt.datediff(
            'source_date', 'as_of_date', 'day'
        ) }} - 1 as days_ago
    from {{ ref('source_days') }}

),

days_of_spans as (

    {% for days, earlier in var('rhythm')['spans'].items() -%}
        {%- set step = [days, 7] | max -%}
        select
            source_system,
            table_name,
            {{ days }} as span_days,
            {{ dbt.dateadd('day', -1, 'as_of_date') }} as last_date,
            cast((days_ago - days_ago % {{ step }}) / {{ step }} as integer)
                as spans_ago,
            row_count
        from source_days
        where
            days_ago between 0 and {{ (earlier + 1) * step - 1 }}
            and days_ago % {{ step }} < {{ days }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

spans as (

    select
        source_system,
        table_name,
        span_days,
        cast(last_date as date) as last_day,
        spans_ago,
        sum(row_count) as span_rows
    from days_of_spans
    group by source_system, table_name, span_days, last_date, spans_ago

),

final as (

    select
        source_system,
        table_name,
        span_days,
        last_day,
        coalesce(max(case when spans_ago = 0 then span_rows end), 0) as span_rows,
        {{ quantile('case when spans_ago >= 1 then span_rows end', 0.5) }}
            as usual_rows,
        max(spans_ago) as spans_before,
        -- A table that was silent in the span before, too, is for freshness to report.
        max(case when spans_ago = 1 then 1 else 0 end) = 1 as was_alive
    from spans
    group by source_system, table_name, span_days, last_day

)

select * from final
