with stages as (

    select * from {{ ref('int_policy_stages') }}
    where is_active

),

final as (

    select
        stage,
        label as stage_label,
        tradition,
        milestone,
        exit_kind,
        evidence,
        owner_team,
        path_order,
        milestone_rank,
        is_optional,
        is_exit
    from stages

)

select * from final
