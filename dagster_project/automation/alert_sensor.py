"""Dagster's side of alerts: every finished run, whoever started it, becomes incidents.

Dagster's open-source edition sends nothing by itself. This sensor looks at the runs that ended
since its last look; which of them were taken in stands in the alerts file, so that a tick that
died is made good by the next one.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_project.alerting.findings import SCHEDULE_MISSED, Report, pipeline_finding

if TYPE_CHECKING:
    from dagster_project.config.settings import ScheduleSettings, Settings

SENSOR_NAME = "alerts"
# How far back the first look goes.
FIRST_LOOK = timedelta(days=1)
# How far each look reaches back before the last one.
OVERLAP = timedelta(minutes=1)
# How long a run that could not be taken in is tried again.
LONGEST_DEFERRAL = timedelta(days=1)


def build_alert_sensor(settings: "ScheduleSettings") -> dg.SensorDefinition:
    """The sensor; it runs as soon as the daemon does."""

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=settings.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns checks and failures of finished runs into incidents and messages.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from dagster_project.config.settings import load_settings
        from dagster_project.running.plan import config_path

        settings = load_settings(config_path(None))
        since = datetime.fromisoformat(context.cursor) if context.cursor else None
        now = datetime.now(UTC)
        said, through = look(context.instance, settings, since or now - FIRST_LOOK, now)
        context.update_cursor(through.isoformat())
        for line in said:
            context.log.info(line)
        return dg.SkipReason("; ".join(said) or "nothing new")

    return alerts


def look(
    instance: dg.DagsterInstance, settings: "Settings", since: datetime, now: datetime
) -> tuple[list[str], datetime]:
    """Take in the runs that ended since then, then what time alone brings.

    Returns what happened, in lines, and up to when runs were taken in: not past one whose
    warehouse is held by the next run. What goes wrong with one run is said and keeps no other
    from being told.
    """
    import duckdb

    from dagster_project.alerting.service import after_run, has_taken_in, on_the_clock
    from dagster_project.automation.job import JOB_NAME
    from dagster_project.config.errors import OutputLocked
    from dagster_project.running.execute import close_abandoned_runs, outcome_of
    from dagster_project.running.process import OUTPUT_TAG

    close_abandoned_runs(instance)
    over = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        dg.RunsFilter(statuses=over, updated_after=since),
        order_by="update_timestamp",
        ascending=True,
    )
    said: list[str] = []
    # What ended just before may be written just after; a run is taken in once all the same.
    through = now - OVERLAP
    configured = settings.warehouse.output.absolute()
    for record in records:
        run = record.dagster_run
        # A part of the assets, materialized from the UI, runs under another job's name.
        if run.job_name != JOB_NAME and OUTPUT_TAG not in run.tags:
            continue
        output = Path(run.tags.get(OUTPUT_TAG, configured))
        if not output.is_dir():
            continue
        ended = record.update_timestamp.replace(tzinfo=UTC)
        try:
            if has_taken_in(output, run.run_id):
                continue
            outcome = outcome_of(instance, run.run_id)
            told = after_run(
                output,
                _settings_of(run, settings),
                run.run_id,
                outcome.error,
                data_tests=outcome.data_tests,
                ended_at=ended,
                now=now,
            )
            said += told.lines()
        except Exception as error:
            in_use = isinstance(error, OutputLocked | duckdb.IOException)
            reason = "the warehouse is in use" if in_use else _said(error)
            said.append(f"run {run.run_id}: {reason}; taken in later")
            if now - ended < LONGEST_DEFERRAL:
                # A second before, since times of updates are cut to the microsecond or less.
                through = min(through, ended - timedelta(seconds=1))
    if configured.is_dir():
        try:
            missed = schedule_report(instance, settings, now)
            said += on_the_clock(configured, settings, missed, now=now).lines()
        except Exception as error:
            said.append(_said(error))
    return said, through


def _said(error: Exception) -> str:
    return f"alerts failed: {type(error).__name__}: {' '.join(str(error).split())}"


def _settings_of(run: dg.DagsterRun, settings: "Settings") -> "Settings":
    """The configuration that a run was given, if it was given one that is still there."""
    from dagster_project.config.errors import ConfigError
    from dagster_project.config.settings import load_settings

    config: Any = run.run_config
    for key in ("resources", "run", "config", "config"):
        config = config.get(key) if isinstance(config, dict) else None
    if not config:
        return settings
    try:
        return load_settings(Path(config))
    except ConfigError:
        return settings


def schedule_report(instance: dg.DagsterInstance, settings: "Settings", now: datetime) -> Report:
    """Whether the schedule, if it is on, asked for a run at its last time."""
    from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
    from dagster._utils.schedules import reverse_cron_string_iterator

    from dagster_project.automation.job import JOB_NAME, SCHEDULE_NAME

    name = SCHEDULE_NAME
    on = {InstigatorStatus.RUNNING}
    if settings.schedule.enabled:
        on.add(InstigatorStatus.DECLARED_IN_CODE)
    states = [
        state
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        if state.instigator_name == name and state.status in on
    ]
    judged = frozenset({(SCHEDULE_MISSED, "*")})
    if not states:
        return Report(judged)
    started = getattr(states[0].instigator_data, "start_timestamp", None)
    grace = timedelta(minutes=settings.alerts.missed_after_minutes)
    times = reverse_cron_string_iterator(
        (now - grace).timestamp(), settings.schedule.cron, settings.schedule.timezone
    )
    expected = next(times).astimezone(UTC)
    if started is None or expected.timestamp() < started:
        return Report(judged)
    runs = instance.get_run_records(
        dg.RunsFilter(
            job_name=JOB_NAME,
            created_after=expected - timedelta(seconds=1),
            tags={"dagster/schedule_name": name},
        ),
        limit=1,
    )
    if runs:
        return Report(judged)
    line = f"{name} was due at {expected:%Y-%m-%d %H:%M} UTC and has asked for no run since"
    return Report(judged, (pipeline_finding(SCHEDULE_MISSED, f"schedule {name}", [line]),))
