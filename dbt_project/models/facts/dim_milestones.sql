with milestones as (

    select * from {{ ref('int_milestones') }}

),

labels as (

    select labels.*
    from {{ ref('milestone_labels') }} as labels
    inner join {{ ref('int_run_policy') }} as run_policy
        on labels.tradition = run_policy.tradition

),

final as (

    select
        milestones.milestone,
        coalesce(labels.label, milestones.milestone) as milestone_label,
        milestones.milestone_rank
    from milestones
    left join labels
        on milestones.milestone = labels.milestone

)

select * from final
