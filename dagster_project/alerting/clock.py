"""What the clock says: when the schedule's runs are due, and whether the marts are stale."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter

from dagster_project.alerting.findings import DATA_STALE, Report, pipeline_finding
from dagster_project.alerting.store import as_time
from dagster_project.config.settings import ScheduleSettings, Settings
from dagster_project.running.publishing import published_manifest


def last_due(schedule: ScheduleSettings, before: datetime) -> datetime:
    """When the schedule's last run before a moment was due, in UTC.

    Where clocks go back, an hour comes twice. Dagster starts a daily run in its second coming, so
    a run of that hour counts as due only then. A time of day that clocks skip is due when they
    have skipped it.
    """
    times = croniter(schedule.cron, before.astimezone(ZoneInfo(schedule.timezone)))
    while (due := _second_coming(times.get_prev(datetime))) >= before:
        pass
    return due


def longest_wait(schedule: ScheduleSettings, now: datetime) -> timedelta:
    """The longest time between two of the next eight runs: working days have a weekend in them."""
    times = croniter(schedule.cron, now.astimezone(ZoneInfo(schedule.timezone)))
    due = [_second_coming(times.get_next(datetime)) for _ in range(8)]
    return max(later - earlier for earlier, later in pairwise(due))


def _second_coming(local: datetime) -> datetime:
    return local.replace(fold=1).astimezone(UTC)


def stale_report(output: Path, settings: Settings, now: datetime) -> Report:
    """Whether what is published is older than it may be."""
    hours = settings.alerts.stale_after_hours
    manifest = published_manifest(output)
    judged = frozenset({(DATA_STALE, "*")})
    if hours is None or manifest is None:
        return Report(judged)
    published = as_time(manifest["published_at"])
    if now - published <= timedelta(hours=hours):
        return Report(judged)
    line = (
        f"build {manifest['build_id']} was published {published:%Y-%m-%d %H:%M} UTC, more than "
        f"{hours:g} hours ago"
    )
    return Report(judged, (pipeline_finding(DATA_STALE, "published", [line]),))
