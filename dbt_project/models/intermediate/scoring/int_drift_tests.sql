-- The customers of a quarter against those of the quarter before, and against the
-- leads that the score rewards; those of the change window against its history.
with shares as (

    select * from {{ ref('int_quarter_shares') }}

),

-- A policy that does without a diagnostic does not do without the minimum of its test.
policy as (

    select
        coalesce(max(case when diagnostic = 'icp_drift' then min_cases end), 10)
            as recent_cases,
        coalesce(max(case when diagnostic = 'icp_mismatch' then min_cases end), 30)
            as quarter_cases
    from {{ ref('diagnostics') }}

),

compared as (

    {% for compared_with in ['previous_won', 'rewarded'] -%}
        select
            dimension,
            value,
            '{{ compared_with }}' as compared_with,
            won,
            all_won,
            {{ compared_with }} as other,
            all_{{ compared_with }} as all_other,
            period_start
        from shares
        union all
    {% endfor -%}
    select
        dimension,
        value,
        'earlier_won' as compared_with,
        won,
        all_won,
        earlier_won as other,
        all_earlier_won as all_other,
        period_start
    from {{ ref('int_recent_wins') }}

),

-- Values too rare for the test (fewer than five expected on a side) are one.
cells as (

    select
        dimension,
        compared_with,
        all_won,
        all_other,
        case
            when
                (won + other) * least(all_won, all_other) >= 5 * (all_won + all_other)
                then value
        end as cell,
        sum(won) as won,
        sum(other) as other,
        period_start
    from compared
    group by
        dimension,
        compared_with,
        all_won,
        all_other,
        period_start,
        case
            when
                (won + other) * least(all_won, all_other) >= 5 * (all_won + all_other)
                then value
        end

),

-- A rest that is itself too rare is left out of the test.
tested_cells as (

    select
        *,
        (won + other) * least(all_won, all_other) >= 5 * (all_won + all_other)
            as is_tested
    from cells

),

summed as (

    select
        dimension,
        compared_with,
        least(all_won, all_other) as sample_size,
        sum({{ psi_part(rate('won', 'all_won'), rate('other', 'all_other')) }}) as psi,
        count(*) filter (where is_tested) - 1 as freedom,
        cast(sum(won) filter (where is_tested) as double) as tested_won,
        cast(sum(other) filter (where is_tested) as double) as tested_other,
        sum(power(won, 2) / cast(won + other as double)) filter (where is_tested)
            as won_squares,
        period_start
    from tested_cells
    group by dimension, compared_with, all_won, all_other, period_start

),

-- Pearson's statistic of two rows of counts in its short form.
statistics as (

    select
        *,
        case
            when tested_won > 0 and tested_other > 0
                then greatest(
                    0.0,
                    (tested_won + tested_other) * (tested_won + tested_other)
                    / (tested_won * tested_other)
                    * (
                        won_squares
                        - tested_won * tested_won / (tested_won + tested_other)
                    )
                )
        end as chi_square
    from summed

),

deviates as (

    select
        *,
        {{ chi_square_deviate('chi_square', 'freedom') }} as deviate
    from statistics

),

tested as (

    select
        *,
        {{ upper_tail_p('deviate') }} as p_value
    from deviates

),

final as (

    select
        tested.dimension,
        tested.compared_with,
        cast(tested.sample_size as {{ dbt.type_bigint() }}) as sample_size,
        tested.psi,
        tested.p_value,
        -- Several dimensions are looked at, and the change window every day: each look
        -- may be wrong that much more rarely.
        case
            when tested.p_value is null then 'too_few'
            when
                tested.sample_size < case
                    when tested.compared_with = 'earlier_won' then policy.recent_cases
                    else policy.quarter_cases
                end
                then 'too_few'
            when
                tested.p_value >= case
                    when tested.compared_with = 'earlier_won' then 0.01
                    else 0.05 / {{ drift_dimensions() | length }}
                end
                then 'stable'
            else {{ psi_reading('tested.psi') }}
        end as drift,
        tested.period_start
    from tested
    cross join policy

)

select * from final
