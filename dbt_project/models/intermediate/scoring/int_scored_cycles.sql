-- Cycles under each score that they have: what became of them, and the score's band.
with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

scores as (

    select * from {{ ref('fct_cycle_scores') }}

),

leads as (

    select
        source_system,
        lead_id,
        crm_score
    from {{ ref('dim_leads') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

bands as (

    select
        score_band,
        row_number() over (order by min_score desc nulls last) as band_order
    from {{ ref('score_bands') }}

),

-- As for every rate, only what happened in its own right makes a cohort.
scored as (

    select
        'qualification' as score_kind,
        'at_qualification' as score_basis,
        scores.qualification_score as score,
        scores.qualification_score_band as score_band,
        cycles.marketing_qualified_at as entered_at,
        cycles.accepted_at,
        cycles.sales_qualified_at,
        cycles.won_at
    from cycles
    inner join scores
        on cycles.lead_cycle_id = scores.lead_cycle_id
    where cycles.marketing_qualified_basis = 'explicit'
    union all
    select
        'handoff' as score_kind,
        'at_handoff' as score_basis,
        score,
        score_band,
        handed_off_at as entered_at,
        accepted_at,
        sales_qualified_at,
        won_at
    from cycles
    where handed_off_basis = 'explicit'
    union all
    select
        'crm' as score_kind,
        case
            when scores.is_crm_score_known then 'at_handoff'
            else 'as_of_today'
        end as score_basis,
        case
            when scores.is_crm_score_known then scores.crm_score_at_handoff
            else leads.crm_score
        end as score,
        null as score_band,
        cycles.handed_off_at as entered_at,
        cycles.accepted_at,
        cycles.sales_qualified_at,
        cycles.won_at
    from cycles
    inner join leads
        on
            cycles.source_system = leads.source_system
            and cycles.lead_id = leads.lead_id
    left join scores
        on cycles.lead_cycle_id = scores.lead_cycle_id
    where cycles.handed_off_basis = 'explicit'

),

dated as (

    select
        scored.score_kind,
        scored.score_basis,
        scored.score,
        scored.score_band,
        scored.accepted_at is not null as is_accepted,
        scored.sales_qualified_at is not null as is_qualified,
        scored.won_at is not null as is_won,
        coalesce(
            {{ seconds_between('scored.entered_at', 'scored.won_at') }}
            <= run_policy.conversion_window_seconds, false
        ) as is_won_in_window,
        {{ period_start(
            'quarter', local_date('scored.entered_at', 'run_policy.timezone')
        ) }} as period_start
    from scored
    cross join run_policy
    where scored.score is not null

),

-- The CRM's own score has no bands of ours: quarters of the ranking, best first.
-- Cycles of one score are in one of them, that of the middle of their ranks.
crm_scored as (

    select
        *,
        rank() over (
            partition by score_basis, period_start order by score desc
        ) as first_rank,
        count(*) over (partition by score_basis, period_start, score) as tied_cycles,
        count(*) over (partition by score_basis, period_start) as scored_cycles
    from dated
    where score_kind = 'crm'

),

crm_ranked as (

    select
        *,
        1 + cast(floor(
            4 * (first_rank - 1 + (tied_cycles - 1) / 2.0) / scored_cycles
        ) as integer) as band_order
    from crm_scored

),

final as (

    select
        dated.score_kind,
        dated.score_basis,
        dated.score_band as band,
        bands.band_order,
        dated.score,
        dated.is_accepted,
        dated.is_qualified,
        dated.is_won,
        dated.is_won_in_window,
        dated.period_start
    from dated
    inner join bands
        on dated.score_band = bands.score_band
    where dated.score_kind <> 'crm'
    union all
    select
        score_kind,
        score_basis,
        'quartile ' || cast(band_order as {{ dbt.type_string() }}) as band,
        band_order,
        score,
        is_accepted,
        is_qualified,
        is_won,
        is_won_in_window,
        period_start
    from crm_ranked

)

select * from final
