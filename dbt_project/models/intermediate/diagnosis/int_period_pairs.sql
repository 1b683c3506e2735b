-- An earlier and a later period, the later up to the last day that is over. Both are
-- seen in windows of one length, as known at the end of each.
with run_policy as (

    select
        *,
        cast({{ dbt.dateadd('day', -1, local_date('as_of', 'timezone')) }} as date)
            as last_day
    from {{ ref('int_run_policy') }}

),

first_days as (

    select min(entered_date) as first_day
    from {{ ref('int_pair_conversions') }}
    where is_counted

),

-- A young company has fewer whole windows to look back on; none is no history.
today as (

    select
        run_policy.window_days,
        run_policy.change_days,
        run_policy.last_day,
        greatest(
            0,
            least(
                run_policy.change_windows,
                coalesce(
                    cast(floor(
                        ({{ dbt.datediff(
                            'first_days.first_day', 'run_policy.last_day', 'day'
                        ) }} + 1) / cast(run_policy.change_days as double)
                    ) as integer) - 1,
                    run_policy.change_windows
                )
            )
        ) as change_windows
    from run_policy
    cross join first_days

),

quarters as (

    select
        last_day,
        {{ period_start('quarter', 'last_day') }} as quarter_start,
        cast({{ dbt.dateadd(
            'month', -3, period_start('quarter', 'last_day')
        ) }} as date) as previous_quarter_start
    from today

),

final as (

    select
        'quarter' as period_pair,
        previous_quarter_start as previous_from,
        least(
            cast({{ dbt.dateadd(
                'day',
                dbt.datediff('quarter_start', 'last_day', 'day'),
                'previous_quarter_start'
            ) }} as date),
            cast({{ dbt.dateadd('day', -1, 'quarter_start') }} as date)
        ) as previous_until,
        quarter_start as current_from,
        last_day as current_until,
        1 as previous_windows,
        {{ dbt.datediff('quarter_start', 'last_day', 'day') }}
        + 1 as window_days
    from quarters
    union all
    select
        'rolling_window' as period_pair,
        cast({{ dbt.dateadd('day', '1 - 2 * window_days', 'last_day') }} as date)
            as previous_from,
        cast({{ dbt.dateadd('day', '-window_days', 'last_day') }} as date)
            as previous_until,
        cast({{ dbt.dateadd('day', '1 - window_days', 'last_day') }} as date)
            as current_from,
        last_day as current_until,
        1 as previous_windows,
        window_days
    from today
    union all
    select
        'change' as period_pair,
        cast({{ dbt.dateadd(
            'day', '1 - (1 + change_windows) * change_days', 'last_day'
        ) }} as date) as previous_from,
        cast({{ dbt.dateadd('day', '-change_days', 'last_day') }} as date)
            as previous_until,
        cast({{ dbt.dateadd('day', '1 - change_days', 'last_day') }} as date)
            as current_from,
        last_day as current_until,
        change_windows as previous_windows,
        change_days as window_days
    from today

)

select * from final
