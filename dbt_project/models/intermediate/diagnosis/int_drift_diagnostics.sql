{{ config(materialized='view') }}

-- By dimension: whether those who are won lately are others than before, and whether
-- those won in the last quarter that is over are who the score puts first.
with policy as (

    select * from {{ ref('int_diagnostics') }}
    where diagnostic in ('icp_drift', 'icp_mismatch')

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

last_quarter as (

    select
        cast({{ dbt.dateadd(
            'month',
            -3,
            period_start('quarter', local_date('as_of', 'timezone'))
        ) }} as date) as period_start
    from run_policy

),

dimensions as (

    {% for dimension in drift_dimensions() -%}
        select '{{ dimension }}' as dimension
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

tests as (

    select
        tests.*,
        case
            when tests.compared_with = 'earlier_won' then 'icp_drift'
            else 'icp_mismatch'
        end as diagnostic
    from {{ ref('int_drift_tests') }} as tests
    cross join last_quarter
    where
        tests.compared_with = 'earlier_won'
        or (
            tests.compared_with = 'rewarded'
            and tests.period_start = last_quarter.period_start
        )

),

final as (

    select
        policy.diagnostic,
        policy.metric,
        dimensions.dimension as segment,
        case policy.diagnostic
            when 'icp_drift' then 'own trend'
            else 'benchmark'
        end as basis,
        tests.psi as value,
        cast(null as double) as numerator,
        coalesce(tests.sample_size, 0) as sample_size,
        case policy.diagnostic
            when 'icp_drift' then {{ in_the_last('run_policy.change_days') }}
            else {{ from_to(
                'last_quarter.period_start',
                next_period_start("'quarter'", 'last_quarter.period_start')
            ) }}
        end as cases_period,
        cast(null as double) as previous_value,
        tests.p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case tests.drift
            when 'major' then 'act'
            when 'moderate' then 'watch'
            when 'stable' then 'ok'
            else 'too_few'
        end as status,
        case
            when coalesce(tests.drift, 'too_few') = 'too_few'
                then 'Too few cases to judge'
            when tests.drift = 'stable' and policy.diagnostic = 'icp_drift'
                then 'No change of who is won beyond what chance explains'
            when tests.drift = 'stable'
                then 'Who is won is who the score puts first'
            when policy.diagnostic = 'icp_drift'
                then
                    'By ' || replace(dimensions.dimension, '_', ' ')
                    || ', recent wins differ from earlier ones'
            else
                'By ' || replace(dimensions.dimension, '_', ' ')
                || ', the leads won are not those that the score puts first'
        end as reading
    from policy
    cross join dimensions
    cross join run_policy
    cross join last_quarter
    left join tests
        on
            policy.diagnostic = tests.diagnostic
            and dimensions.dimension = tests.dimension

)

select * from final
