with cycles as (

    select
        lead_key,
        cycle_number,
        marketing_qualified_at,
        handed_off_at,
        scored_at
    from {{ ref('int_cycle_outcomes') }}
    where scored_at is not null

),

engagements as (

    select * from {{ ref('fct_engagements') }}
    where lead_key is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- Everything that happened up to the handoff (or the scoring) and may count.
final as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        engagements.engagement_id,
        engagements.kind,
        cycles.handed_off_at,
        cycles.scored_at,
        engagements.tier_rank,
        engagements.intent_tier,
        engagements.is_explicit_intent,
        engagements.interest_points,
        engagements.occurred_at,
        engagements.occurred_at >= {{ add_seconds(
            'cycles.scored_at', '-run_policy.score_lookback_seconds'
        ) }} as counts_for_score,
        engagements.occurred_at <= cycles.marketing_qualified_at
        and engagements.occurred_at >= {{ add_seconds(
            'cycles.marketing_qualified_at', '-run_policy.score_lookback_seconds'
        ) }} as counts_for_qualification,
        engagements.tier_rank is not null
        and engagements.occurred_at >= {{ add_seconds(
            'cycles.handed_off_at', '-run_policy.intent_lookback_seconds'
        ) }} as counts_for_intent,
        engagements.is_explicit_intent
        and engagements.occurred_at >= {{ add_seconds(
            'cycles.handed_off_at', '-run_policy.explicit_intent_lookback_seconds'
        ) }} as counts_as_explicit
    from cycles
    cross join run_policy
    inner join engagements
        on
            cycles.lead_key = engagements.lead_key
            and cycles.scored_at >= engagements.occurred_at

)

select * from final
