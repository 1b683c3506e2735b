"""A plain reading of the lifecycle page: one lead at a time, in Python, without SQL.

It is the second opinion that the models are compared with. It was written from the page, the
policy tables and the contract's column lists alone, and it prefers being obvious to being quick:
no rule here is shared with the code that it judges. Nothing in a run imports it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from tests.lifecycle.company_policy import MILESTONES, RANK, Calendar, Policy, Stage, Tradition
from tests.lifecycle.texts import as_bytes, as_flag, as_id, as_number, as_time, given, plain

Row = Mapping[str, Any]
Fact = dict[str, Any]

COLUMNS: dict[str, tuple[str, ...]] = {
    "leads": (
        "lead_id",
        "created_at",
        "email",
        "company",
        "title",
        "employee_count",
        "industry",
        "country",
        "lead_source",
        "owner_id",
        "current_stage",
        "crm_score",
        "is_deleted",
        "merged_into_lead_id",
        "updated_at",
    ),
    "stage_changes": (
        "change_id",
        "lead_id",
        "changed_at",
        "from_stage",
        "to_stage",
        "reason",
        "changed_by",
    ),
    "activities": ("activity_id", "lead_id", "rep_id", "kind", "occurred_at", "direction"),
    "engagements": ("engagement_id", "lead_id", "kind", "occurred_at", "channel", "campaign"),
    "opportunities": (
        "opportunity_id",
        "lead_id",
        "created_at",
        "amount",
        "currency",
        "is_won",
        "closed_at",
        "loss_reason",
        "owner_id",
        "merged_into_opportunity_id",
        "is_deleted",
    ),
    "owner_changes": ("lead_id", "changed_at", "owner_id"),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "leads": ("lead_id", "created_at"),
    "stage_changes": ("lead_id", "changed_at"),
    "activities": ("lead_id", "occurred_at"),
    "engagements": ("lead_id", "kind", "occurred_at"),
    "opportunities": ("opportunity_id", "created_at"),
    "owner_changes": ("lead_id", "changed_at"),
}
SAID = {
    "leads": ("is_deleted", "merged_into_lead_id"),
    "opportunities": ("is_won", "closed_at", "is_deleted", "merged_into_opportunity_id"),
}
IDS = ("lead_id", "opportunity_id", "merged_into_lead_id", "merged_into_opportunity_id")
TIMES = frozenset({"created_at", "updated_at", "changed_at", "occurred_at", "closed_at"})

SEVERITY = {
    "rejection_reason_missing": "error",
    "disqualification_reason_missing": "error",
    "loss_reason_missing": "error",
    "recycle_reason_missing": "error",
    "unknown_reason": "warning",
    "backward_transition": "error",
    "skipped_stage": "warning",
    "invalid_transition": "error",
    "unmapped_stage": "error",
    "current_stage_differs": "warning",
    "won_without_closing_date": "warning",
    "handoff_without_decision": "warning",
    "stage_before_creation": "warning",
    "not_recycled": "warning",
    "handoff_without_owner": "error",
    "untouched_past_sla": "warning",
    "accepted_without_qualification": "warning",
    "sales_qualified_without_opportunity": "warning",
    "handoff_without_explicit_intent": "warning",
}
REASON_RULE = {
    "rejected": "rejection_reason_missing",
    "disqualified": "disqualification_reason_missing",
    "lost": "loss_reason_missing",
    "recycled": "recycle_reason_missing",
}


# --- the run and its results --------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What one run decides: the moment, the tradition, overrides of acceptance, the time zone."""

    as_of: datetime
    tradition: str = "four_stage"
    acceptance_mode: str | None = None
    window_hours: float | None = None
    timezone: str = "UTC"
    stage_map: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What a run says of the leads. Times are UTC, amounts decimals, durations floats.

    `change_fates` says for every row of `stage_changes`, by its position, where it went:
    kept, unmapped, clear, duplicate, late, quarantined or left_out.
    """

    stages: list[Fact] = field(default_factory=list)
    cycles: list[Fact] = field(default_factory=list)
    violations: list[Fact] = field(default_factory=list)
    accounting: list[Fact] = field(default_factory=list)
    quarantined: list[tuple[str, int]] = field(default_factory=list)
    change_fates: dict[int, str] = field(default_factory=dict)


@dataclass
class Event:
    """One moment at which a lead was found in a stage."""

    at: datetime
    stage: Stage
    change_id: str
    record: str
    quality: str
    reason: str | None = None
    actor: str | None = None

    @property
    def order(self) -> tuple[datetime, int, bytes, bytes]:
        """Time, then path order, then change id, then lead record."""
        return self.at, self.stage.path_order, as_bytes(self.change_id), as_bytes(self.record)


@dataclass
class Visit:
    """Consecutive events in one stage."""

    number: int
    stage: Stage
    entered_at: datetime
    record: str
    quality: str
    actor: str | None
    reason: str | None
    exited_at: datetime | None = None
    before: Stage | None = None
    kind: str = "enter"
    is_valid: bool = True
    reason_required: bool = False
    cycle: int = 1
    owner: str | None = None

    @property
    def is_exit(self) -> bool:
        """Whether the stage is off the path."""
        return self.stage.exit_kind is not None


@dataclass
class Lead:
    """A surviving lead with the rows of all its merged records."""

    row: Fact
    created_at: datetime
    records: list[str]
    changes: list[Fact]
    opportunities: list[Fact]
    activities: list[Fact]
    engagements: list[Fact]
    owner_changes: list[Fact]
    late_changes: list[Fact]
    unmapped: list[Fact]


@dataclass(frozen=True)
class Coverage:
    """What the source ever fills by `as_of`."""

    owners: bool
    activities: bool
    engagements: bool
    stage_reasons: bool
    loss_reasons: bool


# --- rows: required values, versions ------------------------------------------------------------


def _typed(table: str, position: int, row: Row, zone: str) -> Fact:
    typed: Fact = {column: given(row.get(column)) for column in COLUMNS[table]}
    typed["_text"] = tuple(as_bytes(typed[column]) for column in COLUMNS[table])
    typed["_load"] = int(row.get("load_id") or 1)
    typed["_position"] = position
    for column in COLUMNS[table]:
        if column in TIMES:
            typed[column] = as_time(typed[column], zone)
    for column in IDS:
        if column in typed:
            typed[column] = as_id(typed[column])
    for column in ("is_deleted", "is_won"):
        if column in typed:
            typed[column] = as_flag(typed[column])
    for column in ("employee_count", "amount"):
        if column in typed:
            typed[column] = as_number(typed[column])
    # Where empty means something, what can't be read is not empty; elsewhere it is unknown.
    typed["_is_usable"] = all(typed[column] is not None for column in REQUIRED[table]) and all(
        typed[column] is not None or given(row.get(column)) is None
        for column in SAID.get(table, ())
    )
    return typed


def _choose(rows: Iterable[Fact], key: Callable[[Fact], Any], order: Callable[[Fact], Any]) -> Any:
    """One row per key: the greatest by the order."""
    chosen: dict[Any, Fact] = {}
    for row in rows:
        name = key(row)
        if name not in chosen or order(row) > order(chosen[name]):
            chosen[name] = row
    return chosen


def _id_of(row: Fact, column: str) -> Any:
    """The row's id; one that is missing is made from the row's content."""
    return row[column] if row[column] is not None else ("made from", row["_text"])


def _version_order(row: Fact) -> tuple[int, tuple[bytes, ...]]:
    return row["_load"], row["_text"]


EARLIEST = datetime.min.replace(tzinfo=UTC)


def _lead_order(row: Fact) -> tuple[int, datetime, tuple[bytes, ...]]:
    return row["_load"], row["updated_at"] or EARLIEST, row["_text"]


def _change_order(row: Fact) -> tuple[Any, ...]:
    texts = dict(zip(COLUMNS["stage_changes"], row["_text"], strict=True))
    told = tuple(texts[name] for name in ("to_stage", "from_stage", "reason", "changed_by"))
    return row["_load"], row["changed_at"], told


class Reader:
    """Reads one source's tables for one run."""

    def __init__(self, policy: Policy, run: Run) -> None:
        self.policy = policy
        self.run = run
        self.as_of = run.as_of
        self.tradition = Tradition(policy, run.tradition, run.stage_map)
        self.calendar = Calendar(policy, run.timezone)
        self.mode = run.acceptance_mode or self.tradition.acceptance_mode
        hours = self.tradition.window_hours if run.window_hours is None else run.window_hours
        self.window = timedelta(hours=hours)
        self.signals = {plain(row["signal"]): row for row in policy.rows("signals")}
        self.tiers = {row["intent_tier"]: row for row in policy.rows("sla_policies")}
        self.touches = {
            plain(row["kind"]) for row in policy.rows("activity_kinds") if as_flag(row["is_touch"])
        }
        self.reason_codes = {plain(row["reason_code"]): row for row in policy.rows("reason_codes")}
        self.reason_aliases = {
            plain(row["reason_raw"]): plain(row["reason_code"])
            for row in policy.rows("reason_aliases")
        }
        self.result = Result()
        self._known_ids: set[str] = set()

    # -- which rows hold ----------------------------------------------------------------------

    def read(self, tables: Mapping[str, Sequence[Row]]) -> Result:
        """Say everything there is to say of these tables."""
        staged = self._stage(tables)
        leads = _choose(staged["leads"], lambda row: row["lead_id"], _lead_order)
        known = {lead_id: row for lead_id, row in leads.items() if row["created_at"] <= self.as_of}
        chosen = self._one_row_per_id(staged)
        chosen["opportunities"] = self._opportunities(chosen["opportunities"], known)
        # Coverage counts any row, whoever it is about; the rest is about leads that are known.
        self.coverage = self._coverage(known, chosen)
        chosen["opportunities"] = self._by_lead(chosen["opportunities"], known)
        chosen = {
            table: [row for row in rows if self._is_about_a_lead(row)]
            for table, rows in chosen.items()
        }
        survivor_of = {
            lead_id: _survivor(lead_id, known, "merged_into_lead_id") for lead_id in known
        }
        self._account(tables["leads"], leads, known, survivor_of)
        in_marts = {row["lead_id"] for row in self.result.accounting if row["bucket"] == "in marts"}
        for lead in self._leads(known, chosen, survivor_of, in_marts):
            self._tell(lead)
        self._close_fates(chosen["stage_changes"], survivor_of, in_marts)
        return self.result

    def _stage(self, tables: Mapping[str, Sequence[Row]]) -> dict[str, list[Fact]]:
        """Readable rows by table; those that aren't, or name an unknown lead, are quarantined.

        A row that names an unknown lead is still the version of its id that counts.
        """
        staged: dict[str, list[Fact]] = {}
        for table in COLUMNS:
            zone = self.run.timezone
            rows = [_typed(table, at, row, zone) for at, row in enumerate(tables.get(table, ()))]
            staged[table] = [row for row in rows if row["_is_usable"]]
            if table == "leads":
                self._known_ids = {row["lead_id"] for row in staged[table]}
            usable = {row["_position"] for row in staged[table] if self._is_about_a_lead(row)}
            for row in rows:
                if row["_position"] not in usable:
                    self._quarantine(table, row["_position"])
        return staged

    def _is_about_a_lead(self, row: Fact) -> bool:
        """Whether the lead is known; an opportunity may be nobody's, or name several."""
        if "opportunity_id" not in row:
            return row["lead_id"] in self._known_ids
        return row["lead_id"] is None or any(name in self._known_ids for name in self._named(row))

    def _named(self, deal: Fact) -> list[str]:
        """The leads that an opportunity names, in order, each once; ids may hold separators."""
        whole = deal["lead_id"] or ""
        if whole in self._known_ids:
            return [whole]
        names = (name.strip() for name in re.split(r"[;,|\r\n]", whole))
        return list(dict.fromkeys(names))

    def _by_lead(self, deals: Iterable[Fact], known: Mapping[str, Fact]) -> list[Fact]:
        """A row per opportunity and known lead that it names; only the first has its amount."""
        return [
            {**deal, "lead_id": name, "_is_first_lead": place == 0}
            for deal in deals
            for place, name in enumerate(name for name in self._named(deal) if name in known)
        ]

    def _opportunities(self, rows: list[Fact], known: Mapping[str, Fact]) -> list[Fact]:
        """The opportunities that count, of one row per id."""
        left = {
            row["opportunity_id"]: row
            for row in rows
            if row["created_at"] <= self.as_of
            and (row["lead_id"] is None or any(name in known for name in self._named(row)))
        }
        return [
            row
            for deal_id, row in left.items()
            if not row["is_deleted"]
            and _survivor(deal_id, left, "merged_into_opportunity_id") == deal_id
        ]

    def _quarantine(self, table: str, position: int) -> None:
        self.result.quarantined.append((table, position))
        if table == "stage_changes":
            self.result.change_fates[position] = "quarantined"

    def _one_row_per_id(self, staged: dict[str, list[Fact]]) -> dict[str, list[Fact]]:
        changes = _choose(
            staged["stage_changes"],
            lambda row: (row["lead_id"], _id_of(row, "change_id")),
            _change_order,
        )
        kept = {id(row) for row in changes.values()}
        for row in staged["stage_changes"]:
            if id(row) not in kept:
                self.result.change_fates.setdefault(row["_position"], "duplicate")
        chosen = {"stage_changes": list(changes.values()), "owner_changes": staged["owner_changes"]}
        for table, column in (
            ("activities", "activity_id"),
            ("engagements", "engagement_id"),
            ("opportunities", "opportunity_id"),
        ):
            rows = _choose(staged[table], partial(_id_of, column=column), _version_order)
            chosen[table] = list(rows.values())
        return chosen

    def _coverage(self, known: dict[str, Fact], chosen: dict[str, list[Fact]]) -> Coverage:
        by_lead = any(row["owner_id"] for row in known.values())
        by_change = any(
            row["owner_id"] and row["changed_at"] <= self.as_of for row in chosen["owner_changes"]
        )
        seen = {
            table: any(row["occurred_at"] <= self.as_of for row in chosen[table])
            for table in ("activities", "engagements")
        }
        stage_reasons = any(
            row["reason"] and row["changed_at"] <= self.as_of for row in chosen["stage_changes"]
        )
        return Coverage(
            owners=by_lead or by_change,
            stage_reasons=stage_reasons,
            loss_reasons=any(row["loss_reason"] for row in chosen["opportunities"]),
            activities=seen["activities"],
            engagements=seen["engagements"],
        )

    def _account(
        self,
        raw: Sequence[Row],
        leads: dict[str, Fact],
        known: dict[str, Fact],
        survivor_of: dict[str, str],
    ) -> None:
        ids = (given(row.get("lead_id")) for row in raw)
        for lead_id in {lead_id for lead_id in ids if lead_id}:
            survivor = survivor_of.get(lead_id)
            if lead_id not in leads:
                bucket = "quarantined"
            elif lead_id not in known:
                bucket = "not yet known"
            elif survivor != lead_id:
                bucket = "merged"
            elif known[lead_id]["is_deleted"]:
                bucket = "deleted"
            elif self._is_excluded(known[lead_id]):
                bucket = "excluded"
            else:
                bucket = "in marts"
            self.result.accounting.append(
                {
                    "lead_id": lead_id,
                    "bucket": bucket,
                    "survivor_lead_id": survivor if bucket == "merged" else None,
                }
            )

    def _is_excluded(self, row: Fact) -> bool:
        return any(_matches(rule, row) for rule in self.policy.rows("exclusions"))

    def _leads(
        self,
        known: dict[str, Fact],
        chosen: dict[str, list[Fact]],
        survivor_of: dict[str, str],
        in_marts: set[str],
    ) -> Iterable[Lead]:
        records: dict[str, list[str]] = defaultdict(list)
        for lead_id, survivor in survivor_of.items():
            records[survivor].append(lead_id)
        rows_of: dict[str, dict[str, list[Fact]]] = {}
        for table, rows in chosen.items():
            rows_of[table] = defaultdict(list)
            for row in rows:
                if row["lead_id"] in survivor_of:
                    rows_of[table][survivor_of[row["lead_id"]]].append(row)
        for lead_id in sorted(in_marts):
            kept, late, unmapped = self._sort_changes(rows_of["stage_changes"][lead_id])
            yield Lead(
                row=known[lead_id],
                created_at=min(known[record]["created_at"] for record in records[lead_id]),
                records=records[lead_id],
                changes=kept,
                late_changes=late,
                unmapped=unmapped,
                opportunities=self._by_now(rows_of["opportunities"][lead_id], "created_at"),
                activities=self._by_now(rows_of["activities"][lead_id], "occurred_at"),
                engagements=self._by_now(rows_of["engagements"][lead_id], "occurred_at"),
                owner_changes=self._by_now(rows_of["owner_changes"][lead_id], "changed_at"),
            )

    def _by_now(self, rows: list[Fact], column: str) -> list[Fact]:
        return [row for row in rows if row[column] <= self.as_of]

    def _stage_of(self, raw: str | None) -> Stage | None:
        return self.tradition.stage_of(raw)

    def _sort_changes(self, rows: list[Fact]) -> tuple[list[Fact], list[Fact], list[Fact]]:
        """Kept, late and unmapped changes; clears are dropped."""
        kept, late, unmapped = [], [], []
        for row in rows:
            if row["changed_at"] > self.as_of:
                late.append(row)
                fate = "late"
            elif row["to_stage"] is None:
                fate = "clear"
            elif self._stage_of(row["to_stage"]) is None:
                unmapped.append(row)
                fate = "unmapped"
            else:
                kept.append(row)
                fate = "kept"
            self.result.change_fates[row["_position"]] = fate
        return kept, late, unmapped

    def _close_fates(
        self, changes: list[Fact], survivor_of: dict[str, str], in_marts: set[str]
    ) -> None:
        for row in changes:
            if survivor_of.get(row["lead_id"]) not in in_marts:
                self.result.change_fates[row["_position"]] = "left_out"

    # -- events -------------------------------------------------------------------------------

    def _tell(self, lead: Lead) -> None:
        events = self._events(lead)
        visits = self._visits(lead, events)
        cycles = self._cycles(lead, visits)
        self.result.stages += [self._visit_row(lead, visit) for visit in visits]
        self.result.cycles += cycles
        self._judge_lead(lead, events, visits)
        for visit in visits:
            self._judge_visit(lead, visit)
        for cycle in cycles:
            self._judge_cycle(lead, cycle)

    def _events(self, lead: Lead) -> list[Event]:
        """The lead's events in order."""
        observed = [self._observed(row) for row in lead.changes]
        events = observed + self._proven(lead)
        started_in = self._history_before(lead)
        if started_in:
            events.append(started_in)
        stage = self._current_stage(lead)
        if stage and not lead.changes and not lead.late_changes and not lead.opportunities:
            events.append(
                Event(lead.created_at, stage, "~current", lead.row["lead_id"], "inferred")
            )
        return sorted(events, key=lambda event: event.order)

    def _observed(self, row: Fact) -> Event:
        stage = self._stage_of(row["to_stage"])
        assert stage is not None
        return Event(
            at=row["changed_at"],
            stage=stage,
            change_id=row["change_id"] or "",
            record=row["lead_id"],
            quality="observed",
            reason=row["reason"],
            actor=row["changed_by"],
        )

    def _history_before(self, lead: Lead) -> Event | None:
        """The event that the earliest change's `from_stage` proves."""
        if lead.changes:
            first = min(lead.changes, key=lambda row: self._observed(row).order)
        elif lead.late_changes:
            first = min(
                lead.late_changes,
                key=lambda row: (
                    row["changed_at"],
                    as_bytes(row["change_id"]),
                    as_bytes(row["lead_id"]),
                ),
            )
        else:
            return None
        stage = self._stage_of(first["from_stage"])
        if stage is None or not lead.created_at < first["changed_at"]:
            return None
        return Event(lead.created_at, stage, "~from", first["lead_id"], "inferred")

    def _current_is_known(self, lead: Lead) -> bool:
        updated_at = lead.row["updated_at"] or lead.row["created_at"]
        return lead.row["current_stage"] is not None and updated_at <= self.as_of

    def _current_stage(self, lead: Lead) -> Stage | None:
        known = self._current_is_known(lead)
        return self._stage_of(lead.row["current_stage"]) if known else None

    def _proven(self, lead: Lead) -> list[Event]:
        """The stages that the lead's opportunities prove."""
        events = []
        for deal in lead.opportunities:
            proofs: list[tuple[str, str, datetime, str | None]] = [
                ("opportunity", "~opp", deal["created_at"], None)
            ]
            if self._is_closed(deal) and deal["is_won"]:
                proofs.append(("won", "~won", deal["closed_at"], None))
            elif self._is_closed(deal) and self._is_the_last_hope(deal, lead.opportunities):
                proofs.append(("lost", "~lost", deal["closed_at"], deal["loss_reason"]))
            for evidence, mark, moment, reason in proofs:
                stage = self.tradition.evidence.get(evidence)
                if stage:
                    change_id = f"{mark}:{deal['opportunity_id']}"
                    events.append(
                        Event(
                            at=moment,
                            stage=stage,
                            change_id=change_id,
                            record=deal["lead_id"],
                            quality="opportunity",
                            reason=reason,
                            actor=deal["owner_id"],
                        )
                    )
        return events

    def _is_closed(self, deal: Fact) -> bool:
        return deal["closed_at"] is not None and deal["closed_at"] <= self.as_of

    @staticmethod
    def _is_the_last_hope(deal: Fact, deals: list[Fact]) -> bool:
        """Whether a lost deal takes the lead with it: no other is open, none was won meanwhile."""
        lost_at = deal["closed_at"]
        for other in deals:
            if other["opportunity_id"] == deal["opportunity_id"] or other["created_at"] > lost_at:
                continue
            closed_at = other["closed_at"]
            if closed_at is None or closed_at > lost_at:
                return False
            if other["is_won"] and deal["created_at"] <= closed_at <= lost_at:
                return False
        return True

    # -- visits -------------------------------------------------------------------------------

    def _visits(self, lead: Lead, events: list[Event]) -> list[Visit]:
        visits: list[Visit] = []
        for event in events:
            if visits and visits[-1].stage is event.stage:
                visits[-1].reason = visits[-1].reason or event.reason
                continue
            visit = Visit(
                number=len(visits) + 1,
                stage=event.stage,
                entered_at=event.at,
                record=event.record,
                quality=event.quality,
                actor=event.actor,
                reason=event.reason,
                owner=self._owner_at(lead, event.at),
            )
            previous = visits[-1] if visits else None
            visit.before = previous.stage if previous else None
            visit.kind, visit.is_valid, visit.reason_required = self.tradition.move(
                visit.before, visit.stage
            )
            if previous:
                previous.exited_at = event.at
                if previous.record != visit.record:
                    visit.kind, visit.is_valid = "merge", True
            if visit.quality == "inferred":
                # Nobody saw how it came about, so nobody judges it.
                visit.is_valid = True
            visits.append(visit)
        return visits

    def _owner_at(self, lead: Lead, moment: datetime) -> str | None:
        if not lead.owner_changes:
            return lead.row["owner_id"]
        earlier = [row for row in lead.owner_changes if row["changed_at"] <= moment]
        if not earlier:
            return None
        last = max(earlier, key=lambda row: (row["changed_at"], as_bytes(row["owner_id"])))
        return last["owner_id"]

    def _owner_of_cycle(self, lead: Lead, cycle: Fact) -> str | None:
        handed_off_at = cycle["handed_off_at"]
        if handed_off_at is None:
            return self._owner_at(lead, cycle["cycle_started_at"])
        owner = self._owner_at(lead, handed_off_at)
        if owner is not None:
            return owner
        until = handed_off_at + self.policy.span("owner_grace")
        named = [
            row
            for row in lead.owner_changes
            if row["owner_id"] and handed_off_at < row["changed_at"] <= until
        ]
        if not named:
            return None
        first = min(row["changed_at"] for row in named)
        return max((row["owner_id"] for row in named if row["changed_at"] == first), key=as_bytes)

    def _reason_code(self, raw: str | None) -> str | None:
        word = plain(raw)
        if word is None:
            return None
        if word in self.reason_codes:
            return word
        return self.reason_aliases.get(word) or "unknown"

    def _visit_row(self, lead: Lead, visit: Visit) -> Fact:
        exited_at = visit.exited_at
        hours = (exited_at - visit.entered_at).total_seconds() / 3600 if exited_at else None
        return {
            "lead_id": lead.row["lead_id"],
            "cycle_number": visit.cycle,
            "visit_number": visit.number,
            "stage": visit.stage.name,
            "stage_label": visit.stage.label,
            "milestone": visit.stage.milestone,
            "exit_kind": visit.stage.exit_kind,
            "from_stage": visit.before.name if visit.before else None,
            "entered_at": visit.entered_at,
            "exited_at": exited_at,
            "duration_hours": hours,
            "is_current": exited_at is None,
            "transition_kind": visit.kind,
            "is_valid_transition": visit.is_valid,
            "reason_required": visit.reason_required,
            "reason_raw": visit.reason,
            "reason_code": self._reason_code(visit.reason),
            "changed_by": visit.actor,
            "owner_id": visit.owner,
            "history_quality": visit.quality,
        }

    # -- cycles -------------------------------------------------------------------------------

    def _cycles(self, lead: Lead, visits: list[Visit]) -> list[Fact]:
        starts = self._number_cycles(visits)
        rows = []
        for number, (start_kind, first) in enumerate(starts, 1):
            mine = [visit for visit in visits if visit.cycle == number]
            starts_at = first.entered_at
            if number == 1:
                starts_at = min(starts_at, lead.created_at)
            ends_at = starts[number][1].entered_at if number < len(starts) else None
            cycle: Fact = {
                "lead_id": lead.row["lead_id"],
                "cycle_number": number,
                "start_kind": start_kind,
                "cycle_started_at": starts_at,
                "cycle_ended_at": ends_at,
            }
            self._add_milestones(cycle, mine)
            self._add_exit(cycle, mine)
            self._add_acceptance(cycle, mine)
            self._add_outcome(cycle, mine)
            cycle["owner_id"] = self._owner_of_cycle(lead, cycle)
            self._add_service_level(cycle, lead)
            self._add_score(cycle, lead)
            cycle["lead_source"] = lead.row["lead_source"]
            cycle["segment"] = self._segment(lead.row["employee_count"])
            cycle["country"] = lead.row["country"]
            self._add_amounts(cycle, lead)
            rows.append(cycle)
        return rows

    @staticmethod
    def _number_cycles(visits: list[Visit]) -> list[tuple[str, Visit]]:
        """Give each visit its cycle; the kind and first visit of each cycle."""
        starts: list[tuple[str, Visit]] = []
        out: str | None = None
        for visit in visits:
            qualifies = visit.stage.rank >= RANK["marketing_qualified"]
            if not starts:
                starts.append(("new", visit))
            elif out == "exit" and qualifies:
                starts.append(("requalified", visit))
                out = None
            elif out == "customer" and qualifies and visit.stage.milestone != "won":
                starts.append(("expansion", visit))
                out = None
            if visit.is_exit:
                out = "exit"
            elif visit.stage.milestone == "won":
                out = "customer"
            visit.cycle = len(starts)
        return starts

    @staticmethod
    def _add_milestones(cycle: Fact, visits: list[Visit]) -> None:
        for milestone in MILESTONES[1:]:
            reached = next((v for v in visits if v.stage.rank >= RANK[milestone]), None)
            basis = None
            if reached:
                basis = "implied"
                if reached.stage.milestone == milestone:
                    basis = "inferred" if reached.quality == "inferred" else "explicit"
            if milestone != "accepted":
                cycle[f"{milestone}_at"] = reached.entered_at if reached else None
                cycle[f"{milestone}_basis"] = basis

    @staticmethod
    def _add_exit(cycle: Fact, visits: list[Visit]) -> None:
        leaving = next((visit for visit in visits if visit.is_exit), None)
        cycle["exited_at"] = leaving.entered_at if leaving else None
        cycle["exit_stage"] = leaving.stage.name if leaving else None
        cycle["exit_kind"] = leaving.stage.exit_kind if leaving else None

    def _add_acceptance(self, cycle: Fact, visits: list[Visit]) -> None:
        handed_off_at = cycle["handed_off_at"]
        by_default = self.mode == "default" and handed_off_at is not None
        due_at = handed_off_at + self.window if by_default else None
        # On a tie the first of the list wins, which is the order of the page.
        claims: list[tuple[datetime, str]] = []
        accepted = next((v for v in visits if v.stage.milestone == "accepted"), None)
        if accepted:
            by_hand = "inferred" if accepted.quality == "inferred" else "explicit"
            claims.append((accepted.entered_at, by_hand))
        if cycle["sales_qualified_at"]:
            claims.append((cycle["sales_qualified_at"], "implied"))
        exited_at = cycle["exited_at"]
        if due_at and due_at <= self.as_of and not (exited_at and exited_at <= due_at):
            claims.append((due_at, "default"))
        accepted_at, kind = min(claims, key=lambda claim: claim[0]) if claims else (None, None)
        cycle["acceptance_due_at"] = due_at
        cycle["accepted_at"] = accepted_at
        cycle["acceptance_kind"] = kind
        if handed_off_at is None:
            cycle["acceptance_status"] = None
        elif accepted_at:
            cycle["acceptance_status"] = "accepted"
        else:
            cycle["acceptance_status"] = "rejected" if exited_at else "pending"

    def _add_outcome(self, cycle: Fact, visits: list[Visit]) -> None:
        if cycle["won_at"]:
            outcome = "won"
        elif cycle["exited_at"] is None:
            outcome = "open"
        elif cycle["opportunity_at"]:
            outcome = "lost"
        elif cycle["accepted_at"]:
            outcome = "disqualified"
        elif cycle["handed_off_at"]:
            outcome = "rejected"
        else:
            outcome = "screened_out"
        cycle["outcome"] = outcome
        reason = next((v.reason for v in visits if v.is_exit and v.reason), None)
        cycle["reason_code"] = self._reason_code(reason)
        cycle["is_late_rejection"] = (
            cycle["exit_kind"] == "rejected" and cycle["acceptance_kind"] == "default"
        )
        recycled = next((v for v in visits if v.stage.exit_kind == "recycled"), None)
        if recycled is None:
            leaving = next((v for v in visits if v.is_exit), None)
            recycled = next(
                (
                    v
                    for v in visits
                    if leaving and v.number > leaving.number and v.stage.milestone == "captured"
                ),
                None,
            )
        cycle["recycled_at"] = recycled.entered_at if recycled else None
        cycle["requalified_at"] = cycle["cycle_ended_at"] if cycle["exited_at"] else None
        cycle["is_recycled"] = bool(cycle["recycled_at"] or cycle["requalified_at"])

    # -- intent, first touch, service level ---------------------------------------------------

    @staticmethod
    def _up_to(rows: list[Fact], moment: datetime, span: timedelta) -> list[Fact]:
        return [row for row in rows if moment - span <= row["occurred_at"] <= moment]

    def _intent(self, lead: Lead, handed_off_at: datetime) -> tuple[str, datetime]:
        """The tier of a handoff and the moment of what triggered it."""
        recent = self._up_to(lead.engagements, handed_off_at, self.policy.span("intent_lookback"))
        tiered = []
        for row in recent:
            tier = given(self.signals.get(plain(row["kind"]), {}).get("intent_tier"))
            if tier:
                tiered.append((int(self.tiers[tier]["tier_rank"]), row["occurred_at"], tier))
        if not tiered:
            return "standard", handed_off_at
        _, trigger, tier = min(tiered)
        return tier, trigger

    def _add_service_level(self, cycle: Fact, lead: Lead) -> None:
        handed_off_at = cycle["handed_off_at"]
        cycle.update(
            intent_tier=None,
            intent_trigger_at=None,
            first_touch_at=None,
            request_to_touch_minutes=None,
            touched_before_handoff=None,
            speed_to_lead_minutes=None,
            sla_due_at=None,
            sla_status=None,
        )
        if handed_off_at is None:
            return
        tier, trigger = self._intent(lead, handed_off_at)
        last = cycle["exited_at"] or cycle["cycle_ended_at"] or self.as_of
        touches = [
            row["occurred_at"]
            for row in lead.activities
            if plain(row["kind"]) in self.touches
            and plain(row["direction"]) != "inbound"
            and trigger <= row["occurred_at"] <= last
        ]
        first_touch_at = min(touches, default=None)
        cycle["intent_tier"] = tier
        cycle["intent_trigger_at"] = trigger
        cycle["first_touch_at"] = first_touch_at
        if first_touch_at:
            asked = (first_touch_at - trigger).total_seconds() / 60
            cycle["request_to_touch_minutes"] = asked
            wait = (first_touch_at - handed_off_at).total_seconds() / 60
            cycle["touched_before_handoff"] = first_touch_at < handed_off_at
            cycle["speed_to_lead_minutes"] = max(wait, 0.0)
        cycle["sla_due_at"] = self._due_at(tier, handed_off_at)
        cycle["sla_status"] = self._sla_status(cycle)

    def _due_at(self, tier: str, handed_off_at: datetime) -> datetime | None:
        target = self.tiers[tier]
        if target["clock"] == "working_day":
            return self.calendar.end_of_working_day(handed_off_at)
        minutes = Decimal(target["target_minutes"])
        if target["clock"] == "business":
            return self.calendar.after_working_minutes(handed_off_at, minutes)
        return handed_off_at + timedelta(minutes=float(minutes))

    def _sla_status(self, cycle: Fact) -> str:
        due_at = cycle["sla_due_at"]
        if not self.coverage.activities or cycle["handed_off_basis"] != "explicit":
            return "unknown"
        if cycle["first_touch_at"]:
            return "met" if cycle["first_touch_at"] <= due_at else "breached"
        over = [moment for moment in (cycle["exited_at"], cycle["won_at"]) if moment]
        if any(moment <= due_at for moment in over):
            return "not_applicable"
        return "open" if self.as_of <= due_at else "breached"

    # -- score, segment, amounts --------------------------------------------------------------

    def _add_score(self, cycle: Fact, lead: Lead) -> None:
        scored_at = cycle["handed_off_at"] or cycle["marketing_qualified_at"]
        cycle.update(
            scored_at=scored_at, fit_score=None, interest_score=None, score=None, score_band=None
        )
        if scored_at is None:
            return
        fit = sum(
            Decimal(rule["fit_points"])
            for rule in self.policy.rows("fit_rules")
            if _matches(rule, lead.row)
        )
        interest = self._interest(lead, scored_at)
        cycle["fit_score"] = fit
        cycle["interest_score"] = interest
        cycle["score"] = fit + interest
        cycle["score_band"] = self._band(fit + interest)

    def _interest(self, lead: Lead, scored_at: datetime) -> Decimal:
        counted = [
            (Decimal(self.signals[plain(row["kind"])]["interest_points"]), row["occurred_at"])
            for row in self._up_to(lead.engagements, scored_at, self.policy.span("score_lookback"))
            if plain(row["kind"]) in self.signals
        ]
        positive = [moment for points, moment in counted if points > 0]
        if not positive:
            return Decimal(0)
        idle_periods = (scored_at - max(positive)) // self.policy.span("decay_period")
        decayed = sum(points for points, _ in counted)
        decayed -= self.policy.parameter("decay_points") * idle_periods
        return max(decayed, Decimal(0))

    def _band(self, score: Decimal) -> str | None:
        lowest = Decimal("-Infinity")
        bands = [
            (Decimal(row["min_score"]) if given(row["min_score"]) else lowest, row["score_band"])
            for row in self.policy.rows("score_bands")
        ]
        return next((band for least, band in sorted(bands, reverse=True) if score >= least), None)

    def _segment(self, employees: Decimal | None) -> str:
        if employees is not None:
            for row in self.policy.rows("segments"):
                if _in_range(employees, row["min_employees"], row["max_employees"]):
                    return row["segment"]
        return "unknown"

    def _add_amounts(self, cycle: Fact, lead: Lead) -> None:
        deals = [
            deal
            for deal in lead.opportunities
            if deal["_is_first_lead"]
            and (cycle["cycle_number"] == 1 or deal["created_at"] >= cycle["cycle_started_at"])
            and (cycle["cycle_ended_at"] is None or deal["created_at"] < cycle["cycle_ended_at"])
        ]
        won = [deal for deal in deals if deal["is_won"] and self._is_closed(deal)]
        cycle["opportunity_amount"] = _total(deals)
        cycle["won_amount"] = _total(won)

    # -- broken rules -------------------------------------------------------------------------

    def _violation(
        self,
        rule: str,
        lead: Lead,
        occurred_at: datetime | None,
        owner: str | None,
        detail: str | None,
        cycle_number: int | None = None,
        visit_number: int | None = None,
    ) -> None:
        self.result.violations.append(
            {
                "lead_id": lead.row["lead_id"],
                "cycle_number": cycle_number,
                "visit_number": visit_number,
                "rule": rule,
                "severity": SEVERITY[rule],
                "detail": detail,
                "occurred_at": occurred_at,
                "owner_id": owner,
            }
        )

    def _judge_lead(self, lead: Lead, events: list[Event], visits: list[Visit]) -> None:
        owner = lead.row["owner_id"]
        updated_at = lead.row["updated_at"] or lead.row["created_at"]
        current = self._current_stage(lead)
        # Of several spellings the first change's holds; in the order of events.
        first_seen: dict[str | None, tuple[datetime, str]] = {}
        for row in sorted(
            lead.unmapped,
            key=lambda each: (
                each["changed_at"],
                as_bytes(each["change_id"]),
                as_bytes(each["lead_id"]),
            ),
        ):
            raw = row["to_stage"]
            first_seen.setdefault(plain(raw), (row["changed_at"], raw))
        if current is None and self._current_is_known(lead):
            raw = lead.row["current_stage"]
            first_seen.setdefault(plain(raw), (updated_at, raw))
        for moment, raw in first_seen.values():
            self._violation("unmapped_stage", lead, moment, owner, raw)
        seen = [event for event in events if event.quality != "inferred"]
        if seen and current is not None:
            last_observed = [event.stage for event in events if event.quality == "observed"][-1:]
            if current not in (*last_observed, visits[-1].stage):
                self._violation("current_stage_differs", lead, updated_at, owner, current.name)
        for deal in lead.opportunities:
            if deal["_is_first_lead"] and deal["is_won"] and deal["closed_at"] is None:
                self._violation(
                    "won_without_closing_date",
                    lead,
                    deal["created_at"],
                    deal["owner_id"] or owner,
                    deal["opportunity_id"],
                )

    def _judge_visit(self, lead: Lead, visit: Visit) -> None:
        before = visit.before.name if visit.before else None
        move = f"{before} > {visit.stage.name}" if before else visit.stage.name
        broken: list[tuple[str, str | None]] = []
        is_proven = visit.quality == "opportunity"
        gives_reasons = self.coverage.loss_reasons if is_proven else self.coverage.stage_reasons
        if visit.reason_required and visit.reason is None and visit.is_exit and gives_reasons:
            broken.append((REASON_RULE[visit.stage.exit_kind or ""], visit.stage.name))
        if self._reason_code(visit.reason) == "unknown":
            broken.append(("unknown_reason", visit.reason))
        if not visit.is_valid:
            by_kind = {"backward": "backward_transition", "skip": "skipped_stage"}
            broken.append((by_kind.get(visit.kind, "invalid_transition"), move))
        if lead.created_at - visit.entered_at > self.policy.span("creation_tolerance"):
            broken.append(("stage_before_creation", visit.stage.name))
        for rule, detail in broken:
            self._violation(
                rule, lead, visit.entered_at, visit.owner, detail, visit.cycle, visit.number
            )

    def _judge_cycle(self, lead: Lead, cycle: Fact) -> None:
        broken: list[tuple[str, datetime, str | None]] = []
        handed_off_at = cycle["handed_off_at"]
        if self._should_be_recycled(cycle):
            broken.append(("not_recycled", cycle["exited_at"], cycle["outcome"]))
        is_owned = cycle["owner_id"] is not None or not self.coverage.owners
        if handed_off_at and not is_owned and self._is_past(handed_off_at, "owner_grace"):
            broken.append(("handoff_without_owner", handed_off_at, None))
        if cycle["sla_status"] == "breached" and cycle["first_touch_at"] is None:
            broken.append(("untouched_past_sla", cycle["sla_due_at"], cycle["intent_tier"]))
        if self._lacks_a_decision(cycle):
            broken.append(("handoff_without_decision", handed_off_at, None))
        qualified_at, accepted_at = cycle["sales_qualified_at"], cycle["accepted_at"]
        if accepted_at and cycle["acceptance_kind"] != "inferred":
            is_over = qualified_at or cycle["exited_at"]
            if not is_over and self._is_past(accepted_at, "qualification_grace"):
                broken.append(("accepted_without_qualification", accepted_at, None))
        if qualified_at and cycle["sales_qualified_basis"] != "inferred":
            is_over = cycle["opportunity_at"] or cycle["exited_at"]
            if not is_over and self._is_past(qualified_at, "opportunity_grace"):
                broken.append(("sales_qualified_without_opportunity", qualified_at, None))
        if handed_off_at and self._lacks_explicit_intent(lead, handed_off_at):
            broken.append(("handoff_without_explicit_intent", handed_off_at, None))
        for rule, moment, detail in broken:
            self._violation(rule, lead, moment, cycle["owner_id"], detail, cycle["cycle_number"])

    def _is_past(self, moment: datetime, grace: str) -> bool:
        return self.as_of - moment > self.policy.span(grace)

    def _lacks_a_decision(self, cycle: Fact) -> bool:
        if cycle["acceptance_status"] != "pending" or cycle["handed_off_basis"] == "inferred":
            return False
        if self.mode == "default":
            return False
        must_accept = any(
            stage.milestone == "accepted" and not stage.is_optional
            for stage in self.tradition.stages.values()
        )
        grace = self.window if must_accept else self.policy.span("qualification_grace")
        return bool(self.as_of - cycle["handed_off_at"] > grace)

    def _should_be_recycled(self, cycle: Fact) -> bool:
        if cycle["outcome"] not in {"rejected", "disqualified"} or cycle["is_recycled"]:
            return False
        if not self._is_past(cycle["exited_at"], "recycle_grace"):
            return False
        reason = self.reason_codes.get(cycle["reason_code"])
        return reason is None or given(reason["recycle_after_days"]) is not None

    def _lacks_explicit_intent(self, lead: Lead, handed_off_at: datetime) -> bool:
        if not self.tradition.requires_explicit_intent or not self.coverage.engagements:
            return False
        recent = self._up_to(
            lead.engagements, handed_off_at, self.policy.span("explicit_intent_lookback")
        )
        return not any(
            as_flag(self.signals.get(plain(row["kind"]), {}).get("is_explicit_intent"))
            for row in recent
        )


# --- pieces that need no run --------------------------------------------------------------------


def _survivor(name: str, left: Mapping[str, Fact], merged_into: str) -> str:
    """The last row that is left of the chain of merges; the row itself if it runs into a circle."""
    passed = {name}
    current = name
    while True:
        following = left[current][merged_into]
        if following is None or following not in left:
            return current
        if following in passed:
            return name
        passed.add(following)
        current = following


def _total(deals: Sequence[Fact]) -> Decimal | None:
    """The sum of the known amounts; unknown when there are opportunities but no known amount."""
    amounts = [deal["amount"] for deal in deals if deal["amount"] is not None]
    return None if deals and not amounts else sum(amounts, Decimal(0))


def _in_range(number: Decimal, low: str | None, high: str | None) -> bool:
    above = not given(low) or number >= Decimal(str(low))
    return above and (not given(high) or number <= Decimal(str(high)))


def _attribute(row: Fact, name: str) -> Any:
    if name != "email_domain":
        return row.get(name)
    email = row["email"]
    return given(email.rsplit("@", 1)[1]) if email and "@" in email else None


def _matches(rule: Mapping[str, str], row: Fact) -> bool:
    """Whether a rule of `fit_rules` or `exclusions` fits the lead's attribute."""
    found = _attribute(row, (plain(rule["attribute"]) or ""))
    if found is None:
        return False
    match = plain(rule["match"])
    if match == "range":
        number = found if isinstance(found, Decimal) else as_number(str(found))
        return number is not None and _in_range(number, rule.get("low"), rule.get("high"))
    text, wanted = plain(str(found)), plain(rule["value"])
    if text is None or wanted is None:
        return False
    return text == wanted if match == "equals" else wanted in text


def read(tables: Mapping[str, Sequence[Row]], policy: Policy, run: Run) -> Result:
    """What the page says of one source's tables.

    `tables` holds the contract's tables as rows of text, each with its `load_id` (1 if absent).
    """
    return Reader(policy, run).read({table: tables.get(table, ()) for table in COLUMNS})
