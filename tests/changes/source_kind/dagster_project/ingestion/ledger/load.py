"""A ledger as raw rows."""

from dagster_project.ingestion.ledger.client import people
from dagster_project.ingestion.ledger.settings import LedgerSource
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.result import IngestionResult, Progress


def ingest(
    connection: DuckDBPyConnection,
    source: LedgerSource,
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Replace what the source had in raw; raises ``SourceError`` when there is no file."""
    load = RawLoad(connection, source.name, load_id, progress)
    rows = people(source.name, source.path)
    with raw_schema.transaction(connection):
        load.remove_earlier_rows("ledger_people")
        for number, row in enumerate(rows, start=1):
            connection.execute(
                "insert into raw.ledger_people values (?, ?, ?, ?, ?, ?)",
                [source.name, load_id, number, row["person"], row["since"], row["stage"]],
            )
        load.record("ledger_people", source.path.name, len(rows), mode="snapshot")
    return load.result


def check(source: LedgerSource) -> list[Finding]:
    """Whether the file is there."""
    try:
        people(source.name, source.path)
    except SourceError as error:
        return [Finding("error", problem) for problem in error.problems]
    return []
