with conversions as (

    select
        *,
        'all' as all_cycles
    from {{ ref('fct_conversions') }}
    where entered = 1

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

owners as (

    select * from {{ ref('int_owner_capacity') }}

),

cohorts as (

    {% for dimension in ['all'] + funnel_dimensions() -%}
        select
            metric,
            '{{ dimension }}' as dimension,
            {{ dimension_column(dimension) }} as value,
            count(*) as entered,
            count(*) filter (where converted = 1) as converted,
            count(*) filter (where still_open = 1) as still_open,
            count(*) filter (where converted + still_open = 0) as exited,
            {{ quantile('days_to_convert', 0.5) }} as median_days,
            {{ quantile('days_to_convert', 0.75) }} as p75_days,
            {{ quantile('days_to_convert', 0.9) }} as p90_days,
            entered_month as period_start
        from conversions
        group by metric, entered_month, {{ dimension_column(dimension) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select
        cohorts.dimension,
        cohorts.value,
        coalesce(owners.owner_name, cohorts.value) as value_label,
        cohorts.metric,
        pairs.metric_label,
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
    left join owners
        on
            cohorts.value = owners.owner_id
            and cohorts.dimension = 'owner_id'

)

select * from final
