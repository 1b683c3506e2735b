"""Realistic CRM exports: one believable year of a B2B SaaS company's leads.

``simulate`` writes one file per table of the export contract. It is the only part of Handoff that
makes data up; no run uses it. The assumptions stand in ``assumptions.py``, the story of a lead in
``journey.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from dagster_project.config.errors import ConfigError

FileFormat = Literal["csv", "parquet"]
Progress = Callable[[int, int], None]

# The sample's year ends here, and so does the default one: a run with this moment as its `as_of`
# sees every row.
DEFAULT_YEAR_END = datetime(2026, 7, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SimulationResult:
    """What was written: the directory, the files by table and the rows by table."""

    out: Path
    leads: int
    seed: int
    year_start: datetime
    year_end: datetime
    files: dict[str, Path]
    rows: dict[str, int]


def simulate(
    leads: int,
    seed: int,
    out: Path,
    *,
    file_format: FileFormat = "csv",
    year_end: datetime | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Write the CRM export of one simulated year to the directory ``out``.

    ``leads`` rows of leads (at least 1) are created in the 365 days before ``year_end`` (exclusive;
    a time without a zone is UTC; by default 2026-07-01), and nothing happens at or after it. The
    same ``leads``, ``seed`` and ``year_end`` give the same bytes. ``progress`` is called with the
    leads done and the leads wanted.

    ``out`` is made if it is missing. An earlier simulation in it is replaced; files that are
    somebody else's are never touched. Raises ``ConfigError`` for arguments out of range and for a
    directory that holds anything but an earlier simulation or can't be written.
    """
    problems = _problems(leads, seed, file_format)
    if problems:
        raise ConfigError(problems)
    from dagster_project.simulation.export import write_export

    end = year_end or DEFAULT_YEAR_END
    end = end.replace(tzinfo=UTC) if end.tzinfo is None else end.astimezone(UTC)
    return write_export(leads, seed, Path(out), file_format, end.replace(microsecond=0), progress)


def _problems(leads: int, seed: int, file_format: str) -> list[str]:
    """What is wrong with the arguments, one line each."""
    problems = []
    if leads < 1:
        problems.append(f"--leads: expected a whole number of at least 1, got {leads}")
    if seed < 0:
        problems.append(f"--seed: expected a whole number of at least 0, got {seed}")
    if file_format not in ("csv", "parquet"):
        problems.append(f"file format: expected csv or parquet, got {file_format!r}")
    return problems


__all__ = ["DEFAULT_YEAR_END", "SimulationResult", "simulate"]
