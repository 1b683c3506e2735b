"""Who gets the messages about an incident, and when: routes, quiet hours, digests."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from dagster_project.config.alerts import AlertChannel, AlertRoute, AlertsSettings, QuietHours

_SATURDAY = 5


def channels_of(settings: AlertsSettings, severity: str, owner: str, tags: set[str]) -> list[str]:
    """The channels an incident goes to, each once, in the order of the configuration."""
    if not settings.routes:
        return list(settings.channels)
    wanted = {
        channel
        for route in settings.routes
        if _matches(route, severity, owner, tags)
        for channel in route.channels
    }
    return [name for name in settings.channels if name in wanted]


def _matches(route: AlertRoute, severity: str, owner: str, tags: set[str]) -> bool:
    return (
        (not route.severities or severity in route.severities)
        and (not route.owners or owner in route.owners)
        and (not route.tags or bool(tags & set(route.tags)))
    )


def not_before(channel: AlertChannel, severity: str, now: datetime, timezone: str) -> datetime:
    """When a message may go out: now, or when the channel's quiet time ends."""
    quiet = channel.quiet_hours
    if quiet is None or (severity == "error" and not quiet.errors_wait):
        return now
    local = now.astimezone(ZoneInfo(timezone))
    # Each step leaves one quiet stretch; a weekend and the nights around it are three.
    for _ in range(4):
        end = _end_of_quiet(quiet, local)
        if end is None:
            break
        local = end
    return local.astimezone(now.tzinfo)


def _end_of_quiet(quiet: QuietHours, local: datetime) -> datetime | None:
    """When the quiet stretch around a local time ends; None outside of one."""
    if quiet.weekends and local.weekday() >= _SATURDAY:
        return _at("00:00", local + timedelta(days=7 - local.weekday()))
    start, end = _at(quiet.start, local), _at(quiet.end, local)
    if start <= end:
        return end if start <= local < end else None
    if local >= start:
        return _at(quiet.end, local + timedelta(days=1))
    return end if local < end else None


def digest_due(channel: AlertChannel, since: datetime, now: datetime, timezone: str) -> bool:
    """True when the time of a digest has come since the last one."""
    local = now.astimezone(ZoneInfo(timezone))
    last = _at(channel.digest_at, local)
    if last > local:
        last = _at(channel.digest_at, local - timedelta(days=1))
    if channel.digest == "weekly":
        last = _at(channel.digest_at, last - timedelta(days=last.weekday()))
    return since < last


def _at(clock: str, day: datetime) -> datetime:
    # A local wall-clock time, in whatever offset the zone has then.
    return datetime.combine(day, time.fromisoformat(clock), day.tzinfo)
