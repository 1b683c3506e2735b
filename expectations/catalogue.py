"""Every suite and every check, by name; and the checks as ``handoff.yml`` sets them."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Protocol

from dagster_project.config.contract import CONTRACT_TABLES
from expectations.check import Check, Severity, whole_name

# One module of this package per suite, in the order in which the Data Docs and reports list them.
SUITE_MODULES = (
    "fct_lead_stages",
    "fct_lead_cycles",
    "dim_leads",
    "lead_accounting",
    "build_info",
    "funnel_diagnostics",
    "row_counts",
    "int_source_coverage",
    "leads",
    "stage_changes",
    "activities",
    "engagements",
    "opportunities",
    "owner_changes",
    "reps",
    "channel_spend",
)

# What checks were called in the release before, and are called now.
FORMER_NAMES = {
    "at_most_seven_reasons_are_in_use": "few_reasons_are_in_use",
    "rejected_leads_are_recycled": "rejected_and_disqualified_leads_are_recycled",
}
# A check that judges something else than in the release before (its ``meaning`` went up), and what
# judges that now.
NOW_JUDGED_BY = {
    "handed_off_leads_are_touched_in_time": "handed_off_leads_are_touched",
    **{f"{table}_are_fresh": "sources_are_fresh" for table in CONTRACT_TABLES if table != "reps"},
}


class Thresholds(Protocol):
    """What ``handoff.yml`` may say of a check; null: as the check's default."""

    @property
    def warn(self) -> float | None: ...
    @property
    def block(self) -> float | None: ...
    @property
    def severity(self) -> Severity | None: ...


@dataclass(frozen=True)
class Suite:
    """The checks of one table. ``table`` is the batch that Great Expectations validates."""

    name: str
    table: str
    checks: tuple[Check, ...]

    def restricted_to(self, names: frozenset[str]) -> "Suite":
        """The suite with only the named checks; possibly none."""
        return replace(self, checks=tuple(check for check in self.checks if check.name in names))


@cache
def suites() -> tuple[Suite, ...]:
    """All suites with their default thresholds."""
    found = []
    for name in SUITE_MODULES:
        module = importlib.import_module(f"expectations.{name}")
        # A suite without a table of its own is about the rows that the sources delivered.
        table = getattr(module, "TABLE", f"build.int_contract__{name}")
        checks = tuple(replace(check, suite=name, table=table) for check in module.CHECKS)
        found.append(Suite(name, table, checks))
    return tuple(found)


def known_checks() -> dict[str, Check]:
    """Every check by its name."""
    return {check.name: check for suite in suites() for check in suite.checks}


def current_name(name: str) -> str:
    """What a check of this name, or of this former name, is called now."""
    return _renamed(name, FORMER_NAMES) or name


def judged_now_by(name: str, meaning: int) -> str:
    """The check that judges now what one of this name judged while it had that meaning."""
    now = current_name(name)
    check = known_checks().get(now)
    is_other = check is not None and meaning < check.meaning
    return (_renamed(now, NOW_JUDGED_BY) if is_other else None) or now


def _renamed(name: str, names: Mapping[str, str]) -> str | None:
    whole = whole_name(name)
    return names[whole] + name[len(whole) :] if whole in names else None


def name_warnings(section: str, names: Iterable[str]) -> list[str]:
    """What to change about the names of checks in a section of ``handoff.yml``, one line each."""
    given = set(names)
    warnings = []
    for name in sorted(given):
        if (now := current_name(name)) != name:
            warnings.append(
                f"{section}.{name}: this check is called {now} now; the old name is accepted in "
                "this release only"
            )
        other = _renamed(name, NOW_JUDGED_BY)
        if other and other not in given:
            warnings.append(
                f"{section}.{name}: what this check judged before, {other} judges now; set both"
            )
    return warnings


def configured_suites(configured: Mapping[str, Thresholds]) -> tuple[Suite, ...]:
    """The suites with the thresholds of ``handoff.yml``."""
    by_name = {current_name(name): own for name, own in configured.items()}

    def as_configured(check: Check) -> Check:
        own = by_name.get(check.name)
        return check.with_thresholds(own.warn, own.block, own.severity) if own else check

    return tuple(
        replace(suite, checks=tuple(as_configured(check) for check in suite.checks))
        for suite in suites()
    )


def threshold_problems(configured: Mapping[str, Thresholds]) -> list[str]:
    """What is wrong with configured thresholds, one line each; empty when nothing is."""
    known = known_checks()
    problems = []
    for name, own in configured.items():
        now = current_name(name)
        if now != name and now in configured:
            problems.append(f"checks.{name}: this check is called {now} now, which is set, too")
            continue
        if now not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            problems.append(f"checks.{name}: unknown check; {hint}docs/checks.md lists them")
            continue
        check = known[now].with_thresholds(own.warn, own.block, own.severity)
        if check.unit == "share" and max(check.warn, check.block or 0) > 1:
            problems.append(f"checks.{name}: a share is between 0 and 1 (5 % is 0.05)")
        if check.severity == "error" and check.block is None:
            problems.append(f"checks.{name}: severity error needs a block threshold")
        if check.block is not None and check.block < check.warn:
            problems.append(
                f"checks.{name}: block ({check.block}) is below warn ({check.warn}); set both"
            )
    return problems
