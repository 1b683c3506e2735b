"""Which company a simulation is of: the sample's year, or a sound one with at most one cause.

The sample's company has its story and its faults. A sound company has neither: high intent is
touched around the clock, the team has room, the sources stay what they are. What is planted into
it is the only thing wrong, so whoever reads its export knows what there is to find.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.draws import Bools, Ints
from dagster_project.simulation.working_time import DAY, YEAR_END


class Cause(StrEnum):
    """What goes wrong from a day on; how much is in the assumptions."""

    NONE = "none"
    DRIFT = "drift"
    MIX = "mix"
    OVERLOAD = "overload"
    GAMING = "gaming"
    BOTTLENECK = "bottleneck"
    SLOW_TOUCH = "slow touch"
    MISSING_REASONS = "missing reasons"


@dataclass(frozen=True)
class Scenario:
    """A cause and the moment (UTC) it begins; without a cause, the sample's company.

    ``days``: how many are simulated, up to the year's end.
    """

    cause: Cause | None = None
    since: datetime = given.YEAR_END
    days: int = given.DAYS_IN_YEAR

    @property
    def is_sample(self) -> bool:
        """Whether this is the company of the sample, with its story."""
        return self.cause is None

    @property
    def start(self) -> int:
        """The first moment, in seconds since 1970."""
        return YEAR_END - self.days * DAY

    @property
    def years(self) -> float:
        """How many years are simulated."""
        return self.days / given.DAYS_IN_YEAR

    @property
    def weeks(self) -> int:
        """How many weeks have a day in the simulation."""
        return self.days // 7 + 1

    def week(self, at: Ints) -> Ints:
        """Week of the simulation, 0 and up."""
        return (at - self.start).clip(0, self.days * DAY - 1) // (7 * DAY)

    def has(self, cause: Cause, at: Ints) -> Bools:
        """Whether the cause is at work at these moments."""
        return (at >= int(self.since.timestamp())) & (self.cause is cause)
