{{ config(materialized='view') }}

with cycles as (

    select * from {{ ref('fct_lead_cycles') }}

),

final as (

    select
        lead_cycle_id,
        lead_id,
        source_system,
        cycle_number,
        start_kind,
        'all' as all_cycles,
        coalesce(lead_source, '(none)') as lead_source,
        coalesce(segment, 'unknown') as segment,
        coalesce(country, '(none)') as country,
        coalesce(owner_id, '(none)') as owner_id,
        coalesce(score_band, '(none)') as score_band,
        marketing_qualified_basis,
        handed_off_basis,
        acceptance_kind,
        acceptance_status,
        sales_qualified_basis,
        opportunity_basis,
        won_basis,
        exit_kind,
        outcome,
        reason_code,
        coalesce(intent_tier, '(none)') as intent_tier,
        sla_status,
        speed_to_lead_minutes,
        score,
        opportunity_amount,
        won_amount,
        is_late_rejection,
        is_recycled,
        touched_before_handoff,
        cycle_started_at,
        cycle_ended_at,
        marketing_qualified_at,
        handed_off_at,
        accepted_at,
        sales_qualified_at,
        opportunity_at,
        won_at,
        exited_at,
        recycled_at,
        requalified_at,
        first_touch_at,
        scored_at
    from cycles

)

select * from final
