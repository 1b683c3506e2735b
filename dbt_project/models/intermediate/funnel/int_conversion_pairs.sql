with pairs as (

    select conversion_pairs.*
    from {{ ref('conversion_pairs') }} as conversion_pairs
    inner join {{ ref('int_run_policy') }} as run_policy
        on conversion_pairs.tradition = run_policy.tradition

),

milestones as (

    select * from {{ ref('dim_milestones') }}

),

final as (

    select
        pairs.metric,
        from_milestones.milestone_label || ' to ' || to_milestones.milestone_label
            as metric_label,
        pairs.from_milestone,
        from_milestones.milestone_label as from_label,
        from_milestones.counted_as as counted_milestone,
        pairs.to_milestone,
        to_milestones.milestone_label as to_label,
        from_milestones.milestone_rank as from_rank,
        to_milestones.milestone_rank as to_rank,
        pairs.sort_order
    from pairs
    inner join milestones as from_milestones
        on pairs.from_milestone = from_milestones.milestone
    inner join milestones as to_milestones
        on pairs.to_milestone = to_milestones.milestone

)

select * from final
