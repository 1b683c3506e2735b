"""Source kind salesforce, against a server that speaks Salesforce: loads, faults, refusals."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.ingestion.rest import LimitReached, Patience
from dagster_project.ingestion.salesforce import load as salesforce
from dagster_project.ingestion.salesforce.resources import OBJECTS
from dagster_project.ingestion.salesforce.settings import SalesforceSource
from tests.crm.salesforce_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    Fault,
    Org,
    SalesforceServer,
    salesforce_id,
)

PATIENCE = Patience(attempts=3, backoff=0.01, longest=0.05, timeout=1.5)
CALLS = ("describe", "query", "next", "job", "status", "results")
LEAD_FIELDS = [
    "Id",
    "IsDeleted",
    "MasterRecordId",
    "Email",
    "Company",
    "Status",
    "OwnerId",
    "CreatedDate",
    "LastModifiedDate",
    "SystemModstamp",
    "Lifecycle_Stage__c",
]
HISTORY_FIELDS = [
    "Id",
    "IsDeleted",
    "LeadId",
    "Field",
    "OldValue",
    "NewValue",
    "CreatedById",
    "CreatedDate",
]


def _moment(minute: int) -> str:
    return f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00.000+0000"


def _lead(number: int, minute: int | None = None, **values: Any) -> dict[str, Any]:
    return {
        "Id": salesforce_id("00Q", number),
        "IsDeleted": False,
        "Company": 'Quoted "Ltd",\nsecond line',
        "Status": "New",
        "OwnerId": salesforce_id("005", 1),
        "CreatedDate": _moment(number),
        "SystemModstamp": _moment(number if minute is None else minute),
        "Lifecycle_Stage__c": "MQL",
        **values,
    }


def _history(number: int, **values: Any) -> dict[str, Any]:
    return {
        "Id": salesforce_id("017", number),
        "IsDeleted": False,
        "LeadId": salesforce_id("00Q", number % 5),
        "Field": "Lifecycle_Stage__c",
        "OldValue": None,
        "NewValue": 'Zwölf,\n"quoted" stage',
        "CreatedById": salesforce_id("005", 1),
        "CreatedDate": _moment(100 + number),
        **values,
    }


def _org(**options: Any) -> Org:
    """Five leads, which go by REST, and twelve history rows, which go by Bulk; nothing else."""
    return Org(
        records={
            "Lead": [_lead(number) for number in range(5)],
            "LeadHistory": [_history(number) for number in range(12)],
        },
        fields={"Lead": LEAD_FIELDS, "LeadHistory": HISTORY_FIELDS},
        rest_page=2,
        bulk_page=5,
        **options,
    )


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", CLIENT_SECRET)


@pytest.fixture
def server() -> Iterator[SalesforceServer]:
    with SalesforceServer(_org()) as running:
        yield running


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        ensure_raw_tables(connection)
        yield connection


def _source(server: SalesforceServer, **options: Any) -> SalesforceSource:
    values = {
        "kind": "salesforce",
        "domain": server.url,
        "stages": [{"field": "Lifecycle_Stage__c"}],
        "bulk_above_rows": 8,
        **options,
    }
    return SalesforceSource.model_validate(values)


def _ingest(
    warehouse: duckdb.DuckDBPyConnection,
    server: SalesforceServer,
    load_id: int = 1,
    messages: list[str] | None = None,
    **options: Any,
) -> Any:
    said = [] if messages is None else messages
    return salesforce.ingest(
        warehouse, _source(server, **options), load_id, said.append, patience=PATIENCE
    )


def _rows(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """What is in raw of leads and their history, whatever load and page brought it."""
    return warehouse.execute(
        """
        select 'lead', id, company, system_modstamp, custom_fields from raw.salesforce_leads
        union all
        select 'history', id, new_value, created_date, custom_fields
        from raw.salesforce_lead_history
        order by all
        """
    ).fetchall()


def _expected(server: SalesforceServer) -> list[tuple[Any, ...]]:
    leads = [
        (
            "lead",
            row["Id"],
            row["Company"],
            row["SystemModstamp"],
            json.dumps({"Lifecycle_Stage__c": row["Lifecycle_Stage__c"]}, separators=(",", ":")),
        )
        for row in server.org.records["Lead"]
    ]
    changes = [
        ("history", row["Id"], row["NewValue"], row["CreatedDate"].replace("+0000", "Z"), None)
        for row in server.org.records["LeadHistory"]
    ]
    return sorted(leads + changes, key=lambda row: row[:2])


def test_rest_and_bulk_bring_every_row(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    messages: list[str] = []
    result = _ingest(warehouse, server, messages=messages)
    assert _rows(warehouse) == _expected(server)
    assert {call: server.calls[call] for call in ("next", "job", "results")} == {
        "next": 2,
        "job": 1,
        "results": 3,
    }
    assert result.tables["salesforce_leads"].rows_read == 5
    assert result.api_calls >= sum(server.calls.values()) - server.calls["token"]
    assert "salesforce: LeadHistory: 12 of 12 rows" in messages


def test_rest_alone_brings_the_same_rows_as_bulk(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    _ingest(warehouse, server, bulk_above_rows=1_000)
    by_rest = [(*row[:3], row[3].replace("+0000", "Z"), row[4]) for row in _rows(warehouse)]
    warehouse.execute("delete from raw.salesforce_leads; delete from raw.source_state")
    warehouse.execute("delete from raw.salesforce_lead_history")
    _ingest(warehouse, server, bulk_above_rows=0)
    assert _rows(warehouse) == by_rest
    assert server.calls["job"] == 2


def test_second_load_reads_only_what_changed(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    _ingest(warehouse, server, overlap_minutes=0)
    served = server.rows_served
    server.org.records["Lead"][2] = _lead(2, 50, Lifecycle_Stage__c="SAL", IsDeleted=True)
    server.org.records["LeadHistory"].append(_history(12))
    _ingest(warehouse, server, 2, overlap_minutes=0)
    # The newest row of each object is read again: another one may have the same time.
    assert server.rows_served - served == 4
    assert _rows(warehouse) == [
        (
            *row[:3],
            row[3].replace("Z", "+0000") if row[1] == salesforce_id("017", 12) else row[3],
            row[4],
        )
        for row in _expected(server)
    ]
    loads = warehouse.execute(
        "select load_id, count(*) from raw.salesforce_leads group by all order by all"
    ).fetchall()
    assert loads == [(1, 4), (2, 1)]


def test_an_unchanged_row_that_is_read_again_keeps_its_load(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    _ingest(warehouse, server)
    _ingest(warehouse, server, 2)
    assert warehouse.execute("select distinct load_id from raw.salesforce_leads").fetchall() == [
        (1,)
    ]


def test_history_that_salesforce_forgets_is_kept(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    _ingest(warehouse, server)
    before = _rows(warehouse)
    server.org.records["LeadHistory"] = server.org.records["LeadHistory"][-1:]
    warehouse.execute("delete from raw.source_state")
    _ingest(warehouse, server, 2)
    assert _rows(warehouse) == before


def test_other_fields_read_everything_again(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    _ingest(warehouse, server, stages=[{"field": "Status"}], overlap_minutes=0)
    assert {row[4] for row in _rows(warehouse)} == {None}
    _ingest(warehouse, server, 2, overlap_minutes=0)
    assert _rows(warehouse) == _expected(server)


@pytest.mark.parametrize("call", ["query", "next"])
def test_other_fields_are_read_of_everything_when_the_load_breaks_off(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, call: str
) -> None:
    _ingest(warehouse, server, stages=[{"field": "Status"}], overlap_minutes=0)
    server.faults = [Fault(call, "403 REQUEST_LIMIT_EXCEEDED")]
    with pytest.raises(LimitReached):
        _ingest(warehouse, server, 2, overlap_minutes=0)
    _ingest(warehouse, server, 3, overlap_minutes=0)
    assert _rows(warehouse) == _expected(server)


@pytest.mark.parametrize(
    "how", ["429", "429 after", "503", "406", "cut", "broken", "silent", "expire"]
)
@pytest.mark.parametrize("call", CALLS)
def test_a_passing_fault_changes_nothing(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, call: str, how: str
) -> None:
    headers = {"Retry-After": "0"} if how == "429 after" else {}
    server.faults = [Fault(call, how.removesuffix(" after"), headers=headers)]
    messages: list[str] = []
    _ingest(warehouse, server, messages=messages)
    assert server.faults[0].times == 0
    assert _rows(warehouse) == _expected(server)
    assert how == "expire" or any("trying again (1)" in message for message in messages)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("call", CALLS)
def test_the_limit_of_the_day_stops_cleanly_and_the_next_run_goes_on(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, call: str, after: int
) -> None:
    fault = Fault(call, "403 REQUEST_LIMIT_EXCEEDED", times=99, after=after)
    server.faults = [fault]
    server.org.calls_left = 0
    if call == "job" and after:
        server.org.records["Lead"] *= 2
    with pytest.raises(LimitReached) as caught:
        _ingest(warehouse, server)
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert message.startswith("source salesforce: ")
    assert "run again when calls of the last 24 hours have expired" in message
    assert "api-usage=100000/100000" in message
    fault.times = 0
    _ingest(warehouse, server, 2, overlap_minutes=0)
    assert {row[:3] for row in _rows(warehouse)} == {row[:3] for row in _expected(server)}
    assert len(_rows(warehouse)) == 17


def test_what_came_before_the_limit_is_not_read_again(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    server.faults = [Fault("results", "403 REQUEST_LIMIT_EXCEEDED", after=2)]
    with pytest.raises(LimitReached):
        _ingest(warehouse, server, overlap_minutes=0)
    assert len(_rows(warehouse)) == 5 + 10
    served = server.rows_served
    _ingest(warehouse, server, 2, overlap_minutes=0)
    # One lead and one history row are at the times read last; two history rows are new.
    assert server.rows_served - served == 1 + 3
    assert len(_rows(warehouse)) == 17


@pytest.mark.parametrize("how", ["400 INVALID_QUERY_LOCATOR", "repeat"])
def test_a_lost_query_goes_on_from_the_last_record(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, how: str
) -> None:
    server.faults = [Fault("next", how, after=1)]
    messages: list[str] = []
    _ingest(warehouse, server, messages=messages)
    assert _rows(warehouse) == _expected(server)
    assert "salesforce: Lead: restarting the query" in messages
    assert [query for query in server.queries if "FROM Lead WHERE SystemModstamp >= " in query]


def test_a_query_that_is_always_lost_ends(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    for lead in server.org.records["Lead"]:
        lead["SystemModstamp"] = _moment(1)
    server.faults = [Fault("next", "400 INVALID_QUERY_LOCATOR", times=99)]
    with pytest.raises(SourceError, match="INVALID_QUERY_LOCATOR"):
        _ingest(warehouse, server)


def test_an_outage_ends_the_run_and_keeps_what_came(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    server.faults = [Fault("next", "503", times=99)]
    with pytest.raises(SourceError) as caught:
        _ingest(warehouse, server)
    assert "source salesforce: GET queryAll FROM Lead" in str(caught.value)
    assert "still failing after 3 tries" in str(caught.value)
    assert len(_rows(warehouse)) == 2
    server.faults = []
    _ingest(warehouse, server, 2)
    assert _rows(warehouse) == _expected(server)


def test_a_failed_bulk_job_is_named(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    job = {"id": "x", "object": "LeadHistory", "state": "Failed", "errorMessage": "TOO_OLD: gone"}
    server.faults = [Fault("status", "200", body=job)]
    with pytest.raises(SourceError, match="Bulk job for LeadHistory failed: TOO_OLD: gone"):
        _ingest(warehouse, server)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("SALESFORCE_CLIENT_ID", "nobody-knows", "check SALESFORCE_CLIENT_ID"),
        ("SALESFORCE_CLIENT_SECRET", "not-the-s3cret", "check SALESFORCE_CLIENT_SECRET"),
        ("SALESFORCE_CLIENT_SECRET", "", "variable SALESFORCE_CLIENT_SECRET is not set"),
    ],
)
def test_a_refused_login_says_what_to_check_and_no_secret(
    warehouse: duckdb.DuckDBPyConnection,
    server: SalesforceServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    value: str,
    why: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        _ingest(warehouse, server)
    assert why in str(caught.value)
    assert str(caught.value).startswith("source salesforce: ")
    assert caught.value.exit_code == 3
    said = str(caught.value) + caplog.text
    assert CLIENT_SECRET not in said
    assert not value or value not in said
    assert _found(server) == [("error", problem) for problem in caught.value.problems]


def test_no_secret_or_token_is_logged(
    warehouse: duckdb.DuckDBPyConnection,
    server: SalesforceServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.faults = [Fault(call, "503") for call in CALLS]
    with caplog.at_level(logging.DEBUG):
        _ingest(warehouse, server)
    assert CLIENT_SECRET not in caplog.text
    assert not any(token in caplog.text for token in server.tokens)


def test_a_session_that_stays_refused_names_the_scope(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    server.faults = [Fault("describe", "401 INVALID_SESSION_ID", times=99)]
    with pytest.raises(SourceError, match="needs the scope 'api'"):
        _ingest(warehouse, server)
    server.faults = [Fault("describe", "403 API_DISABLED_FOR_ORG", times=99)]
    with pytest.raises(SourceError, match="lacks a permission"):
        _ingest(warehouse, server)


def test_no_answer_names_host_and_call(warehouse: duckdb.DuckDBPyConnection) -> None:
    with SalesforceServer(_org()) as stopped:
        source = _source(stopped)
    with pytest.raises(SourceError) as caught:
        salesforce.ingest(warehouse, source, 1, patience=PATIENCE)
    assert f"POST /services/oauth2/token: no answer from {source.domain}" in str(caught.value)


def test_an_unknown_custom_field_names_field_and_setting(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    options = {"reasons": ["Why__c"], "stage_dates": {"mql": "MQL_Date__c"}}
    with pytest.raises(SourceError) as caught:
        _ingest(warehouse, server, **options)
    assert len(caught.value.problems) == 2
    assert "Lead has no field Why__c" in caught.value.problems[0]
    assert "setting reasons[0]" in caught.value.problems[0]
    assert "setting stage_dates.mql" in caught.value.problems[1]
    errors = [text for status, text in _found(server, **options) if status == "error"]
    assert errors == caught.value.problems


def test_a_field_that_disappears_meanwhile_names_the_setting(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    body = [
        {
            "message": "No such column 'Lifecycle_Stage__c' on entity 'Lead'.",
            "errorCode": "INVALID_FIELD",
        }
    ]
    server.faults = [Fault("query", "400", body=body)]
    with pytest.raises(SourceError, match=r"check Lifecycle_Stage__c \(setting stages\[0\]\.field"):
        _ingest(warehouse, server)


def test_an_empty_org_is_read_without_a_word_of_error(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    server.org.records = {}
    result = _ingest(warehouse, server)
    assert not any(table.rows_read for table in result.tables.values())
    assert _rows(warehouse) == []
    server.org.records = _org().records
    _ingest(warehouse, server, 2)
    assert _rows(warehouse) == _expected(server)


def test_hidden_objects_are_noted_and_hidden_leads_are_an_error(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer
) -> None:
    result = _ingest(warehouse, server)
    assert any("Opportunity can't be read" in note.message for note in result.notes)
    assert warehouse.execute("select count(*) from raw.ingestion_notes").fetchone() == (
        len(result.notes),
    )
    server.org.hidden = {"Lead"}
    with pytest.raises(SourceError, match="Lead can't be read"):
        _ingest(warehouse, server, 2)


def _found(server: SalesforceServer, **options: Any) -> list[tuple[str, str]]:
    return [
        (finding.status, finding.message)
        for finding in salesforce.check(_source(server, **options))
    ]


def _whole_org() -> Org:
    """All objects are there, if mostly empty."""
    org = _org()
    for name, item in OBJECTS.items():
        org.fields.setdefault(name, list(item.fields))
    return org


def test_check_finds_nothing_wrong_with_a_whole_org() -> None:
    with SalesforceServer(_whole_org()) as server:
        assert _found(server) == []
        assert server.rows_served == 1


def test_check_says_what_is_missing(server: SalesforceServer) -> None:
    server.org.calls_left = 0
    found = _found(server)
    assert found[0] == ("warning", "all 100000 API calls of the last 24 hours are used")
    assert any(text.startswith("Task can't be read: calls and e-mails") for _, text in found)
    server.org.hidden = {"Lead"}
    assert [text for status, text in _found(server) if status == "error"] == [
        "source salesforce: Lead can't be read (NOT_FOUND): give the run-as user read access to it"
    ]


def test_check_sees_that_history_tracking_is_off() -> None:
    org = _whole_org()
    org.records["LeadHistory"] = []
    with SalesforceServer(org) as server:
        assert _found(server) == [("warning", "LeadHistory holds no change of Lifecycle_Stage__c")]


@pytest.mark.parametrize(
    ("call", "said"),
    [("next", "FROM Lead ORDER BY SystemModstamp, Id: 3 of 5 rows"), ("results", "7 of 12 rows")],
)
def test_rows_that_were_announced_and_did_not_come_are_noted(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, call: str, said: str
) -> None:
    server.faults = [Fault(call, "empty", after=int(call == "results"))]
    result = _ingest(warehouse, server)
    assert any(said in note.message for note in result.notes)
    assert all(note.severity == "warning" for note in result.notes)


@pytest.mark.parametrize("body", [{"message": "welcome"}, ["welcome"], "<html>"])
@pytest.mark.parametrize("call", ["describe", "query", "next", "results"])
def test_an_answer_of_another_shape_is_an_error(
    warehouse: duckdb.DuckDBPyConnection, server: SalesforceServer, call: str, body: Any
) -> None:
    server.faults = [Fault(call, "200", body=body)]
    with pytest.raises(SourceError, match="source salesforce: "):
        _ingest(warehouse, server)
