"""Suite of the sources: whether each one still brings new rows, and which data it never holds.

Reported once per source, instead of once per lead or table.
"""

from expectations.check import Check
from expectations.source_checks import fresh_source

TABLE = "build.int_source_coverage"

CHECKS: tuple[Check, ...] = (
    fresh_source(4.0),
    Check(
        name="sources_hold_owners_activities_and_engagements",
        headline="{failing} kind{s} of data that a source never holds",
        description="A source with 50 leads or more holds owners, activities and engagements; "
        "without them the rules that need them are not judged for its leads.",
        severity="warning",
        owner="data",
        runbook="Export the missing table too, or take the measures that need it (service level, "
        "intent, owners) as not known for this source.",
        cases="""
            select
                source_system,
                unnest(['owners', 'activities', 'engagements']) as missing,
                not unnest([has_owners, has_activities, has_engagements]) as is_broken
            from build.int_source_coverage
            where source_system in (
                select source_system from build.dim_leads
                group by source_system
                having count(*) >= 50
            )
        """,
        keys=("source_system", "missing"),
    ),
    Check(
        name="sources_give_reasons",
        headline="{failing} kind{s} of reason that a source never gives",
        description="A source with visits that require a reason gives reasons at all: on stage "
        "changes, and loss reasons on opportunities. Without them a missing reason is no finding "
        "about a lead.",
        severity="warning",
        owner="sales",
        runbook="Export the reasons too, or have them recorded: a team that records none has lost "
        "its feedback loop.",
        cases="""
            select
                visits.source_system,
                case visits.history_quality
                    when 'opportunity' then 'loss reasons'
                    else 'reasons of stage changes'
                end as missing,
                not bool_or(case visits.history_quality
                    when 'opportunity' then coverage.has_loss_reasons
                    else coverage.has_stage_reasons
                end) as is_broken
            from build.fct_lead_stages as visits
            inner join build.int_source_coverage as coverage
                on visits.source_system = coverage.source_system
            where visits.reason_required
            group by all
        """,
        keys=("source_system", "missing"),
    ),
)
