"""Source kind ``landed``: a CRM's tables that Fivetran, Airbyte or dlt already keep.

The tables are in the warehouse file itself or in another DuckDB file, which is attached for the
length of the load and never written to. How they become raw rows is in one module per CRM.
"""

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.landed.client import attached
from dagster_project.ingestion.landed.hubspot import HubSpotTables
from dagster_project.ingestion.landed.salesforce import SalesforceTables
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.raw_schema import transaction
from dagster_project.ingestion.result import IngestionResult, Progress

_CRMS: dict[str, type[HubSpotTables] | type[SalesforceTables]] = {
    "hubspot": HubSpotTables,
    "salesforce": SalesforceTables,
}


def ingest(
    connection: DuckDBPyConnection,
    source: LandedSource,
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Take a tool's tables into the raw tables of the CRM, all in one transaction.

    Raises ``SourceError`` when the file, a required table or a configured field is not there.
    """
    load = RawLoad(connection, source.name, load_id, progress)
    with attached(connection, source) as tables:
        crm = _CRMS[source.crm](source, tables)
        if problems := list(crm.problems()):
            raise SourceError(problems)
        with transaction(connection):
            for note in crm.notes():
                load.note(note.message, note.table_name)
            crm.take(load)
    return load.result


def check(source: LandedSource) -> list[Finding]:
    """What is missing of a tool's tables; reads no row.

    Tables in the warehouse file itself are looked at by the run, which holds that file.
    """
    if source.path is None:
        return []
    try:
        with duckdb.connect() as connection, attached(connection, source) as tables:
            crm = _CRMS[source.crm](source, tables)
            notes = crm.notes() if crm.is_there() else ()
            return [
                *(Finding("error", problem) for problem in crm.problems()),
                *(Finding("warning", note.message) for note in notes),
            ]
    except SourceError as error:
        return [Finding("error", problem) for problem in error.problems]
