"""Suite of the stage changes as the sources deliver them."""

from expectations.check import Check
from expectations.rules import rule_checks
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = (
    *rule_checks(
        "unmapped_stage",
        name="stages_are_mapped",
        headline="{failing} stage change{s} to a stage that nobody mapped",
        description="A stage that a lead changes to is one that the active tradition knows.",
        counted="Counts stage changes; lifecycle_violations has one row per lead and stage.",
        owner="data",
        runbook="Map the stage in handoff.yml (stage names of the source) or in "
        "seeds/policy/stage_aliases.csv; its changes count from the next run on.",
        block=0.05,
        keys=("source_system", "lead_id"),
    ),
    *source_checks("stage_changes", fresh_days=4.0, has_usual_volume=True),
)
