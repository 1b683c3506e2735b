-- The customers of a quarter against those of the quarter before, and against the
-- leads that the score rewards; those of the change window against its history.
with shares as (

    select * from {{ ref('int_quarter_shares') }}

),

policy as (

    select
        max(case when diagnostic = 'icp_drift' then min_cases end) as recent_cases,
        max(case when diagnostic = 'icp_mismatch' then min_cases end) as quarter_cases
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
            {{ psi_part('won_share', compared_with ~ '_share') }} as psi_part,
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
        {{ psi_part(
            rate('won', 'all_won'), rate('earlier_won', 'all_earlier_won')
        ) }} as psi_part,
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
        sum(psi_part) as psi_part,
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

summed as (

    select
        dimension,
        compared_with,
        least(all_won, all_other) as sample_size,
        sum(psi_part) as psi,
        count(*) filter (where won + other > 0) - 1 as freedom,
        sum(
            power(cast(won as double) * all_other - cast(other as double) * all_won, 2)
            / nullif(cast(all_won as double) * all_other * (won + other), 0)
        ) as chi_square,
        period_start
    from cells
    group by dimension, compared_with, all_won, all_other, period_start

),

deviates as (

    select
        *,
        {{ chi_square_deviate('chi_square', 'freedom') }} as deviate
    from summed

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
