with {{ one_row_per_id(
    ref('int_contract__engagements'),
    ['engagement_id'],
    [
        'usable.load_id desc',
        'usable.row_text desc'
    ]
) }},

records as (

    select * from {{ ref('int_lead_records') }}
    where is_in_marts

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

tiers as (

    select * from {{ ref('sla_policies') }}

),

signals as (

    select
        {{ normalised('signals.signal') }} as kind_key,
        tiers.intent_tier,
        tiers.tier_rank,
        signals.interest_points,
        signals.is_explicit_intent,
        -- A policy from before there was a choice does not say.
        coalesce(signals.counts_as_touch, signals.interest_points > 0)
            as counts_as_touch
    from {{ ref('signals') }} as signals
    left join tiers
        on signals.intent_tier = tiers.intent_tier

),

final as (

    select
        records.lead_key,
        chosen.source_system,
        chosen.engagement_id,
        chosen.kind,
        chosen.channel,
        chosen.campaign,
        signals.intent_tier,
        signals.tier_rank,
        coalesce(signals.interest_points, 0) as interest_points,
        coalesce(signals.is_explicit_intent, false) as is_explicit_intent,
        coalesce(signals.counts_as_touch, false) as counts_as_touch,
        chosen.occurred_at
    from chosen
    cross join run_policy
    left join records
        on
            chosen.source_system = records.source_system
            and chosen.lead_id = records.lead_id
    left join signals
        on {{ normalised('chosen.kind') }} = signals.kind_key
    where chosen.occurred_at <= run_policy.as_of

)

select * from final
