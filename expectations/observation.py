"""What a check found in one validation."""

from dataclasses import dataclass, field
from typing import Any

from expectations.check import Check, Status


@dataclass(frozen=True)
class Observation:
    """What a check found.

    ``observed`` is in the check's unit, null without cases. ``keys``: up to 20 failing cases, by
    column. ``problem``: why the check could not run, null when it did.
    """

    suite: str
    check: Check
    status: Status
    observed: float | None = None
    cases: int = 0
    failing: int = 0
    keys: tuple[dict[str, Any], ...] = field(default=())
    problem: str | None = None
