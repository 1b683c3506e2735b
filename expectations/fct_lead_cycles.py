"""Suite of ``fct_lead_cycles``: what is owed to a lead that was handed off, why cycles end, and
cycles in order."""

from functools import partial
from itertools import pairwise

from expectations.check import Check, in_both_windows, model_promise
from expectations.rules import rule_checks

TABLE = "build.fct_lead_cycles"
CYCLE = ("source_system", "lead_id", "cycle_number")

_rule_checks = partial(rule_checks, keys=CYCLE)

# Each milestone with the moment of reaching it, in order.
MILESTONES = (
    "marketing_qualified_at",
    "handed_off_at",
    "accepted_at",
    "sales_qualified_at",
    "opportunity_at",
    "won_at",
)

RULES = (
    *_rule_checks(
        "handoff_without_owner",
        name="handed_off_leads_have_an_owner",
        headline="{failing} handoff{s} without an owner",
        description="A lead that is handed off belongs to somebody at that moment, or as soon as "
        "routing has run.",
        counted="Counts all handoffs, those of implied or inferred basis included.",
        owner="sales",
        runbook="Assign the listed leads; look at the routing rules for what they share.",
    ),
    *_rule_checks(
        "untouched_past_sla",
        name="handed_off_leads_are_touched",
        headline="{failing} handoff{s} past the SLA and never touched",
        description="A lead that is handed off is called or written to, even if late.",
        counted="Counts the handoffs that met or breached their service level (judged in "
        "handoff_sla); those that fail are part of breached.",
        severity="warning",
        owner="sales",
        runbook="Touch the listed leads today; where one owner stands out, look at the load "
        "against the weekly capacity.",
        detail="intent_tier",
    ),
    *_rule_checks(
        "handoff_without_decision",
        name="handed_off_leads_are_accepted_or_rejected",
        headline="{failing} handoff{s} that sales neither accepted nor rejected",
        description="A lead that is handed off is accepted or rejected within the acceptance "
        "window; where no stage for it must be set, within the qualification grace.",
        counted="Counts the handoffs whose time is over; rep_acceptance also has those that "
        "still have time.",
        severity="warning",
        owner="sales",
        runbook="Decide on the listed leads; where many wait, ask whether sales sets the accepted "
        "stage at all, or use acceptance by default.",
    ),
    *_rule_checks(
        "accepted_without_qualification",
        name="accepted_leads_are_qualified_or_out",
        headline="{failing} accepted lead{s} neither qualified nor out",
        description="A lead that sales accepted is sales qualified, or has left, within the "
        "qualification grace.",
        counted="Counts those accepted longer ago, other than by inference.",
        severity="warning",
        owner="sales",
        runbook="Qualify the listed leads, or take them off the path with a reason.",
    ),
    *_rule_checks(
        "sales_qualified_without_opportunity",
        name="sales_qualified_leads_have_an_opportunity",
        headline="{failing} sales-qualified lead{s} without an opportunity",
        description="A lead that is sales qualified has an opportunity, or has left, within the "
        "opportunity grace.",
        counted="Counts all that are sales qualified; those that left pass here and are not "
        "converted in funnel_conversion.",
        severity="warning",
        owner="sales",
        runbook="Open the opportunity, or take the lead off the path with a reason.",
    ),
    *_rule_checks(
        "handoff_without_explicit_intent",
        name="handed_off_leads_show_explicit_intent",
        headline="{failing} handoff{s} without explicit intent",
        description="Where the tradition asks for it, a lead showed explicit intent in the time "
        "up to its handoff that the policy sets.",
        severity="warning",
        owner="marketing",
        runbook="Look at the workflow that hands off; raise the score that it asks for, or wait "
        "for a hand raise.",
    ),
    *_rule_checks(
        "not_recycled",
        name="rejected_and_disqualified_leads_are_recycled",
        headline="{failing} rejected or disqualified lead{s} not recycled",
        description="A rejected or disqualified lead that is worth another look is back in "
        "nurture within the recycle grace.",
        counted="Counts all that are rejected or disqualified, as rejection_reasons does; "
        "recycling counts lost and screened-out leads, too.",
        severity="warning",
        owner="marketing",
        runbook="Add the listed leads to the nurture programme of their reason; automate the move.",
    ),
)

# What handoff_sla shows, judged when the service level runs out. One late handoff is no news; the
# default is that of the benchmark `first_touch` of the runbook (benchmarks.csv).
SERVICE_LEVEL = in_both_windows(
    Check(
        name="handed_off_leads_are_touched_in_time",
        headline="{failing} handoff{s} touched too late or not at all",
        description="A lead that is handed off is called or written to before its service level "
        "runs out.",
        counted="Counts breached of met and breached, as handoff_sla does.",
        severity="warning",
        owner="sales",
        runbook="Look at the tiers in handoff_sla, the most urgent first: route them to whoever is "
        "free; where one owner stands out, look at the load against the weekly capacity.",
        cases="""
            select
                source_system, lead_id, cycle_number, intent_tier, owner_id, sla_due_at,
                sla_status = 'breached' as is_broken
            from build.fct_lead_cycles
            where sla_status in ('met', 'breached')
        """,
        keys=CYCLE,
        told_with=("intent_tier", "owner_id"),
        split_by="intent_tier",
        meaning=2,
        warn=0.20,
    ),
    moment="sla_due_at",
)

# What mql_quality shows of the whole definition. No definition fits every lead that is handed off.
DEFINITION = in_both_windows(
    Check(
        name="handed_off_leads_meet_the_mql_definition",
        headline="{failing} handoff{s} below the MQL definition",
        description="A lead that is handed off meets every requirement of "
        "seeds/policy/qualification_rules.csv at that moment.",
        counted="Counts handoffs of explicit basis that can be judged on any requirement, as "
        "mql_quality does; the sample names what each one lacks.",
        severity="warning",
        owner="marketing",
        runbook="Look in mql_quality for the requirement and the sources that stand out: hold such "
        "leads in nurture, or change the definition together.",
        cases="""
            select
                source_system, lead_id, cycle_number, owner_id, handed_off_at,
                string_agg(requirement, ', ' order by requirement) filter (where not is_met)
                    as below,
                bool_or(not is_met) as is_broken
            from build.int_qualification_cases
            where is_met is not null
            group by all
        """,
        keys=(*CYCLE, "below"),
        told_with=("owner_id",),
        warn=0.20,
    ),
    moment="handed_off_at",
)

# Reasons are judged from 50 of them on: below, one lead is more than two per cent.
REASONS = in_both_windows(
    Check(
        name="reasons_are_seldom_other",
        headline="{failing} time{s} the reason 'other'",
        description="Few cycles end for the reason 'other', or else the list of reasons does not "
        "fit what happens.",
        counted="Counts the cycles that left with a reason, as rejection_reasons does; judged "
        "from 50 on.",
        severity="warning",
        owner="sales",
        runbook="Read the leads behind 'other', find the reason they share and add it to "
        "seeds/policy/reason_codes.csv.",
        cases="""
            select
                source_system, lead_id, cycle_number, exited_at,
                reason_code = 'other' as is_broken
            from build.fct_lead_cycles
            where
                outcome in ('rejected', 'disqualified', 'lost', 'screened_out')
                and reason_code is not null
        """,
        keys=CYCLE,
        warn=0.20,
        minimum_cases=50,
    ),
    moment="exited_at",
)

# A milestone that is reached has the one before it, and not later.
_OUT_OF_ORDER = " or ".join(
    f"({later} is not null and ({earlier} is null or {earlier} > {later}))"
    for earlier, later in pairwise(MILESTONES)
)

TRUTH = (
    model_promise(
        name="milestones_are_in_order",
        headline="{failing} cycle{s} with milestones out of order",
        description="Reaching a milestone implies all before it, none of them later.",
        runbook="A defect of the models, not of the CRM: look at int_lead_cycles for the listed "
        "cycles.",
        cases=f"""
            select source_system, lead_id, cycle_number, {_OUT_OF_ORDER} as is_broken
            from build.fct_lead_cycles
        """,
        keys=CYCLE,
    ),
    model_promise(
        name="cycles_are_numbered_without_gaps",
        headline="{failing} cycle{s} numbered with gaps",
        description="A lead's cycles are numbered from 1 without gaps, and each ends where the "
        "next starts.",
        runbook="A defect of the models, not of the CRM: look at int_lead_cycles for the listed "
        "leads.",
        cases="""
            select
                source_system, lead_id, cycle_number,
                cycle_number is distinct from row_number() over lead_cycles
                or cycle_ended_at is distinct from lead(cycle_started_at) over lead_cycles
                    as is_broken
            from build.fct_lead_cycles
            window lead_cycles as (
                partition by source_system, lead_id order by cycle_number
            )
        """,
        keys=CYCLE,
    ),
)

CHECKS: tuple[Check, ...] = (*RULES, *SERVICE_LEVEL, *DEFINITION, *REASONS, *TRUTH)
