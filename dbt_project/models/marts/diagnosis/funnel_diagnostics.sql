{%- set enough = 30 -%}
with runbook as (

    select * from {{ ref('int_runbook') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

drivers as (

    select
        max(metric) as metric,
        sum(mix_part) as mix_part,
        max(total_change) as total_change,
        sum(current_entered) as current_entered,
        sum(current_converted) as current_converted,
        sum(previous_entered) as previous_entered,
        sum(previous_converted) as previous_converted
    from {{ ref('conversion_drivers') }}
    where period_pair = 'rolling_window' and dimension = 'lead_source'

),

-- A fall is called one only where chance alone would hardly make it.
tested_drivers as (

    select
        *,
        least(current_entered, previous_entered) as sample_size,
        {{ two_proportion_z(
            'current_converted', 'current_entered',
            'previous_converted', 'previous_entered'
        ) }} as deviate
    from drivers

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
        {{ two_sided_p('deviate') }} as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case
            when
                coalesce(sample_size, 0) < {{ enough }} or total_change is null
                then 'too_few'
            when coalesce(deviate, 0) > -{{ normal_quantile_975() }} then 'ok'
            when mix_part < 0.5 * total_change then 'act'
            else 'ok'
        end as status,
        case
            when
                coalesce(sample_size, 0) < {{ enough }} or total_change is null
                then 'Too few cases to judge'
            when coalesce(deviate, 0) > -{{ normal_quantile_975() }}
                then 'No fall beyond what chance explains'
            when mix_part < 0.5 * total_change
                then 'Most of the fall is a shift to weaker sources'
            else 'The mix of sources explains no more than half of the fall'
        end as reading
    from tested_drivers

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

    select * from {{ ref('int_benchmark_diagnostics') }}
    union all
    select * from {{ ref('int_trend_diagnostics') }}
    union all
    select * from {{ ref('int_score_diagnostics') }}
    union all
    select * from {{ ref('int_drift_diagnostics') }}
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
