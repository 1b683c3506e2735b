"""The one way in: a run ended, or time passed; incidents follow, and messages go out.

``handoff run`` calls it at its end and Dagster's sensor for every other run. What goes wrong here
is said and never fails a run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster_project.alerting.delivery import Delivered, Sender, deliver
from dagster_project.alerting.findings import (
    DATA_STALE,
    Report,
    check_report,
    data_test_report,
    pipeline_finding,
    pipeline_report,
)
from dagster_project.alerting.incidents import Changes, Incidents
from dagster_project.alerting.store import ALERTS_FILE, Store, as_time
from dagster_project.config.errors import AuditBlocked, HandoffError, OutputLocked
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import QUALITY_SCHEMA, connect, warehouse_path
from dagster_project.running.execute import DataTest
from dagster_project.running.output_lock import visit_output


@dataclass
class Told:
    """What came of it."""

    changes: Changes = field(default_factory=Changes)
    delivered: Delivered = field(default_factory=Delivered)

    def lines(self) -> list[str]:
        """For people; nothing when nothing happened."""
        parts = [
            f"{len(ids)} {word}"
            for word, ids in (
                ("opened", self.changes.opened),
                ("grown", self.changes.grown),
                ("reminded", self.changes.reminded),
                ("resolved", self.changes.resolved),
            )
            if ids
        ]
        if self.delivered.sent:
            parts.append(f"{len(self.delivered.sent)} messages sent")
        if self.delivered.waiting:
            parts.append(f"{self.delivered.waiting} messages wait")
        lines = [f"Alerts: {', '.join(parts)} (handoff alerts list)"] if parts else []
        return lines + [
            f"Alerts: channel {name}: {problem}"
            for name, problem in self.delivered.problems.items()
        ]


def after_run(
    output: Path,
    settings: Settings,
    run_id: str,
    error: HandoffError | None,
    *,
    data_tests: Iterable[DataTest] = (),
    ended_at: datetime | None = None,
    now: datetime | None = None,
    send: Sender | None = None,
) -> Told:
    """Turn how a run ended into incidents, tell of them, and copy them into the warehouse.

    A run that was taken in already changes nothing, and neither does one that replayed the past
    or that a later one has overtaken. ``ended_at``: when it ended; now by default. Raises
    ``OutputLocked`` or ``duckdb.IOException`` while another run holds the warehouse: then nothing
    was taken in yet.
    """
    import duckdb

    now = now or datetime.now(UTC)
    if has_taken_in(output, run_id):
        return Told()
    was_audited = error is None or isinstance(error, AuditBlocked)
    try:
        audit = check_report(output, settings, run_id, was_stopped=error is not None)
    except (OutputLocked, duckdb.IOException):
        # A run that failed otherwise has more to say than an audit, and says it at once.
        if was_audited:
            raise
        audit = Report(run_id=run_id)
    report = Report(run_id=run_id)
    if not audit.is_past and not (error and ended_at and _published_since(output, ended_at)):
        tests = list(data_tests)
        # What a run did not ask is not gone.
        known = audit.known | {test.name for test in tests} if tests else frozenset()
        report = replace(audit, known=known).merged(data_test_report(tests, run_id))
        report = report.merged(pipeline_report(output, error, run_id, has_built=audit.has_built))
    report = report.merged(stale_report(output, settings, now))
    return _tell(output, settings, report, now, send)


def has_taken_in(output: Path, run_id: str) -> bool:
    """True for a run that became incidents already."""
    with Store(output) as store:
        return store.has_handled(run_id)


def _published_since(output: Path, moment: datetime) -> bool:
    """True when something was published after a moment, to the second."""
    from dagster_project.running.publishing import published_manifest

    manifest = published_manifest(output)
    return manifest is not None and as_time(manifest["published_at"]) > moment


def after_refusal(output: Path, settings: Settings, error: HandoffError) -> Told:
    """Tell of a run that could not even start; Dagster knows nothing of it."""
    report = pipeline_report(output, error, None)
    return _tell(output, settings, report, datetime.now(UTC), None)


def on_the_clock(
    output: Path,
    settings: Settings,
    extra: Report | None = None,
    *,
    now: datetime | None = None,
    send: Sender | None = None,
) -> Told:
    """What only time brings: reminders, digests, stale data, and messages that wait."""
    now = now or datetime.now(UTC)
    report = stale_report(output, settings, now)
    return _tell(output, settings, report.merged(extra) if extra else report, now, send)


def stale_report(output: Path, settings: Settings, now: datetime) -> Report:
    """Whether what is published is older than it may be."""
    from dagster_project.running.publishing import published_manifest

    hours = settings.alerts.stale_after_hours
    manifest = published_manifest(output)
    judged = frozenset({(DATA_STALE, "*")})
    if hours is None or manifest is None:
        return Report(judged)
    published = datetime.fromisoformat(manifest["published_at"].replace("Z", "+00:00"))
    if now - published <= timedelta(hours=hours):
        return Report(judged)
    line = (
        f"build {manifest['build_id']} was published {published:%Y-%m-%d %H:%M} UTC, more than "
        f"{hours:g} hours ago"
    )
    return Report(judged, (pipeline_finding(DATA_STALE, "published", [line]),))


def _tell(
    output: Path, settings: Settings, report: Report, now: datetime, send: Sender | None
) -> Told:
    with Store(output) as store:
        changes = Incidents(store, settings.alerts, output).record(report, now)
        delivered = deliver(store, settings.alerts, output, now, send)
    if changes.opened or changes.grown or changes.resolved or report.run_id:
        copy_into_warehouse(output)
    return Told(changes, delivered)


def copy_into_warehouse(output: Path) -> bool:
    """Copy the incidents into ``quality.alerts``; False while a run holds the output."""
    import duckdb
    import pyarrow as pa

    if not (output / ALERTS_FILE).is_file() or not warehouse_path(output).is_file():
        return False
    with Store(output) as store:
        rows = store.rows(f"select {', '.join(_COPIED)} from incidents order by id")
    table = pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            [
                (name, pa.int64() if name in _NUMBERS else pa.string())
                for name in (column.rpartition(" ")[2] for column in _COPIED)
            ]
        ),
    )
    times = ", ".join(
        f"cast({name} as timestamp) as {name}"
        for name in table.column_names
        if name.endswith("_at") or name.endswith("_until")
    )
    try:
        with visit_output(output), connect(warehouse_path(output)) as warehouse:
            warehouse.register("incidents", table)
            warehouse.execute(f"create schema if not exists {QUALITY_SCHEMA}")
            warehouse.execute(
                f"create or replace table {QUALITY_SCHEMA}.alerts as "
                f"select * replace ({times}) from incidents"
            )
    except (OutputLocked, duckdb.IOException):
        return False
    return True


_NUMBERS = {"incident_id", "failing", "builds"}
_COPIED = (
    "id as incident_id",
    "check_name",
    "place",
    "state",
    "severity",
    "status",
    "owner",
    "failing",
    "builds",
    "opened_at",
    "seen_at",
    "resolved_at",
    "told_at",
    "acknowledged_at",
    "acknowledged_by",
    "snoozed_until",
    "snoozed_by",
    "run_id",
    "build_id",
)
