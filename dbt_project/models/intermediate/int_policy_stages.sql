with stages as (

    select * from {{ ref('stages') }}

),

milestones as (

    select * from {{ ref('int_milestones') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

final as (

    select
        stages.tradition,
        stages.stage,
        stages.label,
        stages.milestone,
        stages.exit_kind,
        stages.evidence,
        stages.owner_team,
        stages.path_order,
        milestones.milestone_rank,
        stages.is_optional,
        stages.exit_kind is not null as is_exit,
        stages.tradition = run_policy.tradition as is_active
    from stages
    cross join run_policy
    left join milestones
        on stages.milestone = milestones.milestone

)

select * from final
