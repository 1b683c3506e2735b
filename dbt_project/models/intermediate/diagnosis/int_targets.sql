{{ config(materialized='view') }}

-- The targets of the active tradition: its own go before those for every tradition.
with targets as (

    select
        targets.metric,
        case targets.unit
            when 'percent' then targets.target / 100 else targets.target
        end as target_value,
        targets.owner_team,
        targets.tradition is not null as is_own,
        targets.valid_from
    from {{ ref('targets') }} as targets
    inner join {{ ref('int_run_policy') }} as run_policy
        on coalesce(targets.tradition, run_policy.tradition) = run_policy.tradition

),

followed as (

    select
        *,
        lead(valid_from) over (
            partition by metric, is_own order by valid_from
        ) as next_from,
        min(case when is_own then valid_from end) over (
            partition by metric
        ) as first_own_from
    from targets

),

ended as (

    select
        *,
        case
            when is_own or first_own_from is null then next_from
            when next_from < first_own_from then next_from
            else first_own_from
        end as valid_until
    from followed

),

final as (

    select
        ended.metric,
        metrics.better,
        ended.target_value,
        ended.owner_team,
        ended.valid_from,
        ended.valid_until
    from ended
    inner join {{ ref('int_sync_metrics') }} as metrics
        on ended.metric = metrics.metric
    where coalesce(ended.valid_until > ended.valid_from, true)

)

select * from final
