{{ config(materialized='view') }}

-- What the policy has bounds for, held against them. Other diagnostics have a test.
with run_policy as (

    select * from {{ ref('int_run_policy') }}

),

metrics as (

    select * from {{ ref('int_diagnostic_metrics') }}

),

benchmarks as (

    select
        benchmarks.diagnostic,
        benchmarks.segment,
        benchmarks.low,
        benchmarks.high,
        benchmarks.status,
        benchmarks.reading_low,
        benchmarks.reading_high,
        diagnostics.metric,
        diagnostics.min_cases,
        diagnostics.why_not_told,
        row_number() over (
            partition by benchmarks.diagnostic, benchmarks.segment
            order by case benchmarks.acceptance_mode when 'any' then 2 else 1 end
        ) as choice
    from {{ ref('benchmarks') }} as benchmarks
    inner join {{ ref('int_diagnostics') }} as diagnostics
        on benchmarks.diagnostic = diagnostics.diagnostic
    cross join run_policy
    where
        diagnostics.diagnostic in (
            'outcomes',
            'acceptance',
            'definition',
            'qualification_range',
            'bottleneck',
            'first_touch',
            'recycling',
            'channel_concentration',
            'capacity'
        )
        and benchmarks.acceptance_mode in ('any', run_policy.acceptance_mode)

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
        metrics.cases_period,
        cast(null as double) as previous_value,
        cast(null as double) as p_value,
        benchmarks.low,
        benchmarks.high,
        -- The bounds of the acceptance themselves are signs already.
        case
            when benchmarks.why_not_told is not null then 'not_applicable'
            when coalesce(metrics.sample_size, 0) < benchmarks.min_cases
                then 'too_few'
            when metrics.value is null then 'not_measured'
            -- A segment has few cases: what may be chance is not called a finding.
            when
                benchmarks.segment <> 'all'
                and (
                    metrics.value < benchmarks.low
                    and {{ wilson_upper('metrics.numerator', 'metrics.sample_size') }}
                    >= benchmarks.low
                    or metrics.value > benchmarks.high
                    and {{ wilson_lower('metrics.numerator', 'metrics.sample_size') }}
                    <= benchmarks.high
                )
                then 'by_chance'
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
        benchmarks.why_not_told,
        benchmarks.status as finding_status,
        benchmarks.reading_low,
        benchmarks.reading_high
    from benchmarks
    left join metrics
        on
            benchmarks.metric = metrics.metric
            and benchmarks.segment = metrics.segment
    where benchmarks.choice = 1

),

final as (

    select
        diagnostic,
        metric,
        segment,
        basis,
        value,
        numerator,
        sample_size,
        cases_period,
        previous_value,
        p_value,
        low,
        high,
        case
            when finding in ('low', 'high') then finding_status
            when finding = 'not_measured' then 'not_applicable'
            when finding = 'by_chance' then 'ok'
            else finding
        end as status,
        case finding
            when 'not_applicable' then why_not_told
            when 'too_few' then 'Too few cases to judge'
            when 'not_measured' then 'What it is measured by is not known'
            when 'by_chance' then 'Outside the usual range, but within chance'
            when 'low' then reading_low
            when 'high' then reading_high
            else 'Within the usual range'
        end as reading
    from held_against_benchmarks

)

select * from final
