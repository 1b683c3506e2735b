-- Fails if the months of funnel_velocity hold other cycles than those of
-- funnel_conversion, or if the quantiles are out of order.
with velocity as (

    select * from {{ ref('funnel_velocity') }}

),

conversion as (

    select * from {{ ref('funnel_conversion') }}
    where period = 'month' and entered > 0

)

select
    coalesce(velocity.period_start, conversion.period_start) as period_start,
    coalesce(velocity.metric, conversion.metric) as metric,
    coalesce(velocity.value, conversion.value) as value
from velocity
full outer join conversion
    on
        velocity.period_start = conversion.period_start
        and velocity.metric = conversion.metric
        and velocity.dimension = conversion.dimension
        and velocity.value = conversion.value
where
    velocity.metric is null
    or conversion.metric is null
    or velocity.entered <> conversion.entered
    or velocity.converted <> conversion.converted
    or velocity.still_open <> conversion.still_open
    or velocity.converted + velocity.still_open + velocity.exited <> velocity.entered
    or velocity.median_days > velocity.p75_days + 0.000001
    or velocity.p75_days > velocity.p90_days + 0.000001
