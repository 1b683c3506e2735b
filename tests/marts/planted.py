"""Plants causes into simulated companies and asks the diagnostics what they find.

A company is simulated, its export read, and the models built as of one moment after another, each
time as a run of that moment would. It takes minutes, so it is a make target of its own and no test.

    python -m tests.marts.planted [--seeds N] [--write] [--details FILE]

Exit code 1 when a diagnostic finds too little or too much. What is planted, and the bounds, are on
the page docs/diagnostics.md, whose table ``--write`` replaces.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.simulation import simulate
from dagster_project.simulation.assumptions import DAYS_IN_YEAR, YEAR_END
from dagster_project.simulation.scenario import Cause, Scenario
from tests.warehouse import POLICY_DIR, PROJECT_ROOT, Warehouse, project

SEEDS = 20
# A business-to-business company with about ten sales reps.
LEADS_PER_YEAR = 10_000
WEEK = timedelta(days=7)
# The year that is looked at begins on a Monday; what came before is what its first weeks are held
# against, and where its first returning leads come from.
FIRST_LOOK = datetime(2025, 7, 7, tzinfo=UTC)
LOOKS = 52
DAYS = (YEAR_END - FIRST_LOOK).days + 240
# A change is planted in one of these weeks, another one for each seed, and found within so many.
WEEKS_OF_CHANGE = 46
WEEKS_TO_FIND = 4
# A level is off for as long as the diagnostics look back, and so is its cause.
DAYS_OF_LEVEL = 200

CHANGES = {Cause.MIX: "channel_shift", Cause.GAMING: "mql_gaming", Cause.DRIFT: "icp_drift"}
OTHER_CHANGES = ("everyone_is_an_mql", "qualification_trend")
LEVELS = {
    Cause.OVERLOAD: "capacity",
    Cause.BOTTLENECK: "bottleneck",
    Cause.SLOW_TOUCH: "first_touch",
    Cause.MISSING_REASONS: "outcomes",
}
# No cause for these is planted. score_power and icp_mismatch are about the score, which rewards
# large companies in every simulated one, while small ones buy: they are right to say so.
OTHER_LEVELS = (
    "acceptance",
    "channel_concentration",
    "definition",
    "qualification_range",
    "recycling",
)
FOUND_SHARE = 0.9
FALSE_EPISODES = 1.0
FALSE_LEVEL_SHARE = 0.05

PAGE = PROJECT_ROOT / "docs" / "diagnostics.md"
HEADER = "| diagnostic | planted | found | without a cause | verdict |"

# By diagnostic, its statuses of one moment.
Look = dict[str, list[str]]


@dataclass(frozen=True)
class World:
    """A simulated company, and the moments at which it is looked at."""

    cause: Cause
    seed: int
    since: datetime
    looks: tuple[datetime, ...]
    leads_per_year: int = LEADS_PER_YEAR


def worlds(seeds: int) -> Iterator[World]:
    """Every world of the proof."""
    every_week = tuple(FIRST_LOOK + WEEK * week for week in range(LOOKS))
    for seed in range(seeds):
        since = FIRST_LOOK + WEEK * (1 + seed * WEEKS_OF_CHANGE // seeds)
        looks = tuple(since + WEEK * (week + 1) for week in range(WEEKS_TO_FIND))
        for cause in CHANGES:
            yield World(cause, seed, since, looks)
        for cause in LEVELS:
            yield World(cause, seed, YEAR_END - timedelta(DAYS_OF_LEVEL), every_week[-1:])
    for seed in range(seeds):
        yield World(Cause.NONE, seed, YEAR_END, every_week)


def statuses(world: World) -> list[Look]:
    """What the diagnostics say at each of the world's moments."""
    models = project().for_files()
    warehouse = Warehouse(models)
    with tempfile.TemporaryDirectory(prefix="handoff-planted-") as scratch:
        export = Path(scratch) / "export"
        simulate(
            round(world.leads_per_year * DAYS / DAYS_IN_YEAR),
            world.seed,
            export,
            file_format="parquet",
            scenario=Scenario(world.cause, world.since, DAYS),
        )
        warehouse.read_export(FilesSource(kind="files", path=export))
    found: list[Look] = []
    with warehouse.optimized():
        for as_of in world.looks:
            warehouse.decide(as_of)
            # What only the export decides is there after the first moment.
            same = (models.models.keys() - models.of_the_run) | models.as_read
            warehouse.build(["funnel_diagnostics"], given=same if found else ())
            look: Look = {}
            for row in warehouse.rows("funnel_diagnostics"):
                look.setdefault(row["diagnostic"], []).append(row["status"])
            found.append(look)
    return found


def is_found(look: Look, diagnostic: str, wanted: Iterable[str] = ("act", "watch")) -> bool:
    """Whether the diagnostic has one of these statuses."""
    return not set(look.get(diagnostic, ())).isdisjoint(wanted)


def episodes(looks: Sequence[Look], diagnostic: str) -> int:
    """How often a diagnostic begins to say something."""
    said = [is_found(look, diagnostic) for look in looks]
    return sum(now and not before for before, now in zip([False, *said], said, strict=False))


@dataclass(frozen=True)
class Verdict:
    """A row of the table of results."""

    diagnostic: str
    planted: str
    found: str
    without: str
    holds: bool

    def __str__(self) -> str:
        cells = (self.diagnostic, self.planted, self.found, self.without)
        return f"| {' | '.join(cells)} | {'holds' if self.holds else 'FAILS'} |"


def verdicts(results: Sequence[tuple[World, list[Look]]]) -> Iterator[Verdict]:
    """Each diagnostic against its bounds."""
    by_cause = {
        cause: [looks for world, looks in results if world.cause is cause] for cause in Cause
    }
    sound = by_cause[Cause.NONE]
    seeds = len(sound)

    def planted(cause: Cause | None, diagnostic: str, wanted: str) -> tuple[str, str, bool]:
        if cause is None:
            return "", "", True
        count = sum(
            any(is_found(look, diagnostic, [wanted]) for look in looks) for looks in by_cause[cause]
        )
        return cause, f"{wanted} in {count} of {seeds}", count >= FOUND_SHARE * seeds

    causes = {diagnostic: cause for cause, diagnostic in (CHANGES | LEVELS).items()}
    for diagnostic in (*CHANGES.values(), *OTHER_CHANGES):
        name, found, is_enough = planted(causes.get(diagnostic), diagnostic, "act")
        rate = sum(episodes(looks, diagnostic) for looks in sound) / seeds
        holds = is_enough and rate <= FALSE_EPISODES
        yield Verdict(diagnostic, name, found, f"{rate:.2f} episodes a year", holds)
    with (POLICY_DIR / "benchmarks.csv").open(encoding="utf-8", newline="") as file:
        said = {row["diagnostic"]: row["status"] for row in csv.DictReader(file)}
    for diagnostic in (*LEVELS.values(), *OTHER_LEVELS):
        name, found, is_enough = planted(
            causes.get(diagnostic), diagnostic, said.get(diagnostic, "act")
        )
        count = sum(is_found(looks[-1], diagnostic) for looks in sound)
        holds = is_enough and count <= FALSE_LEVEL_SHARE * seeds
        yield Verdict(diagnostic, name, found, f"{count} of {seeds}", holds)


def write_table(table: str) -> None:
    """Replace the table of the page."""
    before, after = PAGE.read_text("utf-8").split(HEADER, 1)
    rest = after.split("\n\n", 1)[1]
    PAGE.write_text(f"{before}{table}\n\n{rest}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--write", action="store_true", help="into docs/diagnostics.md")
    parser.add_argument("--details", type=Path, help="every status, a line of JSON a world")
    arguments = parser.parse_args()
    every = list(worlds(arguments.seeds))
    project()  # compiled once, before the processes that read it
    results = []
    with ProcessPoolExecutor(os.cpu_count()) as processes, ExitStack() as stack:
        details = stack.enter_context((arguments.details or Path(os.devnull)).open("w"))
        for world, looks in zip(every, processes.map(statuses, every), strict=True):
            results.append((world, looks))
            line = {"cause": world.cause, "seed": world.seed, "since": f"{world.since:%F}"}
            print(json.dumps({**line, "looks": looks}), file=details, flush=True)
    rows = list(verdicts(results))
    table = "\n".join([HEADER, "| --- | --- | --- | --- | --- |", *map(str, rows)])
    print(table)
    if arguments.write:
        write_table(table)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
