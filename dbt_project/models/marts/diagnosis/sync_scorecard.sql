with periods as (

    select * from {{ ref('int_sync_periods') }}

),

metrics as (

    select * from {{ ref('int_sync_metrics') }}

),

targets as (

    select * from {{ ref('int_targets') }}

),

trend_counts as (

    select * from {{ ref('int_trend_counts') }}
    where dimension = 'all'

),

cases as (

    select * from {{ ref('int_sync_cases') }}

),

catalog as (

    select * from {{ ref('metric_catalog') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

daily_cases as (

    select
        metric,
        judged_date,
        count(*) as cases,
        count(*) filter (where is_counted) as numerator
    from cases
    group by metric, judged_date

),

counts as (

    select
        trend_counts.metric,
        periods.period_number,
        trend_counts.mature_entered as cases,
        trend_counts.mature_converted as numerator
    from trend_counts
    inner join periods
        on trend_counts.date_day = periods.known_day
    union all
    select
        daily_cases.metric,
        periods.period_number,
        cast(sum(daily_cases.cases) as {{ dbt.type_bigint() }}) as cases,
        cast(sum(daily_cases.numerator) as {{ dbt.type_bigint() }}) as numerator
    from daily_cases
    inner join periods
        on
            daily_cases.judged_date
            between periods.recent_from and periods.known_day
    group by daily_cases.metric, periods.period_number

),

-- What never had a case is no part of this company's scorecard.
told as (

    select distinct metric from counts

),

shown as (

    select
        metrics.*,
        periods.period_number,
        periods.period_start,
        periods.period_end,
        periods.known_day,
        periods.is_running,
        case
            when metrics.kind = 'conversion' then periods.mature_from
            else periods.recent_from
        end as cases_from,
        case
            when metrics.kind = 'conversion' then periods.mature_until
            else periods.known_day
        end as cases_until,
        coalesce(counts.cases, 0) as cases,
        coalesce(counts.numerator, 0) as numerator,
        {{ rate('counts.numerator', 'counts.cases') }} as value
    from metrics
    inner join told
        on metrics.metric = told.metric
    cross join periods
    left join counts
        on
            metrics.metric = counts.metric
            and periods.period_number = counts.period_number

),

compared as (

    select
        *,
        lag(cases) over (
            partition by metric order by period_number
        ) as previous_cases,
        lag(value) over (
            partition by metric order by period_number
        ) as previous_value
    from shown

),

final as (

    select
        compared.metric,
        catalog.label as metric_label,
        compared.kind,
        compared.better,
        compared.sort_order,
        compared.cases,
        compared.numerator,
        compared.value,
        {{ wilson_lower('compared.numerator', 'compared.cases') }} as value_lower,
        {{ wilson_upper('compared.numerator', 'compared.cases') }} as value_upper,
        compared.previous_cases,
        -- Of too few it would only be compared with.
        case
            when compared.previous_cases >= run_policy.sync_cases
                then compared.previous_value
        end as previous_value,
        targets.target_value,
        targets.valid_from as target_from,
        targets.owner_team,
        case
            when compared.cases < run_policy.sync_cases then 'too_few'
            when targets.target_value is null then 'no_target'
            when compared.better = 'lower' and compared.value <= targets.target_value
                then 'met'
            when compared.better = 'higher' and compared.value >= targets.target_value
                then 'met'
            else 'missed'
        end as status,
        compared.cases_from,
        compared.cases_until,
        compared.is_running,
        compared.period_end,
        compared.period_start
    from compared
    cross join run_policy
    inner join catalog
        on compared.metric = catalog.metric
    left join targets
        on
            compared.metric = targets.metric
            and compared.known_day >= targets.valid_from
            and coalesce(compared.known_day < targets.valid_until, true)

)

select * from final
