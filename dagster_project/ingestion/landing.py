"""One way in for every source: dispatch by kind.

Each source kind is a module of this package with
``ingest(connection, source, load_id, progress) -> IngestionResult``. A module writes raw rows, the
records of its loads and its notes, in transactions of its own, and raises ``SourceError`` when the
source cannot be read.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dagster_project.config.errors import ConfigError
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.hubspot.resources import ensure_hubspot_tables
from dagster_project.ingestion.result import IngestionResult, Progress
from dagster_project.ingestion.salesforce.resources import ensure_salesforce_tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MODULES = {
    "files": "dagster_project.ingestion.files.load",
    "hubspot": "dagster_project.ingestion.hubspot.load",
    "salesforce": "dagster_project.ingestion.salesforce.load",
    "landed": "dagster_project.ingestion.landed.load",
}


def ensure_raw_tables(connection: "DuckDBPyConnection") -> None:
    """Create every raw table that the models read, empty, where it does not exist yet.

    The models never ask which CRM a company has.
    """
    raw_schema.ensure_raw_schema(connection)
    ensure_hubspot_tables(connection)
    ensure_salesforce_tables(connection)


def reader_of(source: Any) -> Any:
    """The module that reads a source's kind; loaded late, since some bring an HTTP client."""
    if source.kind not in _MODULES:
        raise ConfigError(f"source {source.name}: no reader for kind {source.kind!r}")
    return importlib.import_module(_MODULES[source.kind])


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
    ensure_raw_tables(connection)
    if load_id is None:
        load_id = raw_schema.next_load_id(connection)
    result: IngestionResult = reader_of(source).ingest(connection, source, load_id, progress)
    return result
