with cycles as (

    select
        lead_key,
        cycle_number,
        scored_at
    from {{ ref('int_cycle_outcomes') }}
    where scored_at is not null

),

fit as (

    select * from {{ ref('int_lead_fit') }}

),

intent as (

    select * from {{ ref('int_cycle_intent') }}

),

bands as (

    select
        score_band,
        min_score as from_score,
        lag(min_score) over (order by min_score desc nulls last) as below_score
    from {{ ref('score_bands') }}

),

scored as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        coalesce(fit.fit_score, 0) as fit_score,
        intent.interest_score,
        coalesce(fit.fit_score, 0) + intent.interest_score as score,
        coalesce(fit.fit_score, 0) + intent.qualification_interest_score
            as qualification_score,
        cycles.scored_at
    from cycles
    inner join intent
        on
            cycles.lead_key = intent.lead_key
            and cycles.cycle_number = intent.cycle_number
    left join fit
        on cycles.lead_key = fit.lead_key

),

final as (

    select
        scored.lead_key,
        scored.cycle_number,
        bands.score_band,
        scored.fit_score,
        scored.interest_score,
        scored.score,
        scored.qualification_score,
        qualification_bands.score_band as qualification_score_band,
        scored.scored_at
    from scored
    left join bands
        on
            (bands.from_score is null or scored.score >= bands.from_score)
            and (bands.below_score is null or scored.score < bands.below_score)
    left join bands as qualification_bands
        on
            (
                qualification_bands.from_score is null
                or scored.qualification_score >= qualification_bands.from_score
            )
            and (
                qualification_bands.below_score is null
                or scored.qualification_score < qualification_bands.below_score
            )

)

select * from final
