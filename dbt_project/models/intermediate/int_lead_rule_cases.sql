-- What the rules about leads are asked about, and where they are broken.
with leads as (

    select * from {{ ref('int_leads') }}

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
