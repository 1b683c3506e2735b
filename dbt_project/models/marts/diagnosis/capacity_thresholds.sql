with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where scored_at is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

capacity as (

    select sum(weekly_capacity) as weekly_capacity
    from {{ ref('dim_reps') }}
    where is_active

),

thresholds as (

    select thresholds.threshold
    from (
        values
        (0), (10), (20), (30), (40), (50), (60), (70), (80), (90), (100)
    ) as thresholds (threshold)

),

scored as (

    select
        cycles.score,
        {{ period_start('week', local_date(
            'cycles.scored_at', 'run_policy.timezone'
        )) }} as period_start
    from cycles
    cross join run_policy

),

weeks as (

    select
        period_start,
        score,
        count(*) as leads
    from scored
    group by period_start, score

),

counts as (

    select
        weeks.period_start,
        thresholds.threshold,
        sum(weeks.leads) as scored_leads,
        coalesce(
            sum(case when weeks.score >= thresholds.threshold then weeks.leads end), 0
        ) as leads_at_or_above
    from weeks
    cross join thresholds
    group by weeks.period_start, thresholds.threshold

),

final as (

    select
        counts.threshold,
        cast(counts.leads_at_or_above as {{ dbt.type_bigint() }}) as leads_at_or_above,
        cast(counts.scored_leads as {{ dbt.type_bigint() }}) as scored_leads,
        capacity.weekly_capacity,
        {{ rate('counts.leads_at_or_above', 'capacity.weekly_capacity') }}
            as capacity_load,
        counts.leads_at_or_above <= capacity.weekly_capacity as is_within_capacity,
        -- The lowest threshold whose leads the team can still work.
        counts.threshold = min(
            case
                when counts.leads_at_or_above <= capacity.weekly_capacity
                    then counts.threshold
            end
        ) over (partition by counts.period_start) as is_filling_threshold,
        counts.period_start
    from counts
    cross join capacity

)

select * from final
