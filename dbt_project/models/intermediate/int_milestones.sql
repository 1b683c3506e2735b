-- The milestones are ours and fixed; what a company calls them is policy.
with final as (

    select
        milestones.milestone,
        milestones.milestone_rank
    from (
        values
        ('captured', 1),
        ('marketing_qualified', 2),
        ('handed_off', 3),
        ('accepted', 4),
        ('sales_qualified', 5),
        ('opportunity', 6),
        ('won', 7)
    ) as milestones (milestone, milestone_rank)

)

select * from final
