with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where marketing_qualified_at is not null

),

channels as (

    select * from {{ ref('int_channels') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

dated as (

    select
        cycles.lead_source,
        {{ period_start('month', local_date(
            'cycles.marketing_qualified_at', 'run_policy.timezone'
        )) }} as period_start,
        cycles.won_at is not null as is_won
    from cycles
    cross join run_policy

),

counts as (

    select
        lead_source,
        period_start,
        count(*) as marketing_qualified,
        count(*) filter (where is_won) as won
    from dated
    group by lead_source, period_start

),

shares as (

    select
        *,
        sum(marketing_qualified) over (partition by period_start)
            as all_marketing_qualified,
        {{ rate(
            'marketing_qualified',
            'sum(marketing_qualified) over (partition by period_start)'
        ) }} as share
    from counts

),

final as (

    select
        shares.lead_source,
        coalesce(channels.channel, '(unmapped)') as channel,
        shares.marketing_qualified,
        cast(shares.all_marketing_qualified as {{ dbt.type_bigint() }})
            as all_marketing_qualified,
        shares.won,
        shares.share,
        max(shares.share) over (partition by shares.period_start) as top_source_share,
        sum(shares.share * shares.share) over (
            partition by shares.period_start
            order by shares.lead_source
            rows between unbounded preceding and unbounded following
        ) as concentration,
        row_number() over (
            partition by shares.period_start
            order by shares.marketing_qualified desc, shares.lead_source asc
        ) = 1 as is_top_source,
        shares.period_start
    from shares
    left join channels
        on {{ normalised('shares.lead_source') }} = channels.raw_key

)

select * from final
