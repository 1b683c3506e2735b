"""The warehouse file: where it is, how it is opened, what its schemas are called.

One DuckDB file per output directory holds ``raw`` (as delivered), ``policy`` (the seeds),
``build`` (staging, intermediate and mart models of the build under audit) and ``quality``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

# What ships: the checkout, or in an installed wheel the copy inside the package.
_CHECKOUT = Path(__file__).resolve().parents[2]
IS_CHECKOUT = (_CHECKOUT / "dbt_project").is_dir()
PROJECT_ROOT = _CHECKOUT if IS_CHECKOUT else Path(__file__).resolve().parents[1] / "shipped"
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"
POLICY_DIR = PROJECT_ROOT / "seeds" / "policy"
SAMPLE_DIR = PROJECT_ROOT / "seeds" / "sample_crm"

WAREHOUSE_FILE = "warehouse.duckdb"
PUBLISHED_FILE = "lead_lifecycle.duckdb"

RAW_SCHEMA = "raw"
POLICY_SCHEMA = "policy"
BUILD_SCHEMA = "build"
QUALITY_SCHEMA = "quality"
MARTS_SCHEMA = "marts"


def warehouse_path(output: Path) -> Path:
    """Path of the warehouse file of an output directory."""
    return output / WAREHOUSE_FILE


def connect(
    path: Path,
    *,
    read_only: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
    for_everyone: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file with the session settings that every part of Handoff relies on.

    The session time zone is UTC, so a time without a zone is read as UTC. ``for_everyone``: older
    versions of DuckDB can read a file that this makes, which takes a quarter longer to write.
    """
    config: dict[str, str | bool | int | float | list[str]] = {}
    if not for_everyone:
        config["storage_compatibility_version"] = "latest"
    if threads:
        config["threads"] = threads
    if memory_limit:
        config["memory_limit"] = memory_limit
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute("set timezone = 'UTC'")
    return connection


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Rows of every table, by schema and name."""
    found = connection.execute(
        "select schema_name, table_name, estimated_size from duckdb_tables()"
    ).fetchall()
    return {(schema, table): rows for schema, table, rows in found}


def copy_raw_tables(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Copy the raw tables of an attached database, in place of those of the same names."""
    connection.execute(f"create schema if not exists {RAW_SCHEMA}")
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = ?",
        [database, RAW_SCHEMA],
    ).fetchall()
    for (table,) in tables:
        name = f'{RAW_SCHEMA}."{table}"'
        connection.execute(f"create or replace table {name} as from {database}.{name}")


def records(
    connection: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """The rows of a query by the names of their columns."""
    result = connection.execute(query, list(values))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
