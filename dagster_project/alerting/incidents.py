"""The life of incidents: opened, still failing, resolved; acknowledged, snoozed.

One message when an incident opens, when it grows or gets worse, when it is resolved, and as a
reminder if those are configured. None while nothing changes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.alerting.findings import Finding, Member, Report
from dagster_project.alerting.messages import Situation, digest_document, incident_document
from dagster_project.alerting.routes import channels_of, digest_due, not_before, tags_of
from dagster_project.alerting.store import Row, Store, as_text, as_time
from dagster_project.errors import ConfigError
from dagster_project.settings import AlertsSettings

_RANKS = {"warning": 0, "error": 1}
# Incidents that are over are kept this long.
KEPT_DAYS = 400


@dataclass
class Changes:
    """What one report changed: incident ids by what happened to them."""

    opened: list[int] = field(default_factory=list)
    grown: list[int] = field(default_factory=list)
    reminded: list[int] = field(default_factory=list)
    resolved: list[int] = field(default_factory=list)


class Incidents:
    """The incidents of one output directory, as the settings want them told."""

    def __init__(self, store: Store, settings: AlertsSettings, output: Path) -> None:
        self._store = store
        self._settings = settings
        self._output = output

    def record(self, report: Report, now: datetime) -> Changes:
        """Take in what a run found, once per run, and put what is to be told in the outbox."""
        changes = Changes()
        with self._store.transaction():
            if report.run_id and not self._is_new(report.run_id, now):
                return changes
            for finding in report.findings:
                self._record_finding(finding, report, now, changes)
            failing = {(finding.check, finding.place) for finding in report.findings}
            for incident in self._store.open_incidents():
                place = (incident["check_name"], incident["place"])
                if place not in failing and report.judges(*place):
                    self._resolve(incident, report, now)
                    changes.resolved.append(incident["id"])
            self._remind(now, changes)
            self._digest(now)
            self._forget(now)
        return changes

    def _is_new(self, run_id: str, now: datetime) -> bool:
        if self._store.row("select 1 from handled_runs where run_id = ?", [run_id]):
            return False
        self._store.insert("handled_runs", {"run_id": run_id, "handled_at": as_text(now)})
        return True

    # --- opened, still failing, resolved --------------------------------------------------------

    def _record_finding(
        self, finding: Finding, report: Report, now: datetime, changes: Changes
    ) -> None:
        incident = self._store.row(
            "select * from incidents where state = 'open' and check_name = ? and place = ?",
            [finding.check, finding.place],
        )
        if incident is None:
            incident_id = self._open(finding, report, now)
            self._record_members(incident_id, finding.members, now)
            self._tell(incident_id, "opened", now)
            changes.opened.append(incident_id)
            return
        incident_id = incident["id"]
        self._store.update(
            "incidents",
            incident_id,
            {
                **_columns(finding, report, now),
                "builds": incident["builds"] + (report.run_id is not None),
            },
        )
        self._record_members(incident_id, finding.members, now)
        if _is_snoozed(incident, now):
            return
        worse = _RANKS[finding.severity] > _RANKS[incident["told_severity"] or "warning"]
        told = incident["told_failing"] or 0
        if worse or self._new_cases(incident_id, told) > self._settings.growth * told:
            self._tell(incident_id, "worse" if worse else "grown", now)
            changes.grown.append(incident_id)

    def _open(self, finding: Finding, report: Report, now: datetime) -> int:
        return self._store.insert(
            "incidents",
            {
                "check_name": finding.check,
                "place": finding.place,
                "state": "open",
                "opened_at": as_text(now),
                **_columns(finding, report, now),
            },
        )

    def _record_members(
        self, incident_id: int, members: Mapping[str, Member] | None, now: datetime
    ) -> None:
        """Follow each failing case: those that are gone are resolved, new ones begin."""
        if members is None:
            return
        known = {
            row["member"]: row
            for row in self._store.rows(
                "select member, resolved_at from members where incident_id = ?", [incident_id]
            )
        }
        for member, row in known.items():
            if member not in members and row["resolved_at"] is None:
                self._store.execute(
                    "update members set resolved_at = ? where incident_id = ? and member = ?",
                    [as_text(now), incident_id, member],
                )
            elif member in members and row["resolved_at"] is not None:
                # It fails again: that is news.
                self._store.execute(
                    "update members set resolved_at = null, told = 0 "
                    "where incident_id = ? and member = ?",
                    [incident_id, member],
                )
        columns = (
            "incident_id",
            "member",
            "source_system",
            "lead_id",
            "label",
            "first_seen_at",
            "rank",
        )
        self._store.insert_many(
            "members",
            columns,
            (
                (incident_id, key, item.source_system, item.lead_id, item.label, as_text(now), at)
                for at, (key, item) in enumerate(members.items())
                if key not in known
            ),
        )

    def _new_cases(self, incident_id: int, told: int) -> int:
        """Failing cases that nobody was told of; by number where they are not followed."""
        row = self._store.row(
            "select count(*) as members, coalesce(sum(told = 0), 0) as untold from members "
            "where incident_id = ? and resolved_at is null",
            [incident_id],
        )
        if row and row["members"]:
            return int(row["untold"])
        incident = self._store.incident(incident_id) or {}
        return max((incident.get("failing") or 0) - told, 0)

    def _resolve(self, incident: Row, report: Report, now: datetime) -> None:
        self._store.update(
            "incidents",
            incident["id"],
            {
                "state": "resolved",
                "resolved_at": as_text(now),
                "run_id": report.run_id or incident["run_id"],
                "build_id": report.build_id or incident["build_id"],
            },
        )
        self._tell(incident["id"], "resolved", now)
        self._store.execute(
            "update members set resolved_at = ? where incident_id = ? and resolved_at is null",
            [as_text(now), incident["id"]],
        )

    # --- told later -----------------------------------------------------------------------------

    def _remind(self, now: datetime, changes: Changes) -> None:
        """Tell again of what nobody took on; and, once, of what a snooze kept quiet."""
        hours = self._settings.reminder_hours
        for incident in self._store.open_incidents():
            if _is_snoozed(incident, now):
                continue
            snooze_over = incident["snoozed_until"] is not None
            waited = now - as_time(incident["told_at"] or incident["opened_at"])
            due = hours is not None and waited >= timedelta(hours=hours)
            if snooze_over or (due and incident["acknowledged_at"] is None):
                just_told = incident["told_at"] == as_text(now)
                self._store.update("incidents", incident["id"], {"snoozed_until": None})
                if not just_told:
                    self._tell(incident["id"], "reminder", now)
                    changes.reminded.append(incident["id"])

    def _digest(self, now: datetime) -> None:
        for name, channel in self._settings.channels.items():
            if channel.digest is None:
                continue
            row = self._store.row("select told_until from digests where channel = ?", [name])
            if row is None:
                self._store.insert("digests", {"channel": name, "told_until": as_text(now)})
                continue
            since = as_time(row["told_until"])
            if not digest_due(channel, since, now, self._settings.timezone):
                continue
            incidents = [
                incident
                for incident in self._store.rows(
                    "select * from incidents where state = 'open' or resolved_at > ? "
                    "order by state, severity, owner, opened_at",
                    [as_text(since)],
                )
                if name in self._channels(incident)
            ]
            if incidents:
                document = digest_document(incidents, since, self._settings, self._output)
                quiet_until = not_before(channel, "warning", now, self._settings.timezone)
                self._store.enqueue(name, "digest", document, now, quiet_until, None)
            self._store.execute(
                "update digests set told_until = ? where channel = ?", [as_text(now), name]
            )

    def _forget(self, now: datetime) -> None:
        oldest = as_text(now - timedelta(days=KEPT_DAYS))
        self._store.execute("delete from incidents where resolved_at < ?", [oldest])
        self._store.execute("delete from handled_runs where handled_at < ?", [oldest])
        self._store.execute("delete from messages where sent_at < ?", [oldest])

    # --- telling --------------------------------------------------------------------------------

    def _channels(self, incident: Row) -> list[str]:
        tags = tags_of(json.loads(incident["finding"]))
        # An incident that got better is told to those who heard of the worst of it.
        severity = incident["told_severity"] or incident["severity"]
        severity = max(severity, incident["severity"], key=_RANKS.__getitem__)
        return channels_of(self._settings, severity, incident["owner"], tags)

    def _tell(self, incident_id: int, kind: str, now: datetime) -> None:
        """Put one message per channel in the outbox, and note what was told."""
        incident = self._store.incident(incident_id)
        if incident is None:
            return
        new = self._new_cases(incident_id, incident["told_failing"] or 0)
        members = self._store.members(incident_id)
        document = incident_document(
            kind,
            incident,
            Situation(new=new if kind != "opened" else 0, members=members),
            now,
            self._settings,
            self._output,
        )
        for name in self._channels(incident):
            channel = self._settings.channels[name]
            if channel.digest is None:
                start = not_before(channel, incident["severity"], now, self._settings.timezone)
                if start <= now:
                    self._release(incident_id, name, now)
                self._store.enqueue(name, kind, document, now, start, incident_id)
        self._store.update(
            "incidents",
            incident_id,
            {
                "told_at": as_text(now),
                "told_failing": incident["failing"],
                "told_severity": incident["severity"],
            },
        )
        self._store.execute(
            "update members set told = 1 where incident_id = ? and resolved_at is null",
            [incident_id],
        )

    def _release(self, incident_id: int, channel: str, now: datetime) -> None:
        """Let go what the quiet hours held of an incident that is told now: first things first."""
        self._store.execute(
            "update messages set not_before = ? where incident_id = ? and channel = ? "
            "and state = 'waiting' and attempts = 0",
            [as_text(now), incident_id, channel],
        )

    # --- what people decide ---------------------------------------------------------------------

    def acknowledge(self, incident_id: int, who: str, reason: str | None, now: datetime) -> None:
        """Somebody works on it: no more reminders. News of it is still told."""
        self._open_one(incident_id)
        self._store.update(
            "incidents",
            incident_id,
            {
                "acknowledged_at": as_text(now),
                "acknowledged_by": who,
                "acknowledged_reason": reason,
            },
        )

    def snooze(self, incident_id: int, until: datetime, who: str, reason: str) -> None:
        """Say nothing of it until then, unless it is resolved."""
        self._open_one(incident_id)
        self._store.update(
            "incidents",
            incident_id,
            {"snoozed_until": as_text(until), "snoozed_by": who, "snoozed_reason": reason},
        )

    def _open_one(self, incident_id: int) -> Row:
        incident = self._store.incident(incident_id)
        if incident is None:
            raise ConfigError(f"incident {incident_id}: no such incident (handoff alerts list)")
        if incident["state"] != "open":
            raise ConfigError(f"incident {incident_id} was resolved at {incident['resolved_at']}")
        return incident


def _is_snoozed(incident: Row, now: datetime) -> bool:
    until = incident["snoozed_until"]
    return until is not None and now < as_time(until)


def _columns(finding: Finding, report: Report, now: datetime) -> dict[str, Any]:
    stored = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in asdict(finding).items()
        if name not in {"members", "check", "place"}
    }
    return {
        "severity": finding.severity,
        "status": finding.status,
        "owner": finding.owner,
        "seen_at": as_text(now),
        "run_id": report.run_id,
        "build_id": report.build_id,
        "failing": len(finding.members)
        if finding.failing is None and finding.members is not None
        else finding.failing,
        "finding": json.dumps(stored),
    }
