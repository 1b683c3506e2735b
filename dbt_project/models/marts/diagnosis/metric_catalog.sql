with pairs as (

    select * from {{ ref('int_conversion_pairs') }}

),

rates as (

    select
        metric,
        metric_label as label,
        'cycles that reached ' || to_milestone
        || ' to date (converted), or within the window (converted_in_window)'
            as numerator,
        'cycles that reached ' || from_milestone || ' in their own right'
            as denominator,
        'cycle' as grain,
        'funnel_conversion' as mart,
        'Share of the cycles that reached ' || from_label || ' and went on to '
        || to_label || ': to date, and within the conversion window' as description
    from pairs

),

fixed_metrics as (

    select
        fixed_metrics.metric,
        fixed_metrics.label,
        fixed_metrics.numerator,
        fixed_metrics.denominator,
        fixed_metrics.grain,
        fixed_metrics.mart,
        fixed_metrics.description
    from (
        values
        (
            'speed_to_lead', 'Speed to lead', 'minutes from handoff to first touch',
            null, 'cycle', 'handoff_sla',
            'Median minutes from the handoff to the first sales touch'
        ),
        (
            'sla_met_rate', 'Touched in time', 'handoffs touched by the due moment',
            'handoffs met or breached', 'cycle', 'handoff_sla',
            'Share of the handoffs that sales touched in time'
        ),
        (
            'acceptance_rate', 'Acceptance', 'handoffs accepted', 'handoffs', 'cycle',
            'rep_acceptance', 'Share of the handoffs that sales accepted'
        ),
        (
            'below_mql_share', 'Below the MQL definition',
            'handoffs that lack a requirement', 'handoffs judged', 'cycle',
            'mql_quality',
            'Share of the handoffs that did not meet the whole MQL definition'
        ),
        (
            'decided_in_time_rate', 'Decided in time',
            'handoffs accepted or rejected by the due moment', 'handoffs due', 'cycle',
            'sync_scorecard',
            'Share of the handoffs that sales accepted or rejected in time'
        ),
        (
            'reasons_given_rate', 'Reasons given', 'exits with a reason',
            'exits that need one', 'stage visit', 'sync_scorecard',
            'Share of the rejected, disqualified, lost and recycled with a reason'
        ),
        (
            'recycled_in_time_rate', 'Back in nurture in time',
            'cycles back in nurture by the due moment',
            'rejected or disqualified worth another look', 'cycle', 'sync_scorecard',
            'Share of those worth another look that were put into nurture in time'
        ),
        (
            'requalified_rate', 'Came back', 'cycles requalified after an exit',
            'cycles that exited', 'cycle', 'recycling',
            'Share of the cycles that left and came back qualified'
        ),
        (
            'auc', 'Score quality', 'pairs that the score orders right',
            'pairs of a won and another cycle', 'quarter', 'score_calibration',
            'Chance that a won cycle had the higher score of two'
        ),
        (
            'psi', 'ICP mismatch', null, null, 'quarter', 'icp_drift',
            'Population stability index of won against what the score puts first'
        ),
        (
            'concentration', 'Source concentration', 'sum of squared shares', null,
            'month', 'channel_mix', 'Herfindahl-Hirschman index of the lead sources'
        ),
        (
            'cost_per_won', 'Cost per win', 'lagged spend', 'cycles won with spend',
            'period', 'channel_economics',
            'Spend, later by the median time to win, over the cycles won'
        ),
        (
            'customer_acquisition_cost', 'Customer acquisition cost', 'lagged spend',
            'first passes won with spend', 'period', 'channel_economics',
            'Spend, later by the median time to win, over the new business won'
        ),
        (
            'credited_amount', 'Attributed pipeline', 'credit times amount', null,
            'opportunity', 'pipeline_attribution',
            'Pipeline by channel and campaign under one touch model, at one milestone'
        )
    ) as fixed_metrics (
        metric, label, numerator, denominator, grain, mart, description
    )

),

final as (

    select * from rates
    union all
    select * from fixed_metrics

)

select * from final
