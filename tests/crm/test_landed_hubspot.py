"""Tables of other tools: what is missing is said, what is odd is read all the same."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.dispatch import ensure_raw_tables, ingest_source
from dagster_project.ingestion.landed import load as landed
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.result import IngestionResult
from tests.crm import hubspot_tables
from tests.crm.hubspot_world import CONTACTS, PROPERTIES, World
from tests.crm.test_hubspot import rows


@pytest.fixture
def warehouse() -> Any:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        ensure_raw_tables(connection)
        yield connection


def source(tool: str, path: Path | None, **settings: Any) -> LandedSource:
    schema, _ = hubspot_tables.LAYOUTS[tool]
    settings = {"schema": schema, "hubspot": PROPERTIES, **settings}
    return LandedSource(kind="landed", name="crm", crm="hubspot", tool=tool, path=path, **settings)


@pytest.fixture(params=list(hubspot_tables.LAYOUTS))
def tool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tables(tool: str, tmp_path: Path) -> Path:
    """A file with the golden world as a tool keeps it."""
    path = tmp_path / "tables.duckdb"
    hubspot_tables.LAYOUTS[tool][1](World().account, path)
    return path


def edit(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def read(result: IngestionResult) -> dict[str, int]:
    return {name: table.rows_read for name, table in result.tables.items()}


def test_a_second_load_changes_nothing(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    first = ingest_source(warehouse, source(tool, tables))
    before = rows(warehouse)
    second = ingest_source(warehouse, source(tool, tables))
    assert rows(warehouse) == before
    assert read(first)["hubspot_contacts"] == read(second)["hubspot_contacts"] == CONTACTS
    assert read(second)["hubspot_property_history"] == 0
    current = warehouse.execute(
        "select sum(rows_read) from raw.loads where table_name = 'hubspot_contacts' and is_current"
    ).fetchone()
    assert current == (CONTACTS,)


def test_owners_have_their_primary_team(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    ingest_source(warehouse, source(tool, tables))
    found = warehouse.execute(
        "select id, name, team, archived from raw.hubspot_owners order by id"
    ).fetchall()
    assert found == [("71", "Rep One", "SDR", "false"), ("72", "Gone", None, "true")]


def test_history_outlives_the_tool_s_own(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    schema = hubspot_tables.LAYOUTS[tool][0]
    ingest_source(warehouse, source(tool, tables))
    before = len(rows(warehouse)["hubspot_property_history"])
    name = "contact" if tool == "fivetran" else "contacts"
    edit(
        tables,
        f'delete from "{schema}".{name}_property_history',
        f'delete from "{schema}".{name} where id = 1001',
    )
    ingest_source(warehouse, source(tool, tables))
    assert len(rows(warehouse)["hubspot_property_history"]) == before
    assert len(rows(warehouse)["hubspot_contacts"]) == CONTACTS - 1


def test_the_warehouse_itself_may_hold_the_tables(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    schema = hubspot_tables.LAYOUTS[tool][0]
    warehouse.execute(f"attach '{tables}' as other (read_only)")
    warehouse.execute(f'create schema "{schema}"')
    found = warehouse.execute(
        "select table_name from duckdb_tables() where database_name = 'other'"
    ).fetchall()
    for (name,) in found:
        warehouse.execute(
            f'create table "{schema}"."{name}" as select * from other."{schema}"."{name}"'
        )
    warehouse.execute("detach other")
    ingest_source(warehouse, source(tool, None))
    from_inside = rows(warehouse)
    warehouse.execute(f'drop schema "{schema}" cascade')
    ingest_source(warehouse, source(tool, tables))
    assert rows(warehouse) == from_inside


def test_upper_case_and_other_table_names_are_found(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    ingest_source(warehouse, source(tool, tables))
    expected = rows(warehouse)
    schema = hubspot_tables.LAYOUTS[tool][0]
    contacts = "contact" if tool == "fivetran" else "contacts"
    with duckdb.connect(str(tables)) as connection:
        connection.execute(f'create schema "OTHER_{schema}"')
        for name, columns in connection.execute(
            """
            select table_name, list(column_name order by column_index)
            from duckdb_columns() where schema_name = ? group by table_name
            """,
            [schema],
        ).fetchall():
            renamed = "People" if name == contacts else name.upper()
            chosen = ", ".join(f'"{column}" as "{column.upper()}"' for column in columns)
            connection.execute(
                f'create table "OTHER_{schema}"."{renamed}" as '
                f'select {chosen} from "{schema}"."{name}"'
            )
    other = source(tool, tables, schema=f"other_{schema}", tables={contacts: "people"})
    with duckdb.connect() as fresh:
        ensure_raw_tables(fresh)
        ingest_source(fresh, other)
        assert rows(fresh) == expected


def test_only_contacts_are_needed(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    schema = hubspot_tables.LAYOUTS[tool][0]
    contacts = "contact" if tool == "fivetran" else "contacts"
    with duckdb.connect(str(tables)) as connection:
        for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            if name not in {contacts, "_dlt_loads"}:
                connection.execute(f'drop table "{schema}"."{name}"')
    result = ingest_source(warehouse, source(tool, tables))
    assert read(result)["hubspot_contacts"] == CONTACTS
    said = " ".join(note.message for note in result.notes)
    assert "deals (no table): left out" in said
    assert "history of contacts (no table)" in said
    findings = landed.check(source(tool, tables))
    assert {finding.status for finding in findings} == {"warning"}
    assert len(findings) == len(result.notes)


# Airbyte's properties are JSON: a missing one can't be told from an empty one.
@pytest.mark.parametrize("tool", ["fivetran", "dlt"])
def test_a_configured_property_that_is_not_landed_is_an_error(
    tool: str, tables: Path, warehouse: duckdb.DuckDBPyConnection
) -> None:
    wrong = source(tool, tables, hubspot=PROPERTIES | {"reason_property": "why_not"})
    message = "has no column for why_not (setting hubspot.reason_property; is it selected in"
    with pytest.raises(SourceError, match=re.escape(message)):
        ingest_source(warehouse, wrong)
    assert [finding.status for finding in landed.check(wrong)].count("error") == 1


def test_moments_of_entry_stand_in_for_a_history_that_is_not_landed(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "tables.duckdb"
    edit(
        path,
        "create schema hubspot",
        """
        create table hubspot.contact as select
            501 as id,
            'marketingqualifiedlead' as property_lifecyclestage,
            timestamptz '2026-01-05 09:00:00+01' as property_hs_v2_date_entered_lead,
            timestamp '2026-01-10 08:00' as property_hs_lifecyclestage_marketingqualifiedlead_date
        """,
    )
    plain = source("fivetran", path, hubspot={})
    ingest_source(warehouse, plain)
    found = warehouse.execute(
        "select property, value, changed_at, source_type from raw.hubspot_property_history "
        "order by changed_at"
    ).fetchall()
    assert found == [
        ("lifecyclestage", "lead", "2026-01-05T08:00:00.000Z", "DATE_ENTERED"),
        ("lifecyclestage", "marketingqualifiedlead", "2026-01-10T08:00:00.000Z", "DATE_ENTERED"),
    ]


def test_old_airbyte_history_tells_time_in_milliseconds(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "tables.duckdb"
    properties = json.dumps({"lifecyclestage": "lead"})
    edit(
        path,
        "create schema airbyte",
        f"create table airbyte.contacts as select '501' as id, '{properties}'::json as properties",
        """
        create table airbyte.contacts_property_history as select
            501 as vid, 'lifecyclestage' as property, 'lead' as "value",
            '1767600000000' as "timestamp", 'CRM_UI' as "source-type",
            'userId:7' as "source-id", 7.0 as "updated-by-user-id"
        """,
    )
    ingest_source(warehouse, source("airbyte", path, hubspot={}))
    found = warehouse.execute(
        "select object_id, changed_at, source_type, updated_by from raw.hubspot_property_history"
    ).fetchall()
    assert found == [("501", "2026-01-05T08:00:00.000Z", "CRM_UI", "7")]


def test_the_table_of_merges_tells_who_was_swallowed(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "tables.duckdb"
    edit(
        path,
        "create schema hubspot",
        "create table hubspot.contact as select unnest([501, 502]) as id, 'lead' as property_x",
        """
        create table hubspot.contact_merge_audit as
        select 501 as canonical_vid, unnest([411, 412]) as vid_to_merge
        """,
    )
    ingest_source(warehouse, source("fivetran", path, hubspot={}))
    found = warehouse.execute(
        "select id, properties ->> '$.hs_merged_object_ids' from raw.hubspot_contacts order by id"
    ).fetchall()
    assert [(key, sorted((ids or "").split(";"))) for key, ids in found] == [
        ("501", ["411", "412"]),
        ("502", [""]),
    ]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"schema": "elsewhere"}, "source crm: no table contact in schema elsewhere"),
        ({"path": Path("no_such_file.duckdb")}, "source crm: path: no_such_file.duckdb: no such"),
        ({"path": Path(__file__)}, "can't be read as a DuckDB file"),
    ],
)
def test_what_can_t_be_read_is_an_error(
    broken: dict[str, Any],
    message: str,
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
) -> None:
    path = tmp_path / "tables.duckdb"
    hubspot_tables.fivetran(World().account, path)
    settings = {"path": path, **broken}
    wrong = source("fivetran", **settings)
    with pytest.raises(SourceError, match=message):
        ingest_source(warehouse, wrong)
    (finding,) = landed.check(wrong)
    assert finding.status == "error"
    assert message in finding.message
    assert rows(warehouse)["hubspot_contacts"] == []
