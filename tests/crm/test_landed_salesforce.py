"""Source kind landed with Salesforce tables: what the tools write, and what may be missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.ingestion.landed import load as landed
from dagster_project.ingestion.landed.settings import LandedSource

LEAD_COLUMNS = "id, is_deleted, status, company, system_modstamp, created_date, why_c"


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        ensure_raw_tables(connection)
        connection.execute("create schema crm")
        yield connection


def _source(**options: Any) -> LandedSource:
    values = {
        "kind": "landed",
        "name": "sf",
        "crm": "salesforce",
        "tool": "fivetran",
        "schema": "crm",
        "salesforce": {"reasons": ["Why__c"]},
        **options,
    }
    return LandedSource.model_validate(values)


def _leads(connection: duckdb.DuckDBPyConnection, rows: str, schema: str = "crm") -> None:
    connection.execute(
        f"create or replace table {schema}.lead as"
        f" select * from (values {rows}) as leads ({LEAD_COLUMNS})"
    )


ONE = "('00Q1', false, 'New', 'Acme', timestamptz '2026-01-02 08:00:00+01', date '2026-01-01', 'x')"
TWO = ONE.replace("00Q1", "00Q2").replace("Acme", "Beta")


def _landed(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select id, company, is_deleted, load_id from raw.salesforce_leads order by id"
    ).fetchall()


def test_a_table_becomes_text_columns_and_configured_fields(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    _leads(warehouse, ONE)
    result = landed.ingest(warehouse, _source(), 7)
    assert warehouse.execute(
        "select source_system, load_id, id, is_deleted, system_modstamp, created_date,"
        " custom_fields, email from raw.salesforce_leads"
    ).fetchall() == [
        ("sf", 7, "00Q1", "false", "2026-01-02T07:00:00.000Z", "2026-01-01", '{"Why__c":"x"}', None)
    ]
    assert result.tables["salesforce_leads"].rows_read == 1


def test_an_attached_file_is_read_and_let_go(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "tool's file.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema crm")
        _leads(connection, f"{ONE}, {TWO}")
    landed.ingest(warehouse, _source(path=path), 1)
    assert [row[0] for row in _landed(warehouse)] == ["00Q1", "00Q2"]
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table crm.lead")
    with pytest.raises(SourceError, match="no table for Lead in schema crm"):
        landed.ingest(warehouse, _source(path=path), 2)


def test_rows_that_are_gone_are_removed_and_history_is_kept(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    _leads(warehouse, f"{ONE}, {TWO}")
    warehouse.execute(
        "create table crm.lead_history as select '017' as id, '00Q1' as lead_id,"
        " 'Status' as field, 'MQL' as new_value, now() as created_date"
    )
    landed.ingest(warehouse, _source(), 1)
    _leads(warehouse, TWO.replace("Beta", "Gamma"))
    warehouse.execute("delete from crm.lead_history")
    landed.ingest(warehouse, _source(), 2)
    assert _landed(warehouse) == [("00Q2", "Gamma", "false", 2)]
    assert warehouse.execute("select id, load_id from raw.salesforce_lead_history").fetchall() == [
        ("017", 1)
    ]


def test_unchanged_rows_keep_their_load(warehouse: duckdb.DuckDBPyConnection) -> None:
    _leads(warehouse, f"{ONE}, {TWO}")
    landed.ingest(warehouse, _source(), 1)
    landed.ingest(warehouse, _source(), 2)
    assert [row[3] for row in _landed(warehouse)] == [1, 1]


def test_fivetran_says_what_is_deleted_and_what_is_active(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    _leads(warehouse, f"{ONE}, {ONE.replace('Acme', 'Old')}, {TWO}")
    warehouse.execute("alter table crm.lead add column _fivetran_active boolean")
    warehouse.execute("alter table crm.lead add column _fivetran_deleted boolean")
    warehouse.execute(
        "update crm.lead set _fivetran_active = company != 'Old', _fivetran_deleted = id = '00Q2'"
    )
    landed.ingest(warehouse, _source(), 1)
    assert _landed(warehouse) == [("00Q1", "Acme", "false", 1), ("00Q2", "Beta", "true", 1)]


def test_history_mode_of_opportunity_is_not_the_object_of_that_name(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    _leads(warehouse, ONE)
    warehouse.execute(
        "create table crm.opportunity_history as"
        " select '006' as id, 'New' as stage_name, now() as _fivetran_start"
    )
    result = landed.ingest(warehouse, _source(), 1)
    assert "salesforce_opportunity_history" not in result.tables
    assert any(note.message.startswith("OpportunityHistory (no table)") for note in result.notes)


def test_api_names_other_names_and_json_columns_are_found(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        'create table crm."SF_Leads" as select \'00Q1\' as "Id", \'Acme\' as "Company",'
        " 'x' as \"Why__c\", now() as _airbyte_extracted_at"
    )
    warehouse.execute(
        'create table crm."LeadHistory" as select \'{"Id": "017", "Field": "Status",'
        ' "NewValue": ""}\' as _airbyte_data, now() as _airbyte_emitted_at'
    )
    source = _source(tool="airbyte", tables={"Lead": "SF_Leads"})
    landed.ingest(warehouse, source, 1)
    assert [row[:2] for row in _landed(warehouse)] == [("00Q1", "Acme")]
    assert warehouse.execute(
        "select id, field, new_value from raw.salesforce_lead_history"
    ).fetchall() == [("017", "Status", None)]


def test_what_is_missing_is_an_error_or_a_note(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "tool.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema crm")
    assert next((item.status, item.message) for item in landed.check(_source(path=path))) == (
        "error",
        "source sf: no table for Lead in schema crm; fivetran writes one: check schema and tables",
    )
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table crm.lead as select '00Q1' as id, 'New' as status")
        connection.execute("create table crm.opportunity as select '0061' as id, true as is_won")
    found = landed.check(_source(path=path, tool="dlt"))
    assert [item.message for item in found if item.status == "error"][1:] == [
        'source sf: "landed_source"."crm"."opportunity" has no column for IsClosed, without which '
        "lost deals would stay open (is it selected in dlt?)"
    ]
    assert "no column for Why__c (setting salesforce.reasons[0]; is it selected in dlt?)" in (
        found[0].message
    )
    messages = [item.message for item in found]
    assert any(text.startswith("LeadHistory (dlt does not provide it)") for text in messages)
    assert any(text.startswith("Task (no table)") for text in messages)
    assert any("no column for IsDeleted" in text for text in messages)
    with pytest.raises(SourceError, match="no column for Why__c"):
        landed.ingest(warehouse, _source(path=path), 1)
    assert _landed(warehouse) == []


def test_a_missing_file_is_named(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.duckdb: no such file"):
        landed.ingest(warehouse, _source(path=tmp_path / "nowhere.duckdb"), 1)
