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

considered as (

    select * from {{ ref('int_cycle_engagements') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

summed as (

    select
        lead_key,
        cycle_number,
        min(tier_rank) filter (where counts_for_intent) as tier_rank,
        coalesce({{ dbt.bool_or('counts_as_explicit') }}, false) as has_explicit_intent,
        sum(interest_points) filter (where counts_for_score) as interest_points,
        max(occurred_at) filter (
            where counts_for_score and interest_points > 0
        ) as last_interest_at,
        sum(interest_points) filter (where counts_for_qualification)
            as qualification_points,
        max(occurred_at) filter (
            where counts_for_qualification and interest_points > 0
        ) as last_interest_to_qualify_at
    from considered
    group by lead_key, cycle_number

),

triggers as (

    select
        considered.lead_key,
        considered.cycle_number,
        min(considered.intent_tier) as intent_tier,
        min(considered.occurred_at) as triggered_at
    from considered
    inner join summed
        on
            considered.lead_key = summed.lead_key
            and considered.cycle_number = summed.cycle_number
            and considered.tier_rank = summed.tier_rank
    where considered.counts_for_intent
    group by considered.lead_key, considered.cycle_number

),

decayed as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        case
            when cycles.handed_off_at is not null
                then coalesce(triggers.intent_tier, 'standard')
        end as intent_tier,
        coalesce(summed.has_explicit_intent, false) as has_explicit_intent,
        coalesce(summed.interest_points, 0) as interest_points_before_decay,
        floor(
            {{ seconds_between('summed.last_interest_at', 'cycles.scored_at') }}
            / run_policy.decay_period_seconds
        ) * run_policy.decay_points as decay_points,
        case
            when cycles.handed_off_at is not null
                then coalesce(triggers.triggered_at, cycles.handed_off_at)
        end as triggered_at,
        summed.last_interest_at,
        summed.last_interest_to_qualify_at,
        summed.qualification_points
        - floor(
            {{ seconds_between(
                'summed.last_interest_to_qualify_at', 'cycles.marketing_qualified_at'
            ) }}
            / run_policy.decay_period_seconds
        ) * run_policy.decay_points as qualification_points_left
    from cycles
    cross join run_policy
    left join summed
        on
            cycles.lead_key = summed.lead_key
            and cycles.cycle_number = summed.cycle_number
    left join triggers
        on
            cycles.lead_key = triggers.lead_key
            and cycles.cycle_number = triggers.cycle_number

),

final as (

    select
        *,
        case
            when last_interest_at is null then 0
            else greatest(0, interest_points_before_decay - decay_points)
        end as interest_score,
        case
            when last_interest_to_qualify_at is null then 0
            else greatest(0, qualification_points_left)
        end as qualification_interest_score
    from decayed

)

select * from final
