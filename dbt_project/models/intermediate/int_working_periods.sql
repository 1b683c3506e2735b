with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

working_hours as (

    select * from {{ ref('working_hours') }}

),

holidays as (

    select * from {{ ref('holidays') }}

),

handoffs as (

    select
        min(handed_off_at) as first_handoff_at,
        max(handed_off_at) as last_handoff_at,
        cast('1970-01-01' as date) as earliest_day
    from {{ ref('int_cycle_outcomes') }}

),

-- A year past the last handoff is more than any target needs. Before 1970 are
-- placeholders such as 0001-01-01; a day for each of their years would take minutes.
days as (

    {{ days_between(
        "(select greatest(cast(first_handoff_at as date) - 2, earliest_day) from handoffs)",
        "(select cast(last_handoff_at as date) + 366 from handoffs)"
    ) }}

),

open_days as (

    select
        days.date_day,
        {{ local_to_utc(
            'days.date_day + cast(working_hours.opens_at as time)', 'run_policy.timezone'
        ) }} as opens_at,
        {{ local_to_utc(
            'days.date_day + cast(working_hours.closes_at as time)',
            'run_policy.timezone'
        ) }} as closes_at
    from days
    cross join run_policy
    inner join working_hours
        on {{ weekday_name('days.date_day') }} = lower(trim(working_hours.weekday))
    left join holidays
        on days.date_day = holidays.holiday_date
    where holidays.holiday_date is null

),

measured as (

    select
        *,
        {{ seconds_between('opens_at', 'closes_at') }} as open_seconds
    from open_days

),

final as (

    select
        date_day,
        open_seconds,
        sum(open_seconds) over (
            order by opens_at
            rows between unbounded preceding and current row
        ) - open_seconds as open_seconds_before,
        opens_at,
        closes_at,
        lag(closes_at) over (order by opens_at) as previous_closes_at
    from measured

)

select * from final
