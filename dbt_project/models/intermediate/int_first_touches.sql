with cycles as (

    select
        lead_key,
        cycle_number,
        handed_off_at,
        exited_at,
        cycle_ended_at
    from {{ ref('int_cycle_outcomes') }}
    where handed_off_at is not null

),

intent as (

    select * from {{ ref('int_cycle_intent') }}

),

touches as (

    select
        lead_key,
        occurred_at
    from {{ ref('fct_activities') }}
    where is_touch and lead_key is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

bounded as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        intent.triggered_at as touch_from,
        coalesce(
            cycles.exited_at, cycles.cycle_ended_at, run_policy.as_of
        ) as touch_until
    from cycles
    cross join run_policy
    inner join intent
        on
            cycles.lead_key = intent.lead_key
            and cycles.cycle_number = intent.cycle_number

),

final as (

    select
        bounded.lead_key,
        bounded.cycle_number,
        min(touches.occurred_at) as first_touch_at
    from bounded
    inner join touches
        on
            bounded.lead_key = touches.lead_key
            and bounded.touch_from <= touches.occurred_at
            and bounded.touch_until >= touches.occurred_at
    group by bounded.lead_key, bounded.cycle_number

)

select * from final
