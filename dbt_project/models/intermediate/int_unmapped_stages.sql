with leads as (

    select * from {{ ref('int_leads') }}

),

stage_changes as (

    select * from {{ ref('int_stage_changes') }}

),

opportunities as (

    select distinct lead_key from {{ ref('fct_opportunities') }}

),

leads_with_changes as (

    select distinct lead_key from stage_changes
    where fate in ('kept', 'late')

),

-- Leads whose only word on their stage is the current one.
without_history as (

    select leads.*
    from leads
    left join opportunities
        on leads.lead_key = opportunities.lead_key
    left join leads_with_changes
        on leads.lead_key = leads_with_changes.lead_key
    where
        opportunities.lead_key is null
        and leads_with_changes.lead_key is null
        and leads.known_current_stage_key is not null

),

-- The first change into a raw stage says since when, not the current stage.
first_changes as (

    select
        lead_key,
        to_stage_raw,
        min(changed_at) as changed_at
    from stage_changes
    where fate = 'unmapped'
    group by lead_key, to_stage_raw

),

final as (

    select
        stage_changes.lead_key,
        {{ normalised('stage_changes.to_stage_raw') }} as raw_key,
        stage_changes.to_stage_raw as stage_raw,
        stage_changes.fate = 'unmapped' as is_unmapped,
        stage_changes.change_id,
        true as is_change,
        stage_changes.changed_at as occurred_at
    from stage_changes
    where stage_changes.fate in ('kept', 'unmapped', 'ignored')
    union all
    select
        without_history.lead_key,
        without_history.known_current_stage_key as raw_key,
        without_history.known_current_stage_raw as stage_raw,
        without_history.known_current_stage is null
        and not coalesce(stage_names.is_ignored, false) as is_unmapped,
        '~current' as change_id,
        false as is_change,
        coalesce(
            first_changes.changed_at, without_history.known_current_stage_at
        ) as occurred_at
    from without_history
    left join first_changes
        on
            without_history.lead_key = first_changes.lead_key
            and without_history.known_current_stage_raw = first_changes.to_stage_raw
    left join {{ ref('int_stage_names') }} as stage_names
        on
            without_history.source_system = stage_names.source_system
            and without_history.known_current_stage_key = stage_names.raw_key

)

select * from final
