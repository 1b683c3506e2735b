{{ config(materialized='view') }}

with cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

cycle_cases as (

    select * from {{ ref('int_cycle_cases') }}

),

violations as (

    select * from {{ ref('lifecycle_violations') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

periods as (

    select * from {{ ref('int_sync_periods') }}

),

events as (

    select
        lead_id,
        'passed' as section,
        lead_source as item,
        handed_off_at as happened_at
    from cycles
    where handed_off_at is not null
    union all
    select
        lead_id,
        'rejected' as section,
        coalesce(reason_code, '(no reason)') as item,
        exited_at as happened_at
    from cycles
    where outcome in ('rejected', 'disqualified')
    union all
    select
        lead_id,
        'untouched' as section,
        owner_id as item,
        handed_off_at as happened_at
    from cycles
    where sla_status = 'breached' and first_touch_at is null
    union all
    select
        lead_id,
        'converted' as section,
        lead_source as item,
        sales_qualified_at as happened_at
    from cycles
    where sales_qualified_at is not null
    union all
    select
        lead_id,
        'late_rejection' as section,
        coalesce(reason_code, '(no reason)') as item,
        exited_at as happened_at
    from cycles
    where is_late_rejection
    union all
    select
        lead_id,
        rule as section,
        coalesce(detail, '(none)') as item,
        occurred_at as happened_at
    from violations
    where rule in ('unmapped_stage', 'unknown_reason')

),

placed as (

    select
        events.lead_id,
        events.section,
        events.item,
        events.happened_at,
        {{ sync_period_start(
            local_date('events.happened_at', 'run_policy.timezone')
        ) }} as period_start
    from events
    cross join run_policy

),

-- What is overdue at the end of a period, whenever it became so.
overdue as (

    select
        cycle_cases.lead_id,
        'overdue' as section,
        coalesce(cycle_cases.owner_id, '(none)') as item,
        cycle_cases.decision_due_at as happened_at,
        periods.period_start
    from cycle_cases
    inner join periods
        on
            cycle_cases.decision_due_at < periods.known_at
            and coalesce(
                coalesce(cycle_cases.accepted_at, cycle_cases.exited_at)
                > periods.known_at,
                true
            )
    where
        cycle_cases.acceptance_mode = 'explicit'
        and cycle_cases.handed_off_basis <> 'inferred'

),

final as (

    select
        placed.lead_id,
        placed.section,
        placed.item,
        placed.happened_at,
        placed.period_start
    from placed
    inner join periods
        on placed.period_start = periods.period_start
    union all
    select
        lead_id,
        section,
        item,
        happened_at,
        period_start
    from overdue

)

select * from final
