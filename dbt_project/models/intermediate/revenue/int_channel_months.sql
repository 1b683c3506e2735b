{%- set milestones = reached_milestones() -%}
with source_months as (

    select * from {{ ref('int_source_months') }}

),

channels as (

    select * from {{ ref('int_channels') }}

),

spend as (

    select * from {{ ref('int_channel_spend') }}

),

counted as (

    select
        coalesce(
            channels.channel,
            '(unmapped) ' || nullif(source_months.lead_source, '(none)'),
            '(none)'
        ) as channel,
        source_months.milestone,
        source_months.start_kind,
        source_months.has_spend,
        source_months.cycles,
        source_months.opportunity_amount,
        source_months.won_amount,
        null as spend_amount,
        null as lagged_spend_amount,
        source_months.period_start
    from source_months
    left join channels
        on {{ normalised('source_months.lead_source') }} = channels.raw_key
    union all
    select
        channel,
        null as milestone,
        null as start_kind,
        false as has_spend,
        0 as cycles,
        null as opportunity_amount,
        null as won_amount,
        spend_amount,
        lagged_spend_amount,
        period_start
    from spend

),

final as (

    select
        channel,
        {% for milestone in milestones -%}
            coalesce(sum(cycles) filter (where milestone = '{{ milestone }}'), 0)
                as {{ milestone }},
            coalesce(sum(cycles) filter (
                where milestone = '{{ milestone }}' and has_spend
            ), 0) as {{ milestone }}_with_spend,
        {% endfor -%}
        {% for start_kind in start_kinds() -%}
            coalesce(sum(cycles) filter (
                where milestone = 'won' and start_kind = '{{ start_kind }}'
            ), 0) as won_{{ start_kind }},
        {% endfor -%}
        coalesce(sum(cycles) filter (
            where milestone = 'won' and has_spend and start_kind = 'new'
        ), 0) as won_new_with_spend,
        -- Null where no amount is known, and where there is nothing to have one.
        sum(opportunity_amount) filter (where milestone = 'opportunity')
            as pipeline_amount,
        sum(won_amount) filter (where milestone = 'won') as revenue_amount,
        sum(won_amount) filter (where milestone = 'won' and start_kind = 'new')
            as revenue_new_amount,
        sum(won_amount) filter (where milestone = 'won' and has_spend)
            as revenue_with_spend_amount,
        sum(spend_amount) as spend_amount,
        sum(lagged_spend_amount) as lagged_spend_amount,
        period_start
    from counted
    group by channel, period_start

)

select * from final
