with conversions as (

    select * from {{ ref('int_pair_conversions') }}
    where is_counted

),

periods as (

    select
        period_pair,
        'previous' as period,
        previous_from as period_from,
        previous_until as period_until,
        window_days
    from {{ ref('int_period_pairs') }}
    union all
    select
        period_pair,
        'current' as period,
        current_from as period_from,
        current_until as period_until,
        window_days
    from {{ ref('int_period_pairs') }}

),

-- Days from the period's end back to the end of the window that a cycle entered in.
entered as (

    select
        periods.*,
        conversions.metric,
        conversions.all_cycles,
        {%- for dimension in funnel_dimensions() %}
            conversions.{{ dimension }},
        {%- endfor %}
        conversions.converted_date,
        periods.window_days * cast(floor(
            {{ dbt.datediff(
                'conversions.entered_date', 'periods.period_until', 'day'
            ) }} / cast(periods.window_days as double)
        ) as integer) as days_after_window
    from conversions
    inner join periods
        on
            conversions.entered_date >= periods.period_from
            and conversions.entered_date <= periods.period_until

),

final as (

    select
        period_pair,
        period,
        metric,
        all_cycles,
        {%- for dimension in funnel_dimensions() %}
            {{ dimension }},
        {%- endfor %}
        count(*) as entered,
        count(*) filter (
            where
            converted_date
            <= {{ dbt.dateadd('day', '-days_after_window', 'period_until') }}
        ) as converted
    from entered
    group by
        period_pair,
        period,
        metric,
        all_cycles
        {%- for dimension in funnel_dimensions() -%}
            , {{ dimension }}
        {%- endfor %}

)

select * from final
