-- What the rules about visits are asked about, and where they are broken.
with leads as (

    select * from {{ ref('int_leads') }}

),

visit_cases as (

    select
        *,
        coalesce(from_stage || ' > ', '') || stage as stage_move
    from {{ ref('fct_lead_stages') }}

),

transition_rules as (

    select
        rules.rule,
        visit_cases.source_system,
        visit_cases.lead_id,
        visit_cases.cycle_number,
        visit_cases.visit_number,
        visit_cases.stage_move as detail,
        visit_cases.owner_id,
        case rules.rule
            when 'backward_transition' then visit_cases.transition_kind = 'backward'
            when 'skipped_stage' then visit_cases.transition_kind = 'skip'
            else visit_cases.transition_kind not in ('backward', 'skip')
        end
        and not visit_cases.is_valid_transition as is_broken,
        visit_cases.entered_at as occurred_at
    from visit_cases
    cross join (
        values
        ('backward_transition'),
        ('skipped_stage'),
        ('invalid_transition')
    ) as rules (rule)

),

creation_rules as (

    select
        'stage_before_creation' as rule,
        leads.source_system,
        leads.lead_id,
        visits.cycle_number,
        visits.visit_number,
        visits.stage as detail,
        visits.owner_id,
        visits.is_before_creation as is_broken,
        visits.entered_at as occurred_at
    from {{ ref('int_stage_visits') }} as visits
    inner join leads
        on visits.lead_key = leads.lead_key

),

reason_rules as (

    select
        case visit_cases.exit_kind
            when 'rejected' then 'rejection_reason_missing'
            when 'disqualified' then 'disqualification_reason_missing'
            when 'lost' then 'loss_reason_missing'
            else 'recycle_reason_missing'
        end as rule,
        visit_cases.source_system,
        visit_cases.lead_id,
        visit_cases.cycle_number,
        visit_cases.visit_number,
        visit_cases.stage as detail,
        visit_cases.owner_id,
        visit_cases.reason_raw is null as is_broken,
        visit_cases.entered_at as occurred_at
    from visit_cases
    inner join {{ ref('int_source_coverage') }} as coverage
        on visit_cases.source_system = coverage.source_system
    where
        visit_cases.reason_required
        and visit_cases.exit_kind is not null
        -- Asked only where a source gives reasons at all.
        and case
            when visit_cases.history_quality = 'opportunity'
                then coverage.has_loss_reasons
            else coverage.has_stage_reasons
        end
    union all
    select
        'unknown_reason' as rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        reason_raw as detail,
        owner_id,
        reason_code = 'unknown' as is_broken,
        entered_at as occurred_at
    from visit_cases
    where reason_raw is not null

),

final as (

    select
        rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        detail,
        owner_id,
        coalesce(is_broken, false) as is_broken,
        occurred_at
    from transition_rules
    union all
    select
        rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        detail,
        owner_id,
        is_broken,
        occurred_at
    from creation_rules
    union all
    select
        rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        detail,
        owner_id,
        is_broken,
        occurred_at
    from reason_rules

)

select * from final
