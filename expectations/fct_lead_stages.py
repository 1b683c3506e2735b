"""Suite of ``fct_lead_stages``: reasons, moves between stages, and visits that tile time."""

from expectations.check import AS_OF, Check, in_both_windows, model_promise
from expectations.rules import rule_checks

TABLE = "build.fct_lead_stages"
VISIT = ("source_system", "lead_id", "visit_number")

# Of the visits that require a reason, by kind of exit, since that is where the CRM asks for it.
REASONS = (
    *rule_checks(
        "rejection_reason_missing",
        name="rejected_leads_have_a_reason",
        headline="{failing} rejection{s} without a reason",
        description="A lead that sales rejected says why, so that marketing can aim better.",
        counted="Counts visits to a rejected stage; rejection_reasons counts cycles by outcome.",
        owner="sales",
        runbook="Ask the owners of the listed leads for the reason; make the field required "
        "on the rejected stage in the CRM.",
    ),
    *rule_checks(
        "disqualification_reason_missing",
        name="disqualified_leads_have_a_reason",
        headline="{failing} disqualification{s} without a reason",
        description="A lead that was disqualified says why.",
        counted="Counts visits to a disqualified stage; rejection_reasons counts cycles by "
        "outcome.",
        owner="sales",
        runbook="Ask the owners of the listed leads for the reason; make the field required "
        "on the disqualified stage in the CRM.",
    ),
    *rule_checks(
        "loss_reason_missing",
        name="lost_leads_have_a_reason",
        headline="{failing} lost lead{s} without a reason",
        description="A lead that was lost says why, on the stage or on its opportunity.",
        counted="Counts visits to a lost stage; rejection_reasons counts cycles by outcome.",
        owner="sales",
        runbook="Ask the opportunity's owner for the loss reason; make it required on closing "
        "lost.",
    ),
    *rule_checks(
        "recycle_reason_missing",
        name="recycled_leads_have_a_reason",
        headline="{failing} lead{s} sent back to nurture without a reason",
        description="A lead that goes straight from the path back to nurture says why.",
        counted="Counts such moves; recycling counts every cycle that left.",
        owner="sales",
        runbook="Ask the owners of the listed leads for the reason; require one on the move "
        "to nurture.",
    ),
    *rule_checks(
        "unknown_reason",
        name="reasons_are_known",
        headline="{failing} reason{s} that the policy does not know",
        description="A reason is one of the policy's codes, or an alias of one.",
        counted="Counts visits with a reason; rejection_reasons counts a cycle's first reason.",
        severity="warning",
        owner="data",
        runbook="Add the new wording to seeds/policy/reason_aliases.csv, or offer a pick list "
        "of the codes in the CRM.",
    ),
)

MOVES = (
    *rule_checks(
        "backward_transition",
        name="stages_do_not_move_backward",
        headline="{failing} backward move{s}",
        description="A lead does not move to an earlier stage of the path within a cycle.",
        owner="sales",
        runbook="Look at who moved the listed leads; a lead that is not ready is rejected or "
        "recycled, not moved back.",
    ),
    *rule_checks(
        "invalid_transition",
        name="stage_transitions_are_valid",
        headline="{failing} invalid move{s}",
        description="A lead leaves and re-enters the path only by moves that the policy allows.",
        owner="sales",
        runbook="Fix the listed moves in the CRM, or allow the move in "
        "seeds/policy/transition_overrides.csv.",
    ),
    *rule_checks(
        "skipped_stage",
        name="stages_are_not_skipped",
        headline="{failing} skipped stage{s}",
        description="A lead passes every stage of the path that is not optional.",
        severity="warning",
        owner="sales",
        runbook="If the stage is often skipped, ask whether it is needed: mark it optional in "
        "seeds/policy/stages.csv, or automate it.",
    ),
    *rule_checks(
        "stage_before_creation",
        name="stages_begin_after_creation",
        headline="{failing} stage{s} entered before the lead was created",
        description="A lead enters no stage before it was created, but for the tolerance.",
        severity="warning",
        owner="data",
        runbook="Look for an import that set the creation date late, or for dates in another "
        "time zone.",
    ),
)

TRUTH = (
    model_promise(
        name="visits_tile_time",
        headline="{failing} stage visit{s} with a gap or an overlap",
        description="A lead's visits are numbered without gaps, and each ends where the next "
        "begins, never before it began.",
        runbook="A defect of the models, not of the CRM: look at int_stage_visits for the "
        "listed leads.",
        cases="""
            select
                source_system, lead_id, visit_number,
                visit_number is distinct from row_number() over lead_visits
                or exited_at is distinct from lead(entered_at) over lead_visits
                or coalesce(exited_at < entered_at, false) as is_broken
            from build.fct_lead_stages
            window lead_visits as (
                partition by source_system, lead_id order by visit_number
            )
        """,
        keys=VISIT,
    ),
    model_promise(
        name="leads_have_one_current_visit",
        headline="{failing} lead{s} without exactly one current stage",
        description="A lead with visits is in exactly one stage now, the one it has not left.",
        runbook="A defect of the models, not of the CRM: look at is_current of the listed leads.",
        cases="""
            select
                source_system, lead_id,
                count(*) filter (where is_current) <> 1
                or bool_or(is_current is distinct from (exited_at is null)) as is_broken
            from build.fct_lead_stages
            group by source_system, lead_id
        """,
        keys=("source_system", "lead_id"),
    ),
)

REASONS_IN_USE = (
    Check(
        name="few_reasons_are_in_use",
        headline="{observed} to choose among at once",
        description="People choose among few reasons at once: of a group for the kind of exit, "
        "then of a reason in it, which is how a CRM shows a longer list (a dependent pick list). A "
        "reason counts as used when it makes up 1 % of the kind's, and a kind from 50 reasons on.",
        severity="warning",
        owner="sales",
        runbook="Merge reasons that lead to the same action, or group them "
        "(seeds/policy/reason_codes.csv, reason_group, and the CRM's pick list). '(groups)' "
        "are the groups of a kind of exit.",
        cases="""
            with used as (
                select
                    visits.exit_kind, visits.reason_code,
                    coalesce(reasons.reason_group, '(none)') as reason_group,
                    count(*) as times,
                    sum(count(*)) over (partition by visits.exit_kind) as all_times
                from build.fct_lead_stages as visits
                left join build.dim_reasons as reasons using (reason_code)
                where visits.exit_kind is not null and visits.reason_code not in ('unknown')
                group by visits.exit_kind, visits.reason_code, reasons.reason_group
                qualify all_times >= 50 and times >= 0.01 * all_times
            )
            select exit_kind, '(groups)' as reason_group, count(distinct reason_group) as measure
            from used
            group by exit_kind
            union all
            select exit_kind, reason_group, count(*) as measure
            from used
            group by exit_kind, reason_group
        """,
        keys=("exit_kind", "reason_group"),
        unit="reasons",
        warn=7.0,
    ),
    *in_both_windows(
        Check(
            name="reasons_fit_their_exit",
            headline="{failing} reason{s} for an exit that it is not listed for",
            description="A reason is used for the kinds of exit that the policy lists it for: bad "
            "data is no reason to lose a deal, or to nurture the lead.",
            counted="Counts visits of an exit with a known reason; judged from 50 on.",
            severity="warning",
            owner="sales",
            runbook="Offer the reason only where it fits in the CRM's pick list, or list the exit "
            "(seeds/policy/reason_codes.csv, applies_to; empty: everywhere).",
            cases="""
                select
                    visits.source_system, visits.lead_id, visits.visit_number, visits.entered_at,
                    visits.exit_kind, visits.reason_code,
                    coalesce(
                        not list_contains(
                            string_split(reasons.applies_to, ' '),
                            case visits.exit_kind
                                when 'rejected' then 'rejection'
                                when 'disqualified' then 'disqualification'
                                when 'lost' then 'loss'
                                else 'recycling'
                            end
                        ),
                        false
                    ) as is_broken
                from build.fct_lead_stages as visits
                inner join build.dim_reasons as reasons using (reason_code)
                where visits.exit_kind is not null and visits.reason_code <> 'unknown'
            """,
            keys=VISIT,
            warn=0.05,
            told_with=("exit_kind", "reason_code"),
            minimum_cases=50,
        ),
        moment="entered_at",
    ),
    Check(
        name="reasons_are_given_one_by_one",
        headline="{failing} reason{s} written in bulk",
        description="Reasons are not written in bulk: the same person, the same second, ten "
        "leads or more. Moments at midnight are dates without a time and do not count.",
        severity="warning",
        owner="sales",
        runbook="Ask who cleaned up the listed leads; a reason from a bulk edit says nothing, so "
        "leave it out of the analysis of reasons.",
        cases="""
            select
                source_system, lead_id, visit_number, entered_at,
                count(*) over (
                    partition by source_system, changed_by, date_trunc('second', entered_at)
                ) >= 10
                and changed_by is not null
                and entered_at <> date_trunc('day', entered_at) as is_broken
            from build.fct_lead_stages
            where exit_kind is not null and reason_code is not null
        """,
        keys=VISIT,
        warn=0.05,
        newest_by="entered_at",
        minimum_cases=50,
    ),
    Check(
        name="stages_in_use_are_still_entered",
        headline="{failing} stage{s} that nobody enters any more",
        description="A stage that was entered 30 times or more in the half year before the last "
        "30 days is still entered in them, if other stages are.",
        severity="warning",
        owner="data",
        runbook="Look in the CRM whether the stage was renamed or a workflow stopped; map the "
        "new name in handoff.yml.",
        cases=f"""
            select stage, recent = 0 as is_broken
            from (
                select
                    stage,
                    count(*) filter (where entered_at > {AS_OF} - interval 30 day) as recent,
                    count(*) filter (where entered_at <= {AS_OF} - interval 30 day) as before,
                    sum(count(*) filter (where entered_at > {AS_OF} - interval 30 day)) over ()
                        as recent_of_all
                from build.fct_lead_stages
                where entered_at > {AS_OF} - interval 210 day
                group by stage
            ) as entries
            where before >= 30 and recent_of_all >= 30
        """,
        keys=("stage",),
    ),
)

CHECKS: tuple[Check, ...] = (*REASONS, *MOVES, *TRUTH, *REASONS_IN_USE)
