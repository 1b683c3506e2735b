with run_policy as (

    select {{ dbt.dateadd('day', '-window_days', 'as_of') }} as recent_from
    from {{ ref('int_run_policy') }}

),

cycles as (

    select * from {{ ref('int_funnel_cycles') }}

),

reps as (

    select
        source_system,
        rep_id,
        coalesce(role, '(none)') as role,
        is_active,
        weekly_capacity
    from {{ ref('dim_reps') }}

),

received as (

    select
        reps.role,
        count(*) as leads
    from cycles
    cross join run_policy
    inner join reps
        on
            cycles.source_system = reps.source_system
            and cycles.owner_id = reps.rep_id
    where cycles.handed_off_at >= run_policy.recent_from
    group by reps.role

),

capacities as (

    select
        role,
        -- Nobody active works nothing; who is active and does not say is unknown.
        case
            when count(*) filter (where is_active) = 0 then 0
            else sum(weekly_capacity) filter (where is_active)
        end as weekly_capacity
    from reps
    group by role

),

final as (

    select
        capacities.role,
        coalesce(received.leads, 0) as leads,
        capacities.weekly_capacity,
        coalesce(received.leads, 0)
        >= coalesce(0.1 * sum(received.leads) over (), 0) as receives_handoffs
    from capacities
    left join received
        on capacities.role = received.role

)

select * from final
