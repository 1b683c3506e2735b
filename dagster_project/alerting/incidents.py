"""The life of incidents: opened, still failing, resolved; acknowledged, snoozed, marked.

One message when an incident opens, when it grows or gets worse, when it is resolved, and as a
reminder if those are configured. None while nothing changes. Many warnings that open or grow at
once for the same owner (a first run, a bad day) are one message.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dagster_project.alerting.findings import Finding, Report
from dagster_project.alerting.messages import Messages, Situation
from dagster_project.alerting.routes import channels_of, digest_due, not_before
from dagster_project.alerting.store import MARKED, WORST_FIRST, Row, Store, as_text, as_time
from dagster_project.config.errors import ConfigError
from dagster_project.config.settings import Settings
from expectations.catalogue import current_name, judged_now_by, known_checks

# Resolved incidents are kept this long.
KEPT_DAYS = 400
# More warnings of one owner that open or grow at once are one message.
SENT_ONE_BY_ONE = 3
_SENT_TOGETHER = {"opened", "grown"}
_ACKNOWLEDGED = ("acknowledged_at", "acknowledged_by", "acknowledged_reason")

# What people may say of an incident that nobody needs to fix.
Mark = Literal["expected", "false_positive"]

# How many incidents opened, grew, were resolved or reminded of.
Changes = Counter[str]


class Incidents:
    """The incidents of one output directory, reported as the settings say."""

    def __init__(self, store: Store, settings: Settings, output: Path) -> None:
        self.store = store
        self.settings = settings.alerts
        self.messages = Messages(settings.alerts, output, settings.crm_links)
        # What opened or grew, by channel and kind, until it is known how much of it there is.
        self._held: dict[tuple[str, str], list[Situation]] = defaultdict(list)

    def record(self, report: Report, now: datetime) -> Changes:
        """Take in what a run found, once per run, and put its messages in the outbox."""
        changes: Changes = Counter()
        with self.store.transaction():
            if report.run_id:
                if self.store.has_handled(report.run_id):
                    return changes
                handled = {"run_id": report.run_id, "handled_at": as_text(now)}
                self.store.insert("handled_runs", handled)
            self._carry_over(report, now)
            for finding in report.findings:
                self._record_finding(finding, report, now, changes)
            self._send_held(now)
            failing = {(finding.check, finding.place) for finding in report.findings}
            for incident in self.store.open_incidents():
                place = (incident["check_name"], incident["place"])
                if place in failing or _not_judged(incident, report):
                    continue
                if not self._awaited(incident["id"], report.not_judged.get(place[0], ())):
                    self._resolve(incident, report, now)
                    changes["resolved"] += 1
            self._remind(now, changes)
            self._digest(now)
            self._forget(now)
        return changes

    def _carry_over(self, report: Report, now: datetime) -> None:
        """Move open incidents to the checks that judge now what they are about.

        A check may have another name or table, since a release ago. Another check may judge what
        it judged before; an incident moves there only when that check fails. Where several
        incidents become one, the first goes on, and the others end.
        """
        checks = known_checks()
        failing = {finding.check for finding in report.findings}
        incidents = self.store.open_incidents()
        taken = {(incident["check_name"], incident["place"]): incident for incident in incidents}
        for incident in incidents:
            name, finding = incident["check_name"], json.loads(incident["finding"])
            renamed: Callable[[str], str] = partial(
                judged_now_by, meaning=finding.get("meaning", 1)
            )
            if renamed(name) not in failing:
                renamed = current_name
            check = checks.get(renamed(name))
            if check is None or (check.name, check.table) == (name, incident["place"]):
                continue
            first = taken.setdefault((check.name, check.table), incident)
            if first["id"] != incident["id"]:
                self._merge(incident, first, now)
                continue
            finding["windows"] = [renamed(window) for window in finding.get("windows", [])]
            if check.name != current_name(name):
                finding["meaning"] = check.meaning
            values = {
                "check_name": check.name,
                "place": check.table,
                "finding": json.dumps(finding),
            }
            self.store.update("incidents", incident["id"], values)

    def _merge(self, incident: Row, first: Row, now: datetime) -> None:
        """End an incident that goes on as another one; say so wherever it was reported.

        What still waits to be sent about it is dropped. A channel whose first message that was
        never heard of it, so it hears nothing of its end.
        """
        finding = json.loads(incident["finding"])
        seen = "; ".join([*finding["observed"], f"goes on as incident {first['id']}"])
        values = {"finding": json.dumps(finding | {"observed": [seen]})}
        self.store.update("incidents", incident["id"], values)
        self._end(incident["id"], now)
        unsent = self.store.rows(
            "delete from messages where incident_id = ? and state = 'waiting' "
            "returning channel, kind",
            [incident["id"]],
        )
        unheard = [row["channel"] for row in unsent if row["kind"] == "opened"]
        self._notify(incident["id"], "resolved", now, unheard)

    # --- opened, still failing, resolved --------------------------------------------------------

    def _record_finding(
        self, finding: Finding, report: Report, now: datetime, changes: Changes
    ) -> None:
        incident = self.store.row(
            "select * from incidents where state = 'open' and check_name = ? and place = ?",
            [finding.check, finding.place],
        )
        if incident is None:
            incident_id = self.store.insert(
                "incidents",
                {
                    "check_name": finding.check,
                    "place": finding.place,
                    "state": "open",
                    "opened_at": as_text(now),
                    **_columns(finding, report, now),
                },
            )
            self._record_members(incident_id, finding, report, now)
            self._notify(incident_id, "opened", now)
            changes["opened"] += 1
            return
        incident_id = incident["id"]
        still = tuple(_not_judged(incident, report))
        finding = replace(finding, windows=finding.windows + still)
        columns = _columns(finding, report, now)
        builds = incident["builds"] + (report.run_id is not None)
        self.store.update("incidents", incident_id, {**columns, "builds": builds})
        self._record_members(incident_id, finding, report, now)
        # What was snoozed or acknowledged was a warning; that it is an error now is news.
        worse = finding.severity == "error" and incident["told_severity"] != "error"
        if _is_snoozed(incident, now) and not worse:
            return
        told = incident["told_failing"] or 0
        if incident["marked_as"]:
            # Cases may come and go; more of them than were marked are news.
            news = (columns["failing"] or 0) - told
        else:
            news = self._new_cases(incident_id, told)
        if worse or news > self.settings.growth * told:
            # What people said was of less than there is now.
            outdated = MARKED + (_ACKNOWLEDGED if worse else ())
            self.store.update("incidents", incident_id, dict.fromkeys(outdated))
            self._notify(incident_id, "worse" if worse else "grown", now)
            changes["grown"] += 1
            return
        if incident["marked_as"]:
            return
        # An improvement is no message; but from there on, getting worse is news again.
        lower = told if columns["failing"] is None else min(told, columns["failing"])
        better = {"told_failing": lower, "told_severity": finding.severity}
        self.store.update("incidents", incident_id, better)

    def _awaited(self, incident_id: int, cases: Collection[str]) -> bool:
        """True when an open incident is about one of these cases."""
        return bool(
            self.store.row(
                "select 1 from members where incident_id = ? and resolved_at is null "
                "and member in (select value from json_each(?))",
                [incident_id, json.dumps(list(cases))],
            )
        )

    def _record_members(
        self, incident_id: int, finding: Finding, report: Report, now: datetime
    ) -> None:
        """Follow each failing case: those that pass now are resolved, new ones begin."""
        if finding.status == "errored":
            return
        # Where there are too many to follow, their number is compared from here on.
        members = finding.members or {}
        kept = [*members, *report.not_judged.get(finding.check, ())]
        was_followed = bool(self.store.members(incident_id, limit=1))
        self.store.execute(
            "update members set resolved_at = ? where incident_id = ? and resolved_at is null "
            "and member not in (select value from json_each(?))",
            [as_text(now), incident_id, json.dumps(kept)],
        )
        # A case that fails again is news.
        self.store.execute_many(
            "insert into members "
            "(incident_id, member, source_system, lead_id, label, first_seen_at, rank) "
            "values (?, ?, ?, ?, ?, ?, ?) on conflict (incident_id, member) "
            "do update set resolved_at = null, told = 0 where resolved_at is not null",
            (
                (incident_id, key, item.source_system, item.lead_id, item.label, as_text(now), rank)
                for rank, (key, item) in enumerate(members.items())
            ),
        )
        if not was_followed:
            # Only a number was followed before: so many cases, the oldest, are no news.
            self.store.execute(
                "update members set told = 1 where incident_id = ?1 and member in ("
                "select member from members where incident_id = ?1 and resolved_at is null "
                "order by rank desc limit "
                "(select coalesce(told_failing, 0) from incidents where id = ?1))",
                [incident_id],
            )

    def _new_cases(self, incident_id: int, told: int) -> int:
        """Failing cases that no message was about; by number where they are not followed."""
        row = self.store.row(
            "select count(*) as members, coalesce(sum(told = 0), 0) as untold from members "
            "where incident_id = ? and resolved_at is null",
            [incident_id],
        )
        if row and row["members"]:
            return int(row["untold"])
        return max((self.store.incident(incident_id)["failing"] or 0) - told, 0)

    def _resolve(self, incident: Row, report: Report, now: datetime) -> None:
        seen_by = {
            "run_id": report.run_id or incident["run_id"],
            "build_id": report.build_id or incident["build_id"],
        }
        self.store.update("incidents", incident["id"], seen_by)
        self._end(incident["id"], now)
        self._notify(incident["id"], "resolved", now)

    def _end(self, incident_id: int, now: datetime) -> None:
        ended = {"state": "resolved", "resolved_at": as_text(now)}
        self.store.update("incidents", incident_id, ended)
        self.store.execute(
            "update members set resolved_at = ? where incident_id = ? and resolved_at is null",
            [as_text(now), incident_id],
        )

    # --- reminders and digests ------------------------------------------------------------------

    def _remind(self, now: datetime, changes: Changes) -> None:
        """Remind of what nobody acknowledged; and, once, of what a snooze kept quiet."""
        hours = self.settings.reminder_hours
        for incident in self.store.open_incidents():
            if incident["marked_as"] or _is_snoozed(incident, now):
                continue
            was_snoozed = incident["snoozed_until"] is not None
            waited = now - as_time(incident["told_at"])
            is_due = hours is not None and waited >= timedelta(hours=hours)
            self.store.update("incidents", incident["id"], {"snoozed_until": None})
            if waited and (was_snoozed or (is_due and incident["acknowledged_at"] is None)):
                self._notify(incident["id"], "reminder", now)
                changes["reminded"] += 1

    def _digest(self, now: datetime) -> None:
        for name, channel in self.settings.channels.items():
            if channel.digest is None:
                continue
            row = self.store.row("select told_until from digests where channel = ?", [name])
            if row:
                since = as_time(row["told_until"])
                if not digest_due(channel, since, now, self.settings.timezone):
                    continue
                self._enqueue_digest(name, since, now)
            self.store.execute(
                "insert or replace into digests (channel, told_until) values (?, ?)",
                [name, as_text(now)],
            )

    def _enqueue_digest(self, channel: str, since: datetime, now: datetime) -> None:
        recent = self.store.rows(
            "select * from incidents where state = 'open' or resolved_at > ? "
            f"order by state, {WORST_FIRST}",
            [as_text(since)],
        )
        incidents = [incident for incident in recent if channel in self._channels(incident)]
        if any(it["state"] == "resolved" or it["marked_as"] is None for it in incidents):
            start = self._not_before(channel, "warning", now)
            self.store.enqueue(channel, self.messages.digest(incidents, since), now, start)

    def _forget(self, now: datetime) -> None:
        oldest = as_text(now - timedelta(days=KEPT_DAYS))
        self.store.execute("delete from incidents where resolved_at < ?", [oldest])
        self.store.execute("delete from handled_runs where handled_at < ?", [oldest])
        self.store.execute("delete from messages where sent_at < ?", [oldest])

    # --- messages -------------------------------------------------------------------------------

    def _channels(self, incident: Row) -> list[str]:
        """Where an incident is routed to; its end also goes wherever its beginning went."""
        tags = set(json.loads(incident["finding"])["tags"])
        routed = channels_of(self.settings, incident["severity"], incident["owner"], tags)
        if incident["state"] == "open":
            return routed
        told = self.store.rows("select channel from told where incident_id = ?", [incident["id"]])
        wanted = {*routed, *(row["channel"] for row in told)}
        return [name for name in self.settings.channels if name in wanted]

    def _notify(
        self, incident_id: int, kind: str, now: datetime, left_out: Collection[str] = ()
    ) -> None:
        """Put a message per channel, except those left out, in the outbox; note what it is of."""
        incident = self.store.incident(incident_id)
        told = incident["told_failing"]
        new = self._new_cases(incident_id, told or 0) if kind in {"grown", "worse"} else 0
        situation = Situation(incident, self.store.members(incident_id), new)
        for name in self._channels(incident):
            if self.settings.channels[name].digest is not None or name in left_out:
                continue
            self.store.execute("insert or ignore into told values (?, ?)", [incident_id, name])
            if kind in _SENT_TOGETHER:
                self._held[name, kind].append(situation)
            else:
                self._enqueue(name, kind, situation, now)
        values = {
            "told_at": as_text(now),
            # A check that could not run counted nothing.
            "told_failing": told if incident["status"] == "errored" else incident["failing"],
            "told_severity": incident["severity"],
        }
        self.store.update("incidents", incident_id, values)
        self.store.execute(
            "update members set told = 1 where incident_id = ? and resolved_at is null",
            [incident_id],
        )

    def _enqueue(self, channel: str, kind: str, situation: Situation, now: datetime) -> None:
        incident = situation.incident
        start = self._not_before(channel, incident["severity"], now)
        waiting = "incident_id = ? and channel = ? and state = 'waiting'"
        about = [incident["id"], channel]
        if start <= now:
            # What quiet hours still hold of it goes first.
            self.store.execute(
                f"update messages set not_before = ? where {waiting} and attempts = 0",
                [as_text(now), *about],
            )
        if kind == "reminder":
            # One that did not get through yet says less than this one.
            self.store.execute(f"delete from messages where {waiting} and kind = 'reminder'", about)
        document = self.messages.incident(kind, situation, now)
        self.store.enqueue(channel, document, now, start, incident["id"])

    def _send_held(self, now: datetime) -> None:
        """Put what opened or grew in the outbox: one by one, or together where it is much.

        Errors always get a message each: whoever is on call gets a page for each, and its end.
        """
        for (channel, kind), held in self._held.items():
            groups = defaultdict(list)
            for situation in held:
                incident = situation.incident
                is_warning = incident["severity"] == "warning"
                groups[incident["owner"] if is_warning else incident["id"]].append(situation)
            for group in groups.values():
                if len(group) > SENT_ONE_BY_ONE:
                    group.sort(key=lambda situation: -(situation.incident["failing"] or 0))
                    document = self.messages.overview(kind, group)
                    start = self._not_before(channel, "warning", now)
                    self.store.enqueue(channel, document, now, start)
                    continue
                for situation in group:
                    self._enqueue(channel, kind, situation, now)
        self._held.clear()

    def _not_before(self, channel: str, severity: str, now: datetime) -> datetime:
        timezone = self.settings.timezone
        return not_before(self.settings.channels[channel], severity, now, timezone)

    # --- what people decide ---------------------------------------------------------------------

    def acknowledge(self, incident_id: int, who: str, reason: str | None, now: datetime) -> None:
        """Somebody works on it: no more reminders, but still messages when it grows or ends."""
        self._decide(incident_id, "acknowledged_at", now, who, reason)

    def snooze(self, incident_id: int, until: datetime, who: str, reason: str) -> None:
        """No messages about it until then, unless it becomes an error or is resolved."""
        self._decide(incident_id, "snoozed_until", until, who, reason)

    def mark(
        self, incident_id: int, mark: Mark | None, who: str, reason: str | None, now: datetime
    ) -> None:
        """Say that it is expected, or no problem at all; None takes that back.

        No messages about it until it is resolved, becomes an error, or more cases fail than now.
        """
        incident = self._open_incident(incident_id)
        values: dict[str, Any] = dict.fromkeys(MARKED)
        if mark is not None:
            values = dict(zip(MARKED, (mark, as_text(now), who, reason), strict=True))
            # What is marked is what there is now, told of or not.
            values["told_severity"] = incident["severity"]
            values["told_failing"] = incident["failing"] or incident["told_failing"]
        self.store.update("incidents", incident_id, values)

    def _open_incident(self, incident_id: int) -> Row:
        incident = self.store.incident(incident_id)
        if incident["state"] != "open":
            raise ConfigError(f"incident {incident_id} was resolved at {incident['resolved_at']}")
        return incident

    def _decide(
        self, incident_id: int, column: str, moment: datetime, who: str, reason: str | None
    ) -> None:
        self._open_incident(incident_id)
        decision = column.partition("_")[0]
        values = {column: as_text(moment), f"{decision}_by": who, f"{decision}_reason": reason}
        self.store.update("incidents", incident_id, values)


def _not_judged(incident: Row, report: Report) -> list[str]:
    """Which of the checks that make an incident, or judge it now, a report says nothing of."""
    finding = json.loads(incident["finding"])
    names = finding.get("windows") or [incident["check_name"]]
    names += [judged_now_by(name, finding.get("meaning", 1)) for name in names]
    return [name for name in dict.fromkeys(names) if not report.judges(name, incident["place"])]


def _is_snoozed(incident: Row, now: datetime) -> bool:
    until = incident["snoozed_until"]
    return until is not None and now < as_time(until)


def _columns(finding: Finding, report: Report, now: datetime) -> dict[str, Any]:
    left_out = {"members", "check", "place"}
    stored = {name: value for name, value in vars(finding).items() if name not in left_out}
    return {
        "severity": finding.severity,
        "status": finding.status,
        "owner": finding.owner,
        "seen_at": as_text(now),
        "run_id": report.run_id,
        "build_id": report.build_id,
        # How many cases fail is not known of a check that could not run.
        "failing": None if finding.status == "errored" else finding.failing,
        # Sets are sorted, since JSON has none.
        "finding": json.dumps(stored, default=sorted),
    }
