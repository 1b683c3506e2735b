"""Checks on the broken rules of the lifecycle: the share of a rule's cases that break it.

Which cases a rule is asked about, and which of them break it, is in ``quality.rule_cases``.
"""

from expectations.check import Check, Owner, Severity, in_both_windows

ERROR_BLOCK = 0.20
KEYS = ("source_system", "lead_id", "cycle_number", "visit_number")


def rule_checks(
    rule: str,
    *,
    name: str,
    headline: str,
    description: str,
    owner: Owner,
    runbook: str,
    severity: Severity = "error",
    block: float = ERROR_BLOCK,
    keys: tuple[str, ...] = KEYS,
) -> tuple[Check, Check]:
    """A rule's check over the whole history and over the trailing 30 days.

    Default thresholds: warns above 0; an error blocks above 20 % (``block``), a warning never.
    """
    return in_both_windows(
        Check(
            name=name,
            headline=headline,
            description=description,
            severity=severity,
            owner=owner,
            runbook=runbook,
            cases=(
                f"select {', '.join(keys)}, owner_id, judged_at, is_broken "
                f"from quality.rule_cases where rule = '{rule}'"
            ),
            keys=keys,
            told_with=("owner_id",),
            warn=0.0,
            block=block if severity == "error" else None,
        ),
        moment="judged_at",
    )
