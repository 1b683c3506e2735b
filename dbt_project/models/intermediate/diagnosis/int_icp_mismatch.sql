{{ config(materialized='view') }}

-- Whether those who are won are who the score puts first, by dimension, in the last
-- quarter that is over.
with run_policy as (

    select
        {{ period_start('quarter', local_date('as_of', 'timezone')) }} as quarter_start
    from {{ ref('int_run_policy') }}

),

last_quarter as (

    select cast({{ dbt.dateadd('month', -3, 'quarter_start') }} as date) as period_start
    from run_policy

),

dimensions as (

    {% for dimension in drift_dimensions() -%}
        select '{{ dimension }}' as dimension
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

tests as (

    select tests.*
    from {{ ref('int_drift_tests') }} as tests
    inner join last_quarter
        on tests.period_start = last_quarter.period_start
    where tests.compared_with = 'rewarded'

),

final as (

    select
        'icp_mismatch' as diagnostic,
        'psi' as metric,
        dimensions.dimension as segment,
        'benchmark' as basis,
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
            when coalesce(tests.drift, 'too_few') = 'too_few'
                then 'Too few cases to judge'
            when tests.drift = 'stable'
                then 'Who is won is who the score puts first'
            else
                'By ' || replace(dimensions.dimension, '_', ' ')
                || ', the leads won are not those that the score puts first'
        end as reading
    from dimensions
    left join tests
        on dimensions.dimension = tests.dimension

)

select * from final
