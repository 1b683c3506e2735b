{%- set enough = 30 -%}
with runbook as (

    select * from {{ ref('int_runbook') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

metrics as (

    select * from {{ ref('int_diagnostic_metrics') }}

),

benchmarks as (

    select benchmarks.*
    from {{ ref('benchmarks') }} as benchmarks
    cross join run_policy
    where benchmarks.acceptance_mode in ('any', run_policy.acceptance_mode)

),

pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

-- The own trend: the last 90 days against the 90 before, as known at each end.
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

held_against_benchmarks as (

    select
        benchmarks.diagnostic,
        benchmarks.metric,
        benchmarks.segment,
        'benchmark' as basis,
        metrics.value,
        metrics.numerator,
        coalesce(metrics.sample_size, 0) as sample_size,
        cast(null as double) as previous_value,
        cast(null as double) as p_value,
        benchmarks.low,
        benchmarks.high,
        -- The bounds of the acceptance themselves are signs already.
        case
            when
                coalesce(metrics.sample_size, 0) < {{ enough }}
                or metrics.value is null
                then 'too_few'
            when
                metrics.value < benchmarks.low
                or (
                    benchmarks.diagnostic = 'acceptance'
                    and metrics.value = benchmarks.low
                )
                then 'low'
            when
                metrics.value > benchmarks.high
                or (
                    benchmarks.diagnostic = 'acceptance'
                    and metrics.value = benchmarks.high
                )
                then 'high'
            else 'ok'
        end as finding,
        benchmarks.status as finding_status,
        benchmarks.reading_low,
        benchmarks.reading_high
    from benchmarks
    left join metrics
        on
            benchmarks.metric = metrics.metric
            and benchmarks.segment = metrics.segment

),

against_benchmarks as (

    select
        diagnostic,
        metric,
        segment,
        basis,
        value,
        numerator,
        sample_size,
        previous_value,
        p_value,
        low,
        high,
        case
            when finding in ('low', 'high') then finding_status
            else finding
        end as status,
        case finding
            when 'too_few' then 'Too few cases to judge'
            when 'low' then reading_low
            when 'high' then reading_high
            else 'Within the usual range; the own trend says more than a benchmark'
        end as reading
    from held_against_benchmarks

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
            else 'No fall that the sample would carry'
        end as reading
    from tested
    where metric = 'mql_to_sql'

),

drivers as (

    select
        max(metric) as metric,
        sum(mix_part) as mix_part,
        max(total_change) as total_change,
        sum(current_entered) as current_entered,
        least(sum(current_entered), sum(previous_entered)) as sample_size
    from {{ ref('conversion_drivers') }}
    where period_pair = 'rolling_window' and dimension = 'lead_source'

),

channel_shift as (

    select
        'channel_shift' as diagnostic,
        coalesce(metric, 'mql_to_sql') as metric,
        'all' as segment,
        'own trend' as basis,
        mix_part as value,
        cast(null as double) as numerator,
        cast(coalesce(sample_size, 0) as {{ dbt.type_bigint() }}) as sample_size,
        total_change as previous_value,
        cast(null as double) as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case
            when
                coalesce(sample_size, 0) < {{ enough }} or total_change is null
                then 'too_few'
            when total_change < 0 and mix_part < 0.5 * total_change then 'act'
            else 'ok'
        end as status,
        case
            when
                coalesce(sample_size, 0) < {{ enough }} or total_change is null
                then 'Too few cases to judge'
            when total_change < 0 and mix_part < 0.5 * total_change
                then 'Most of the fall is a shift to weaker sources'
            else 'The mix of sources explains no more than half of a fall'
        end as reading
    from drivers

),

definitions as (

    select
        'definitions' as diagnostic,
        'definition_version' as metric,
        'all' as segment,
        'own trend' as basis,
        cast(max(definition_versions.version) as double) as value,
        cast(null as double) as numerator,
        count(*) as sample_size,
        cast(null as double) as previous_value,
        cast(null as double) as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case
            when
                max(definition_versions.valid_from) > cast(
                    {{ dbt.dateadd('day', -180, 'max(run_policy.as_of)') }} as date
                )
                and count(*) > 1
                then 'watch'
            else 'ok'
        end as status,
        case
            when
                max(definition_versions.valid_from) > cast(
                    {{ dbt.dateadd('day', -180, 'max(run_policy.as_of)') }} as date
                )
                and count(*) > 1
                then 'The definitions changed within the two periods compared'
            else 'The definitions were the same in both periods'
        end as reading
    from {{ ref('definition_versions') }} as definition_versions
    inner join run_policy
        on definition_versions.valid_from <= cast(run_policy.as_of as date)

),

every_diagnostic as (

    select * from against_benchmarks
    union all
    select * from volume_trends
    union all
    select * from main_trend
    union all
    select * from channel_shift
    union all
    select * from definitions

),

final as (

    select
        runbook.step,
        every_diagnostic.diagnostic,
        every_diagnostic.metric,
        every_diagnostic.segment,
        every_diagnostic.basis,
        every_diagnostic.value,
        every_diagnostic.numerator,
        cast(every_diagnostic.sample_size as {{ dbt.type_bigint() }}) as sample_size,
        every_diagnostic.previous_value,
        every_diagnostic.p_value,
        every_diagnostic.low as threshold_low,
        every_diagnostic.high as threshold_high,
        every_diagnostic.status,
        every_diagnostic.reading,
        case
            when every_diagnostic.status in ('act', 'watch') then runbook.next_step
        end as next_step
    from every_diagnostic
    inner join runbook
        on every_diagnostic.diagnostic = runbook.diagnostic

)

select * from final
