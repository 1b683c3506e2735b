with spend as (

    select * from {{ ref('fct_channel_spend') }}

),

channels as (

    select * from {{ ref('int_channels') }}

),

lag_of_spend as (

    select * from {{ ref('int_spend_lag') }}

),

dated as (

    select
        coalesce(channels.channel, '(unmapped) ' || spend.channel) as channel,
        spend.amount,
        spend.spend_date,
        cast(
            {{ dbt.dateadd('day', 'lag_of_spend.spend_lag_days', 'spend.spend_date') }}
            as date
        ) as lagged_date,
        lag_of_spend.last_day
    from spend
    cross join lag_of_spend
    left join channels
        on {{ normalised('spend.channel') }} = channels.raw_key

),

-- Each amount twice: in the month it was spent, and in the month it counts for wins.
months as (

    select
        channel,
        amount as spend_amount,
        null as lagged_spend_amount,
        {{ period_start('month', 'spend_date') }} as period_start
    from dated
    union all
    select
        channel,
        null as spend_amount,
        amount as lagged_spend_amount,
        {{ period_start('month', 'lagged_date') }} as period_start
    from dated
    where lagged_date <= last_day

),

final as (

    select
        channel,
        sum(spend_amount) as spend_amount,
        sum(lagged_spend_amount) as lagged_spend_amount,
        period_start
    from months
    group by channel, period_start

)

select * from final
