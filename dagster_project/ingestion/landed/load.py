"""Source kind ``landed``: a CRM's tables that Fivetran, Airbyte or dlt already keep.

The tables are in the warehouse file itself or in another DuckDB file, which is attached for the
length of the load and never written to. What the tables look like is a matter of the CRM's module.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.result import IngestionResult, Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.config.sources import LandedSource

_READERS = {
    "hubspot": "dagster_project.ingestion.landed.hubspot",
    "salesforce": "dagster_project.ingestion.landed.salesforce",
}
_ATTACHED = "landed_source"


def ingest(
    connection: "DuckDBPyConnection",
    source: "LandedSource",
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Take a tool's tables into the raw tables of the CRM, all in one transaction.

    Raises ``SourceError`` when the file or a required table is not there.
    """
    with _attached(connection, source) as database:
        result: IngestionResult = _reader(source).ingest(
            connection, source, load_id, progress, database=database
        )
    return result


def check(source: "LandedSource") -> list[Finding]:
    """What is missing of a tool's tables; reads no row.

    Tables in the warehouse file itself are looked at by the run, which holds that file.
    """
    if source.path is None:
        return []
    try:
        with (
            _in_memory() as connection,
            _attached(connection, source) as database,
        ):
            findings = _reader(source).check(connection, source, database)
    except SourceError as error:
        findings = error.problems
    return [
        finding if isinstance(finding, Finding) else Finding("error", finding)
        for finding in findings
    ]


def _reader(source: "LandedSource") -> Any:
    return importlib.import_module(_READERS[source.crm])


@contextmanager
def _in_memory() -> Iterator["DuckDBPyConnection"]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@contextmanager
def _attached(connection: "DuckDBPyConnection", source: "LandedSource") -> Iterator[str | None]:
    """The database that holds the tables; ``None``: the connection's own."""
    if source.path is None:
        yield None
        return
    import duckdb

    if not source.path.is_file():
        raise SourceError(f"source {source.name}: path: {source.path}: no such file")
    path = str(source.path).replace("'", "''")
    try:
        connection.execute(f"attach '{path}' as {_ATTACHED} (read_only)")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"source {source.name}: {source.path} can't be read as a DuckDB file: {reason}"
        ) from None
    try:
        yield _ATTACHED
    finally:
        connection.execute(f"detach {_ATTACHED}")
