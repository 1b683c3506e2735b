-- What the rules about cycles are asked about, and where they are broken.
with cycle_cases as (

    select * from {{ ref('int_cycle_cases') }}

),

cycle_rules as (

    select
        'not_recycled' as rule,
        cycle_cases.source_system,
        cycle_cases.lead_id,
        cycle_cases.cycle_number,
        cycle_cases.outcome as detail,
        cycle_cases.owner_id,
        not cycle_cases.is_recycled
        and cycle_cases.recycle_due_at < cycle_cases.as_of
        and cycle_cases.recycle_after_days is not null as is_broken,
        cycle_cases.exited_at as occurred_at
    from cycle_cases
    where cycle_cases.outcome in ('rejected', 'disqualified')
    union all
    select
        'handoff_without_owner' as rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as {{ dbt.type_string() }}) as detail,
        owner_id,
        owner_id is null and owner_due_at < as_of as is_broken,
        handed_off_at as occurred_at
    from cycle_cases
    where handed_off_at is not null and has_owners
    union all
    select
        'untouched_past_sla' as rule,
        source_system,
        lead_id,
        cycle_number,
        intent_tier as detail,
        owner_id,
        sla_status = 'breached' and first_touch_at is null as is_broken,
        sla_due_at as occurred_at
    from cycle_cases
    where sla_status in ('met', 'breached')
    union all
    select
        'handoff_without_decision' as rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as {{ dbt.type_string() }}) as detail,
        owner_id,
        acceptance_status = 'pending' as is_broken,
        handed_off_at as occurred_at
    from cycle_cases
    where
        acceptance_mode = 'explicit'
        and handed_off_basis <> 'inferred'
        and decision_due_at < as_of
    union all
    select
        'accepted_without_qualification' as rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as {{ dbt.type_string() }}) as detail,
        owner_id,
        sales_qualified_at is null and exited_at is null as is_broken,
        accepted_at as occurred_at
    from cycle_cases
    where acceptance_kind <> 'inferred' and qualification_due_at < as_of
    union all
    select
        'sales_qualified_without_opportunity' as rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as {{ dbt.type_string() }}) as detail,
        owner_id,
        opportunity_at is null
        and exited_at is null
        and sales_qualified_basis <> 'inferred'
        and opportunity_due_at < as_of as is_broken,
        sales_qualified_at as occurred_at
    from cycle_cases
    where sales_qualified_at is not null
    union all
    select
        'handoff_without_explicit_intent' as rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as {{ dbt.type_string() }}) as detail,
        owner_id,
        not has_explicit_intent as is_broken,
        handed_off_at as occurred_at
    from cycle_cases
    where handed_off_at is not null and has_engagements and requires_explicit_intent

),

final as (

    select
        rule,
        source_system,
        lead_id,
        cycle_number,
        cast(null as integer) as visit_number,
        detail,
        owner_id,
        coalesce(is_broken, false) as is_broken,
        occurred_at
    from cycle_rules

)

select * from final
