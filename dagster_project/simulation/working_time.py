"""Working time over whole arrays: Monday to Friday, 09:00 to 18:00 local, summer time included.

Moments are whole seconds since 1970 in UTC. A moment maps to the seconds worked since then in its
zone, working durations are added there, and the way back lands inside working hours.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DAY = 86_400
HOUR = 3_600
MINUTE = 60
OPENS = 9 * HOUR
WORKDAY = 9 * HOUR
WORKWEEK = 5 * WORKDAY
# 1970-01-01 was a Thursday: three days after the Monday that week 0 begins with.
EPOCH_WEEKDAY = 3


class Zones:
    """UTC offsets of a few time zones, by zone and day."""

    def __init__(self, names: tuple[str, ...], first: datetime, days: int) -> None:
        self.names = names
        self._first_day = int(first.timestamp()) // DAY
        noons = [
            datetime.fromtimestamp((self._first_day + at) * DAY + DAY // 2, UTC)
            for at in range(days)
        ]
        self._offsets = np.array(
            [[_offset(zone, noon) for noon in noons] for zone in map(ZoneInfo, names)],
            dtype=np.int64,
        )

    def offset(self, at: Ints, zone: Ints) -> Ints:
        """Seconds to add to UTC for local time."""
        day = np.clip(at // DAY - self._first_day, 0, self._offsets.shape[1] - 1)
        return self._offsets[zone, day]

    def add_work(self, at: Ints, zone: Ints, seconds: Floats | Ints) -> Ints:
        """The moment when so many seconds have been worked after ``at``."""
        local = at + self.offset(at, zone)
        day, second = np.divmod(local, DAY)
        week, weekday = np.divmod(day + EPOCH_WEEKDAY, 7)
        today = np.where(weekday < 5, np.clip(second - OPENS, 0, WORKDAY), 0)
        worked = week * WORKWEEK + np.minimum(weekday, 5) * WORKDAY + today
        worked = worked + np.asarray(seconds).astype(np.int64)
        week, rest = np.divmod(worked, WORKWEEK)
        weekday, second = np.divmod(rest, WORKDAY)
        local = (week * 7 - EPOCH_WEEKDAY + weekday) * DAY + OPENS + second
        return local - self.offset(local, zone)

    def at_work(self, at: Ints, zone: Ints, late: Floats) -> Ints:
        """``at`` if it lies in working hours, else ``late`` seconds into the next working day."""
        moved = self.add_work(at, zone, np.zeros(len(at), dtype=np.int64))
        return np.where(moved == at, at, moved + late.astype(np.int64))


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    """Seconds between a zone and UTC at a moment."""
    local = moment.astimezone(zone)
    return int((local.utcoffset() or timedelta()).total_seconds())
