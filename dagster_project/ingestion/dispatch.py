"""One way in for every source: dispatch by kind.

A source kind is a package here (see ``config.sources``). Its module ``load`` has
``ingest(connection, source, load_id, progress) -> IngestionResult`` and ``check(source)``. It
writes raw rows, the records of its loads and its notes in transactions of its own, and raises
``SourceError`` when the source can't be read.
"""

from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import ConfigError
from dagster_project.config.sources import SourceSection, module_of, source_kinds
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.result import IngestionResult, Progress


def ensure_raw_tables(connection: DuckDBPyConnection, *, drop_older: bool = False) -> None:
    """Create every raw table that the models read, empty, where it does not exist yet.

    The models never ask which CRM a company has. ``drop_older``: raw tables of an earlier version
    are dropped; else they are refused with ``ConfigError``.
    """
    tables: dict[str, tuple[str, ...]] = {}
    for kind in source_kinds():
        tables |= module_of(kind, "resources").TABLES
    if raw_schema.is_older(connection, tables):
        if not drop_older:
            raise ConfigError(
                "the warehouse was written by another version; name a new --output, or run with "
                "--full-refresh, which drops the earlier loads"
            )
        connection.execute(f"drop schema {RAW_SCHEMA} cascade")
    raw_schema.ensure_raw_schema(connection)
    raw_schema.create_tables(connection, tables)


def reader_of(source: SourceSection) -> Any:
    """The module that reads a source's kind; loaded when needed, as some bring an HTTP client."""
    return module_of(source.kind, "load")


def ingest_source(
    connection: DuckDBPyConnection,
    source: SourceSection,
    load_id: int | None = None,
    *,
    progress: Progress | None = None,
) -> IngestionResult:
    """Read one configured source into raw.

    ``load_id``: by default the next free one. Raises ``SourceError`` when the source can't be
    read; what was loaded before then still holds.
    """
    ensure_raw_tables(connection)
    if load_id is None:
        load_id = raw_schema.next_load_id(connection)
    result: IngestionResult = reader_of(source).ingest(connection, source, load_id, progress)
    return result
