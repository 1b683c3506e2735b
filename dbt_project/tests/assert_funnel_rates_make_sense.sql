-- Fails if a rate lies outside 0 to 1 or outside its interval, if more converted than
-- entered, or if a later milestone was reached by more of a cohort than an earlier one.
with cohorts as (

    select * from {{ ref('funnel_conversion') }}

),

ranked as (

    select
        cohorts.*,
        lag(cohorts.converted) over (
            partition by
                cohorts.period,
                cohorts.period_start,
                cohorts.dimension,
                cohorts.value,
                cohorts.from_milestone
            order by dim_milestones.milestone_rank
        ) as converted_earlier
    from cohorts
    inner join {{ ref('dim_milestones') }} as dim_milestones
        on cohorts.to_milestone = dim_milestones.milestone

)

select
    period,
    period_start,
    dimension,
    value,
    metric
from ranked
where
    converted_in_window > converted
    or converted + still_open > entered
    or converted > converted_earlier
    or rate_in_window not between rate_in_window_lower and rate_in_window_upper
    or rate_in_window_lower < 0
    or rate_in_window_upper > 1
