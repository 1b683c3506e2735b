with leads as (

    select * from {{ ref('int_leads') }}

),

stage_changes as (

    select * from {{ ref('int_stage_changes') }}

),

active_stages as (

    select * from {{ ref('int_policy_stages') }}
    where is_active

),

observed as (

    select
        lead_key,
        source_system as record_source_system,
        lead_id as record_lead_id,
        change_id,
        to_stage as stage,
        reason,
        changed_by,
        'observed' as history_quality,
        path_order,
        changed_at as occurred_at
    from stage_changes
    where fate = 'kept'

),

-- The earliest kept change of a lead; without a kept one, the earliest after as_of.
ranked_changes as (

    select
        lead_key,
        source_system,
        lead_id,
        from_stage,
        changed_at,
        row_number() over (
            partition by lead_key
            order by
                case when fate = 'kept' then 0 else 1 end,
                changed_at,
                case when fate = 'kept' then path_order end,
                change_id,
                lead_id,
                source_system
        ) as change_rank
    from stage_changes
    where fate in ('kept', 'late')

),

earliest_changes as (

    select * from ranked_changes
    where change_rank = 1

),

started_in as (

    select
        earliest_changes.lead_key,
        earliest_changes.source_system as record_source_system,
        earliest_changes.lead_id as record_lead_id,
        '~from' as change_id,
        earliest_changes.from_stage as stage,
        cast(null as {{ dbt.type_string() }}) as reason,
        cast(null as {{ dbt.type_string() }}) as changed_by,
        'inferred' as history_quality,
        active_stages.path_order,
        leads.created_at as occurred_at
    from earliest_changes
    inner join leads
        on earliest_changes.lead_key = leads.lead_key
    inner join active_stages
        on earliest_changes.from_stage = active_stages.stage
    where leads.created_at < earliest_changes.changed_at

),

leads_with_opportunity as (

    select distinct lead_key from {{ ref('fct_opportunities') }}

),

known_by_current_stage as (

    select
        leads.lead_key,
        leads.source_system as record_source_system,
        leads.lead_id as record_lead_id,
        '~current' as change_id,
        leads.known_current_stage as stage,
        cast(null as {{ dbt.type_string() }}) as reason,
        cast(null as {{ dbt.type_string() }}) as changed_by,
        'inferred' as history_quality,
        active_stages.path_order,
        leads.created_at as occurred_at
    from leads
    inner join active_stages
        on leads.known_current_stage = active_stages.stage
    left join earliest_changes
        on leads.lead_key = earliest_changes.lead_key
    left join leads_with_opportunity
        on leads.lead_key = leads_with_opportunity.lead_key
    where
        earliest_changes.lead_key is null
        and leads_with_opportunity.lead_key is null

),

events as (

    select * from observed
    union all
    select * from started_in
    union all
    select * from known_by_current_stage
    union all
    select * from {{ ref('int_opportunity_events') }}

),

final as (

    select
        lead_key,
        record_source_system,
        record_lead_id,
        change_id,
        stage,
        {{ normalised('reason') }} is not null as has_reason,
        reason,
        changed_by,
        history_quality,
        path_order,
        row_number() over (
            partition by lead_key
            order by
                occurred_at,
                path_order,
                change_id,
                record_lead_id,
                record_source_system
        ) as event_number,
        occurred_at
    from events

)

select * from final
