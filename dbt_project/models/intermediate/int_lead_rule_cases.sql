-- What the rules about leads are asked about, and where they are broken.
with leads as (

    select * from {{ ref('int_leads') }}

),

last_events as (

    select
        lead_key,
        {{ first_by('stage', '-event_number', "history_quality = 'observed'") }}
            as observed_stage
    from {{ ref('int_stage_events') }}
    where history_quality <> 'inferred'
    group by lead_key

),

current_stage_rules as (

    select
        'current_stage_differs' as rule,
        leads.source_system,
        leads.lead_id,
        leads.known_current_stage as detail,
        leads.owner_id,
        leads.known_current_stage <> coalesce(last_events.observed_stage, '')
        and leads.known_current_stage <> last_visits.stage as is_broken,
        leads.known_current_stage_at as occurred_at
    from leads
    inner join last_events
        on leads.lead_key = last_events.lead_key
    inner join {{ ref('int_stage_visits') }} as last_visits
        on
            leads.lead_key = last_visits.lead_key
            and last_visits.exited_at is null
    where leads.known_current_stage is not null

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

closing_rules as (

    select
        'won_without_closing_date' as rule,
        leads.source_system,
        leads.lead_id,
        opportunities.opportunity_id as detail,
        coalesce(opportunities.owner_id, leads.owner_id) as owner_id,
        opportunities.is_closing_date_missing as is_broken,
        opportunities.created_at as occurred_at
    from {{ ref('fct_opportunities') }} as opportunities
    inner join leads
        on opportunities.lead_key = leads.lead_key
    where
        opportunities.is_primary_lead
        and (opportunities.status = 'won' or opportunities.is_closing_date_missing)

),

lead_rules as (

    select * from current_stage_rules
    union all
    select * from unmapped_rules
    union all
    select * from closing_rules

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
        is_broken,
        occurred_at
    from lead_rules

)

select * from final
