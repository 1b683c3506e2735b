{%- set groupings = [] -%}
{%- for period in ['week', 'month', 'quarter'] -%}
    {%- for dimension in ['all'] + funnel_dimensions() -%}
        {%- do groupings.append((period, dimension)) -%}
    {%- endfor -%}
{%- endfor -%}
with conversions as (

    select * from {{ ref('int_pair_conversions') }}

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

dated as (

    select
        *,
        {{ period_start('week', 'entered_date') }} as week_start,
        {{ period_start('month', 'entered_date') }} as month_start,
        {{ period_start('quarter', 'entered_date') }} as quarter_start,
        case when is_counted then days_to_convert end as counted_days
    from conversions

),

cohorts as (

    {% for period, dimension in groupings -%}
        select
            '{{ period }}' as period,
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            count(*) filter (where is_counted) as entered,
            count(*) filter (where not is_counted) as entered_implied,
            count(*) filter (where is_counted and is_converted) as converted,
            count(*) filter (where is_counted and is_converted_in_window)
                as converted_in_window,
            count(*) filter (where is_counted and is_open) as still_open,
            {{ quantile('counted_days', 0.5) }} as median_days,
            {{ period }}_start as period_start
        from dated
        group by metric, {{ period }}_start, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        cohorts.period,
        cohorts.dimension,
        cohorts.value,
        cohorts.metric,
        pairs.from_milestone,
        pairs.from_label,
        pairs.to_milestone,
        pairs.to_label,
        pairs.sort_order,
        cohorts.entered,
        cohorts.entered_implied,
        cohorts.converted,
        cohorts.converted_in_window,
        cohorts.still_open,
        {{ rate('cohorts.converted', 'cohorts.entered') }} as rate,
        {{ rate('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window,
        {{ wilson_lower('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window_lower,
        {{ wilson_upper('cohorts.converted_in_window', 'cohorts.entered') }}
            as rate_in_window_upper,
        cohorts.median_days,
        {{ add_seconds(
            local_midnight(
                next_period_start('cohorts.period', 'cohorts.period_start'),
                'run_policy.timezone'
            ),
            'run_policy.conversion_window_seconds'
        ) }} <= run_policy.as_of as is_mature,
        cohorts.period_start
    from cohorts
    inner join pairs
        on cohorts.metric = pairs.metric
    cross join run_policy

)

select * from final
