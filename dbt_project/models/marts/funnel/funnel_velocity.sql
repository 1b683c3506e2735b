with conversions as (

    select
        *,
        {{ period_start('month', 'entered_date') }} as period_start
    from {{ ref('int_pair_conversions') }}
    where is_counted

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

cohorts as (

    {% for dimension in ['all'] + funnel_dimensions() -%}
        select
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            count(*) as entered,
            count(*) filter (where is_converted) as converted,
            count(*) filter (where is_open) as still_open,
            count(*) filter (where not is_converted and not is_open) as exited,
            {{ quantile('days_to_convert', 0.5) }} as median_days,
            {{ quantile('days_to_convert', 0.75) }} as p75_days,
            {{ quantile('days_to_convert', 0.9) }} as p90_days,
            period_start
        from conversions
        group by metric, period_start, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        cohorts.dimension,
        cohorts.value,
        cohorts.metric,
        pairs.from_milestone,
        pairs.from_label,
        pairs.to_milestone,
        pairs.to_label,
        pairs.sort_order,
        cohorts.entered,
        cohorts.converted,
        cohorts.still_open,
        cohorts.exited,
        {{ rate('cohorts.converted', 'cohorts.entered') }} as converted_share,
        {{ rate('cohorts.still_open', 'cohorts.entered') }} as open_share,
        cohorts.median_days,
        cohorts.p75_days,
        cohorts.p90_days,
        cohorts.period_start
    from cohorts
    inner join pairs
        on cohorts.metric = pairs.metric

)

select * from final
