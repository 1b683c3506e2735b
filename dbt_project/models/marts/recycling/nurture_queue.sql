with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where exited_at is not null and requalified_at is null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

reasons as (

    select * from {{ ref('dim_reasons') }}

),

reps as (

    select * from {{ ref('dim_reps') }}

),

-- An unknown reason waits as long as `other` does (dim_reasons), and so does a missing
-- one.
waiting as (

    select
        cycles.*,
        reasons.reason_label,
        reasons.leak,
        reasons.recycle_after_days,
        {{ add_seconds('cycles.exited_at', 'reasons.recycle_after_days * 86400.0') }}
            as due_at
    from cycles
    inner join reasons
        on coalesce(cycles.reason_code, 'unknown') = reasons.reason_code
    where reasons.recycle_after_days is not null

),

final as (

    select
        waiting.lead_cycle_id,
        waiting.lead_id,
        waiting.source_system,
        waiting.cycle_number,
        waiting.start_kind,
        waiting.outcome,
        waiting.exit_kind,
        coalesce(waiting.reason_code, '(none)') as reason_code,
        case
            when waiting.reason_code is null then 'No reason given'
            else waiting.reason_label
        end as reason_label,
        waiting.leak,
        waiting.owner_id,
        coalesce(reps.rep_name, waiting.owner_id) as owner_name,
        waiting.lead_source,
        waiting.segment,
        waiting.country,
        waiting.score_band,
        waiting.recycle_after_days,
        {{ seconds_between('waiting.due_at', 'run_policy.as_of') }} / 86400
            as days_overdue,
        waiting.opportunity_amount,
        waiting.is_recycled,
        waiting.exited_at,
        waiting.due_at
    from waiting
    inner join run_policy
        on waiting.due_at <= run_policy.as_of
    left join reps
        on
            waiting.source_system = reps.source_system
            and waiting.owner_id = reps.rep_id

)

select * from final
