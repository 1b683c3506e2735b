"""One way in for every source: dispatch by kind, and what an ingestion reports.

Each source kind is a module of this package with
``ingest(connection, source, load_id, progress) -> IngestionResult``. A module writes raw rows, the
records of its loads and its notes, in transactions of its own, and raises ``SourceError`` when the
source cannot be read.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster_project.errors import ConfigError
from dagster_project.ingestion import raw_schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Called with one short sentence whenever a reader gets further.
Progress = Callable[[str], None]

_MODULES = {
    "files": "dagster_project.ingestion.files",
    "hubspot": "dagster_project.ingestion.hubspot",
    "salesforce": "dagster_project.ingestion.salesforce",
    "landed": "dagster_project.ingestion.landed",
}


@dataclass(frozen=True)
class TableResult:
    """What one load took into one raw table.

    ``rows_read`` includes ``rows_rejected`` (rows the reader could not use). ``newest``: the
    latest time in the table, ISO text in UTC. ``skipped_files``: already loaded (append mode).
    """

    table_name: str
    rows_read: int = 0
    rows_rejected: int = 0
    bytes: int = 0
    newest: str | None = None
    files: tuple[str, ...] = ()
    skipped_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """Something the reader noticed and went on with."""

    message: str
    table_name: str | None = None
    severity: str = "warning"


@dataclass
class IngestionResult:
    """What an ingestion brought, per table, for the log, the metadata and the counts."""

    source_system: str
    load_id: int
    tables: dict[str, TableResult] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    api_calls: int = 0

    @property
    def rows_read(self) -> int:
        """Rows read over all tables."""
        return sum(table.rows_read for table in self.tables.values())


def ingest_source(
    connection: "DuckDBPyConnection",
    source: Any,
    load_id: int | None = None,
    *,
    progress: Progress | None = None,
) -> IngestionResult:
    """Read one configured source into raw.

    ``load_id``: by default the next free one. Raises ``SourceError`` when the source cannot be
    read; what was loaded before then still holds.
    """
    raw_schema.ensure_raw_schema(connection)
    if source.kind not in _MODULES:
        raise ConfigError(f"source {source.name}: no reader for kind {source.kind!r}")
    module = importlib.import_module(_MODULES[source.kind])
    if load_id is None:
        load_id = raw_schema.next_load_id(connection)
    result: IngestionResult = module.ingest(connection, source, load_id, progress)
    return result
