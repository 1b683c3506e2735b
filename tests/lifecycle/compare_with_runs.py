"""Runs `handoff run` on many random leads, in every tradition and mode, and compares the marts.

Where the tests run the models in process, this goes the whole way: files, the command, the job,
the published tables. It takes minutes, so it is a make target of its own and no test.

    python -m tests.lifecycle.compare_with_runs [--leads N] [--seed S] [--tradition NAME ...]
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from tests.lifecycle import exports, reference, strategies
from tests.lifecycle.comparison import all_differences
from tests.lifecycle.exports import Recipe, Tables
from tests.lifecycle.reference import COLUMNS, Fact, Result, Run
from tests.warehouse import FACTS, PROJECT_ROOT, in_utc

MODES = ("explicit", "default")
HANDOFF = Path(sys.executable).with_name("handoff")
# About two leads in a family; the rest of the last one is cut off with it.
LEADS_PER_FAMILY = 2


def random_export(leads: int, seed: int) -> tuple[Recipe, Tables]:
    """So many leads or a few more, in one load."""
    recipe = Recipe(seed=seed, families=range(leads // LEADS_PER_FAMILY))
    tables = {
        table: [{**row, "load_id": 1} for row in rows]
        for table, rows in exports.export(recipe).items()
    }
    return recipe, tables


def write_export(tables: Tables, directory: Path) -> None:
    """The export as the CSV files that the command reads."""
    for table, columns in COLUMNS.items():
        with (directory / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(tables[table])


def run_command(export: Path, output: Path, home: Path, run: Run) -> None:
    """Run the command; raises RuntimeError with its messages when it does not publish."""
    command = [str(HANDOFF), "run", "--input", str(export), "--output", str(output)]
    command += ["--as-of", run.as_of.isoformat(), "--tradition", run.tradition]
    command += ["--acceptance", str(run.acceptance_mode), "--audit", "warn"]
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    environment["HANDOFF_HOME"] = str(home)
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")


def published_facts(output: Path) -> dict[str, list[Fact]]:
    """The published facts, by name."""
    path = output / "published" / "lead_lifecycle.duckdb"
    facts = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for name in FACTS:
            found = connection.execute(f"select * from marts.{name}")
            names = [column[0] for column in found.description or ()]
            facts[name] = [
                {column: in_utc(value) for column, value in zip(names, row, strict=True)}
                for row in found.fetchall()
            ]
    return facts


def cells(result: Result) -> int:
    """How many cells a comparison looks at."""
    tables = (result.stages, result.cycles, result.violations, result.accounting)
    return sum(len(row) for rows in tables for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=20_260_630)
    parser.add_argument("--tradition", action="append", help="only this one; may be repeated")
    arguments = parser.parse_args()
    traditions = arguments.tradition or strategies.DEFAULT_POLICY.traditions()
    recipe, tables = random_export(arguments.leads, arguments.seed)
    failed = False
    with tempfile.TemporaryDirectory(prefix="handoff-proof-") as scratch:
        export = Path(scratch) / "export"
        export.mkdir()
        write_export(tables, export)
        print(f"{len({row['lead_id'] for row in tables['leads']})} leads, seed {arguments.seed}")
        for tradition in traditions:
            for mode in MODES:
                started = time.monotonic()
                run = Run(as_of=recipe.as_of, tradition=tradition, acceptance_mode=mode)
                output = Path(scratch) / f"{tradition}-{mode}"
                run_command(export, output, Path(scratch) / "home", run)
                seconds = time.monotonic() - started
                result = reference.read(tables, strategies.DEFAULT_POLICY, run)
                found = all_differences(published_facts(output), result)
                verdict = "differs" if found else "equal"
                count = f"{cells(result):,} cells, run in {seconds:.0f} s"
                print(f"{tradition:20} {mode:10} {verdict:8} {count}", flush=True)
                print("\n".join(found), end="\n" if found else "")
                failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
