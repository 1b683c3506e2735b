"""Where alerting begins: a run ended, or time passed; incidents change, and messages go out.

``handoff run`` calls it at its end and Dagster's sensor for every other run. A failure in here is
reported and never fails a run.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.alerting.checks import check_report, data_test_report
from dagster_project.alerting.clock import stale_report
from dagster_project.alerting.delivery import Delivered, Sender, deliver
from dagster_project.alerting.findings import Report, pipeline_report
from dagster_project.alerting.incidents import Changes, Incidents
from dagster_project.alerting.store import Store, as_time
from dagster_project.config.errors import AuditBlocked, HandoffError, NoLeads, OutputLocked
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import QUALITY_SCHEMA, connect, warehouse_path
from dagster_project.running.execute import DataTest
from dagster_project.running.output_lock import visit_output
from dagster_project.running.publishing import published_manifest, with_cause

# What quality.alerts holds of each incident.
_COPIED = """
incident_id bigint, check_name varchar, place varchar, state varchar, severity varchar,
status varchar, owner varchar, failing bigint, builds bigint, opened_at timestamp,
seen_at timestamp, resolved_at timestamp, told_at timestamp, acknowledged_at timestamp,
acknowledged_by varchar, snoozed_until timestamp, snoozed_by varchar, marked_as varchar,
marked_at timestamp, marked_by varchar, run_id varchar, build_id varchar
"""


@dataclass
class Alerted:
    """Which incidents changed, and what was delivered."""

    changes: Changes = field(default_factory=Changes)
    delivered: Delivered = field(default_factory=Delivered)

    def lines(self) -> list[str]:
        """Both for people; empty when nothing happened."""
        parts = [f"{count} {word}" for word, count in self.changes.items()]
        for count, word in (len(self.delivered.sent), "sent"), (self.delivered.waiting, "waiting"):
            if count:
                parts.append(f"{count} message{'' if count == 1 else 's'} {word}")
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
) -> Alerted:
    """Turn how a run ended into incidents, send messages, and copy incidents into the warehouse.

    A run that was taken in already changes nothing, and neither does one that replayed the past
    or that a later one has overtaken. Raises ``OutputLocked`` or ``duckdb.IOException`` while
    another run holds the warehouse: then nothing was taken in yet.
    """
    now = now or datetime.now(UTC)
    if has_taken_in(output, run_id):
        return Alerted()
    try:
        audit = check_report(output, settings, run_id, was_stopped=error is not None)
    except (OutputLocked, duckdb.IOException):
        # A run that failed before its audit has something to report, and reports it at once.
        if error is None or isinstance(error, AuditBlocked):
            raise
        audit = Report(run_id=run_id)
    if isinstance(error, AuditBlocked):
        error = with_cause(output, run_id, error)
    report = Report(run_id=run_id)
    if not audit.is_past and not (error and ended_at and _published_since(output, ended_at)):
        tests = list(data_tests)
        # Only a run that asked everything can tell that a check is gone.
        is_whole = audit.known and tests
        known = audit.known | {test.name for test in tests} if is_whole else frozenset()
        report = replace(audit, known=known).merged(data_test_report(tests, run_id))
        lacks_rows = audit.lacks_rows or isinstance(error, NoLeads)
        if lacks_rows:
            report = report.without_passes()
        has_built = audit.has_built and not lacks_rows
        report = report.merged(pipeline_report(output, error, run_id, has_built=has_built))
    return _record(output, settings, report.merged(stale_report(output, settings, now)), now, send)


def has_taken_in(output: Path, run_id: str) -> bool:
    """True for a run that became incidents already."""
    with Store(output) as store:
        return store.has_handled(run_id)


def _published_since(output: Path, moment: datetime) -> bool:
    """True when something was published after a moment, to the second."""
    manifest = published_manifest(output)
    return manifest is not None and as_time(manifest["published_at"]) > moment


def after_refusal(output: Path, settings: Settings, error: HandoffError) -> Alerted:
    """Report a run that could not even start; Dagster knows nothing of it."""
    return _record(output, settings, pipeline_report(output, error, None), datetime.now(UTC), None)


def on_the_clock(
    output: Path,
    settings: Settings,
    extra: Report | None = None,
    *,
    now: datetime | None = None,
    send: Sender | None = None,
) -> Alerted:
    """What only time brings: reminders, digests, stale data, and messages that wait."""
    now = now or datetime.now(UTC)
    report = stale_report(output, settings, now).merged(extra or Report())
    return _record(output, settings, report, now, send)


def _record(
    output: Path, settings: Settings, report: Report, now: datetime, send: Sender | None
) -> Alerted:
    with Store(output) as store:
        changes = Incidents(store, settings, output).record(report, now)
        delivered = deliver(store, settings.alerts, output, now, send)
    if report.run_id or changes.keys() - {"reminded"}:
        copy_into_warehouse(output)
    return Alerted(changes, delivered)


def copy_into_warehouse(output: Path) -> None:
    """Copy the incidents into ``quality.alerts``, unless a run holds the output."""
    if not warehouse_path(output).is_file():
        return
    with Store(output) as store:
        incidents = store.rows("select id as incident_id, * from incidents order by id")
    names = [column.split()[0] for column in _COPIED.split(",")]
    rows = [[incident[name] for name in names] for incident in incidents]
    marks = ", ".join("?" * len(names))
    with (
        suppress(OutputLocked, duckdb.IOException),
        visit_output(output),
        connect(warehouse_path(output)) as warehouse,
    ):
        warehouse.execute(f"create schema if not exists {QUALITY_SCHEMA}")
        warehouse.execute("begin transaction")
        warehouse.execute(f"create or replace table {QUALITY_SCHEMA}.alerts ({_COPIED})")
        if rows:
            warehouse.executemany(f"insert into {QUALITY_SCHEMA}.alerts values ({marks})", rows)
        warehouse.execute("commit")
