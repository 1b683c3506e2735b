{{ config(materialized='view') }}

-- The own trend: a later period against an earlier one, as known at the end of their
-- windows. What volume does shows within weeks; a slow fall needs the whole window.
with diagnostics as (

    select
        *,
        case
            when diagnostic = 'qualification_trend' then 'rolling_window'
            else 'change'
        end as period_pair
    from {{ ref('int_diagnostics') }}
    where diagnostic in ('everyone_is_an_mql', 'mql_gaming', 'qualification_trend')

),

periods as (

    select
        diagnostics.diagnostic,
        coalesce(sum(counts.entered) filter (where counts.period = 'previous'), 0)
            as previous_entered,
        coalesce(sum(counts.converted) filter (where counts.period = 'previous'), 0)
            as previous_converted,
        coalesce(sum(counts.entered) filter (where counts.period = 'current'), 0)
            as current_entered,
        coalesce(sum(counts.converted) filter (where counts.period = 'current'), 0)
            as current_converted
    from diagnostics
    left join {{ ref('int_period_conversions') }} as counts
        on
            diagnostics.metric = counts.metric
            and diagnostics.period_pair = counts.period_pair
    group by diagnostics.diagnostic

),

started as (

    select
        {{ local_date('cycles.cycle_started_at', 'run_policy.timezone') }}
            as started_date
    from {{ ref('int_funnel_cycles') }} as cycles
    cross join {{ ref('int_run_policy') }} as run_policy
    where cycles.start_kind = 'new'

),

-- Leads captured in the two periods: what the season does to handoffs, it does to them.
captured as (

    select
        period_pairs.period_pair,
        max(period_pairs.previous_windows) as times_per_window,
        {{ in_the_last('max(period_pairs.window_days)') }} as cases_period,
        cast(count(*) filter (
            where started.started_date < period_pairs.current_from
        ) as double)
        / nullif(count(*) filter (
            where started.started_date >= period_pairs.current_from
        ), 0) as times_per_lead
    from {{ ref('int_period_pairs') }} as period_pairs
    left join started
        on
            period_pairs.previous_from <= started.started_date
            and period_pairs.current_until >= started.started_date
    group by period_pairs.period_pair

),

trends as (

    select
        diagnostics.diagnostic,
        diagnostics.metric,
        diagnostics.why_not_told,
        diagnostics.least_effect,
        captured.cases_period,
        periods.current_entered,
        periods.current_converted,
        {{ rate('periods.previous_converted', 'periods.previous_entered') }}
            as previous_rate,
        {{ rate('periods.current_converted', 'periods.current_entered') }}
            as current_rate,
        least(periods.previous_entered, periods.current_entered)
        < diagnostics.min_cases
        or not {{ is_testable(
            'periods.current_converted', 'periods.current_entered',
            'periods.previous_converted', 'periods.previous_entered'
        ) }} as is_too_few,
        {{ two_proportion_z(
            'periods.current_converted', 'periods.current_entered',
            'periods.previous_converted', 'periods.previous_entered'
        ) }} as deviate,
        {{ two_count_z(
            'periods.current_entered', 'periods.previous_entered',
            'captured.times_per_window'
        ) }} > {{ normal_quantile_975() }}
        and captured.times_per_window * periods.current_entered
        > periods.previous_entered * (1 + coalesce(diagnostics.least_effect, 0))
            as is_more_per_window,
        {{ two_count_z(
            'periods.current_entered', 'periods.previous_entered',
            'captured.times_per_lead'
        ) }} > {{ normal_quantile_975() }}
        and captured.times_per_lead * periods.current_entered
        > periods.previous_entered * (1 + coalesce(diagnostics.least_effect, 0))
            as is_more_per_lead
    from diagnostics
    inner join periods
        on diagnostics.diagnostic = periods.diagnostic
    inner join captured
        on diagnostics.period_pair = captured.period_pair

),

tested as (

    select
        *,
        {{ two_sided_p('deviate') }} as p_value,
        coalesce(deviate < -{{ normal_quantile_975() }}, false) as is_falling,
        -- Of very many handoffs the least fall is beyond chance.
        current_rate > previous_rate * (1 - coalesce(least_effect, 0)) as is_small,
        -- Beside more volume beyond chance, a fall at a one-sided 5 % is enough.
        coalesce(
            (coalesce(is_more_per_window, false) or is_more_per_lead)
            and deviate < 0
            and {{ two_sided_p('deviate') }} < 0.1,
            false
        ) as is_diluted
    from trends

),

-- A fall without more volume is the business of the trend, and told once.
found as (

    select
        *,
        case
            when why_not_told is not null then 'not_applicable'
            when is_too_few then 'too_few'
            when diagnostic = 'qualification_trend' and is_falling and is_small
                then 'falling_a_little'
            when diagnostic = 'qualification_trend' and is_falling then 'falling'
            when diagnostic <> 'qualification_trend' and is_diluted then 'diluted'
            when not is_falling or diagnostic = 'qualification_trend' then 'ok'
            when diagnostic = 'everyone_is_an_mql' and p_value < 0.01
                then 'falling_alone'
            else 'not_by_volume'
        end as finding
    from tested

),

final as (

    select
        diagnostic,
        metric,
        'all' as segment,
        'own trend' as basis,
        current_rate as value,
        cast(current_converted as double) as numerator,
        current_entered as sample_size,
        cases_period,
        previous_rate as previous_value,
        p_value,
        cast(null as double) as low,
        cast(null as double) as high,
        case finding
            when 'falling' then 'act'
            when 'diluted' then 'act'
            when 'falling_alone' then 'watch'
            when 'not_by_volume' then 'ok'
            when 'falling_a_little' then 'ok'
            else finding
        end as status,
        case
            when finding = 'not_applicable' then why_not_told
            when finding = 'too_few' then 'Too few cases to judge'
            when finding = 'falling'
                then 'Fewer handoffs become sales qualified, and it is not chance'
            when finding = 'diluted' and diagnostic = 'everyone_is_an_mql'
                then 'More leads are handed off, a smaller share of them is accepted'
            when finding = 'diluted'
                then 'More leads are handed off, a smaller share of them qualifies'
            when finding = 'falling_alone'
                then 'A smaller share is accepted, and not because of the volume'
            when finding = 'falling_a_little'
                then 'A fall beyond chance, and too small to act on'
            when finding = 'not_by_volume'
                then 'The share falls, and not because of the volume'
            else 'No fall beyond what chance explains'
        end as reading
    from found

)

select * from final
