"""Realistic CRM exports: one believable year of a B2B SaaS company's leads.

``simulate`` writes one file per table of the export contract. It is the only part of Handoff that
makes data up; no run uses it. The assumptions are in ``assumptions.py``, a lead's way through the
funnel in ``journey.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_project.simulation.scenario import Scenario


def simulate(
    leads: int,
    seed: int,
    out: Path,
    *,
    file_format: str = "csv",
    scenario: Scenario | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write the CRM export of one simulated year to the directory ``out``; returns rows by table.

    The same ``leads`` and ``seed`` give the same bytes. ``file_format`` is csv or parquet.
    ``progress`` is called with the leads done and the leads wanted. ``scenario`` is the sample's
    unless another one is given.

    ``out`` is created if it is missing. An earlier simulation in it is replaced, other files are
    never touched. Raises ``ConfigError`` for arguments out of range and for a directory that holds
    anything but an earlier simulation or can't be written.
    """
    # numpy and pyarrow are slow to load; commands import this module to show their help.
    from dagster_project.simulation.export import write_export

    return write_export(leads, seed, Path(out), file_format, progress, scenario)
