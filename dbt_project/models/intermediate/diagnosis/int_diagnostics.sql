-- The diagnostics of the policy with the rate that each looks at in this tradition.
with diagnostics as (

    select * from {{ ref('diagnostics') }}

),

pairs as (

    select
        from_milestone,
        to_milestone,
        min(metric) as metric
    from {{ ref('int_milestone_pairs') }}
    group by from_milestone, to_milestone

),

-- Who is sales qualified was accepted: only a record of its own shows a decision.
decisions as (

    select count(*) as decided_cycles
    from {{ ref('int_funnel_cycles') }}
    where acceptance_kind in ('explicit', 'default')

),

final as (

    select
        diagnostics.step,
        diagnostics.diagnostic,
        coalesce(
            diagnostics.metric,
            pairs.metric,
            diagnostics.from_milestone || '_to_' || diagnostics.to_milestone
        ) as metric,
        diagnostics.unit,
        diagnostics.cases,
        diagnostics.min_cases,
        diagnostics.least_effect,
        diagnostics.next_step,
        case
            when diagnostics.from_milestone is null then null
            when pairs.metric is null
                then
                    'This tradition has no stage of its own for '
                    || replace(diagnostics.from_milestone, '_', ' ') || ' leads'
            when
                diagnostics.to_milestone = 'accepted'
                and decisions.decided_cycles = 0
                then 'No stage records what sales accepts'
        end as why_not_told
    from diagnostics
    cross join decisions
    left join pairs
        on
            diagnostics.from_milestone = pairs.from_milestone
            and diagnostics.to_milestone = pairs.to_milestone

)

select * from final
