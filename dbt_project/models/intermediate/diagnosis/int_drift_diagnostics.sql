{{ config(materialized='view') }}

-- Whether customers changed, or are no longer who the score rewards: the last quarter
-- that is over, by dimension.
with run_policy as (

    select
        {{ period_start('quarter', local_date('as_of', 'timezone')) }} as quarter_start
    from {{ ref('int_run_policy') }}

),

last_quarter as (

    select cast({{ dbt.dateadd('month', -3, 'quarter_start') }} as date) as period_start
    from run_policy

),

comparisons as (

    select
        dimensions.dimension,
        compared.compared_with,
        compared.metric_suffix,
        compared.basis,
        compared.drifted,
        compared.as_usual
    from (
        values
        {% for dimension in drift_dimensions() -%}
            ('{{ dimension }}'){{ ',' if not loop.last }}
        {% endfor -%}
    ) as dimensions (dimension)
    cross join (
        values
        (
            'previous_won', 'psi_to_previous', 'own trend',
            'The won differ from those of the quarter before by more than chance',
            'No change of the won beyond what chance explains'
        ),
        (
            'rewarded', 'psi', 'benchmark',
            'The won are not the ones that the score puts first',
            'The won are the ones that the score puts first, as far as chance lets see'
        )
    ) as compared (compared_with, metric_suffix, basis, drifted, as_usual)

),

final as (

    select
        'icp_drift' as diagnostic,
        comparisons.dimension || '_' || comparisons.metric_suffix as metric,
        'all' as segment,
        comparisons.basis,
        tests.psi as value,
        cast(null as double) as numerator,
        coalesce(tests.sample_size, 0) as sample_size,
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
            when tests.drift in ('major', 'moderate') then comparisons.drifted
            when tests.drift = 'stable' then comparisons.as_usual
            else 'Too few cases to judge'
        end as reading
    from comparisons
    cross join last_quarter
    left join {{ ref('int_drift_tests') }} as tests
        on
            comparisons.dimension = tests.dimension
            and comparisons.compared_with = tests.compared_with
            and last_quarter.period_start = tests.period_start

)

select * from final
