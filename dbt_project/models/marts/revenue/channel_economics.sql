with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

channels as (

    select * from {{ ref('int_channels') }}

),

spend as (

    select * from {{ ref('fct_channel_spend') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

sourced as (

    select
        cycles.*,
        coalesce(
            channels.channel, '(unmapped) ' || cycles.lead_source
        ) as channel,
        run_policy.timezone
    from cycles
    cross join run_policy
    left join channels
        on {{ normalised('cycles.lead_source') }} = channels.raw_key

),

moments as (

    {% for milestone in [
        'marketing_qualified', 'handed_off', 'sales_qualified', 'opportunity', 'won'
    ] -%}
        select
            channel,
            '{{ milestone }}' as milestone,
            opportunity_amount,
            won_amount,
            {{ period_start('month', local_date(milestone ~ '_at', 'timezone')) }}
                as period_start
        from sourced
        where {{ milestone }}_at is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

counts as (

    select
        channel,
        period_start,
        count(*) filter (where milestone = 'marketing_qualified')
            as marketing_qualified,
        count(*) filter (where milestone = 'handed_off') as handed_off,
        count(*) filter (where milestone = 'sales_qualified') as sales_qualified,
        count(*) filter (where milestone = 'won') as won,
        {{ known_amount('opportunity_amount', "milestone = 'opportunity'") }}
            as pipeline_amount,
        {{ known_amount('won_amount', "milestone = 'won'") }} as revenue_amount
    from moments
    group by channel, period_start

),

channelled_spend as (

    select
        coalesce(
            channels.channel, '(unmapped) ' || spend.channel
        ) as channel,
        spend.amount,
        {{ period_start('month', 'spend.spend_date') }} as period_start
    from spend
    left join channels
        on {{ normalised('spend.channel') }} = channels.raw_key

),

spent as (

    select
        channel,
        period_start,
        sum(amount) as spend_amount
    from channelled_spend
    group by channel, period_start

),

final as (

    select
        coalesce(counts.channel, spent.channel) as channel,
        coalesce(counts.marketing_qualified, 0) as marketing_qualified,
        coalesce(counts.handed_off, 0) as handed_off,
        coalesce(counts.sales_qualified, 0) as sales_qualified,
        coalesce(counts.won, 0) as won,
        cast(spent.spend_amount as decimal(18, 2)) as spend_amount,
        cast(
            case when counts.channel is null then 0 else counts.pipeline_amount end
            as decimal(18, 2)
        ) as pipeline_amount,
        cast(
            case when counts.channel is null then 0 else counts.revenue_amount end
            as decimal(18, 2)
        ) as revenue_amount,
        {{ rate('spent.spend_amount', 'counts.marketing_qualified') }}
            as cost_per_marketing_qualified,
        {{ rate('spent.spend_amount', 'counts.handed_off') }} as cost_per_handed_off,
        {{ rate('spent.spend_amount', 'counts.sales_qualified') }}
            as cost_per_sales_qualified,
        {{ rate('spent.spend_amount', 'counts.won') }} as cost_per_won,
        {{ rate('counts.revenue_amount', 'spent.spend_amount') }} as return_on_spend,
        coalesce(counts.period_start, spent.period_start) as period_start
    from counts
    full outer join spent
        on
            counts.channel = spent.channel
            and counts.period_start = spent.period_start

)

select * from final
