{{ config(materialized='view') }}

-- Whether a fall of the conversion comes from weaker sources: the fall must be more
-- than chance, the mix of sources must have changed more than chance, and the mix must
-- explain the policy's share of the fall. Each lead counts with the rate of its source
-- over both periods; the means of the two periods are compared.
with diagnostic as (

    select * from {{ ref('int_diagnostics') }}
    where diagnostic = 'channel_shift'

),

sources as (

    select
        drivers.*,
        {{ rate(
            'drivers.previous_converted + drivers.current_converted',
            'drivers.previous_entered + drivers.current_entered'
        ) }} as source_rate
    from {{ ref('conversion_drivers') }} as drivers
    inner join diagnostic
        on drivers.metric = diagnostic.metric
    where drivers.period_pair = 'rolling_window' and drivers.dimension = 'lead_source'

),

sums as (

    select
        count(*) as sources_seen,
        coalesce(sum(current_entered), 0) as current_entered,
        coalesce(sum(current_converted), 0) as current_converted,
        coalesce(sum(previous_entered), 0) as previous_entered,
        coalesce(sum(previous_converted), 0) as previous_converted,
        sum(mix_part) as mix_part,
        max(total_change) as total_change,
        {{ rate('sum(current_entered * source_rate)', 'sum(current_entered)') }}
        - {{ rate('sum(previous_entered * source_rate)', 'sum(previous_entered)') }}
            as mean_difference,
        {{ rate(
            'sum((current_entered + previous_entered) * source_rate * source_rate)',
            'sum(current_entered + previous_entered)'
        ) }} as mean_square,
        {{ rate(
            'sum((current_entered + previous_entered) * source_rate)',
            'sum(current_entered + previous_entered)'
        ) }} as mean_rate
    from sources

),

deviates as (

    select
        *,
        {{ two_proportion_z(
            'current_converted', 'current_entered',
            'previous_converted', 'previous_entered'
        ) }} as fall_deviate,
        case
            when
                mean_square - mean_rate * mean_rate > 1e-12
                and current_entered > 0
                and previous_entered > 0
                then mean_difference / sqrt(
                    (mean_square - mean_rate * mean_rate)
                    * (1.0 / current_entered + 1.0 / previous_entered)
                )
        end as mix_deviate
    from sums

),

found as (

    select
        deviates.*,
        diagnostic.metric,
        diagnostic.why_not_told,
        case
            when diagnostic.why_not_told is not null then 'not_applicable'
            when
                least(deviates.current_entered, deviates.previous_entered)
                < diagnostic.min_cases
                then 'too_few'
            when coalesce(deviates.fall_deviate, 0) > -{{ normal_quantile_975() }}
                then 'no_fall'
            when
                coalesce(deviates.mix_deviate, 0) < -{{ normal_quantile_975() }}
                and deviates.mix_part
                < deviates.total_change * coalesce(diagnostic.least_effect, 0)
                then 'shift'
            else 'other'
        end as finding
    from deviates
    cross join diagnostic

),

final as (

    select
        'channel_shift' as diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        {{ rate('current_converted', 'current_entered') }} as value,
        cast(current_converted as double) as numerator,
        current_entered as sample_size,
        {{ rate('previous_converted', 'previous_entered') }} as previous_value,
        greatest(
            {{ two_sided_p('fall_deviate') }}, {{ two_sided_p('mix_deviate') }}
        ) as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case finding
            when 'shift' then 'act'
            when 'no_fall' then 'ok'
            when 'other' then 'ok'
            else finding
        end as status,
        case finding
            when 'not_applicable' then why_not_told
            when 'too_few' then 'Too few cases to judge'
            when 'no_fall' then 'No fall beyond what chance explains'
            when 'shift' then 'Most of the fall is a shift to weaker sources'
            else 'The mix of sources does not explain the fall'
        end as reading
    from found

)

select * from final
