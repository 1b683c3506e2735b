{{ config(materialized='view') }}

-- Whether weaker sources grow: the mix of sources must have changed more than chance,
-- and cost more than the policy's share of the rate. Each lead counts with the rate of
-- its source over both periods; the means of the two periods are compared. The fall
-- itself need not be beyond chance yet: the mix shows long before.
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
    where drivers.period_pair = 'change' and drivers.dimension = 'lead_source'

),

sums as (

    select
        coalesce(sum(current_entered), 0) as current_entered,
        coalesce(sum(current_converted), 0) as current_converted,
        coalesce(sum(previous_entered), 0) as previous_entered,
        coalesce(sum(previous_converted), 0) as previous_converted,
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
        {{ rate('previous_converted', 'previous_entered') }} as previous_rate,
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
            when
                deviates.mix_deviate < -{{ normal_quantile_995() }}
                and deviates.mean_difference
                < -deviates.previous_rate * coalesce(diagnostic.least_effect, 0)
                then 'shift'
            else 'ok'
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
        previous_rate as previous_value,
        {{ two_sided_p('mix_deviate') }} as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case finding
            when 'shift' then 'act'
            else finding
        end as status,
        case finding
            when 'not_applicable' then why_not_told
            when 'too_few' then 'Too few cases to judge'
            when 'shift' then 'Weaker sources bring a larger share of the handoffs'
            else 'No shift to weaker sources that the rate would feel'
        end as reading
    from found

)

select * from final
