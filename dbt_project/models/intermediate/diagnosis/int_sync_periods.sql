-- A meeting is on the first day of a period and looks at the one that just ended.
with run_policy as (

    select
        *,
        {{ local_date('as_of', 'timezone') }} as last_day,
        -- The period before the running one is needed however short the history is.
        greatest(sync_history_days, 2 * sync_period_days) as days_back
    from {{ ref('int_run_policy') }}

),

bounds as (

    select
        last_day,
        cast({{ dbt.dateadd('day', '-days_back', 'last_day') }} as date) as first_day
    from run_policy

),

days as (

    {{ days_between(
        '(select first_day from bounds)', '(select last_day from bounds)'
    ) }}

),

periods as (

    select
        run_policy.as_of,
        run_policy.timezone,
        run_policy.last_day,
        run_policy.window_days,
        run_policy.change_days,
        run_policy.sync_period_days as period_days,
        days.date_day as period_start,
        cast({{ dbt.dateadd(
            'day', 'run_policy.sync_period_days', 'days.date_day'
        ) }} as date) as next_start
    from days
    cross join run_policy
    where days.date_day = {{ sync_period_start('days.date_day') }}

),

known as (

    select
        *,
        next_start > last_day as is_running,
        cast({{ dbt.dateadd('day', -1, 'next_start') }} as date) as period_end,
        least(
            last_day, cast({{ dbt.dateadd('day', -1, 'next_start') }} as date)
        ) as known_day,
        case
            when next_start > last_day then as_of
            else {{ local_midnight('next_start', 'timezone') }}
        end as known_at
    from periods

),

final as (

    select
        cast(
            row_number() over (order by period_start) as {{ dbt.type_bigint() }}
        ) as period_number,
        period_days,
        {{ seconds_between(
            local_midnight('period_start', 'timezone'), 'known_at'
        ) }} / 86400 as observed_days,
        is_running,
        known_at,
        cast({{ dbt.dateadd('day', '-2 * window_days', 'known_day') }} as date)
            as mature_from,
        cast({{ dbt.dateadd('day', '-1 - window_days', 'known_day') }} as date)
            as mature_until,
        cast({{ dbt.dateadd('day', '1 - change_days', 'known_day') }} as date)
            as recent_from,
        known_day,
        period_start,
        period_end
    from known

)

select * from final
