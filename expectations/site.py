"""Where Data Docs are written, and what they say beside what the checks found now."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

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


class Links(Protocol):
    """Where people open a record."""

    def address(self, source: str | None, column: str, value: str) -> str | None:
        """The page of the record whose id is ``value``, of ``column``; None without one."""


@dataclass(frozen=True)
class Site:
    """Where Data Docs are written, and what they say beside the outcomes.

    ``directory`` is replaced. ``as_of`` is in UTC; times are shown in ``timezone``. ``before``: the
    builds before this one, the oldest first. ``shown``: makes of a text that came from data one
    that may be shown.
    """

    directory: Path
    build_id: str = ""
    as_of: datetime | None = None
    timezone: str = "UTC"
    before: tuple[Build, ...] = ()
    links: Links | None = None
    shown: Callable[[str], str] = str

    def local(self, moment: datetime) -> datetime:
        """A moment in UTC as people there know it."""
        return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone))
