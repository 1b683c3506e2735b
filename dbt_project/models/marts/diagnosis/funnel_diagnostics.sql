with diagnostics as (

    select * from {{ ref('int_diagnostics') }}

),

run_policy as (

    select * from {{ ref('int_run_policy') }}

),

-- The first definitions are a beginning, not a change.
versions as (

    select
        max(definition_versions.version) as last_version,
        count(*) as versions_so_far,
        count(*) > 1
        and max(definition_versions.valid_from)
        > cast({{ dbt.dateadd(
            'day', '-2 * max(run_policy.window_days)', 'max(run_policy.as_of)'
        ) }} as date) as has_changed
    from {{ ref('definition_versions') }} as definition_versions
    inner join run_policy
        on definition_versions.valid_from <= cast(run_policy.as_of as date)

),

definitions as (

    select
        'definitions' as diagnostic,
        'definition_version' as metric,
        'all' as segment,
        'own trend' as basis,
        cast(last_version as double) as value,
        cast(null as double) as numerator,
        versions_so_far as sample_size,
        cast(null as {{ dbt.type_string() }}) as cases_period,
        cast(null as double) as previous_value,
        cast(null as double) as p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case when has_changed then 'watch' else 'ok' end as status,
        case
            when has_changed
                then 'The definitions changed within the two periods compared'
            else 'The definitions were the same in both periods'
        end as reading
    from versions

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
    select * from {{ ref('int_channel_shift') }}
    union all
    select * from definitions

),

final as (

    select
        diagnostics.step,
        every_diagnostic.diagnostic,
        every_diagnostic.metric,
        every_diagnostic.segment,
        every_diagnostic.basis,
        diagnostics.unit,
        diagnostics.cases,
        every_diagnostic.value,
        every_diagnostic.numerator,
        cast(every_diagnostic.sample_size as {{ dbt.type_bigint() }}) as sample_size,
        every_diagnostic.cases_period,
        every_diagnostic.previous_value,
        every_diagnostic.p_value,
        every_diagnostic.low as threshold_low,
        every_diagnostic.high as threshold_high,
        every_diagnostic.status,
        every_diagnostic.reading,
        case
            when every_diagnostic.status in ('act', 'watch')
                then diagnostics.next_step
        end as next_step
    from every_diagnostic
    inner join diagnostics
        on every_diagnostic.diagnostic = diagnostics.diagnostic

)

select * from final
