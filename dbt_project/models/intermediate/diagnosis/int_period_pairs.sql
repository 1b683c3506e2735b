-- Two periods of one length each, the later up to as_of; what each knew at its own end.
with today as (

    select
        window_days,
        {{ local_date('as_of', 'timezone') }} as last_day
    from {{ ref('int_run_policy') }}

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
        last_day as current_until
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
        last_day as current_until
    from today

)

select * from final
