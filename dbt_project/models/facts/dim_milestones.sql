with milestones as (

    select * from {{ ref('int_milestones') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

labels as (

    select labels.*
    from {{ ref('milestone_labels') }} as labels
    inner join run_policy
        on labels.tradition = run_policy.tradition

),

stages as (

    select * from {{ ref('int_policy_stages') }}
    where is_active

),

-- The milestones that happen by themselves here: every cycle begins, a stage means it,
-- or silence decides.
told_apart as (

    select distinct
        milestones.milestone,
        milestones.milestone_rank
    from milestones
    cross join run_policy
    left join stages
        on milestones.milestone = stages.milestone
    where
        stages.stage is not null
        or milestones.milestone = 'captured'
        or (
            milestones.milestone = 'accepted'
            and run_policy.acceptance_mode = 'default'
        )

),

nearest as (

    select
        milestones.milestone,
        min(told_apart.milestone_rank) as milestone_rank
    from milestones
    left join told_apart
        on milestones.milestone_rank <= told_apart.milestone_rank
    group by milestones.milestone

),

final as (

    select
        milestones.milestone,
        coalesce(labels.label, milestones.milestone) as milestone_label,
        told_apart.milestone as counted_as,
        milestones.milestone_rank
    from milestones
    inner join nearest
        on milestones.milestone = nearest.milestone
    left join told_apart
        on nearest.milestone_rank = told_apart.milestone_rank
    left join labels
        on milestones.milestone = labels.milestone

)

select * from final
