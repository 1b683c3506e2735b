"""Tries 500 damaged exports at the level of door and models, and 20 through whole runs.

The tests try some of the first. It takes minutes, so it is a part of `make proof` and no test.

    python -m tests.ingestion.damage_proof [--cases N] [--runs N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb

from tests.ingestion.damage_oracle import (
    NOTES_SAY,
    PUBLISHED,
    ROWS_SAY,
    damage_of,
    names,
    try_cases,
)
from tests.ingestion.damages import FAMILIES, Damaged, Family, Files, as_files, sound_export
from tests.warehouse import PROJECT_ROOT

HANDOFF = Path(sys.executable).with_name("handoff")
SEED = 7
CHECKS_SAY = """
    select concat_ws(' ', table_name, check_name, status, failing_rows, sample_keys), ''
    from quality.check_results
    where
        status in ('warned', 'blocked')
        and build_id = (select build_id from raw.run_parameters)
"""


class Runs:
    """Whole runs on one output, which the run on the sound export left."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._export, self._sound_output = scratch / "export", scratch / "sound"
        self._export.mkdir()
        self.sound = sound_export(SEED)
        done = self._run(as_files(self.sound), self._sound_output)
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        self._before = Counter(line for line, _ in said(self._sound_output))
        self._cells = published(self._sound_output)

    def judge(self, damaged: Damaged, family: Family) -> str:
        """What is wrong with the run on a damaged export; an empty text when nothing is."""
        output = self._scratch / "damaged"
        shutil.copytree(self._sound_output, output, symlinks=True)
        try:
            done = self._run(damaged.files, output)
            if done.returncode:
                lines = done.stderr.splitlines()
            elif published(output) == self._cells:
                return ""
            else:
                now = said(output)
                new = Counter(line for line, _ in now) - self._before
                lines = [line + place for line, place in now if line in new]
        finally:
            shutil.rmtree(output)
        is_named = any(names(line, damaged) for line in lines)
        return "" if is_named and not family.is_harmless else "\n    ".join(["silent:", *lines])

    def _run(self, files: Files, output: Path) -> subprocess.CompletedProcess[str]:
        for path in self._export.iterdir():
            path.unlink()
        for name, content in files.items():
            (self._export / name).write_bytes(content)
        arguments = ["run", "--input", str(self._export), "--output", str(output)]
        environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
        return subprocess.run(
            [str(HANDOFF), *arguments, "--as-of", "2026-06-30", "--audit", "warn"],
            cwd=PROJECT_ROOT,
            env={**environment, "HANDOFF_HOME": str(self._scratch / "home")},
            capture_output=True,
            text=True,
            check=False,
        )


def said(output: Path) -> list[tuple[str, str]]:
    """What the latest run on an output says of its sources, and the row it says it of."""
    with duckdb.connect(str(output / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(" union all ".join((NOTES_SAY, ROWS_SAY, CHECKS_SAY))).fetchall()


def published(output: Path) -> dict[str, list[str]]:
    """The published rows of what all marts are made of."""
    path = output / "published" / "lead_lifecycle.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        there = {
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
        }
        return {
            name: sorted(map(str, connection.execute(f"from marts.{name}").fetchall()))
            for name in PUBLISHED
            if name in there
        }


def some_cases(runs: Runs, number: int) -> Iterator[tuple[Family, Damaged]]:
    """So many damages of the sound export, of families evenly spread over the list."""
    for at in range(number):
        family = FAMILIES[at * len(FAMILIES) // number]
        yield family, damage_of(runs.sound, at, family)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="handoff-damage-") as scratch:
        (Path(scratch) / "door").mkdir()
        started = time.monotonic()
        silent = try_cases(Path(scratch) / "door", arguments.cases, processes=os.cpu_count() or 1)
        print(*silent, sep="\n", end="\n" if silent else "")
        failures += len(silent)
        seconds = time.monotonic() - started
        print(
            f"{arguments.cases} damaged exports in {seconds:.0f} s, {failures} silent", flush=True
        )
        runs = Runs(Path(scratch))
        for family, damaged in some_cases(runs, arguments.runs):
            started = time.monotonic()
            wrong = runs.judge(damaged, family)
            failures += bool(wrong)
            seconds = time.monotonic() - started
            print(f"{family.name:45} {seconds:4.0f} s {wrong or 'same or named'}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
