"""The simulated year, and working time over whole arrays: weekdays, 09:00 to 18:00 local time.

Moments are whole seconds since 1970 in UTC. A moment maps to the seconds worked since then in its
zone, working durations are added there, and the way back lands inside working hours.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.draws import Floats, Ints

DAY = 86_400
HOUR = 3_600
MINUTE = 60
OPENS = 9 * HOUR
WORKDAY = 9 * HOUR
WORKWEEK = 5 * WORKDAY
# 1970-01-01 was a Thursday: three days after the Monday that week 0 begins with.
EPOCH_WEEKDAY = 3

YEAR_END = int(given.YEAR_END.timestamp())
EARLIEST = YEAR_END - 2 * given.DAYS_IN_YEAR * DAY

# The time zones in use; other modules name a zone by its place here.
ZONES = sorted({*given.COUNTRIES.zone, *given.TEAMS.zones.ravel().tolist()})
# Offsets from UTC by zone and day. Deals run on past the year's end before they are cut off.
_FIRST_DAY = EARLIEST // DAY - 45
_NOONS = [datetime.fromtimestamp((_FIRST_DAY + at + 0.5) * DAY, UTC) for at in range(4 * 365)]
_OFFSETS = np.array(
    [[noon.astimezone(zone).utcoffset() for noon in _NOONS] for zone in map(ZoneInfo, ZONES)],
    dtype="timedelta64[s]",
).astype(np.int64)


def utc_offset(at: Ints, zone: Ints) -> Ints:
    """Seconds to add to UTC for local time."""
    return _OFFSETS[zone, np.clip(at // DAY - _FIRST_DAY, 0, len(_NOONS) - 1)]


def add_work(at: Ints, zone: Ints, seconds: Floats | Ints) -> Ints:
    """The moment when so many seconds have been worked after ``at``."""
    local = at + utc_offset(at, zone)
    day, second = np.divmod(local, DAY)
    week, weekday = np.divmod(day + EPOCH_WEEKDAY, 7)
    today = np.where(weekday < 5, np.clip(second - OPENS, 0, WORKDAY), 0)
    worked = week * WORKWEEK + np.minimum(weekday, 5) * WORKDAY + today
    worked = worked + np.asarray(seconds).astype(np.int64)
    week, rest = np.divmod(worked, WORKWEEK)
    weekday, second = np.divmod(rest, WORKDAY)
    local = (week * 7 - EPOCH_WEEKDAY + weekday) * DAY + OPENS + second
    return local - utc_offset(local, zone)


def at_work(at: Ints, zone: Ints, late: Floats) -> Ints:
    """``at`` if it lies in working hours, else ``late`` seconds into the next working day."""
    moved = add_work(at, zone, np.zeros(len(at), dtype=np.int64))
    return np.where(moved == at, at, moved + late.astype(np.int64))
