-- Handed-off cycles under each score (ours, the one of the CRM) with their band.
with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where handed_off_at is not null

),

leads as (

    select * from {{ ref('dim_leads') }}

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

handed_off as (

    select
        cycles.score_band,
        cycles.score,
        leads.crm_score,
        cycles.accepted_at is not null as is_accepted,
        cycles.sales_qualified_at is not null as is_qualified,
        cycles.won_at is not null as is_won,
        {{ period_start(
            'quarter', local_date('cycles.handed_off_at', 'run_policy.timezone')
        ) }} as period_start
    from cycles
    cross join run_policy
    inner join leads
        on
            cycles.source_system = leads.source_system
            and cycles.lead_id = leads.lead_id

),

-- The CRM's own score has no bands of ours: quarters of the ranking, best first.
-- Cycles of one score are in one of them, that of the middle of their ranks.
crm_scored as (

    select
        *,
        rank() over (partition by period_start order by crm_score desc) as first_rank,
        count(*) over (partition by period_start, crm_score) as tied_cycles,
        count(*) over (partition by period_start) as scored_cycles
    from handed_off
    where crm_score is not null

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
        'handoff' as score_kind,
        handed_off.score_band as band,
        bands.band_order,
        handed_off.score,
        handed_off.is_accepted,
        handed_off.is_qualified,
        handed_off.is_won,
        handed_off.period_start
    from handed_off
    inner join bands
        on handed_off.score_band = bands.score_band
    union all
    select
        'crm' as score_kind,
        'quartile ' || cast(band_order as {{ dbt.type_string() }}) as band,
        band_order,
        crm_score as score,
        is_accepted,
        is_qualified,
        is_won,
        period_start
    from crm_ranked

)

select * from final
