with reps as (

    select * from {{ ref('dim_reps') }}

),

roles as (

    select * from {{ ref('int_receiving_roles') }}
    where receives_handoffs

),

receivers as (

    select
        {{ team_of('reps') }} as team,
        roles.role,
        reps.weekly_capacity
    from reps
    left join roles
        on
            coalesce(reps.role, '(none)') = roles.role
            and reps.is_active

),

capacities as (

    select
        team,
        count(*) as reps,
        count(role) as receivers,
        sum(weekly_capacity) filter (where role is not null) as weekly_capacity
    from receivers
    where team is not null
    group by team
    union all
    select
        'all' as team,
        count(*) as reps,
        count(role) as receivers,
        sum(weekly_capacity) filter (where role is not null) as weekly_capacity
    from receivers

),

final as (

    select
        team,
        case
            when reps > 0 and receivers = 0 then 0
            else weekly_capacity
        end as weekly_capacity
    from capacities

)

select * from final
