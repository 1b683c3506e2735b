-- Fails if the last day of funnel_trend does not show the cycles that entered in the
-- window up to it, by named rate, or if the values of a dimension do not add up to the
-- whole.
with conversions as (

    select * from {{ ref('fct_conversions') }}
    where entered = 1

),

build_info as (

    select * from {{ ref('build_info') }}

),

trend as (

    select
        metric,
        dimension,
        day,
        sum(entered_in_window) as entered_in_window,
        sum(converted_in_window) as converted_in_window,
        sum(mature_entered) as mature_entered,
        sum(mature_converted) as mature_converted
    from {{ ref('funnel_trend') }}
    group by metric, dimension, day

),

build as (

    select
        conversion_window_days,
        {{ local_date('as_of', 'timezone') }} as last_day
    from build_info

),

facts as (

    select
        conversions.metric,
        build.last_day as day,
        sum(conversions.entered) as entered,
        sum(conversions.converted) as converted
    from conversions
    cross join build
    where
        conversions.entered_date
        > {{ dbt.dateadd('day', '-build.conversion_window_days', 'build.last_day') }}
    group by conversions.metric, build.last_day

)

select
    facts.metric,
    facts.day,
    facts.entered,
    trend.entered_in_window
from facts
left join trend
    on
        facts.metric = trend.metric
        and facts.day = trend.day
where
    trend.metric is null
    or facts.entered <> trend.entered_in_window
    or facts.converted <> trend.converted_in_window
union all
select
    parts.metric,
    parts.day,
    whole.entered_in_window as entered,
    parts.entered_in_window
from trend as parts
inner join trend as whole
    on
        parts.metric = whole.metric
        and parts.day = whole.day
        and whole.dimension = 'all'
where
    parts.entered_in_window <> whole.entered_in_window
    or parts.converted_in_window <> whole.converted_in_window
    or parts.mature_entered <> whole.mature_entered
    or parts.mature_converted <> whole.mature_converted
    or parts.mature_converted > parts.mature_entered
    or parts.converted_in_window > parts.entered_in_window
