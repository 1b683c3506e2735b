with wins as (

    select {{ seconds_between('cycle_started_at', 'won_at') }} as seconds_to_win
    from {{ ref('int_funnel_cycles') }}
    where start_kind = 'new' and won_at is not null and won_basis <> 'inferred'

),

spend as (

    select * from {{ ref('fct_channel_spend') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

measured as (

    select {{ quantile('seconds_to_win', 0.5) }} as median_seconds_to_win
    from wins

),

-- Whole months, since a budget may stand on the first day of each.
recorded as (

    select
        {{ period_start('month', 'min(spend_date)') }} as recorded_from,
        cast(
            {{ dbt.dateadd('month', 1, period_start('month', 'max(spend_date)')) }}
            as date
        ) as recorded_until
    from spend

),

lags as (

    select
        case
            when run_policy.spend_lag_seconds = 0 then 'none'
            when run_policy.spend_lag_medians = 0 then 'none'
            when run_policy.spend_lag_seconds > 0 then 'fixed'
            when measured.median_seconds_to_win is null then 'nothing_won'
            else 'measured'
        end as spend_lag_basis,
        cast(
            round(coalesce(
                run_policy.spend_lag_seconds,
                -- What was won before it was captured took no time.
                run_policy.spend_lag_medians
                * greatest(measured.median_seconds_to_win, 0),
                0
            ) / 86400) as integer
        ) as spend_lag_days,
        {{ local_date('run_policy.as_of', 'run_policy.timezone') }} as last_day
    from run_policy
    cross join measured

),

final as (

    select
        lags.spend_lag_basis,
        lags.spend_lag_days,
        lags.last_day,
        recorded.recorded_from,
        recorded.recorded_until,
        cast(
            {{ dbt.dateadd('day', 'lags.spend_lag_days', 'recorded.recorded_from') }}
            as date
        ) as lagged_from,
        cast(
            {{ dbt.dateadd('day', 'lags.spend_lag_days', 'recorded.recorded_until') }}
            as date
        ) as lagged_until
    from lags
    cross join recorded

)

select * from final
