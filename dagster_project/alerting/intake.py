"""Taking in the runs that Dagster's daemon started: each becomes incidents once.

Which runs were taken in is recorded in the alerts file, so that the next look makes up for one
that died.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from dagster_project.alerting.clock import last_due
from dagster_project.alerting.findings import SCHEDULE_MISSED, Report, pipeline_finding
from dagster_project.alerting.service import Alerted, after_run, has_taken_in, on_the_clock
from dagster_project.config.errors import ConfigError, OutputLocked
from dagster_project.config.settings import Settings, load_settings
from dagster_project.config.warehouse import warehouse_path
from dagster_project.running.execute import (
    JOB_NAME,
    SCHEDULE_NAME,
    close_abandoned_runs,
    outcome_of,
)
from dagster_project.running.process import OUTPUT_TAG

# How far back the first look goes.
FIRST_LOOK = timedelta(days=1)
# How far each look reaches back before the last one.
OVERLAP = timedelta(minutes=1)
# How long a run that could not be taken in is retried.
LONGEST_DEFERRAL = timedelta(days=1)


def look(
    instance: dg.DagsterInstance, settings: Settings, since: datetime | None, now: datetime
) -> tuple[list[str], datetime]:
    """Take in the runs that ended since then, then what time alone brings.

    Returns what happened, in lines, and up to when runs were taken in: not past one whose
    warehouse is held by the next run. What goes wrong with one run is reported and keeps no other
    from being taken in.
    """
    close_abandoned_runs(instance)
    output = own_output(instance, settings)
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=since or now - FIRST_LOOK,
        ),
        order_by="update_timestamp",
        ascending=True,
    )
    lines: list[str] = []
    # What ended just before may be written just after; a run is still taken in only once.
    through = now - OVERLAP
    for record in records:
        run = record.dagster_run
        # A part of the assets, materialized from the UI, runs under another job's name.
        if run.job_name != JOB_NAME and OUTPUT_TAG not in run.tags:
            continue
        ended = record.update_timestamp.replace(tzinfo=UTC)
        try:
            lines += _take_in(instance, run, output, settings, ended, now).lines()
        except Exception as error:
            in_use = isinstance(error, OutputLocked | duckdb.IOException)
            reason = "the warehouse is in use" if in_use else _one_line(error)
            lines.append(f"run {run.run_id}: {reason}; taken in later")
            if now - ended < LONGEST_DEFERRAL:
                # A second before, since times of updates are cut to the microsecond or less.
                through = min(through, ended - timedelta(seconds=1))
    if output.is_dir():
        try:
            missed = schedule_report(instance, settings, now)
            lines += on_the_clock(output, settings, missed, now=now).lines()
        except Exception as error:
            lines.append(_one_line(error))
    return lines, through


def own_output(instance: dg.DagsterInstance, settings: Settings) -> Path:
    """The output whose runs an instance keeps: the one it lies in, else the configured one."""
    around = Path(instance.root_directory).parent
    return around if warehouse_path(around).is_file() else settings.warehouse.output.absolute()


def _take_in(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    own: Path,
    settings: Settings,
    ended: datetime,
    now: datetime,
) -> Alerted:
    output = Path(run.tags.get(OUTPUT_TAG, own))
    if not output.is_dir() or has_taken_in(output, run.run_id):
        return Alerted()
    outcome = outcome_of(instance, run.run_id)
    return after_run(
        output,
        _settings_of(run, settings),
        run.run_id,
        outcome.error,
        data_tests=outcome.data_tests,
        ended_at=ended,
        now=now,
    )


def _settings_of(run: dg.DagsterRun, settings: Settings) -> Settings:
    """The configuration that a run was given, if it was given one that is still there."""
    config: Any = run.run_config
    for key in ("resources", "run", "config", "config"):
        config = config.get(key) if isinstance(config, dict) else None
    try:
        return load_settings(Path(config)) if config else settings
    except ConfigError:
        return settings


def _one_line(error: Exception) -> str:
    return f"alerts failed: {type(error).__name__}: {' '.join(str(error).split())}"


def schedule_report(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Report:
    """Whether the schedule, if it is on, asked for a run when the last one was due."""
    judged = frozenset({(SCHEDULE_MISSED, "*")})
    started = schedule_started(instance, settings)
    grace = timedelta(minutes=settings.alerts.missed_after_minutes)
    due = last_due(settings.schedule, now - grace)
    if started is None or due < started or has_asked_for_a_run(instance, due):
        return Report(judged)
    line = f"{SCHEDULE_NAME} was due at {due:%Y-%m-%d %H:%M} UTC and has asked for no run since"
    finding = pipeline_finding(SCHEDULE_MISSED, f"schedule {SCHEDULE_NAME}", [line])
    return Report(judged, (finding,))


def schedule_started(instance: dg.DagsterInstance, settings: Settings) -> datetime | None:
    """When the schedule was turned on; None while it is off."""
    # Until somebody turns it on or off in the UI, the configuration decides.
    on = {"RUNNING", "DECLARED_IN_CODE"} if settings.schedule.enabled else {"RUNNING"}
    for state in instance.all_instigator_state():
        if state.instigator_name == SCHEDULE_NAME and state.status.value in on:
            started = getattr(state.instigator_data, "start_timestamp", None)
            return datetime.fromtimestamp(started, UTC) if started is not None else None
    return None


def has_asked_for_a_run(instance: dg.DagsterInstance, since: datetime) -> bool:
    """True when the schedule asked for a run since a moment."""
    asked = dg.RunsFilter(
        job_name=JOB_NAME,
        created_after=since - timedelta(seconds=1),
        tags={"dagster/schedule_name": SCHEDULE_NAME},
    )
    return bool(instance.get_run_records(asked, limit=1))
