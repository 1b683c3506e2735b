with cycles as (

    select * from {{ ref('int_cycle_outcomes') }}
    where handed_off_at is not null

),

intent as (

    select * from {{ ref('int_cycle_intent') }}

),

tiers as (

    select * from {{ ref('sla_policies') }}

),

working_periods as (

    select * from {{ ref('int_working_periods') }}

),

first_touches as (

    select * from {{ ref('int_first_touches') }}

),

coverage as (

    select
        leads.lead_key,
        coverage.has_activities
    from {{ ref('int_leads') }} as leads
    inner join {{ ref('int_source_coverage') }} as coverage
        on leads.source_system = coverage.source_system

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

clocks as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        cycles.handed_off_at,
        lower(trim(tiers.clock)) as clock,
        tiers.target_minutes
    from cycles
    inner join intent
        on
            cycles.lead_key = intent.lead_key
            and cycles.cycle_number = intent.cycle_number
    inner join tiers
        on intent.intent_tier = tiers.intent_tier

),

-- The working period that a handoff falls into, else the next one.
periods as (

    select
        clocks.*,
        working_periods.closes_at,
        working_periods.open_seconds_before
        + greatest(
            0, {{ seconds_between('working_periods.opens_at', 'clocks.handed_off_at') }}
        )
        + clocks.target_minutes * 60 as due_open_seconds
    from clocks
    inner join working_periods
        on
            clocks.handed_off_at < working_periods.closes_at
            and (
                working_periods.previous_closes_at is null
                or clocks.handed_off_at >= working_periods.previous_closes_at
            )
    where clocks.clock <> 'calendar'

),

dues as (

    select
        lead_key,
        cycle_number,
        {{ add_seconds('handed_off_at', 'target_minutes * 60') }} as sla_due_at
    from clocks
    where clock = 'calendar'
    union all
    select
        lead_key,
        cycle_number,
        closes_at as sla_due_at
    from periods
    where clock = 'working_day'
    union all
    select
        periods.lead_key,
        periods.cycle_number,
        {{ add_seconds(
            'working_periods.opens_at',
            'periods.due_open_seconds - working_periods.open_seconds_before'
        ) }} as sla_due_at
    from periods
    inner join working_periods
        on
            periods.due_open_seconds > working_periods.open_seconds_before
            and periods.due_open_seconds
            <= working_periods.open_seconds_before + working_periods.open_seconds
    where periods.clock = 'business'

),

final as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        case
            when not coverage.has_activities or cycles.handed_off_basis <> 'explicit'
                then 'unknown'
            when first_touches.first_touch_at <= dues.sla_due_at then 'met'
            when first_touches.first_touch_at > dues.sla_due_at then 'breached'
            when
                cycles.exited_at <= dues.sla_due_at
                or cycles.won_at <= dues.sla_due_at
                then 'not_applicable'
            when run_policy.as_of <= dues.sla_due_at then 'open'
            else 'breached'
        end as sla_status,
        first_touches.first_touch_at < cycles.handed_off_at as touched_before_handoff,
        case
            when first_touches.first_touch_at < cycles.handed_off_at then 0
            else {{ seconds_between(
                'cycles.handed_off_at', 'first_touches.first_touch_at'
            ) }} / 60
        end as speed_to_lead_minutes,
        {{ seconds_between('intent.triggered_at', 'first_touches.first_touch_at') }} / 60
            as request_to_touch_minutes,
        first_touches.first_touch_at,
        dues.sla_due_at
    from cycles
    cross join run_policy
    inner join coverage
        on cycles.lead_key = coverage.lead_key
    inner join intent
        on
            cycles.lead_key = intent.lead_key
            and cycles.cycle_number = intent.cycle_number
    left join dues
        on
            cycles.lead_key = dues.lead_key
            and cycles.cycle_number = dues.cycle_number
    left join first_touches
        on
            cycles.lead_key = first_touches.lead_key
            and cycles.cycle_number = first_touches.cycle_number

)

select * from final
