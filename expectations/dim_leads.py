"""Suite of ``dim_leads``: attributes that the funnel is split by, and the CRM's current stage."""

from expectations.check import Check, Owner
from expectations.rules import rule_checks

TABLE = "build.dim_leads"
LEAD = ("source_system", "lead_id")


def _filled(column: str, empty: str, *, warn: float, owner: Owner, runbook: str) -> Check:
    """Leads have a value in ``column``; asked only of sources that fill it at all."""
    plain = {"lead_source": "source", "owner_id": "owner"}.get(column, column)
    return Check(
        name=f"leads_have_a_{plain}" if plain != "owner" else "leads_have_an_owner",
        headline=f"{{failing}} lead{{s}} without {'an' if plain == 'owner' else 'a'} {plain}",
        description=f"Few leads lack the {plain}. Sources that never fill it are not asked; "
        "judged from 50 leads on.",
        severity="warning",
        owner=owner,
        runbook=runbook,
        cases=f"""
            select source_system, lead_id, created_at, {empty} as is_broken
            from build.dim_leads
            where source_system in (
                select source_system from build.dim_leads where not ({empty})
            )
        """,
        keys=LEAD,
        warn=warn,
        newest_by="created_at",
        minimum_cases=50,
    )


CHECKS: tuple[Check, ...] = (
    *rule_checks(
        "current_stage_differs",
        name="current_stages_match_the_history",
        headline="{failing} lead{s} whose current stage differs from the history",
        description="The stage that the CRM shows is the one that its history or its "
        "opportunities end with.",
        severity="warning",
        owner="data",
        runbook="Look for stages that are written without history (imports, API users), or for "
        "history that was not exported.",
        keys=LEAD,
    ),
    _filled(
        "lead_source",
        "lead_source is null",
        warn=0.20,
        owner="marketing",
        runbook="Find the forms and imports that set no source, and give them one.",
    ),
    _filled(
        "owner_id",
        "owner_id is null",
        warn=0.50,
        owner="sales",
        runbook="Look at the assignment rules: leads without an owner are nobody's work.",
    ),
    _filled(
        "segment",
        "segment = 'unknown'",
        warn=0.50,
        owner="marketing",
        runbook="Enrich the employee count; the segment follows from it.",
    ),
)
