with cycles as (

    select * from {{ ref('fct_lead_cycles') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

intent as (

    select * from {{ ref('int_cycle_intent') }}

),

reason_codes as (

    select * from {{ ref('reason_codes') }}

),

coverage as (

    select * from {{ ref('int_source_coverage') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- A missing or unknown reason counts as other.
reasoned as (

    select
        cycles.*,
        coalesce(reason_codes.reason_code, 'other') as looked_up_reason
    from cycles
    left join reason_codes
        on cycles.reason_code = reason_codes.reason_code

),

final as (

    select
        reasoned.source_system,
        reasoned.lead_id,
        reasoned.cycle_number,
        reasoned.owner_id,
        reasoned.outcome,
        reasoned.intent_tier,
        reasoned.sla_status,
        reason_codes.recycle_after_days,
        coverage.has_owners,
        coverage.has_engagements,
        coalesce(intent.has_explicit_intent, false) as has_explicit_intent,
        run_policy.requires_explicit_intent,
        reasoned.is_recycled,
        reasoned.recycled_at,
        reasoned.requalified_at,
        reasoned.handed_off_at,
        reasoned.handed_off_basis,
        reasoned.acceptance_status,
        reasoned.acceptance_kind,
        run_policy.acceptance_mode,
        reasoned.first_touch_at,
        reasoned.sla_due_at,
        reasoned.accepted_at,
        reasoned.sales_qualified_at,
        reasoned.sales_qualified_basis,
        reasoned.opportunity_at,
        reasoned.exited_at,
        {{ add_seconds('reasoned.exited_at', 'run_policy.recycle_grace_seconds') }}
            as recycle_due_at,
        {{ add_seconds('reasoned.handed_off_at', 'run_policy.owner_grace_seconds') }}
            as owner_due_at,
        {{ add_seconds('reasoned.handed_off_at', 'run_policy.decision_grace_seconds') }}
            as decision_due_at,
        {{ add_seconds(
            'reasoned.accepted_at', 'run_policy.qualification_grace_seconds'
        ) }} as qualification_due_at,
        {{ add_seconds(
            'reasoned.sales_qualified_at', 'run_policy.opportunity_grace_seconds'
        ) }} as opportunity_due_at,
        run_policy.as_of
    from reasoned
    cross join run_policy
    inner join leads
        on
            reasoned.source_system = leads.source_system
            and reasoned.lead_id = leads.lead_id
    inner join coverage
        on reasoned.source_system = coverage.source_system
    left join intent
        on
            leads.lead_key = intent.lead_key
            and reasoned.cycle_number = intent.cycle_number
    left join reason_codes
        on reasoned.looked_up_reason = reason_codes.reason_code

)

select * from final
