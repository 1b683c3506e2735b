"""What is measured: one step per process, so that its peak memory is its own.

    python -m bench.steps floor var/bench/1000000/parquet

prints the figures of the step as JSON. Python's start and imports are not part of them.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import POLICY_DIR, connect, warehouse_path
from dagster_project.running.plan import RunOptions, plan_run
from dagster_project.running.reading import read_sources

FLOOR = Path(__file__).with_name("floor.sql")

# The seconds that the parts of a step took, where they are known.
Parts = dict[str, float]


def run_floor(
    connection: DuckDBPyConnection,
    export: Path,
    policy: Path = POLICY_DIR,
    as_of: datetime | None = None,
) -> None:
    """Make the facts and the violations; ``as_of``: UTC, by default the simulated year's end."""
    for name, directory in (("export", export), ("policy", policy)):
        connection.execute(f"set variable {name} = {literal(directory)}")
    if as_of:
        connection.execute(f"set variable as_of = timestamp '{as_of:%Y-%m-%d %H:%M:%S}'")
    connection.execute(FLOOR.read_text(encoding="utf-8"))


def floor(export: Path, scratch: Path) -> Parts:  # noqa: ARG001 - nothing is written
    """The facts and the violations from the files, in memory."""
    with duckdb.connect() as connection:
        run_floor(connection, export)
    return {}


def reading(export: Path, scratch: Path) -> Parts:
    """What ``handoff warehouse`` does until the raw tables are filled."""
    plan = plan_run(RunOptions.from_paths(None, export, scratch / "output"), now=datetime.now(UTC))
    clock = _Clock()
    with connect(warehouse_path(plan.output)) as connection:
        read_sources(connection, plan, clock.hear, print)
    clock.hear("")
    return clock.parts


def typed_read(export: Path, scratch: Path) -> Parts:
    """The CSV files as tables of the types that the Parquet files have, by DuckDB alone."""
    with duckdb.connect(str(scratch / "typed.duckdb")) as connection:
        for table in CONTRACT_TABLES:
            typed = literal(export.with_name("parquet") / f"{table}.parquet")
            described = connection.execute(f"describe from {typed}").fetchall()
            types = {column: kind for column, kind, *_ in described}
            file = literal(export / f"{table}.csv")
            connection.execute(
                f"create table {table} as from read_csv({file}, header = true, columns = {types})"
            )
    return {}


class _Clock:
    """Seconds by file, told from the progress that a reader reports; the commit is by itself."""

    def __init__(self) -> None:
        self.parts: Parts = {}
        self._part, self._since = "", time.perf_counter()

    def hear(self, message: str) -> None:
        now = time.perf_counter()
        if self._part:
            self.parts[self._part] = self.parts.get(self._part, 0) + now - self._since
        _, is_beginning, part = message.rpartition(": reading ")
        self._part, self._since = part if is_beginning else "between files, commit", now


STEPS: dict[str, Callable[[Path, Path], Parts]] = {
    step.__name__: step for step in (floor, reading, typed_read)
}


def measured(step: str, export: Path) -> dict[str, Any]:
    """The figures of a step in this process, which did nothing else before."""
    with tempfile.TemporaryDirectory(dir=export.parent) as scratch:
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        parts = STEPS[step](export, Path(scratch))
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": after.ru_maxrss / 1024, "parts": parts}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]).absolute())))
