with visits as (

    select * from {{ ref('int_stage_visits') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

final as (

    select
        {{ surrogate_key([
            'leads.source_system', 'leads.lead_id', 'visits.visit_number'
        ]) }} as lead_stage_id,
        leads.lead_id,
        leads.source_system,
        visits.cycle_number,
        visits.visit_number,
        visits.stage,
        visits.stage_label,
        visits.milestone,
        visits.exit_kind,
        visits.from_stage,
        visits.entered_at,
        visits.exited_at,
        {{ seconds_between('visits.entered_at', 'visits.exited_at') }} / 3600
            as duration_hours,
        visits.exited_at is null as is_current,
        visits.transition_kind,
        visits.is_valid_transition,
        visits.reason_required,
        {{ masked('visits.reason_raw') }} as reason_raw,
        visits.reason_code,
        visits.changed_by,
        visits.owner_id,
        visits.history_quality
    from visits
    inner join leads
        on visits.lead_key = leads.lead_key

)

select * from final
