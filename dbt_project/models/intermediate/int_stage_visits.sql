with events as (

    select * from {{ ref('int_stage_events') }}

),

leads as (

    select * from {{ ref('int_leads') }}

),

active_stages as (

    select * from {{ ref('int_policy_stages') }}
    where is_active

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

moves as (

    select moves.*
    from {{ ref('int_stage_moves') }} as moves
    inner join run_policy
        on moves.tradition = run_policy.tradition

),

reason_names as (

    select * from {{ ref('int_reason_names') }}

),

owner_periods as (

    select * from {{ ref('int_owner_periods') }}

),

compared as (

    select
        *,
        case
            when
                stage = lag(stage) over (partition by lead_key order by event_number)
                then 0
            else 1
        end as begins_visit
    from events

),

numbered as (

    select
        *,
        sum(begins_visit) over (
            partition by lead_key
            order by event_number
            rows between unbounded preceding and current row
        ) as visit_number
    from compared

),

visits as (

    select
        lead_key,
        visit_number,
        min(stage) as stage,
        {{ first_by('record_source_system', 'event_number', 'begins_visit = 1') }}
            as record_source_system,
        {{ first_by('record_lead_id', 'event_number', 'begins_visit = 1') }}
            as record_lead_id,
        {{ first_by('changed_by', 'event_number', 'begins_visit = 1') }}
            as changed_by,
        {{ first_by('history_quality', 'event_number', 'begins_visit = 1') }}
            as history_quality,
        {{ first_by('reason', 'event_number', 'has_reason') }} as reason_raw,
        min(occurred_at) as entered_at
    from numbered
    group by lead_key, visit_number

),

described as (

    select
        visits.*,
        active_stages.label as stage_label,
        active_stages.milestone,
        active_stages.exit_kind,
        active_stages.milestone_rank,
        -- What a visit leaves behind: out by an exit, out as a customer, in the path.
        case
            when active_stages.is_exit then 3
            when active_stages.milestone_rank = 7 then 2
            when active_stages.milestone_rank > 1 then 1
        end as state_code
    from visits
    inner join active_stages
        on visits.stage = active_stages.stage

),

followed as (

    select
        *,
        lag(stage) over (
            partition by lead_key order by visit_number
        ) as from_stage,
        lag(record_source_system) over (
            partition by lead_key order by visit_number
        ) as from_record_source_system,
        lag(record_lead_id) over (
            partition by lead_key order by visit_number
        ) as from_record_lead_id,
        lead(entered_at) over (
            partition by lead_key order by visit_number
        ) as exited_at,
        -- Captured visits change nothing, so the state is that of the last other visit.
        max(visit_number * 10 + state_code) over (
            partition by lead_key
            order by visit_number
            rows between unbounded preceding and 1 preceding
        ) % 10 as state_before
    from described

),

started as (

    select
        *,
        from_stage is not null
        and (
            record_lead_id <> from_record_lead_id
            or record_source_system <> from_record_source_system
        ) as comes_by_merge,
        case
            when state_before = 3 and milestone_rank >= 2 then 'requalified'
            when state_before = 2 and milestone_rank between 2 and 6 then 'expansion'
        end as cycle_start_kind
    from followed

),

cycled as (

    select
        *,
        1 + sum(case when cycle_start_kind is not null then 1 else 0 end) over (
            partition by lead_key
            order by visit_number
            rows between unbounded preceding and current row
        ) as cycle_number
    from started

),

final as (

    select
        cycled.lead_key,
        cycled.stage,
        cycled.stage_label,
        cycled.milestone,
        cycled.exit_kind,
        cycled.from_stage,
        case
            when cycled.comes_by_merge then 'merge'
            else moves.transition_kind
        end as transition_kind,
        cycled.cycle_start_kind,
        cycled.reason_raw,
        case
            when cycled.reason_raw is not null
                then coalesce(reason_names.reason_code, 'unknown')
        end as reason_code,
        cycled.changed_by,
        owner_periods.owner_id,
        cycled.history_quality,
        cycled.record_source_system,
        cycled.record_lead_id,
        cast(cycled.cycle_number as integer) as cycle_number,
        cast(cycled.visit_number as integer) as visit_number,
        cycled.milestone_rank,
        -- Nobody saw how an inferred visit came about, so its move is not judged.
        cycled.comes_by_merge
        or cycled.history_quality = 'inferred'
        or moves.is_valid as is_valid_transition,
        moves.requires_reason as reason_required,
        coalesce(cycled.milestone_rank = 1 and cycled.state_before = 3, false)
            as is_captured_after_exit,
        cycled.entered_at < {{ add_seconds(
            'leads.created_at', '-run_policy.creation_tolerance_seconds'
        ) }} as is_before_creation,
        cycled.entered_at,
        cycled.exited_at
    from cycled
    cross join run_policy
    inner join leads
        on cycled.lead_key = leads.lead_key
    left join moves
        on
            cycled.stage = moves.to_stage
            and coalesce(cycled.from_stage, '') = coalesce(moves.from_stage, '')
    left join owner_periods
        on
            cycled.lead_key = owner_periods.lead_key
            and cycled.entered_at >= owner_periods.owned_from
            and cycled.entered_at < owner_periods.owned_until
    left join reason_names
        on {{ normalised('cycled.reason_raw') }} = reason_names.raw_key

)

select * from final
