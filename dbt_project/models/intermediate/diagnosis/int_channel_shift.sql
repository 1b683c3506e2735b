{{ config(materialized='view') }}

-- Whether weaker sources grow. Each handoff counts with the rate that its source had in
-- the earlier period; sources with too few handoffs there are one, with one rate. The
-- means of the two periods are compared: what the mix alone does to the rate. The fall
-- itself need not be beyond chance yet, the mix shows long before.
with diagnostic as (

    select * from {{ ref('int_diagnostics') }}
    where diagnostic = 'channel_shift'

),

sources as (

    select
        counts.lead_source,
        coalesce(sum(counts.entered) filter (where counts.period = 'previous'), 0)
            as previous_entered,
        coalesce(sum(counts.converted) filter (where counts.period = 'previous'), 0)
            as previous_converted,
        coalesce(sum(counts.entered) filter (where counts.period = 'current'), 0)
            as current_entered
    from {{ ref('int_period_conversions') }} as counts
    inner join diagnostic
        on counts.metric = diagnostic.metric
    where counts.period_pair = 'change'
    group by counts.lead_source

),

pooled as (

    select
        sources.previous_entered,
        sources.previous_converted,
        sources.current_entered,
        case
            when sources.previous_entered >= diagnostic.min_cases
                then sources.lead_source
        end as cell
    from sources
    cross join diagnostic

),

cells as (

    select
        cell,
        sum(previous_entered) as previous_entered,
        sum(previous_converted) as previous_converted,
        sum(current_entered) as current_entered
    from pooled
    group by cell

),

-- Sources that are all new say nothing of their rate: they have that of the whole.
rated as (

    select
        *,
        coalesce(
            {{ rate('previous_converted', 'previous_entered') }},
            {{ rate(
                'sum(previous_converted) over ()', 'sum(previous_entered) over ()'
            ) }}
        ) as usual_rate
    from cells

),

sums as (

    select
        coalesce(sum(current_entered), 0) as current_entered,
        coalesce(sum(previous_entered), 0) as previous_entered,
        coalesce(sum(current_entered) filter (where cell is null), 0)
            as pooled_entered,
        {{ rate('sum(current_entered * usual_rate)', 'sum(current_entered)') }}
            as current_rate,
        {{ rate('sum(previous_entered * usual_rate)', 'sum(previous_entered)') }}
            as previous_rate,
        {{ rate(
            'sum((current_entered + previous_entered) * usual_rate)',
            'sum(current_entered + previous_entered)'
        ) }} as mean_rate,
        {{ rate(
            'sum((current_entered + previous_entered) * usual_rate * usual_rate)',
            'sum(current_entered + previous_entered)'
        ) }} as mean_square
    from rated

),

deviates as (

    select
        *,
        case
            when
                mean_square - mean_rate * mean_rate > 1e-12
                and current_entered > 0
                and previous_entered > 0
                then (current_rate - previous_rate) / sqrt(
                    (mean_square - mean_rate * mean_rate)
                    * (1.0 / current_entered + 1.0 / previous_entered)
                )
        end as deviate
    from sums

),

found as (

    select
        deviates.*,
        diagnostic.metric,
        diagnostic.why_not_told,
        {{ in_the_last('run_policy.change_days') }} as cases_period,
        case
            when diagnostic.why_not_told is not null then 'not_applicable'
            when
                least(deviates.current_entered, deviates.previous_entered)
                < diagnostic.min_cases
                then 'too_few'
            when deviates.pooled_entered > 0.5 * deviates.current_entered
                then 'too_few'
            when
                deviates.deviate < -{{ normal_quantile_995() }}
                and deviates.current_rate - deviates.previous_rate
                < -deviates.previous_rate * coalesce(diagnostic.least_effect, 0)
                then 'act'
            else 'ok'
        end as status
    from deviates
    cross join diagnostic
    cross join {{ ref('int_run_policy') }} as run_policy

),

final as (

    select
        'channel_shift' as diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        current_rate as value,
        cast(null as double) as numerator,
        current_entered as sample_size,
        cases_period,
        previous_rate as previous_value,
        {{ two_sided_p('deviate') }} as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        status,
        case status
            when 'not_applicable' then why_not_told
            when 'too_few' then 'Too few cases to judge'
            when 'act'
                then
                    'Weaker sources bring more of the handoffs, which convert at the '
                    || 'usual rates of their sources'
            else 'No shift to weaker sources that the rate would feel'
        end as reading
    from found

)

select * from final
