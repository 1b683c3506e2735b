-- What each rule of the lifecycle is asked about, and where it is broken.
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
            else
                not visit_cases.is_valid_transition
                and visit_cases.transition_kind not in ('backward', 'skip')
        end as is_broken,
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
        case exit_kind
            when 'rejected' then 'rejection_reason_missing'
            when 'disqualified' then 'disqualification_reason_missing'
            when 'lost' then 'loss_reason_missing'
            else 'recycle_reason_missing'
        end as rule,
        source_system,
        lead_id,
        cycle_number,
        visit_number,
        stage as detail,
        owner_id,
        reason_raw is null as is_broken,
        entered_at as occurred_at
    from visit_cases
    where reason_required and exit_kind is not null
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

cycle_cases as (

    select * from {{ ref('int_cycle_cases') }}

),

cycle_rules as (

    select
        'not_recycled' as rule,
        cycle_cases.source_system,
        cycle_cases.lead_id,
        cycle_cases.cycle_number,
        cycle_cases.exit_stage as detail,
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
        owner_id is null as is_broken,
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
    where handed_off_at is not null and has_activities
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
        intent_tier as detail,
        owner_id,
        not has_explicit_intent as is_broken,
        handed_off_at as occurred_at
    from cycle_cases
    where handed_off_at is not null and has_engagements and requires_explicit_intent

),

last_observed as (

    select
        lead_key,
        max(event_number) as event_number
    from {{ ref('int_stage_events') }}
    where history_quality = 'observed'
    group by lead_key

),

current_stage_rules as (

    select
        'current_stage_differs' as rule,
        leads.source_system,
        leads.lead_id,
        coalesce(leads.known_current_stage, leads.known_current_stage_raw) as detail,
        leads.owner_id,
        -- A current stage that is not mapped differs from any.
        last_observed.lead_key is not null
        and coalesce(leads.known_current_stage, '') <> observed_events.stage
        and coalesce(leads.known_current_stage, '') <> last_visits.stage as is_broken,
        leads.known_current_stage_at as occurred_at
    from leads
    left join last_observed
        on leads.lead_key = last_observed.lead_key
    left join {{ ref('int_stage_events') }} as observed_events
        on
            last_observed.lead_key = observed_events.lead_key
            and last_observed.event_number = observed_events.event_number
    left join {{ ref('int_stage_visits') }} as last_visits
        on
            leads.lead_key = last_visits.lead_key
            and last_visits.exited_at is null
    where leads.known_current_stage_key is not null

),

unmapped_rules as (

    select
        'unmapped_stage' as rule,
        leads.source_system,
        leads.lead_id,
        unmapped.stage_raw as detail,
        leads.owner_id,
        unmapped.is_unmapped as is_broken,
        unmapped.occurred_at
    from {{ ref('int_unmapped_stages') }} as unmapped
    inner join leads
        on unmapped.lead_key = leads.lead_key

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
    union all
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
    union all
    select
        rule,
        source_system,
        lead_id,
        cast(null as integer) as cycle_number,
        cast(null as integer) as visit_number,
        detail,
        owner_id,
        coalesce(is_broken, false) as is_broken,
        occurred_at
    from current_stage_rules
    union all
    select
        rule,
        source_system,
        lead_id,
        cast(null as integer) as cycle_number,
        cast(null as integer) as visit_number,
        detail,
        owner_id,
        is_broken,
        occurred_at
    from unmapped_rules

)

select * from final
