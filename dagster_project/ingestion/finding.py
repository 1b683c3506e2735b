"""A finding of ``handoff doctor``: what is sound or wrong in one place, and how to mend it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    ``area``: configuration, policy, output, a source, stages ... (set by the doctor for what a
    source's own ``check`` finds). ``mend``: what to do about it; empty when there is nothing to do.
    """

    status: Status
    message: str
    mend: str = ""
    area: str = ""
