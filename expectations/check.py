"""A check: one assertion on a table, as data.

A check names the **cases** it is asked about, as SQL. What it observes is either the share of
cases that are broken (``unit`` "share") or the greatest measure over its cases (any other unit,
such as days). It passes up to ``warn``, warns above it and blocks above ``block``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from dagster_project.config.contract import Severity

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
    only. ``newest_by``: the column that sorts failing keys, latest first. ``moment``: the column
    that dates the cases, of a check that exists over both windows.

    ``headline``: what is wrong when it fails, in a few words: ``{failing}`` stands for the number
    of failing cases, ``{s}`` for the plural of the word before it, ``{observed}`` for the measure.
    ``told_with``: columns of the cases that help people beside the keys, such as the owner.

    ``warn`` and ``block`` are in ``unit``; ``block`` is null where nothing blocks. Below
    ``minimum_cases`` the check is not judged and passes; below ``blocks_from`` cases it warns at
    most: a share of three leads is no reason to hold the marts back.
    """

    name: str
    table: str
    headline: str
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
    moment: str | None = None
    minimum_cases: int = 1
    blocks_from: int = 1
    told_with: tuple[str, ...] = ()

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

    def outcome_query(self) -> str:
        """One row that holds the outcome, read by one scan of the cases.

        ``cases``, ``broken``, ``unjudged`` (cases without a verdict), ``observed`` (null without
        cases) and ``failing_keys``: up to 20 failing cases, the greatest measure and the latest
        first. Of a check in both windows also
        the same of the trailing one, under ``recent_...``: it is one query for both checks.
        """
        if self.counts is not None:
            return (
                "select cases, broken, 0 as unjudged, broken / nullif(cases, 0) as observed, "
                f"(select {self._failing_keys('is_broken')} from ({self.cases}) as failing) "
                f"as failing_keys from ({self.counts}) as counted"
            )
        if self.moment is None:
            return f"select {self._outcome()} from ({self.cases}) as checked"
        recent = f"{self.moment} > {AS_OF} - interval 30 day and {self.moment} <= {AS_OF}"
        return (
            f"select {self._outcome()}, {self._outcome('recent_', 'is_recent')} "
            f"from (select *, {recent} as is_recent from ({self.cases}) as dated) as checked"
        )

    @property
    def part(self) -> str:
        """What the columns of this check's outcome begin with."""
        return "recent_" if self.window == TRAILING else ""

    @property
    def hidden_key(self) -> str | None:
        """What failing keys are sorted by, if it is no key itself."""
        return None if self.newest_by in self.keys else self.newest_by

    def _outcome(self, prefix: str = "", among: str = "true") -> str:
        """The columns of an outcome over the cases ``among`` a condition."""
        fails = "is_broken" if self.unit == "share" else f"measure > {self.warn!r}"
        cases = f"count(*) filter (where {among})"
        broken = f"count(*) filter (where {among} and {fails})"
        observed = f"{broken} / nullif({cases}, 0)"
        if self.unit != "share":
            observed = f"max(measure) filter (where {among})"
        verdict = "is_broken" if self.unit == "share" else "measure"
        # Without the run's clock no window holds any case, and nothing at all is known.
        unjudged = (
            f"count(*) filter (where ({among} and {verdict} is null) or {AS_OF} is null)"
            f" + cast({AS_OF} is null as bigint)"
        )
        values = {
            "cases": cases,
            "broken": broken,
            "unjudged": unjudged,
            "observed": observed,
            "failing_keys": self._failing_keys(f"{among} and {fails}"),
        }
        return ", ".join(f"{value} as {prefix}{name}" for name, value in values.items())

    def _failing_keys(self, condition: str) -> str:
        """The greatest 20 rows that meet a condition: what they are sorted by, then the keys."""
        sorted_by = ["measure"] if self.unit != "share" else []
        sorted_by += [self.newest_by] if self.newest_by else []
        columns = dict.fromkeys([*sorted_by, *self.keys])
        row = ", ".join(f"'{column}': {column}" for column in columns)
        return f"max({{{row}}}, {MAX_SAMPLES}) filter (where {condition})"

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

    def headline_of(self, observed: float | None, failing: int, cases: int) -> str:
        """What is wrong, with its figures: ``17 rejections without a reason (6.1% of 280)``."""
        said = self.headline.format(
            failing=f"{failing:,}", s="" if failing == 1 else "s", observed=self.shown(observed)
        )
        if "{failing}" in self.headline and self.unit == "share":
            said += f" ({self.shown(observed)} of {cases:,})"
        return said + (" in the last 30 days" if self.window == TRAILING else "")

    def shown(self, value: float | None) -> str:
        """A value of this check for people: ``4.8%``, ``3.5 days``; a dash for none."""
        if value is None:
            return "–"
        if self.unit in ("share", "ratio"):
            digits = 0 if value * 100 % 1 == 0 else 2 if value < 0.01 else 1
            return f"{value:.{digits}%}"
        unit = self.unit.removesuffix("s") if value == 1 else self.unit
        return f"{value:,.1f} {unit}".replace(".0 ", " ")


@dataclass(frozen=True)
class Outcome:
    """What the warehouse says of a check: ``keys`` are failing cases, by column."""

    cases: int
    broken: int
    observed: float | None
    keys: tuple[dict[str, Any], ...]


def read_outcome(row: Mapping[str, Any], part: str, hidden_key: str | None) -> Outcome:
    """A check's part of the row that its ``outcome_query`` gives.

    Raises ``ValueError`` when cases have no verdict: what is not known is no pass.
    """
    if unjudged := int(row[f"{part}unjudged"]):
        raise ValueError(f"{unjudged:,} cases have no verdict (null), or as_of is not known")
    observed = row[f"{part}observed"]
    return Outcome(
        cases=int(row[f"{part}cases"]),
        broken=int(row[f"{part}broken"]),
        observed=None if observed is None else float(observed),
        keys=tuple(
            {name: value for name, value in key.items() if name != hidden_key}
            for key in row[f"{part}failing_keys"] or ()
        ),
    )


def in_both_windows(check: Check, *, moment: str = "occurred_at") -> tuple[Check, Check]:
    """The check over the whole history, and over the 30 days up to ``as_of``.

    ``moment``: the column of the cases that dates them. The trailing check blocks from 20 cases
    on: in a quiet month two broken ones of five say little.
    """
    whole = replace(check, moment=moment, newest_by=moment)
    trailing = replace(
        whole,
        name=check.name + TRAILING_SUFFIX,
        window=TRAILING,
        blocks_from=max(check.blocks_from, 20),
    )
    return whole, trailing
