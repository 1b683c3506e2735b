with reps as (

    select * from {{ ref('dim_reps') }}

),

final as (

    select
        rep_id as owner_id,
        min(role) as owner_role,
        min(team) as owner_team,
        min(rep_name) as owner_name,
        sum(weekly_capacity) as weekly_capacity,
        {{ dbt.bool_or('is_active') }} as is_active
    from reps
    group by rep_id

)

select * from final
