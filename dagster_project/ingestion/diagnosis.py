"""A finding of ``handoff doctor``: what is sound or wrong in one place, and how to fix it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    ``fix``: what to do about it; empty when there is nothing to do. ``area``: configuration,
    policy, output, a source, stages ... (the doctor sets it).
    """

    status: Status
    message: str
    fix: str = ""
    area: str = ""
