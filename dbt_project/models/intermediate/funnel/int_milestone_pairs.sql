{{ config(materialized='view') }}

-- The named rates, and what diagnostics look at by meaning whatever it is called.
with named as (

    select * from {{ ref('int_conversion_pairs') }}

),

milestones as (

    select * from {{ ref('dim_milestones') }}

),

looked_at as (

    select distinct
        diagnostics.from_milestone,
        diagnostics.to_milestone,
        from_milestones.milestone_label || ' to ' || to_milestones.milestone_label
            as metric_label
    from {{ ref('diagnostics') }} as diagnostics
    inner join milestones as from_milestones
        on
            diagnostics.from_milestone = from_milestones.milestone
            and from_milestones.milestone = from_milestones.counted_as
    inner join milestones as to_milestones
        on diagnostics.to_milestone = to_milestones.milestone

),

final as (

    select
        metric,
        metric_label,
        from_milestone,
        counted_milestone,
        to_milestone
    from named
    union all
    select
        looked_at.from_milestone || '_to_' || looked_at.to_milestone as metric,
        looked_at.metric_label,
        looked_at.from_milestone,
        looked_at.from_milestone as counted_milestone,
        looked_at.to_milestone
    from looked_at
    left join named
        on
            looked_at.from_milestone = named.from_milestone
            and looked_at.to_milestone = named.to_milestone
    where named.metric is null

)

select * from final
