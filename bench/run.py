"""Measure the reading of a simulated export beside what DuckDB alone takes for the same files.

    python -m bench.run [--leads N] [--pairs N]

Ours and DuckDB's take turns, so that both see the same machine; the figures are medians. The
exports are simulated once and kept. From a million leads on, a ratio above its bound is exit
code 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType

from dagster_project.reporting.console import grid, titled

# The bounds are for so many; with fewer, what every read costs is too large a share.
LEADS = 1_000_000
SEED = 7
DIRECTORY = Path("var/bench")
NAMES = {"floor": "floor.sql", "reading": "reading", "typed_read": "DuckDB's typed read"}


@dataclass(frozen=True)
class Comparison:
    """A step of ours, what it is held against, and how many times its wall time ours may take."""

    ours: str
    theirs: str
    file_format: str
    bound: float


COMPARISONS = (
    Comparison("reading", "floor", "parquet", 0.6),
    Comparison("reading", "typed_read", "csv", 1.3),
)


@dataclass(frozen=True)
class Figures:
    """What a step took: seconds and megabytes; ``parts``: the seconds of its parts."""

    wall: float
    cpu: float
    peak: float
    parts: dict[str, float]


def main() -> None:
    options = argparse.ArgumentParser(description="Measure reading beside DuckDB alone.")
    options.add_argument("--leads", type=int, default=LEADS)
    options.add_argument("--pairs", type=int, default=3)
    chosen = options.parse_args()
    exports = DIRECTORY / str(chosen.leads)
    sections: list[tuple[str, RenderableType]] = []
    above = []
    for comparison in COMPARISONS:
        ensure_export(chosen.leads, exports / "parquet", "parquet")
        export = exports / comparison.file_format
        ensure_export(chosen.leads, export, comparison.file_format)
        ratio, section = compared(comparison, export, chosen.pairs)
        sections.append(section)
        above += [comparison] if ratio > comparison.bound else []
    Console().print(f"{chosen.leads:,} leads, {os.cpu_count()} CPUs, medians of {chosen.pairs}")
    Console().print(titled(sections))
    if above and chosen.leads >= LEADS:
        sys.exit(f"bench: above the bound: {', '.join(item.file_format for item in above)}")


def ensure_export(leads: int, export: Path, file_format: str) -> None:
    """Simulate an export, unless it is there."""
    if not (export / "simulation.json").exists():
        simulate = ["simulate", "--leads", str(leads), "--seed", str(SEED), "--out", str(export)]
        subprocess.run(
            [sys.executable, "-m", "dagster_project", *simulate, "--format", file_format],
            check=True,
        )


def compared(
    comparison: Comparison, export: Path, pairs: int
) -> tuple[float, tuple[str, RenderableType]]:
    """The ratio of wall times, and a section: figures, ratios, and where reading spent its time."""
    runs = [(run(comparison.theirs, export), run(comparison.ours, export)) for _ in range(pairs)]
    theirs, ours = (median(found) for found in zip(*runs, strict=True))
    rows = [
        (NAMES[step], f"{found.wall:.1f} s", f"{found.cpu:.1f} s", f"{found.peak:,.0f} MB")
        for step, found in ((comparison.theirs, theirs), (comparison.ours, ours))
    ]
    ratios = [statistics.median(_ratios(runs, name)) for name in ("wall", "cpu")]
    verdict = "within" if ratios[0] <= comparison.bound else "above"
    times = [f"{ratio:.2f}" for ratio in ratios]
    bound_row = (f"times; wall is {verdict} {comparison.bound}", *times, "")
    parts = [(f"  {part}", f"{seconds:.2f} s", "", "") for part, seconds in ours.parts.items()]
    table = grid(["", ">wall", ">CPU", ">peak memory"], [*rows, *parts, bound_row])
    return ratios[0], (comparison.file_format, table)


def _ratios(runs: Sequence[tuple[Figures, Figures]], name: str) -> list[float]:
    return [getattr(ours, name) / getattr(theirs, name) for theirs, ours in runs]


def run(step: str, export: Path) -> Figures:
    """The figures of a step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.steps", step, str(export)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def median(runs: Sequence[Figures]) -> Figures:
    """The median of each figure."""
    wall, cpu, peak = (
        statistics.median(getattr(run, name) for run in runs) for name in ("wall", "cpu", "peak")
    )
    parts = {part: statistics.median(run.parts[part] for run in runs) for part in runs[0].parts}
    return Figures(wall, cpu, peak, parts)


if __name__ == "__main__":
    main()
