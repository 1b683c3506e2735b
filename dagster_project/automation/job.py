"""The job, and what starts it: the schedule, and files that arrive."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dagster_project.config.settings import ScheduleSettings, Settings
from dagster_project.config.sources import FilesSource
from dagster_project.running.execute import JOB_NAME

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

SCHEDULE_NAME = f"{JOB_NAME}_daily"
FILE_SENSOR_NAME = "new_files"

# A run whose process died is started again by the daemon; one that failed for a reason is not.
_UNATTENDED_TAGS = {
    "dagster/max_retries": "1",
    "dagster/retry_on_asset_or_op_failure": "false",
    # Whole: a build is read, built and audited under one id.
    "dagster/retry_strategy": "ALL_STEPS",
}
# Files that somebody still writes.
_UNFINISHED_SUFFIXES = {".tmp", ".part", ".partial", ".crdownload", ".filepart"}


def build_job() -> "UnresolvedAssetJobDefinition":
    """The one job: read, build, check, publish. ``handoff run`` executes this one too.

    In process: starting a process per step would take longer than a step.
    """
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        description="Read the CRM, build the marts, audit them, publish them.",
        executor_def=dg.in_process_executor,
    )


def build_schedule(
    settings: ScheduleSettings, job: "UnresolvedAssetJobDefinition"
) -> dg.ScheduleDefinition:
    """The run that comes by itself, at the time and in the zone that ``handoff.yml`` names."""
    return dg.ScheduleDefinition(
        name=SCHEDULE_NAME,
        job=job,
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING
        if settings.enabled
        else dg.DefaultScheduleStatus.STOPPED,
        tags=_UNATTENDED_TAGS,
        description="Runs the job with what handoff.yml says.",
    )


def build_file_sensor(
    settings: Settings, job: "UnresolvedAssetJobDefinition"
) -> dg.SensorDefinition:
    """Starts a run when the files of a source with ``watch: true`` changed and stopped changing.

    Files count as complete once two looks in a row find the same names, sizes and times.
    """
    watched = [
        source for source in settings.sources if isinstance(source, FilesSource) and source.watch
    ]

    status = dg.DefaultSensorStatus.RUNNING if watched else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=FILE_SENSOR_NAME,
        job=job,
        minimum_interval_seconds=settings.schedule.look_every_seconds,
        default_status=status,
        description="Starts a run when files of a watched source changed (watch: true).",
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not watched:
            return dg.SkipReason("no source says watch: true in handoff.yml")
        seen, _, started = (context.cursor or "").partition(" ")
        found = file_fingerprint(source.path for source in watched)
        cursor = f"{found} {started}"
        if found is None or found == started:
            return dg.SensorResult(skip_reason="no new files", cursor=cursor)
        if found != seen:
            waiting = "new files; waiting until they stay the same"
            return dg.SensorResult(skip_reason=waiting, cursor=cursor)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=found, tags=_UNATTENDED_TAGS)],
            cursor=f"{found} {found}",
        )

    return new_files


def file_fingerprint(directories: Iterable[Path]) -> str | None:
    """Names, sizes and times of the files in directories, as one text; None without files.

    Hidden files and those that are still being written (.part, .tmp ...) do not count.
    """
    files = sorted(
        path
        for directory in directories
        for path in ([directory] if directory.is_file() else directory.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix.lower() not in _UNFINISHED_SUFFIXES
    )
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        state = path.stat()
        digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def freshness_window(settings: Settings) -> timedelta:
    """How old an asset may be: as ``alerts.stale_after_hours`` says, else one and a half times
    the time between two runs of the schedule."""
    from dagster._utils.schedules import cron_string_iterator

    if settings.alerts.stale_after_hours is not None:
        return timedelta(hours=settings.alerts.stale_after_hours)
    times = cron_string_iterator(
        datetime.now(UTC).timestamp(), settings.schedule.cron, settings.schedule.timezone
    )
    following = [next(times) for _ in range(8)]
    # The longest wait: a schedule of working days has a weekend in it.
    longest = max(later - earlier for earlier, later in pairwise(following))
    return longest * 1.5


def with_freshness(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], settings: Settings
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets, those that sources fill or BI reads with how old they may be."""
    from dagster_project.assets.published import PUBLISHED_KEY
    from dagster_project.config.warehouse import RAW_SCHEMA

    policy = dg.FreshnessPolicy.time_window(fail_window=freshness_window(settings))

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        is_source = (spec.group_name or "").startswith(RAW_SCHEMA)
        if spec.key == PUBLISHED_KEY or is_source:
            return spec.replace_attributes(freshness_policy=policy)
        return spec

    return [
        item.map_asset_specs(add) if isinstance(item, dg.AssetsDefinition) else item
        for item in assets
    ]
