-- The order in which a falling funnel is looked into, and what to do next.
with final as (

    select
        runbook.step,
        runbook.diagnostic,
        runbook.next_step
    from (
        values
        (1, 'outcomes', 'Make the reason a required field in the CRM, then read on'),
        (2, 'definitions', 'Compare periods before and after the change apart'),
        (3, 'acceptance', 'Sit down together with ten passed and ten rejected leads'),
        (4, 'definition', 'Review the criteria against what was won this year'),
        (5, 'qualification_range', 'Look at the segment in conversion_drivers'),
        (6, 'everyone_is_an_mql', 'Look at what was added to the criteria lately'),
        (7, 'mql_gaming', 'Pay marketing for what sales accepts, not for volume'),
        (8, 'bottleneck', 'Listen to five qualification calls'),
        (9, 'first_touch', 'Route hand-raisers to whoever is free, not to an owner'),
        (10, 'recycling', 'Work the nurture_queue, oldest first'),
        (11, 'mql_to_sql_trend', 'Rule out the next four before touching the score'),
        (12, 'icp_drift', 'See in icp_drift which customers come more often now'),
        (13, 'channel_shift', 'Look at the mix parts in conversion_drivers'),
        (14, 'channel_concentration', 'Test a second channel before you need it'),
        (15, 'capacity', 'Raise the threshold to the one that fills the team'),
        (16, 'scoring', 'Look at the bands in score_calibration'),
        (17, 'score_power', 'Refit the score on what was won, then watch its auc')
    ) as runbook (step, diagnostic, next_step)

)

select * from final
