-- Fails if any dimension of funnel_conversion does not add up to the cycles of the
-- facts, for any period and rate.
with cycles as (

    select * from {{ ref('fct_lead_cycles') }}

),

conversion_pairs as (

    select * from {{ ref('conversion_pairs') }}

),

build_info as (

    select * from {{ ref('build_info') }}

),

milestones as (

    select * from {{ ref('dim_milestones') }}

),

pairs as (

    select
        conversion_pairs.metric,
        conversion_pairs.from_milestone,
        conversion_pairs.to_milestone,
        milestones.counted_as as counted_milestone
    from conversion_pairs
    inner join build_info
        on conversion_pairs.tradition = build_info.tradition
    inner join milestones
        on conversion_pairs.from_milestone = milestones.milestone

),

reached as (

    select
        pairs.metric,
        {{ milestone_is_counted('pairs.counted_milestone') }} as is_counted,
        {{ milestone_reached_at('pairs.to_milestone') }} is not null as is_converted
    from cycles
    cross join pairs
    where {{ milestone_reached_at('pairs.from_milestone') }} is not null

),

facts as (

    select
        metric,
        count(*) filter (where is_counted) as entered,
        count(*) filter (where not is_counted) as entered_implied,
        count(*) filter (where is_counted and is_converted) as converted
    from reached
    group by metric

),

mart as (

    select
        metric,
        period,
        dimension,
        sum(entered) as entered,
        sum(entered_implied) as entered_implied,
        sum(converted) as converted
    from {{ ref('funnel_conversion') }}
    group by metric, period, dimension

)

select
    facts.metric,
    mart.period,
    mart.dimension,
    facts.entered,
    mart.entered as mart_entered
from facts
left join mart
    on facts.metric = mart.metric
where
    mart.metric is null
    or facts.entered <> mart.entered
    or facts.entered_implied <> mart.entered_implied
    or facts.converted <> mart.converted
