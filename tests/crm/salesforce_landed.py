"""The golden org as Fivetran, Airbyte and dlt would have landed it in a DuckDB schema."""

import re
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.ingestion.salesforce.resources import OBJECTS, snake_case
from tests.crm.salesforce_world import World

TOOLS = ("fivetran", "airbyte", "dlt")
# dlt's Salesforce source has no history and no e-mail messages.
DLT_OBJECTS = tuple(
    name for name in OBJECTS if name not in {"LeadHistory", "OpportunityHistory", "EmailMessage"}
)
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")


def land(connection: duckdb.DuckDBPyConnection, world: World, tool: str, schema: str) -> None:
    """Write the tables that a tool would keep of an org."""
    connection.execute(f'create schema if not exists "{schema}"')
    if tool == "dlt":
        connection.execute(
            f"create table {schema}._dlt_loads as"
            " select * from (values ('1.0', 0), ('2.0', 1)) as loads (load_id, status)"
        )
    for name in OBJECTS if tool != "dlt" else DLT_OBJECTS:
        rows = [_dressed(tool, row) for row in world.records[name]]
        if not rows:
            continue
        if tool == "fivetran":
            rows = [{**row, "_fivetran_synced": datetime(2026, 6, 29)} for row in rows]
        elif tool == "airbyte":
            rows = _appended(rows)
        else:
            rows = _with_broken_load(rows)
        _write(connection, schema, table_name(tool, name), rows)


def table_name(tool: str, name: str) -> str:
    """What a tool calls the table of an object."""
    if tool == "airbyte":
        return name
    return "sf_user" if (tool, name) == ("dlt", "User") else snake_case(name)


def column_name(tool: str, field: str) -> str:
    """What a tool calls the column of a field."""
    if tool == "airbyte":
        return field
    name = snake_case(field)
    return re.sub(r"__c$", "_c", name) if tool == "fivetran" else name


def _dressed(tool: str, row: dict[str, Any]) -> dict[str, Any]:
    """A record with the tool's column names, and times as times."""
    return {column_name(tool, field): _typed(value) for field, value in row.items()}


def _typed(value: Any) -> Any:
    if isinstance(value, str) and _TIME.match(value):
        return datetime.fromisoformat(value)
    return value


def _appended(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Airbyte's append mode: an older, different version of every row stands beside it."""
    old = [{**row, "_airbyte_extracted_at": datetime(2026, 6, 1)} for row in rows]
    for row in old:
        if "Company" in row:
            row["Company"] = "Old name"
    new = [{**row, "_airbyte_extracted_at": datetime(2026, 6, 29)} for row in rows]
    return [*new, *old]


def _with_broken_load(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """dlt repeats rows without a key, and leaves rows of a load that never completed."""
    done = [{**row, "_dlt_load_id": "1.0", "_dlt_id": f"d{at}"} for at, row in enumerate(rows)]
    broken = [{**row, "_dlt_load_id": "2.0", "_dlt_id": f"b{at}"} for at, row in enumerate(rows)]
    for row in broken:
        if "company" in row:
            row["company"] = "Never loaded"
    return [*done, *done, *broken]


def _write(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, rows: list[dict[str, Any]]
) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = pa.table({column: [row.get(column) for row in rows] for column in columns})
    connection.register("landed_rows", table)
    connection.execute(f'create or replace table {schema}."{name}" as from landed_rows')
    connection.unregister("landed_rows")
