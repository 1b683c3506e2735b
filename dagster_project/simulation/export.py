"""Write a simulated year as the tables of the export contract, block by block.

A block holds a fixed number of leads and draws from its own random stream, so the bytes depend
neither on threads nor on memory. The tables grow in a hidden directory and are moved into place
when all are complete; ``simulation.json`` names the files that belong to the simulation.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import ConfigError
from dagster_project.simulation import assumptions as given
from dagster_project.simulation.journey import Journey
from dagster_project.simulation.leads import Leads
from dagster_project.simulation.scenario import Scenario
from dagster_project.simulation.tables import Columns, block_tables, rep_table, spend_table
from dagster_project.simulation.world import World

LEADS_PER_BLOCK = 50_000
MANIFEST = "simulation.json"
PARTIAL = ".simulation-partial"
# Raised whenever the same seed gives other rows.
SIMULATION_VERSION = 1
# The endings under which a reader would take a file for a table of the export.
TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl")

Progress = Callable[[int, int], None]


def write_export(
    leads: int,
    seed: int,
    out: Path,
    file_format: str,
    progress: Progress | None,
    scenario: Scenario | None,
) -> dict[str, int]:
    """Write all tables; see ``simulate``."""
    _check_arguments(leads, seed, file_format)
    partial = out / PARTIAL
    files = {table: f"{table}.{file_format}" for table in CONTRACT_TABLES}
    try:
        earlier = _earlier_files(out)
        partial.mkdir(parents=True, exist_ok=True)
        rows = _write_tables(World(leads, seed, scenario or Scenario()), partial, files, progress)
        for name in earlier:
            (out / name).unlink(missing_ok=True)
        for name in files.values():
            (partial / name).replace(out / name)
        manifest = {
            "simulation_version": SIMULATION_VERSION,
            "leads": leads,
            "seed": seed,
            "year_end": f"{given.YEAR_END:%Y-%m-%dT%H:%M:%SZ}",
            "files": files,
            "rows": rows,
        }
        (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


def _check_arguments(leads: int, seed: int, file_format: str) -> None:
    problems = []
    if leads < 1:
        problems.append(f"--leads: expected a whole number of at least 1, got {leads}")
    if seed < 0:
        problems.append(f"--seed: expected a whole number of at least 0, got {seed}")
    if file_format not in ("csv", "parquet"):
        problems.append(f"--format: expected csv or parquet, got {file_format!r}")
    if problems:
        raise ConfigError(problems)


def _earlier_files(out: Path) -> list[str]:
    """The files of an earlier simulation in ``out``; ``ConfigError`` if other files are there."""
    if out.is_file():
        raise ConfigError(f"--out {out}: is a file; name a directory that is new or empty")
    entries = out.iterdir() if out.exists() else ()
    present = sorted(entry.name for entry in entries if entry.name != PARTIAL)
    if not present:
        return []
    if MANIFEST not in present:
        raise ConfigError(
            f"--out {out}: is not empty and holds no earlier simulation (no {MANIFEST}); "
            "name a directory that is new or empty"
        )
    try:
        listed = list(json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"--out {out}: {MANIFEST} can't be read; name another directory"
        ) from error
    tables = {f"{table}{suffix}" for table in CONTRACT_TABLES for suffix in TABLE_SUFFIXES}
    foreign = [name for name in present if name in tables and name not in listed]
    if foreign:
        raise ConfigError(
            f"--out {out}: {', '.join(foreign)} does not belong to the simulation there; "
            "move it away or name a directory that is new or empty"
        )
    return [name for name in listed if name in tables]


def _write_tables(
    world: World, directory: Path, files: dict[str, str], progress: Progress | None
) -> dict[str, int]:
    """Write every table of the year; returns the rows by table."""
    rows = Counter(dict.fromkeys(CONTRACT_TABLES, 0))
    writers: dict[str, Any] = {}

    with ExitStack() as stack:

        def write(tables: dict[str, Columns]) -> None:
            for name, columns in tables.items():
                path = directory / files[name]
                table = pa.table(_as_text(columns) if path.suffix == ".csv" else columns)
                if name not in writers:
                    writers[name] = _writer(path, table.schema, stack)
                writers[name].write_table(table)
                rows[name] += table.num_rows

        write({"reps": rep_table(world), "channel_spend": spend_table(world)})
        for block, first in enumerate(range(0, world.leads, LEADS_PER_BLOCK)):
            rng = np.random.default_rng([world.seed, 1 + block])
            leads = Leads(world, rng, first, min(LEADS_PER_BLOCK, world.leads - first))
            journal = Journey(world, leads, rng).run()
            write(block_tables(leads, journal, rng, rows))
            if progress:
                progress(first + len(leads), world.leads)
    return dict(rows)


def _writer(path: Path, schema: pa.Schema, stack: ExitStack) -> Any:
    """A writer of tables, CSV or Parquet by the file's ending, that the stack closes."""
    if path.suffix == ".parquet":
        return stack.enter_context(arrow_parquet.ParquetWriter(path, schema, compression="zstd"))
    file = stack.enter_context(path.open("wb"))
    file.write(f"{','.join(schema.names)}\n".encode())
    # No value of the simulation needs quotes; the writer refuses one that would.
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    return stack.enter_context(arrow_csv.CSVWriter(file, schema, write_options=options))


def _as_text(columns: Columns) -> Columns:
    """Moments as ISO 8601 text (``2026-01-31T09:00:00Z``); many times faster than ``strftime``."""
    text = dict(columns)
    for name, column in columns.items():
        if pa.types.is_timestamp(column.type):
            plain = column.cast(pa.timestamp("s")).cast(pa.string())
            text[name] = pc.binary_join_element_wise(pc.replace_substring(plain, " ", "T"), "Z", "")
    return text
