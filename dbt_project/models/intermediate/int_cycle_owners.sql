with cycles as (

    select
        lead_key,
        cycle_number,
        handed_off_at,
        coalesce(handed_off_at, cycle_started_at) as owned_at
    from {{ ref('int_cycle_outcomes') }}

),

owner_periods as (

    select * from {{ ref('int_owner_periods') }}
    where owner_id is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- Routing runs after the stage is set: the first owner named within the grace counts, too.
routed as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        {{ first_by(
            'owner_periods.owner_id', 'owner_periods.owned_from',
            'owner_periods.owner_id is not null'
        ) }} as owner_id
    from cycles
    cross join run_policy
    inner join owner_periods
        on
            cycles.lead_key = owner_periods.lead_key
            and cycles.handed_off_at < owner_periods.owned_from
    where
        owner_periods.owned_from <= {{ add_seconds(
            'cycles.handed_off_at', 'run_policy.owner_grace_seconds'
        ) }}
    group by cycles.lead_key, cycles.cycle_number

),

final as (

    select
        cycles.lead_key,
        cycles.cycle_number,
        coalesce(owner_periods.owner_id, routed.owner_id) as owner_id
    from cycles
    left join owner_periods
        on
            cycles.lead_key = owner_periods.lead_key
            and cycles.owned_at >= owner_periods.owned_from
            and cycles.owned_at < owner_periods.owned_until
    left join routed
        on
            cycles.lead_key = routed.lead_key
            and cycles.cycle_number = routed.cycle_number

)

select * from final
