"""What a company decides, read from the policy tables: stages, moves, working hours.

A part of the reference reading: written from the lifecycle page and the policy tables alone.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.lifecycle.texts import as_flag, given, plain

MILESTONES = (
    "captured",
    "marketing_qualified",
    "handed_off",
    "accepted",
    "sales_qualified",
    "opportunity",
    "won",
)
RANK = {name: position for position, name in enumerate(MILESTONES)}


@dataclass(frozen=True)
class Stage:
    """One stage of the active tradition."""

    name: str
    label: str
    path_order: int
    milestone: str | None
    exit_kind: str | None
    evidence: str | None
    is_optional: bool

    @property
    def rank(self) -> int:
        """How far along the path the stage is; -1 off the path."""
        return RANK[self.milestone] if self.milestone else -1


class Policy:
    """The policy tables, as lists of rows of text."""

    def __init__(self, tables: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        self.tables = {name: [dict(row) for row in rows] for name, rows in tables.items()}

    @classmethod
    def from_directory(cls, directory: Path) -> Policy:
        """Read every CSV file of the directory."""
        tables = {}
        for path in sorted(directory.glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                tables[path.stem] = list(csv.DictReader(file))
        return cls(tables)

    def with_rows(self, table: str, rows: Sequence[Mapping[str, str]]) -> Policy:
        """The same policy with one table replaced."""
        return Policy({**self.tables, table: rows})

    def rows(self, table: str) -> list[dict[str, str]]:
        """The rows of one table; none when there is no such table."""
        return self.tables.get(table, [])

    def parameter(self, name: str) -> Decimal:
        """One value of `rule_parameters`."""
        return next(
            Decimal(row["value"])
            for row in self.rows("rule_parameters")
            if row["parameter"] == name
        )

    def span(self, name: str) -> timedelta:
        """A parameter that is a time, in the unit that its row names."""
        row = next(row for row in self.rows("rule_parameters") if row["parameter"] == name)
        return timedelta(**{row["unit"]: float(row["value"])})

    def traditions(self) -> list[str]:
        """The names of all traditions."""
        return [row["tradition"] for row in self.rows("traditions")]


class Tradition:
    """What the policy says of the active tradition: its stages, its moves, its acceptance."""

    def __init__(
        self, policy: Policy, name: str, stage_map: Mapping[str, str] | None = None
    ) -> None:
        self.policy = policy
        self.name = name
        row = next(row for row in policy.rows("traditions") if row["tradition"] == name)
        self.acceptance_mode = row["acceptance_mode"]
        self.window_hours = float(row["window_hours"])
        self.requires_explicit_intent = bool(as_flag(row["requires_explicit_intent"]))
        self.stages = {
            row["stage"]: Stage(
                name=row["stage"],
                label=row["label"],
                path_order=int(row["path_order"]),
                milestone=given(row["milestone"]),
                exit_kind=given(row["exit_kind"]),
                evidence=given(row["evidence"]),
                is_optional=bool(as_flag(row["is_optional"])),
            )
            for row in policy.rows("stages")
            if row["tradition"] == name
        }
        self.evidence = {
            stage.evidence: stage
            for stage in sorted(self.stages.values(), key=lambda each: -each.path_order)
            if stage.evidence
        }
        self.overrides = {
            (plain(row["from_stage"]), plain(row["to_stage"])): row
            for row in policy.rows("transition_overrides")
            if plain(row["tradition"]) == name
        }
        self.names: dict[str, str] = {}
        for raw, stage in self._names_last_to_first(stage_map or {}):
            self.names[plain(raw) or ""] = plain(stage) or ""

    def _names_last_to_first(self, stage_map: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        for stage in self.stages.values():
            yield stage.label, stage.name
        for row in self.policy.rows("stages"):
            yield row["stage"], row["stage"]
        for row in self.policy.rows("stage_aliases"):
            yield row["raw_stage"], row["stage"]
        yield from stage_map.items()

    def stage_of(self, raw: str | None) -> Stage | None:
        """The stage that a raw name stands for; null if unmapped or not in the tradition."""
        return self.stages.get(self.names.get(plain(raw) or "", ""))

    def move(self, before: Stage | None, after: Stage) -> tuple[str, bool, bool]:
        """Kind, validity and need of a reason of a move within one lead record."""
        kind, valid = self._kind_and_validity(before, after)
        required = after.exit_kind in {"rejected", "disqualified", "lost"} or (
            after.exit_kind == "recycled" and (before is None or before.milestone is not None)
        )
        override = self.overrides.get((before.name if before else None, after.name))
        if override:
            said = as_flag(override["is_valid"])
            valid = valid if said is None else said
            said = as_flag(override["requires_reason"])
            required = required if said is None else said
        return kind, valid, required

    def _kind_and_validity(self, before: Stage | None, after: Stage) -> tuple[str, bool]:
        if before is None:
            return "enter", after.milestone is not None
        if before.milestone is None:
            return self._from_exit(before, after)
        if after.milestone is None:
            return self._to_exit(before, after)
        return self._along_path(before, after)

    def _along_path(self, before: Stage, after: Stage) -> tuple[str, bool]:
        if before.path_order == after.path_order:
            return "lateral", True
        if before.path_order < after.path_order:
            skipped = any(
                before.path_order < stage.path_order < after.path_order
                for stage in self.stages.values()
                if stage.milestone and not stage.is_optional
            )
            return ("skip", False) if skipped else ("forward", True)
        in_reach = RANK["marketing_qualified"] <= after.rank <= RANK["opportunity"]
        if before.milestone == "won" and in_reach:
            return "expansion", True
        return "backward", False

    @staticmethod
    def _to_exit(before: Stage, after: Stage) -> tuple[str, bool]:
        first, last = {
            "rejected": ("marketing_qualified", "accepted"),
            "disqualified": ("captured", "sales_qualified"),
            "lost": ("opportunity", "opportunity"),
            "recycled": ("marketing_qualified", "opportunity"),
        }[after.exit_kind or ""]
        kind = "recycle" if after.exit_kind == "recycled" else "exit"
        return kind, RANK[first] <= before.rank <= RANK[last]

    @staticmethod
    def _from_exit(before: Stage, after: Stage) -> tuple[str, bool]:
        if after.exit_kind == "recycled":
            return "recycle", True
        if after.exit_kind:
            is_valid = before.exit_kind == "recycled" and after.exit_kind == "disqualified"
            return "exit", is_valid
        allowed = {"captured", "marketing_qualified", "handed_off"}
        if before.exit_kind == "lost":
            allowed.add("opportunity")
        return "restart", after.milestone in allowed


class Calendar:
    """Working hours and holidays in the company's time zone."""

    def __init__(self, policy: Policy, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self.hours: dict[str, list[tuple[timedelta, timedelta]]] = defaultdict(list)
        for row in policy.rows("working_hours"):
            span = (_time_of_day(row["opens_at"]), _time_of_day(row["closes_at"]))
            self.hours[row["weekday"].strip().lower()].append(span)
        self.holidays = {
            date.fromisoformat(row["holiday_date"].strip()[:10])
            for row in policy.rows("holidays")
            if given(row["holiday_date"])
        }

    def open_spans(self, day: date) -> list[tuple[datetime, datetime]]:
        """When the company works on a local day, in UTC."""
        if day in self.holidays:
            return []
        midnight = datetime(day.year, day.month, day.day)
        spans = self.hours.get(day.strftime("%A").lower(), [])
        return sorted(
            (self._to_utc(midnight + opens), self._to_utc(midnight + closes))
            for opens, closes in spans
        )

    def _to_utc(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def _days_from(self, moment: datetime) -> Iterable[date]:
        first = moment.astimezone(self.zone).date()
        # Ten years without a working day is a policy without working hours.
        for offset in range(3660):
            yield first + timedelta(days=offset)

    def end_of_working_day(self, moment: datetime) -> datetime | None:
        """Closing time of this working day, or of the next one if it is over or none."""
        for day in self._days_from(moment):
            spans = self.open_spans(day)
            if spans and moment < spans[-1][1]:
                return spans[-1][1]
        return None

    def after_working_minutes(self, moment: datetime, minutes: Decimal) -> datetime | None:
        """The moment when so many minutes inside working hours have passed."""
        left = timedelta(minutes=float(minutes))
        for day in self._days_from(moment):
            for opens, closes in self.open_spans(day):
                begins = max(opens, moment)
                if begins >= closes:
                    continue
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
        return None


def _time_of_day(text: str) -> timedelta:
    hours, minutes = text.strip().split(":")[:2]
    return timedelta(hours=int(hours), minutes=int(minutes))
