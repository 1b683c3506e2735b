with cycles as (

    select * from {{ ref('int_cycle_outcomes') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

owners as (

    select * from {{ ref('int_cycle_owners') }}

),

intent as (

    select * from {{ ref('int_cycle_intent') }}

),

service_levels as (

    select * from {{ ref('int_service_levels') }}

),

scores as (

    select * from {{ ref('int_cycle_scores') }}

),

amounts as (

    select * from {{ ref('int_cycle_amounts') }}

),

final as (

    select
        {{ surrogate_key([
            'leads.source_system', 'leads.lead_id', 'cycles.cycle_number'
        ]) }} as lead_cycle_id,
        leads.lead_id,
        leads.source_system,
        cycles.cycle_number,
        cycles.start_kind,
        cycles.cycle_started_at,
        cycles.cycle_ended_at,
        cycles.marketing_qualified_at,
        cycles.marketing_qualified_basis,
        cycles.handed_off_at,
        cycles.handed_off_basis,
        cycles.acceptance_due_at,
        cycles.accepted_at,
        cycles.acceptance_kind,
        cycles.acceptance_status,
        cycles.sales_qualified_at,
        cycles.sales_qualified_basis,
        cycles.opportunity_at,
        cycles.opportunity_basis,
        cycles.won_at,
        cycles.won_basis,
        cycles.exited_at,
        cycles.exit_stage,
        cycles.exit_kind,
        cycles.outcome,
        cycles.reason_code,
        cycles.is_late_rejection,
        cycles.recycled_at,
        cycles.requalified_at,
        cycles.is_recycled,
        owners.owner_id,
        intent.intent_tier,
        intent.triggered_at as intent_trigger_at,
        service_levels.first_touch_at,
        service_levels.request_to_touch_minutes,
        service_levels.touched_before_handoff,
        service_levels.speed_to_lead_minutes,
        service_levels.sla_due_at,
        service_levels.sla_status,
        cycles.scored_at,
        scores.fit_score,
        scores.interest_score,
        scores.score,
        scores.score_band,
        leads.lead_source,
        leads.segment,
        leads.country,
        cast(
            case
                when amounts.lead_key is null then 0 else amounts.opportunity_amount
            end as decimal(18, 2)
        ) as opportunity_amount,
        cast(
            case when amounts.lead_key is null then 0 else amounts.won_amount end
            as decimal(18, 2)
        ) as won_amount,
        {% for milestone in reached_milestones() -%}
            case when cycles.{{ milestone }}_at is null then 0 else 1 end
                as reached_{{ milestone }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from cycles
    inner join leads
        on cycles.lead_key = leads.lead_key
    left join owners
        on
            cycles.lead_key = owners.lead_key
            and cycles.cycle_number = owners.cycle_number
    left join intent
        on
            cycles.lead_key = intent.lead_key
            and cycles.cycle_number = intent.cycle_number
    left join service_levels
        on
            cycles.lead_key = service_levels.lead_key
            and cycles.cycle_number = service_levels.cycle_number
    left join scores
        on
            cycles.lead_key = scores.lead_key
            and cycles.cycle_number = scores.cycle_number
    left join amounts
        on
            cycles.lead_key = amounts.lead_key
            and cycles.cycle_number = amounts.cycle_number

)

select * from final
