-- At most five sentences for the head of a summary: what to act on before what to
-- watch, each in the order of the runbook.
with found as (

    select
        diagnostics.*,
        rates.metric_label,
        row_number() over (
            order by
                case diagnostics.status when 'act' then 1 else 2 end,
                diagnostics.step,
                diagnostics.segment
        ) as place
    from {{ ref('funnel_diagnostics') }} as diagnostics
    left join {{ ref('int_milestone_pairs') }} as rates
        on diagnostics.metric = rates.metric
    where diagnostics.status in ('act', 'watch')

),

written as (

    select
        *,
        case
            when metric = 'auc' then 'AUC '
            when unit = 'index' then 'PSI '
            -- Without a numerator it is what the mix of sources would give.
            when numerator is null then 'expected ' || metric_label || ' '
            else metric_label || ' '
        end as measured,
        case
            when unit in ('share', 'load') then {{ in_percent('value') }}
            when unit = 'index' then {{ in_hundredths('value') }}
        end as value_text,
        case
            when unit in ('share', 'load') then {{ in_percent('threshold_low') }}
            else {{ in_hundredths('threshold_low') }}
        end as low_text,
        case
            when unit in ('share', 'load') then {{ in_percent('threshold_high') }}
            else {{ in_hundredths('threshold_high') }}
        end as high_text,
        case
            when unit in ('share', 'load') then {{ in_percent('previous_value') }}
            else {{ in_hundredths('previous_value') }}
        end as previous_text,
        {{ in_digits('sample_size') }} || ' ' || cases
        || coalesce(' ' || cases_period, '') as sample_text
    from found

),

worded as (

    select
        *,
        coalesce(measured, '') || value_text || case
            when unit = 'load' then ' of the capacity (' || sample_text || ')'
            when unit = 'share' and numerator is not null
                then
                    ' (' || {{ in_digits('numerator') }} || ' of '
                    || sample_text || ')'
            else ' (' || sample_text || ')'
        end as figure,
        case
            when previous_value is not null
                then
                    'before: ' || previous_text
                    || coalesce(' (' || {{ in_p('p_value') }} || ')', '')
            when threshold_low is not null and threshold_high is not null
                then 'usual: ' || low_text || ' to ' || high_text
            when unit = 'index' and threshold_low is not null
                then 'chance alone: ' || low_text
            when threshold_low is not null then 'usual: at least ' || low_text
            when threshold_high is not null then 'usual: at most ' || high_text
        end as comparison
    from written

),

final as (

    select
        place,
        diagnostic,
        segment,
        status,
        reading
        || coalesce(': ' || figure, '')
        || coalesce('; ' || comparison, '') as sentence,
        next_step
    from worded
    where place <= 5

)

select * from final
