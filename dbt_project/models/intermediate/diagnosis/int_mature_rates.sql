{{ config(materialized='view') }}

-- Named rates of the last mature cohorts, of the whole and by segment.
with run_policy as (

    select
        *,
        {{ local_date('as_of', 'timezone') }} as last_day
    from {{ ref('int_run_policy') }}

),

mature_conversions as (

    select
        conversions.metric,
        conversions.segment,
        conversions.is_converted_in_window
    from {{ ref('int_pair_conversions') }} as conversions
    cross join run_policy
    where
        conversions.is_counted
        and conversions.entered_date
        >= cast({{ dbt.dateadd(
            'day', '-2 * run_policy.window_days', 'run_policy.last_day'
        ) }} as date)
        and conversions.entered_date
        <= cast({{ dbt.dateadd(
            'day', '-1 - run_policy.window_days', 'run_policy.last_day'
        ) }} as date)

),

final as (

    select
        metric,
        segment,
        count(*) as sample_size,
        count(*) filter (where is_converted_in_window) as numerator
    from mature_conversions
    group by metric, segment
    union all
    select
        metric,
        'all' as segment,
        count(*) as sample_size,
        count(*) filter (where is_converted_in_window) as numerator
    from mature_conversions
    group by metric

)

select * from final
