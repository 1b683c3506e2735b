"""What the checks found in the builds before."""

from dataclasses import dataclass
from datetime import datetime

from expectations.check import Status


@dataclass(frozen=True)
class Result:
    """What a check found in a build; ``observed`` in the check's unit."""

    status: Status
    observed: float | None
    cases: int
    failing: int


@dataclass(frozen=True)
class Build:
    """A build with what its checks found, by the names that they have now.

    ``as_of``: its clock, in UTC.
    """

    build_id: str
    as_of: datetime | None
    results: dict[str, Result]
