with reps as (

    select * from {{ ref('dim_reps') }}

),

final as (

    select
        rep_id as owner_id,
        min(role) as owner_role,
        min(team) as owner_team,
        -- Two sources may know two people by one id.
        case when count(distinct rep_name) = 1 then min(rep_name) else rep_id end
            as owner_name,
        sum(weekly_capacity) as weekly_capacity,
        {{ dbt.bool_or('is_active') }} as is_active
    from reps
    group by rep_id

)

select * from final
