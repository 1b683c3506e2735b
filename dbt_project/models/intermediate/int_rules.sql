-- The rules are ours and fixed; what they measure with is policy.
with final as (

    select
        rules.rule,
        rules.severity
    from (
        values
        ('rejection_reason_missing', 'error'),
        ('disqualification_reason_missing', 'error'),
        ('loss_reason_missing', 'error'),
        ('recycle_reason_missing', 'error'),
        ('unknown_reason', 'warning'),
        ('backward_transition', 'error'),
        ('skipped_stage', 'warning'),
        ('invalid_transition', 'error'),
        ('unmapped_stage', 'error'),
        ('current_stage_differs', 'warning'),
        ('won_without_closing_date', 'warning'),
        ('handoff_without_decision', 'warning'),
        ('stage_before_creation', 'warning'),
        ('not_recycled', 'warning'),
        ('handoff_without_owner', 'error'),
        ('untouched_past_sla', 'warning'),
        ('accepted_without_qualification', 'warning'),
        ('sales_qualified_without_opportunity', 'warning'),
        ('handoff_without_explicit_intent', 'warning')
    ) as rules (rule, severity)

)

select * from final
