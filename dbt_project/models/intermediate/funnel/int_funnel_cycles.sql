{{ config(materialized='view') }}

{%- set milestones = reached_milestones() %}

with cycles as (

    select * from {{ ref('fct_lead_cycles') }}

),

counted_as as (

    select
        {% for milestone in milestones -%}
            max(case when milestone = '{{ milestone }}' then counted_as end)
                as {{ milestone }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from {{ ref('dim_milestones') }}

),

final as (

    select
        cycles.lead_cycle_id,
        cycles.lead_id,
        cycles.source_system,
        cycles.cycle_number,
        cycles.start_kind,
        'all' as all_cycles,
        coalesce(cycles.lead_source, '(none)') as lead_source,
        coalesce(cycles.segment, 'unknown') as segment,
        coalesce(cycles.country, '(none)') as country,
        coalesce(cycles.owner_id, '(none)') as owner_id,
        coalesce(cycles.score_band, '(none)') as score_band,
        cycles.marketing_qualified_basis,
        cycles.handed_off_basis,
        cycles.acceptance_kind,
        cycles.acceptance_status,
        cycles.sales_qualified_basis,
        cycles.opportunity_basis,
        cycles.won_basis,
        cycles.exit_kind,
        cycles.outcome,
        cycles.reason_code,
        coalesce(cycles.intent_tier, '(none)') as intent_tier,
        cycles.sla_status,
        cycles.speed_to_lead_minutes,
        cycles.score,
        cycles.opportunity_amount,
        cycles.won_amount,
        {% for milestone in milestones -%}
            coalesce(
                {{ milestone_is_counted('counted_as.' ~ milestone) }}, false
            ) as is_counted_{{ milestone }},
        {% endfor -%}
        cycles.is_late_rejection,
        cycles.is_recycled,
        cycles.touched_before_handoff,
        cycles.cycle_started_at,
        cycles.cycle_ended_at,
        cycles.marketing_qualified_at,
        cycles.handed_off_at,
        cycles.accepted_at,
        cycles.sales_qualified_at,
        cycles.opportunity_at,
        cycles.won_at,
        cycles.exited_at,
        cycles.recycled_at,
        cycles.requalified_at,
        cycles.first_touch_at,
        cycles.scored_at
    from cycles
    cross join counted_as

)

select * from final
