{{ config(materialized='view') }}

-- Whether customers changed, or are no longer who the score rewards: the last quarter
-- that is over, by dimension the worse of the two.
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

ranked as (

    select
        tests.*,
        row_number() over (
            partition by tests.dimension
            order by
                case tests.drift
                    when 'major' then 1
                    when 'moderate' then 2
                    when 'stable' then 3
                    else 4
                end asc,
                tests.p_value asc nulls last,
                tests.compared_with asc
        ) as drift_rank
    from {{ ref('int_drift_tests') }} as tests
    inner join last_quarter
        on tests.period_start = last_quarter.period_start

),

final as (

    select
        'icp_drift' as diagnostic,
        case
            when ranked.compared_with = 'previous_won' then 'psi_to_previous'
            else 'psi'
        end as metric,
        dimensions.dimension as segment,
        case
            when ranked.compared_with = 'previous_won' then 'own trend'
            else 'benchmark'
        end as basis,
        ranked.psi as value,
        cast(null as double) as numerator,
        coalesce(ranked.sample_size, 0) as sample_size,
        cast(null as double) as previous_value,
        ranked.p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case ranked.drift
            when 'major' then 'act'
            when 'moderate' then 'watch'
            when 'stable' then 'ok'
            else 'too_few'
        end as status,
        case
            when ranked.drift is null or ranked.drift = 'too_few'
                then 'Too few cases to judge'
            when ranked.drift = 'stable'
                then 'No drift of the won beyond what chance explains'
            when ranked.compared_with = 'previous_won'
                then
                    'By ' || replace(dimensions.dimension, '_', ' ')
                    || ', other leads are won than in the quarter before'
            else
                'By ' || replace(dimensions.dimension, '_', ' ')
                || ', the leads won are not those with the best scores'
        end as reading
    from dimensions
    left join ranked
        on
            dimensions.dimension = ranked.dimension
            and ranked.drift_rank = 1

)

select * from final
