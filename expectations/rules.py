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
    counted: str = "",
    severity: Severity = "error",
    block: float = ERROR_BLOCK,
    keys: tuple[str, ...] = KEYS,
    detail: str | None = None,
) -> tuple[Check, Check]:
    """A rule's check over the whole history and over the trailing 30 days.

    Default thresholds: warns above 0; an error blocks above 20 % (``block``), a warning never.
    ``detail``: what the rule's detail is called, where the check is split by it.
    """
    columns = [*keys, "owner_id", "judged_at", "is_broken"]
    if detail is not None:
        columns.append(f"detail as {detail}")
    return in_both_windows(
        Check(
            name=name,
            headline=headline,
            description=description,
            counted=counted,
            severity=severity,
            owner=owner,
            runbook=runbook,
            cases=f"select {', '.join(columns)} from quality.rule_cases where rule = '{rule}'",
            keys=keys,
            told_with=("owner_id",) if detail is None else ("owner_id", detail),
            split_by=detail,
            rule=rule,
            warn=0.0,
            block=block if severity == "error" else None,
        ),
        moment="judged_at",
    )
