"""Salesforce tables that Fivetran, Airbyte or dlt keep: their names, and how they become raw.

The tools write a table per object with a column per field, each in its own spelling
(``lead_history`` or ``LeadHistory``, ``rejection_reason_c`` or ``Rejection_Reason__c``), so names
are compared without case and underscores. What a tool adds of its own says which version of a row
holds: a finished load, an active row, the latest extraction.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dagster_project.config.errors import SourceError
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.result import IngestionResult, Note, Progress, TableResult
from dagster_project.ingestion.salesforce.resources import (
    OBJECTS,
    WITHOUT,
    SalesforceObject,
    custom_fields,
    ensure_salesforce_tables,
    insert_rows,
    write_field_roles,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.config.sources import LandedSource

# Tables that a tool calls otherwise than the object.
_OWN_NAMES = {("dlt", "User"): "sf_user"}
# What a tool does not provide: its absence is no fault of the set-up.
NOT_PROVIDED = {
    "dlt": frozenset({"LeadHistory", "OpportunityHistory", "EmailMessage"}),
}
# Columns by which a tool orders the versions of a row, the best one first.
_VERSION_COLUMNS = (
    "_fivetran_synced",
    "_airbyte_extracted_at",
    "_airbyte_emitted_at",
    "_dlt_load_id",
)
_STAGED = "staged_landed_salesforce"
# Old Airbyte tables hold a whole record as JSON in one column.
_AIRBYTE_JSON = "_airbyte_data"


@dataclass(frozen=True)
class LandedTable:
    """One table of the tool: its relation, and its columns by folded name.

    ``loads``: the relation in which dlt says which loads were completed.
    """

    relation: str
    columns: dict[str, str]
    loads: str | None = None

    def value(self, field: str) -> str | None:
        """SQL for a field as text, empty as null; ``None`` when the table has no such column."""
        column = self.columns.get(folded(field))
        if column is not None:
            return f"nullif(trim(cast({_quoted(column)} as varchar)), '')"
        if _AIRBYTE_JSON in self.columns.values():
            return f"nullif(trim(json_extract_string({_AIRBYTE_JSON}, '$.\"{field}\"')), '')"
        return None

    def has(self, column: str) -> bool:
        """Whether the table has a column of exactly this name."""
        return column in self.columns.values()


def folded(name: str) -> str:
    """A table's or field's name without case and underscores."""
    return name.replace("_", "").lower()


def ingest(
    connection: "DuckDBPyConnection",
    source: "LandedSource",
    load_id: int,
    progress: Progress | None = None,
    *,
    database: str | None = None,
) -> IngestionResult:
    """Take a tool's Salesforce tables into the raw Salesforce tables, all in one transaction.

    ``database``: the name under which the tool's DuckDB file is attached; by default the
    warehouse itself. Raises ``SourceError`` when there are no leads or a configured field is
    missing.
    """
    report = progress or (lambda _: None)
    result = IngestionResult(source_system=source.name, load_id=load_id)
    tables = find_tables(connection, source, database)
    problems = list(_problems(source, tables))
    if problems:
        raise SourceError(problems)
    ensure_salesforce_tables(connection)
    with raw_schema.transaction(connection):
        write_field_roles(connection, source.name, source.salesforce)
        for note in _notes(source, tables):
            raw_schema.record_note(
                connection, source.name, load_id, note.table_name, note.message, note.severity
            )
            result.notes.append(note)
        for name, table in tables.items():
            result.tables[OBJECTS[name].table] = _take(
                connection, source, OBJECTS[name], table, load_id
            )
            rows = result.tables[OBJECTS[name].table].rows_read
            report(f"{source.name}: {table.relation}: {rows:,} rows")
    return result


def check(
    connection: "DuckDBPyConnection", source: "LandedSource", database: str | None = None
) -> list[Finding]:
    """What is missing of a tool's tables; reads no row."""
    tables = find_tables(connection, source, database)
    return [
        *(Finding("error", problem) for problem in _problems(source, tables)),
        *(Finding("warning", note.message) for note in _notes(source, tables)),
    ]


def find_tables(
    connection: "DuckDBPyConnection", source: "LandedSource", database: str | None = None
) -> dict[str, LandedTable]:
    """The tool's tables that are there, by object."""
    rows = connection.execute(
        """
        select database_name, table_name, column_name
        from duckdb_columns()
        where database_name = coalesce(?, current_database()) and lower(schema_name) = lower(?)
        order by table_name, column_index
        """,
        [database, source.schema_name],
    ).fetchall()
    found: dict[str, LandedTable] = {}
    for in_database, table, column in rows:
        relation = ".".join(_quoted(part) for part in (in_database, source.schema_name, table))
        columns = found.setdefault(folded(table), LandedTable(relation, {})).columns
        columns.setdefault(folded(column), column)
    renamed = {folded(own): folded(here) for own, here in source.tables.items()}
    tables = {}
    for name in OBJECTS:
        own = folded(_OWN_NAMES.get((source.tool, name), name))
        table = found.get(renamed.get(own, renamed.get(folded(name), own)))
        if table is not None and not _is_history_mode(OBJECTS[name], table):
            loads = found.get(folded("_dlt_loads"))
            tables[name] = replace(table, loads=loads.relation if loads else None)
    return tables


def _is_history_mode(item: SalesforceObject, table: LandedTable) -> bool:
    """Fivetran's history mode of Opportunity is called like the object OpportunityHistory."""
    return item.is_history and table.has("_fivetran_start")


def _problems(source: "LandedSource", tables: dict[str, LandedTable]) -> Iterator[str]:
    """What makes the tables unusable."""
    for name, item in OBJECTS.items():
        if item.is_required and name not in tables:
            yield (
                f"source {source.name}: no table for {name} in schema {source.schema_name};"
                f" {source.tool} writes one: check schema and tables"
            )
    for name, table in tables.items():
        if table.value("Id") is None:
            yield f"source {source.name}: {table.relation} has no column for Id"
        for field, place in custom_fields(name, source.salesforce).items():
            if table.value(field) is None:
                yield (
                    f"source {source.name}: {table.relation} has no column for {field}"
                    f" (setting salesforce.{place}; is it selected in {source.tool}?)"
                )


def _notes(source: "LandedSource", tables: dict[str, LandedTable]) -> Iterator[Note]:
    """What is missing and done without."""
    for name, item in OBJECTS.items():
        if name not in tables:
            if not item.is_required:
                why = f"{source.tool} does not provide it" if _lacks(source, name) else "no table"
                yield Note(f"{name} ({why}): {WITHOUT[name]}", item.table)
            continue
        missing = [field for field in item.fields if tables[name].value(field) is None]
        missing = [field for field in missing if field not in {"CurrencyIsoCode", "DataType"}]
        if missing:
            message = f"{tables[name].relation} has no column for {', '.join(missing)}"
            yield Note(message, item.table)


def _lacks(source: "LandedSource", name: str) -> bool:
    return name in NOT_PROVIDED.get(source.tool, frozenset())


def _take(
    connection: "DuckDBPyConnection",
    source: "LandedSource",
    item: SalesforceObject,
    table: LandedTable,
    load_id: int,
) -> TableResult:
    """Take one table; rows that the tool holds no more are gone, except history."""
    fields = {field: table.value(field) for field in item.fields}
    fields |= {field: table.value(field) for field in custom_fields(item.name, source.salesforce)}
    if table.has("_fivetran_deleted") and "IsDeleted" in fields:
        own = fields["IsDeleted"] or "'false'"
        fields["IsDeleted"] = f"case when _fivetran_deleted then 'true' else {own} end"
    present = {field: value for field, value in fields.items() if value is not None}
    columns = ", ".join(f'{value} as "{field}"' for field, value in present.items())
    version = next((column for column in _VERSION_COLUMNS if table.has(column)), None)
    order = f"order by {version}" if version else ""
    connection.execute(
        f"""
        create or replace temp table {_STAGED} as
        select {columns}, row_number() over ({order}) as _row
        from {table.relation}
        {_finished(table)}
        """
    )
    read = connection.execute(f"select count(*) from {_STAGED}").fetchone()
    if not item.is_history:
        connection.execute(
            f"""
            delete from {RAW_SCHEMA}.{item.table}
            where source_system = ? and id not in (
                select "Id" from {_STAGED} where "Id" is not null
            )
            """,
            [source.name],
        )
    insert_rows(connection, item, _STAGED, present, source.name, load_id)
    newest = None
    if item.cursor in present:
        row = connection.execute(f'select max("{item.cursor}") from {_STAGED}').fetchone()
        newest = row[0] if row else None
    connection.execute(f"drop table {_STAGED}")
    rows_read = int(read[0]) if read else 0
    raw_schema.record_load(
        connection,
        raw_schema.Load(
            load_id=load_id,
            source_system=source.name,
            table_name=item.table,
            source_file=table.relation,
            mode="snapshot",
            rows_read=rows_read,
        ),
    )
    return TableResult(
        table_name=item.table, rows_read=rows_read, newest=newest, files=(table.relation,)
    )


def _finished(table: LandedTable) -> str:
    """The condition that leaves out what the tool itself would not count as present."""
    if table.has("_fivetran_active"):
        return "where _fivetran_active"
    if table.has("_dlt_load_id") and table.loads:
        return f"where _dlt_load_id in (select load_id from {table.loads} where status = 0)"
    return ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
