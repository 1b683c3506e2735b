{%- set enough = 30 -%}
{{ config(materialized='view') }}

-- The own trend: the rolling window against the one before, as known at each end.
with pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

periods as (

    select
        pairs.metric,
        coalesce(sum(counts.entered) filter (where counts.period = 'previous'), 0)
            as previous_entered,
        coalesce(sum(counts.converted) filter (where counts.period = 'previous'), 0)
            as previous_converted,
        coalesce(sum(counts.entered) filter (where counts.period = 'current'), 0)
            as current_entered,
        coalesce(sum(counts.converted) filter (where counts.period = 'current'), 0)
            as current_converted
    from pairs
    left join {{ ref('int_period_conversions') }} as counts
        on
            pairs.metric = counts.metric
            and counts.period_pair = 'rolling_window'
    group by pairs.metric

),

trends as (

    select
        periods.metric,
        pairs.from_milestone,
        pairs.to_milestone,
        periods.previous_entered,
        periods.current_entered,
        periods.current_converted,
        {{ rate('periods.previous_converted', 'periods.previous_entered') }}
            as previous_rate,
        {{ rate('periods.current_converted', 'periods.current_entered') }}
            as current_rate,
        least(periods.previous_entered, periods.current_entered) < {{ enough }}
            as is_too_few,
        periods.current_entered > periods.previous_entered * 1.2 as is_volume_up,
        {{ two_proportion_z(
            'periods.current_converted', 'periods.current_entered',
            'periods.previous_converted', 'periods.previous_entered'
        ) }} as deviate
    from periods
    inner join pairs
        on periods.metric = pairs.metric

),

tested as (

    select
        *,
        {{ two_sided_p('deviate') }} as p_value,
        coalesce(deviate < -{{ normal_quantile_975() }}, false) as is_falling
    from trends

),

volume_trends as (

    select
        case
            when to_milestone = 'accepted' then 'everyone_is_an_mql'
            else 'mql_gaming'
        end as diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        current_rate as value,
        cast(current_converted as double) as numerator,
        current_entered as sample_size,
        previous_rate as previous_value,
        p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case
            when is_too_few then 'too_few'
            when is_volume_up and is_falling then 'act'
            when is_falling then 'watch'
            else 'ok'
        end as status,
        case
            when is_too_few then 'Too few cases to judge'
            when is_volume_up and is_falling and to_milestone = 'accepted'
                then 'More leads are handed off, fewer of them accepted'
            when is_volume_up and is_falling
                then 'More leads qualify, a smaller share of them converts'
            when is_falling then 'The share falls, and not because of the volume'
            else 'Volume and quality move together'
        end as reading
    from tested
    where
        (from_milestone = 'handed_off' and to_milestone = 'accepted')
        or metric = 'mql_to_sql'

),

main_trend as (

    select
        'mql_to_sql_trend' as diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        current_rate as value,
        cast(current_converted as double) as numerator,
        current_entered as sample_size,
        previous_rate as previous_value,
        p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case
            when is_too_few then 'too_few'
            when is_falling then 'act'
            else 'ok'
        end as status,
        case
            when is_too_few then 'Too few cases to judge'
            when is_falling
                then 'The fall is more than chance: rule the next causes in or out'
            else 'No fall beyond what chance explains'
        end as reading
    from tested
    where metric = 'mql_to_sql'

),

final as (

    select * from volume_trends
    union all
    select * from main_trend

)

select * from final
