with cycles as (

    select * from {{ ref('int_funnel_cycles') }}
    where scored_at is not null and score is not null

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

reps as (

    select * from {{ ref('dim_reps') }}

),

capacities as (

    select * from {{ ref('int_team_capacity') }}

),

-- A threshold at which no score begins would show what the next one shows.
scored as (

    select
        {{ team_of('reps') }} as team,
        cast(
            floor(cycles.score / run_policy.threshold_step)
            * run_policy.threshold_step as integer
        ) as threshold,
        {{ period_start('week', local_date(
            'cycles.scored_at', 'run_policy.timezone'
        )) }} as period_start
    from cycles
    cross join run_policy
    left join reps
        on
            cycles.source_system = reps.source_system
            and cycles.owner_id = reps.rep_id

),

counts as (

    select
        team,
        threshold,
        count(*) as leads,
        period_start
    from scored
    where team is not null
    group by team, threshold, period_start
    union all
    select
        'all' as team,
        threshold,
        count(*) as leads,
        period_start
    from scored
    group by threshold, period_start

),

teams as (

    select distinct team from counts

),

weeks as (

    select distinct period_start from counts

),

thresholds as (

    select distinct threshold from counts

),

reached as (

    select
        teams.team,
        thresholds.threshold,
        coalesce(sum(counts.leads) over (
            partition by teams.team, weeks.period_start
            order by thresholds.threshold desc
            rows between unbounded preceding and current row
        ), 0) as leads_at_or_above,
        coalesce(sum(counts.leads) over (
            partition by teams.team, weeks.period_start
        ), 0) as scored_leads,
        capacities.weekly_capacity,
        weeks.period_start
    from teams
    cross join weeks
    cross join thresholds
    left join counts
        on
            teams.team = counts.team
            and weeks.period_start = counts.period_start
            and thresholds.threshold = counts.threshold
    left join capacities
        on teams.team = capacities.team

),

-- The lowest threshold whose leads the team can still work, where there are enough.
filled as (

    select
        *,
        min(
            case
                when
                    leads_at_or_above between 1 and weekly_capacity
                    and scored_leads >= weekly_capacity
                    then threshold
            end
        ) over (partition by team, period_start) as filling_threshold
    from reached

),

final as (

    select
        team,
        threshold,
        cast(leads_at_or_above as {{ dbt.type_bigint() }}) as leads_at_or_above,
        cast(scored_leads as {{ dbt.type_bigint() }}) as scored_leads,
        weekly_capacity,
        {{ rate('leads_at_or_above', 'weekly_capacity') }} as capacity_load,
        leads_at_or_above <= weekly_capacity as is_within_capacity,
        coalesce(threshold = filling_threshold, false) as is_filling_threshold,
        filling_threshold,
        case
            when filling_threshold is not null then 'found'
            when weekly_capacity is null then 'capacity_unknown'
            when weekly_capacity = 0 then 'no_capacity'
            when scored_leads < weekly_capacity then 'too_few_leads'
            else 'too_many_at_the_top'
        end as filling_status,
        period_start
    from filled

)

select * from final
