"""Write a simulated year as the tables of the export contract, block by block.

A block holds a fixed number of leads and draws from its own random stream, so the bytes depend
neither on threads nor on memory. The tables grow in a hidden directory beside them and are moved
in place when all are whole; ``simulation.json`` names what belongs to the simulation.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from dagster_project.config.errors import ConfigError
from dagster_project.simulation import FileFormat, Progress, SimulationResult
from dagster_project.simulation.journal import Journal
from dagster_project.simulation.journey import Journey
from dagster_project.simulation.people import make_leads
from dagster_project.simulation.tables import (
    SCHEMAS,
    Numbering,
    block_tables,
    rep_table,
    spend_table,
    text_moments,
)
from dagster_project.simulation.world import World

LEADS_PER_BLOCK = 50_000
MANIFEST = "simulation.json"
PARTIAL = ".simulation-partial"
# Raised whenever the same seed gives other rows.
SIMULATION_VERSION = 1
TABLES = tuple(SCHEMAS)
# The endings under which a reader would take a file for a table of the export.
TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl")


def write_export(
    leads: int,
    seed: int,
    out: Path,
    file_format: FileFormat,
    year_end: datetime,
    progress: Progress | None,
) -> SimulationResult:
    """Write all tables; see ``simulate``."""
    try:
        earlier = _earlier_files(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    world = World(leads, seed, year_end)
    partial = out / PARTIAL
    try:
        partial.mkdir(parents=True, exist_ok=True)
        rows = _write_tables(world, partial, file_format, progress)
        for name in earlier:
            (out / name).unlink(missing_ok=True)
        files = {}
        for table in TABLES:
            files[table] = (partial / f"{table}.{file_format}").replace(
                out / f"{table}.{file_format}"
            )
        _write_manifest(out, leads, seed, year_end, files, rows)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return SimulationResult(
        out=out,
        leads=leads,
        seed=seed,
        year_start=datetime.fromtimestamp(world.start, UTC),
        year_end=year_end,
        files=files,
        rows=rows,
    )


def _unwritable(out: Path, error: OSError) -> ConfigError:
    """One line for an output directory that the system refuses."""
    return ConfigError(f"--out {out}: can't be written: {error.strerror or error}")


def _earlier_files(out: Path) -> list[str]:
    """The files of an earlier simulation in ``out``; ``ConfigError`` if others stand in the way."""
    if not out.exists():
        return []
    if not out.is_dir():
        raise ConfigError(f"--out {out}: is a file; name a directory that is new or empty")
    present = sorted(entry.name for entry in out.iterdir() if entry.name != PARTIAL)
    if not present:
        return []
    if MANIFEST not in present:
        raise ConfigError(
            f"--out {out}: is not empty and holds no earlier simulation (no {MANIFEST}); "
            "name a directory that is new or empty"
        )
    try:
        own = list(json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"--out {out}: {MANIFEST} can't be read; name another place") from error
    tables = {f"{table}{suffix}" for table in TABLES for suffix in TABLE_SUFFIXES}
    own = [name for name in own if name in tables]
    foreign = [name for name in present if name in tables and name not in own]
    if foreign:
        raise ConfigError(
            f"--out {out}: {', '.join(foreign)} is not of the simulation there; "
            "move it away or name a directory that is new or empty"
        )
    return own


def _write_tables(
    world: World, directory: Path, file_format: FileFormat, progress: Progress | None
) -> dict[str, int]:
    """Write every table of the year; returns the rows by table."""
    with ExitStack() as stack:
        writers = {
            table: stack.enter_context(_Writer(directory / f"{table}.{file_format}", schema))
            for table, schema in SCHEMAS.items()
        }
        writers["reps"].write(rep_table(world))
        writers["channel_spend"].write(spend_table(world))
        for done, tables in _blocks(world):
            for name, table in tables.items():
                writers[name].write(table)
            if progress:
                progress(done, world.leads)
        return {name: writer.rows for name, writer in writers.items()}


def _blocks(world: World) -> Iterator[tuple[int, dict[str, pa.Table]]]:
    """The tables of one block of leads after the other, with the leads done."""
    numbering = Numbering()
    for first in range(0, world.leads, LEADS_PER_BLOCK):
        count = min(LEADS_PER_BLOCK, world.leads - first)
        rng = np.random.default_rng([world.seed, 1 + first // LEADS_PER_BLOCK])
        leads = make_leads(world, rng, first, count)
        journal = Journal(world.end)
        Journey(world, leads, journal, rng).run()
        yield first + count, block_tables(world, leads, journal, rng, first, numbering)


class _Writer:
    """Appends blocks of rows to one file, as CSV or Parquet by the file's ending."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._is_csv = path.suffix == ".csv"
        self._writer: Any
        if self._is_csv:
            # No value of the simulation needs quotes; the writer refuses one that would.
            self._schema = pa.schema(
                [(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in schema]
            )
            path.write_text(",".join(schema.names) + "\n", encoding="utf-8")
            self._file = path.open("ab")
            options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
            self._writer = arrow_csv.CSVWriter(self._file, self._schema, write_options=options)
        else:
            self._writer = arrow_parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        self.rows += table.num_rows
        self._writer.write_table(text_moments(table) if self._is_csv else table)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        if self._is_csv:
            self._file.close()


def _write_manifest(
    out: Path,
    leads: int,
    seed: int,
    year_end: datetime,
    files: dict[str, Path],
    rows: dict[str, int],
) -> None:
    """Say what the directory holds and how it was made."""
    content = {
        "simulation_version": SIMULATION_VERSION,
        "leads": leads,
        "seed": seed,
        "year_end": f"{year_end:%Y-%m-%dT%H:%M:%SZ}",
        "files": {table: path.name for table, path in files.items()},
        "rows": rows,
    }
    (out / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
