"""The sensor that starts a run when files of a watched source arrived."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from dagster_project.automation.job import UNATTENDED_TAGS
from dagster_project.config.settings import Settings
from dagster_project.ingestion.files.settings import UNFINISHED_SUFFIXES, FilesSource
from dagster_project.running.execute import JOB_NAME

FILE_SENSOR_NAME = "new_files"


def build_file_sensor(settings: Settings) -> dg.SensorDefinition:
    """Starts a run when the files of a source with ``watch: true`` changed and stopped changing.

    Files count as complete once two looks in a row find the same names, sizes and times.
    """
    watched = [
        source.path
        for source in settings.sources
        if isinstance(source, FilesSource) and source.watch
    ]
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name=FILE_SENSOR_NAME,
        job_name=JOB_NAME,
        minimum_interval_seconds=settings.schedule.look_every_seconds,
        default_status=status.RUNNING if watched else status.STOPPED,
        description="Starts a run when files of a watched source changed (watch: true).",
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not watched:
            return dg.SkipReason("no source says watch: true in handoff.yml")
        seen, _, started = (context.cursor or "").partition(" ")
        found = file_fingerprint(watched)
        cursor = f"{found} {started}"
        if found is None or found == started:
            return dg.SensorResult(skip_reason="no new files", cursor=cursor)
        if found != seen:
            waiting = "new files; waiting until they stay the same"
            return dg.SensorResult(skip_reason=waiting, cursor=cursor)
        request = dg.RunRequest(run_key=found, tags=UNATTENDED_TAGS)
        return dg.SensorResult(run_requests=[request], cursor=f"{found} {found}")

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
        and path.suffix.lower() not in UNFINISHED_SUFFIXES
    )
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        state = path.stat()
        digest.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
