"""A check: one assertion on a table, as data.

A check names the **cases** it is asked about, as SQL. What it observes is either the share of
cases that are broken (``unit`` "share") or the greatest measure over its cases (any other unit,
such as days). It passes up to ``warn``, warns above it and blocks above ``block``.
"""

from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning"]
Owner = Literal["marketing", "sales", "data"]
Unit = Literal["share", "ratio", "days", "reasons"]
Window = Literal["whole history", "trailing 30 days"]
Status = Literal["passed", "warned", "blocked", "errored"]

WHOLE_HISTORY: Window = "whole history"
TRAILING: Window = "trailing 30 days"
TRAILING_SUFFIX = "_last_30_days"

# The run's only clock.
AS_OF = "(select as_of from raw.run_parameters)"

# Failing keys that are kept of a check; they are ids, never personal data.
MAX_SAMPLES = 20


@dataclass(frozen=True)
class Check:
    """One assertion.

    ``cases``: a select of the key columns and, for a share, ``is_broken`` (boolean), else
    ``measure`` (number). ``counts``: where counting the cases one by one would be wasteful, a
    select of one row (``cases``, ``broken``) that replaces it; ``cases`` then gives the samples
    only. ``newest_by``: the column that sorts failing keys, latest first.

    ``warn`` and ``block`` are in ``unit``; ``block`` is null where nothing blocks. Below
    ``minimum_cases`` the check is not judged and passes; below ``blocks_from`` cases it warns at
    most: a share of three leads is no reason to hold the marts back.
    """

    name: str
    table: str
    description: str
    severity: Severity
    owner: Owner
    runbook: str
    cases: str
    keys: tuple[str, ...]
    warn: float = 0.0
    block: float | None = None
    unit: Unit = "share"
    window: Window = WHOLE_HISTORY
    counts: str | None = None
    newest_by: str | None = None
    minimum_cases: int = 1
    blocks_from: int = 1

    def with_thresholds(
        self, warn: float | None, block: float | None, severity: Severity | None
    ) -> "Check":
        """The check as configured; what is not configured stays as it is."""
        return replace(
            self,
            warn=self.warn if warn is None else warn,
            block=self.block if block is None else block,
            severity=severity or self.severity,
        )

    def counts_query(self) -> str:
        """One row: ``cases``, ``broken``, ``observed`` (null without cases)."""
        if self.counts is not None:
            return (
                "select cases, broken, broken / nullif(cases, 0) as observed "
                f"from ({self.counts}) as counted"
            )
        if self.unit == "share":
            return (
                "select count(*) as cases, count(*) filter (where is_broken) as broken, "
                "count(*) filter (where is_broken) / nullif(count(*), 0) as observed "
                f"from ({self.cases}) as checked"
            )
        return (
            f"select count(*) as cases, count(*) filter (where measure > {self.warn!r}) as broken, "
            f"max(measure) as observed from ({self.cases}) as checked"
        )

    def sample_query(self) -> str:
        """The keys of failing cases: the latest (or greatest) first, then by key."""
        keys = list(self.keys)
        if self.unit == "share":
            columns, failing, order = keys, "is_broken", []
        else:
            columns, failing, order = [*keys, "measure"], f"measure > {self.warn!r}", ["measure"]
        if self.newest_by:
            order.append(self.newest_by)
        ordering = ", ".join([*(f"{column} desc nulls last" for column in order), *keys])
        return (
            f"select {', '.join(columns)} from ({self.cases}) as checked where {failing} "
            f"order by {ordering} limit {MAX_SAMPLES}"
        )

    def judge(self, observed: float | None, cases: int) -> Status:
        """What an observation means for this check."""
        if observed is None or cases < self.minimum_cases or observed <= self.warn:
            return "passed"
        blocks = (
            self.severity == "error"
            and self.block is not None
            and observed > self.block
            and cases >= self.blocks_from
        )
        return "blocked" if blocks else "warned"

    def shown(self, value: float | None) -> str:
        """A value of this check for people: ``4.8%``, ``3.5 days``; a dash for none."""
        if value is None:
            return "–"
        if self.unit in ("share", "ratio"):
            digits = 0 if value * 100 % 1 == 0 else 2 if value < 0.01 else 1
            return f"{value:.{digits}%}"
        return f"{value:,.1f} {self.unit}".replace(".0 ", " ")


def in_both_windows(check: Check, *, moment: str = "occurred_at") -> tuple[Check, Check]:
    """The check over the whole history, and over the 30 days up to ``as_of``.

    ``moment``: the column of the cases that dates them. The trailing check blocks from 20 cases
    on: in a quiet month two broken ones of five say little.
    """
    trailing = replace(
        check,
        name=check.name + TRAILING_SUFFIX,
        window=TRAILING,
        cases=(
            f"select * from ({check.cases}) as all_cases "
            f"where {moment} > {AS_OF} - interval 30 day and {moment} <= {AS_OF}"
        ),
        blocks_from=max(check.blocks_from, 20),
    )
    return check, trailing
