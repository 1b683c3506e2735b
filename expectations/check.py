"""A check: one assertion on a table, as data; and an outcome: what it found in one build.

A check names the **cases** it is asked about, as SQL. What it observes is either the share of
cases that are broken (``unit`` "share") or the greatest measure over its cases (any other unit,
such as days). It passes up to ``warn``, warns above it and blocks above ``block``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from dagster_project.config.contract import Severity

Owner = Literal["marketing", "sales", "data"]
Unit = Literal["share", "ratio", "days", "reasons"]
Window = Literal["whole history", "trailing 30 days"]
Status = Literal["passed", "warned", "blocked", "errored", "not_judged"]
# How a check ended, in the words and the order of every place that shows it.
STATUS_WORDS: dict[Status, str] = {
    "passed": "passed",
    "warned": "warned",
    "blocked": "blocked",
    "errored": "errored",
    "not_judged": "not judged",
}
# From worst to best: what fails, and all.
FAILING: tuple[Status, ...] = ("errored", "blocked", "warned")
WORST_FIRST: tuple[Status, ...] = (*FAILING, "passed", "not_judged")

WHOLE_HISTORY: Window = "whole history"
TRAILING: Window = "trailing 30 days"
TRAILING_SUFFIX = "_last_30_days"

# The run's only clock.
AS_OF = "(select as_of from raw.run_parameters)"


@dataclass(frozen=True)
class Check:
    """One assertion.

    ``cases``: a select of the key columns and, for a share, ``is_broken`` (boolean), else
    ``measure`` (number). ``counts``: where counting the cases one by one would be wasteful, a
    select of one row (``cases``, ``broken``) that replaces it; ``cases`` then gives the failing
    ones only. ``newest_by``: the column that sorts failing cases, latest first. ``moment``: the
    column that dates the cases, of a check that exists over both windows.

    ``description``: what is expected. ``counted``: which cases the figure is of, where a mart
    shows the same, and how one that looks alike counts.

    ``expectation``: in place of cases, the name of one of Great Expectations' own on a column of
    the table, such as ``ExpectColumnValuesToNotBeNull``, and its ``arguments``. Its ``mostly``
    follows from the thresholds.

    ``headline``: what is wrong when it fails, in a few words: ``{failing}`` stands for the number
    of failing cases, ``{s}`` for the plural of the word before it, ``{observed}`` for the measure.
    ``told_with``: columns of the cases that help people beside the keys, such as the owner. One
    called ``said`` is what is told of the worst case in place of headline and figures, and one
    called ``next_step`` what to do about it in place of the runbook.
    ``judged``: the SQL condition for a case to be judged at all. Of those that are not, nothing is
    known: they count nowhere, and an incident about one stays open.
    ``rule``: the rule of the lifecycle that it watches, where it is about one.
    ``split_by``: a column of the cases; what a share observes is shown for each of its values, too.
    ``meaning``: counted up when a check comes to judge something else under its name, so that an
    open incident is not taken for one of the other kind.

    ``warn`` and ``block`` are in ``unit``; ``block`` is null where nothing blocks. Below
    ``minimum_cases`` the check is not judged; below ``blocks_from`` cases it warns at most: a
    share of three leads is no reason to hold the marts back. ``suite`` and ``table``: set by the
    catalogue.
    """

    name: str
    headline: str
    description: str
    severity: Severity
    owner: Owner
    runbook: str
    keys: tuple[str, ...]
    counted: str = ""
    cases: str = ""
    expectation: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
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
    split_by: str | None = None
    judged: str = "true"
    meaning: int = 1
    rule: str | None = None
    suite: str = ""
    table: str = ""

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

    @property
    def explanation(self) -> str:
        """What is expected, and of what."""
        return f"{self.description} {self.counted}".rstrip()

    @property
    def blocks_above(self) -> float | None:
        """What holds the publication back; None of a check that never does."""
        return self.block if self.severity == "error" else None

    @property
    def thresholds(self) -> str:
        """When it warns and blocks: ``warns above 0%, blocks above 20% from 20 cases on``."""
        blocks = self.blocks_above
        if blocks is None:
            return f"warns above {self.shown(self.warn)}, never blocks"
        said = f"blocks above {self.shown(blocks)}"
        if self.blocks_from > 1:
            said += f" from {self.blocks_from:,} cases on"
        is_one = blocks == self.warn and self.blocks_from <= 1
        return said if is_one else f"warns above {self.shown(self.warn)}, {said}"

    @property
    def is_in_window(self) -> str:
        """The SQL condition for a case to be judged, and in the check's window."""
        if self.window == WHOLE_HISTORY:
            return self.judged
        within = f"{self.moment} > {AS_OF} - interval 30 day and {self.moment} <= {AS_OF}"
        return f"{self.judged} and {within}"

    @property
    def fails(self) -> str:
        """The SQL condition for a case to fail."""
        return "is_broken" if self.unit == "share" else f"measure > {self.warn!r}"

    def headline_of(
        self, observed: float | None, failing: int, cases: int, said: str | None = None
    ) -> str:
        """What is wrong, with its figures: ``17 rejections without a reason (6.1% of 280)``.

        ``said``: what the worst case says of itself.
        """
        if said:
            return said + (f" and {failing - 1:,} more" if failing > 1 else "")
        said = self.headline.format(
            failing=f"{failing:,}", s="" if failing == 1 else "s", observed=self.shown(observed)
        )
        if "{failing}" in self.headline and self.unit == "share":
            said += f" ({self.shown(observed)} of {cases:,})"
        return said + (" in the last 30 days" if self.window == TRAILING else "")

    def shown(self, value: float | None) -> str:
        """A value of this check for people: ``4.8%``, ``3.5 days``; a dash for none."""
        return in_unit(value, self.unit)


def in_unit(value: float | None, unit: str) -> str:
    """A value of a check in its unit, for people; a dash for none."""
    if value is None:
        return "–"
    if unit in ("share", "ratio"):
        digits = 0 if value * 100 % 1 == 0 else 2 if value < 0.01 else 1
        return f"{value:.{digits}%}"
    unit = unit.removesuffix("s") if value == 1 else unit
    return f"{value:,.1f} {unit}".replace(".0 ", " ")


def whole_name(name: str) -> str:
    """The name of a check over the whole history, given that of either of its windows."""
    return name.removesuffix(TRAILING_SUFFIX)


def counted(statuses: Iterable[str]) -> dict[Status, int]:
    """How many checks ended how; errored and not judged ones only where there are any."""
    counts = Counter(statuses)
    always = {"passed", "warned", "blocked"}
    return {name: counts[name] for name in STATUS_WORDS if counts[name] or name in always}


# What the models promise, whatever the CRM holds: rows that break it must not exist.
model_promise = partial(Check, severity="error", owner="data", block=0.0)


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


@dataclass(frozen=True)
class Part:
    """The cases of a check with one ``value`` of the column that it is split by."""

    value: str
    failing: int
    cases: int

    @property
    def share(self) -> float:
        """The part of them that fails."""
        return self.failing / self.cases


@dataclass(frozen=True)
class Outcome:
    """What a check found in one build.

    ``observed``: in the check's unit, null without cases. ``parts``: of a check that is split, the
    worst first. ``keys``: up to 20 failing cases, ids only. ``said``: what the worst one says of
    itself, ``next_step`` what to do about it. ``problem``: why it could not run.
    ``previous``: what the build before observed. ``stops_publication``: it blocks, or could not
    run, and the audit was not told to warn only.
    """

    check: Check
    status: Status
    observed: float | None = None
    cases: int = 0
    failing: int = 0
    parts: tuple[Part, ...] = ()
    keys: tuple[dict[str, Any], ...] = ()
    said: str | None = None
    next_step: str | None = None
    problem: str | None = None
    previous: float | None = None
    stops_publication: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether it passed; None of a check that was not judged."""
        return None if self.status == "not_judged" else self.status == "passed"

    @property
    def runbook(self) -> str:
        """What to do when it fails."""
        return self.next_step or self.check.runbook

    @property
    def by_part(self) -> str:
        """What it observed of each part: ``hand_raise 90% of 10, standard 40% of 1,200``."""
        return ", ".join(
            f"{part.value} {self.check.shown(part.share)} of {part.cases:,}" for part in self.parts
        )

    @property
    def found(self) -> str:
        """What it observed, with its figures: ``5.4% (24 of 441)``."""
        counted = f"{self.failing:,} of {self.cases:,}"
        if self.check.unit != "share":
            counted += " beyond the limit"
        if self.parts:
            counted += f": {self.by_part}"
        return f"{self.check.shown(self.observed)} ({counted})"

    @property
    def message(self) -> str:
        """One line for people."""
        check = self.check
        if self.problem is not None:
            return f"the check could not run, so nothing is known: {self.problem}"
        if self.status == "not_judged":
            if not self.cases:
                return f"Not judged: no cases over the {check.window}"
            cases = "1 case" if self.cases == 1 else f"{self.cases:,} cases"
            return f"Not judged: {cases}, needs {check.minimum_cases:,}"
        if self.said and self.passed is False:
            return check.headline_of(self.observed, self.failing, self.cases, self.said)
        said = f"{self.found} over the {check.window}; warns above {check.shown(check.warn)}"
        if check.blocks_above is not None:
            said += f", blocks above {check.shown(check.block)}"
        return said


def worst_of(windows: Iterable[Outcome]) -> Outcome:
    """The window of a check that decides how it ended; the first of those that ended alike."""
    return min(windows, key=lambda outcome: WORST_FIRST.index(outcome.status))
