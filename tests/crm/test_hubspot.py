"""Reading HubSpot: whatever goes wrong on the way, the rows are the same or the error is clear."""

import contextlib
import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.errors import SourceError
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.ingestion.hubspot import load as hubspot
from dagster_project.ingestion.hubspot.resources import TABLES
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.rest import CallRefused, LimitReached, Patience, RepeatedPage
from dagster_project.ingestion.result import IngestionResult
from tests.crm.hubspot_server import (
    TOKEN,
    Fault,
    HubSpotAccount,
    HubSpotServer,
    Record,
    missing_scope,
    rate_limit,
)
from tests.crm.hubspot_world import (
    CONTACTS,
    DEALS,
    FORM,
    NOW,
    PROPERTIES,
    REASON,
    World,
    remember,
)

QUICK = Patience(attempts=4, backoff=0.01, longest=0.05, timeout=1)
CALLS = ("details", "properties", "pipelines", "owners", "list", "archived", "associations")
LATER_CALLS = ("search", "batch")


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", TOKEN)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(world: World) -> Iterator[HubSpotServer]:
    with HubSpotServer(world.account).running() as running:
        yield running


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        ensure_raw_tables(connection)
        yield connection


def source(server: HubSpotServer, **settings: Any) -> HubSpotSource:
    """A source that reads the server's account."""
    return HubSpotSource(kind="hubspot", base_url=server.url, **{**PROPERTIES, **settings})


def load(
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    said: list[str] | None = None,
    **settings: Any,
) -> IngestionResult:
    """One load, as a run would do it."""
    return hubspot.ingest(
        warehouse,
        source(server, **settings),
        raw_schema.next_load_id(warehouse),
        (said if said is not None else []).append,
        patience=QUICK,
    )


def rows(warehouse: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that landed, whichever load it came with."""
    return {
        table: sorted(
            warehouse.execute(f"select * exclude (load_id) from raw.{table}").fetchall(), key=repr
        )
        for table in TABLES
        if table != "hubspot_fields"
    }


def count(warehouse: duckdb.DuckDBPyConnection, table: str) -> int:
    (found,) = warehouse.execute(f"select count(*) from raw.{table}").fetchone() or (0,)
    return int(found)


def change_the_world(world: World) -> None:
    """An hour later: a lead moves on, a new one comes, a deal is won, one contact is deleted."""
    account = world.account
    account.now += timedelta(hours=1)
    moment = account.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    moved = account.records["contacts"][world.id_of("pending")]
    remember(moved, "lifecyclestage", "opportunity", moment)
    new = account.add("contacts", Record("2001", {"email": "new@acme.example"}, moment, moment))
    remember(new, "lifecyclestage", "lead", moment)
    deal = account.records["deals"]["9003"]
    remember(deal, "dealstage", "closedwon", moment)
    account.contacts_of["deals"]["9003"].append(("2001", None))
    account.records["contacts"][world.id_of("bounced")].archived = True
    for record in (moved, new, deal):
        record.updated_at = moment


def two_loads(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> dict[str, list[tuple[Any, ...]]]:
    load(warehouse, server)
    change_the_world(world)
    load(warehouse, server)
    return rows(warehouse)


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[tuple[Any, ...]]]:
    """What two loads land when nothing goes wrong."""
    world = World()
    with (
        pytest.MonkeyPatch.context() as patch,
        HubSpotServer(world.account).running() as server,
        duckdb.connect() as connection,
    ):
        patch.setenv("HUBSPOT_TOKEN", TOKEN)
        ensure_raw_tables(connection)
        return two_loads(connection, server, world)


# What lands


def test_the_first_load_lists_everything(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    result = load(warehouse, server)
    read = {name: table.rows_read for name, table in result.tables.items()}
    assert read["hubspot_contacts"] == count(warehouse, "hubspot_contacts") == CONTACTS
    assert read["hubspot_deals"] == DEALS
    assert read["hubspot_leads"] == 1
    assert read["hubspot_engagements"] == 8
    assert read["hubspot_property_history"] == count(warehouse, "hubspot_property_history")
    account = world.account
    assert count(warehouse, "hubspot_associations") == sum(
        len(contacts)
        for name, pairs in account.contacts_of.items()
        for record_id, contacts in pairs.items()
        if not account.records[name][record_id].archived
    )
    assert result.api_calls == sum(server.calls[kind] for kind in (*CALLS, *LATER_CALLS))
    assert server.calls["search"] == 0


def test_names_and_phones_of_contacts_are_not_asked_for(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    person = world.account.records["contacts"]["1001"]
    person.properties |= {"firstname": "Eve", "phone": "+31 6 1234"}
    load(warehouse, server)
    (found,) = warehouse.execute(
        "select properties from raw.hubspot_contacts where id = '1001'"
    ).fetchone() or ("",)
    assert "happy_path@acme.example" in found
    assert "Eve" not in found
    assert "1234" not in found


def test_the_next_load_reads_only_what_changed(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    load(warehouse, server)
    server.read.clear()
    change_the_world(world)
    result = load(warehouse, server)
    archived = [deal for deal in world.account.records["deals"].values() if deal.archived]
    assert server.read["deals"] == 1 + len(archived)
    assert server.read["contacts"] == 2 + 2  # changed or new, and the two in the recycle bin
    assert result.tables["hubspot_contacts"].rows_read == 2 + 1
    assert count(warehouse, "hubspot_contacts") == CONTACTS + 1
    states = warehouse.execute("select id, archived from raw.hubspot_contacts").fetchall()
    assert dict(states)[world.id_of("bounced")] == "true"


def test_history_is_only_ever_added_to(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    load(warehouse, server)
    before = count(warehouse, "hubspot_property_history")
    contact = world.account.records["contacts"][world.id_of("happy_path")]
    world.account.now += timedelta(hours=1)
    moment = world.account.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    # HubSpot has forgotten all but the newest value.
    remember(contact, "lifecyclestage", "103842741", moment)
    contact.history["lifecyclestage"] = contact.history["lifecyclestage"][:1]
    contact.updated_at = moment
    load(warehouse, server)
    assert count(warehouse, "hubspot_property_history") == before + 1


def test_a_record_with_many_contacts_keeps_all_of_them(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    world.account.associations_per_page = 2
    world.account.contacts_of["deals"]["9001"] = [(str(1001 + at), None) for at in range(5)]
    load(warehouse, server)
    found = warehouse.execute(
        "select to_id from raw.hubspot_associations where from_id = '9001' order by position"
    ).fetchall()
    assert [row[0] for row in found] == ["1001", "1002", "1003", "1004", "1005"]


def test_an_empty_account_is_no_error(warehouse: duckdb.DuckDBPyConnection) -> None:
    account = HubSpotAccount(now=NOW)
    account.properties = {"contacts": {"lifecyclestage", "hs_lead_status", REASON, FORM}}
    account.properties["leads"] = {"hs_pipeline_stage"}
    with HubSpotServer(account).running() as server:
        result = load(warehouse, server)
        load(warehouse, server)
    assert not any(table.rows_read for table in result.tables.values())
    assert count(warehouse, "hubspot_contacts") == 0


def test_other_properties_need_a_new_full_read(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    load(warehouse, server)
    world.account.records["contacts"]["1001"].properties["region"] = "EMEA"
    del world.account.records["contacts"]["1002"]  # erased for good: in no recycle bin
    server.read.clear()
    load(warehouse, server, columns={"country": "region"})
    assert server.read["contacts"] == CONTACTS - 1
    (found,) = warehouse.execute(
        "select properties from raw.hubspot_contacts where id = '1001'"
    ).fetchone() or ("",)
    assert '"region": "EMEA"' in found
    assert count(warehouse, "hubspot_contacts") == CONTACTS - 1


def test_a_search_shows_no_more_than_ten_thousand_results(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    account = HubSpotAccount(now=NOW)
    account.properties["contacts"] = {"lifecyclestage", "hs_lead_status", REASON, FORM}
    for number in range(10_450):
        moment = f"2026-06-{number % 28 + 1:02}T00:00:00Z"
        account.add("contacts", Record(str(number * 3 + 1), {}, moment, moment))
    account.add("contacts", Record("99999999", {}, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    with HubSpotServer(account).running() as server:
        load(
            warehouse,
            server,
            start_date="2026-06-01",
            objects=["contacts"],
            stages=[{"property": "lifecyclestage"}],
        )
        assert server.calls["search"] > 10_450 / 200
        assert server.read["contacts"] == 10_450
    assert count(warehouse, "hubspot_contacts") == 10_450


# What passes by itself

PASSING: dict[str, dict[str, Any]] = {
    "a rolling limit": {"how": 429, "body": rate_limit("TEN_SECONDLY_ROLLING"), "times": 2},
    "a limit that says how long": {
        "how": 429,
        "body": rate_limit("SECONDLY"),
        "headers": {"Retry-After": "1"},
    },
    "a limit without a word": {"how": 429, "body": {}},
    "a server error": {"how": 500, "times": 3},
    "a gateway error": {"how": 502},
    "a service that is away": {"how": 503, "headers": {"Retry-After": "1"}},
    "a front end that gives up": {"how": 522},
    "a locked record": {"how": 423},
    "an account that is being moved": {"how": 477, "headers": {"Retry-After": "1"}},
    "half an answer that says it is whole": {"how": "cut"},
    "half an answer": {"how": "short"},
    "no answer": {"how": "drop"},
    "an answer that comes too late": {"how": "slow"},
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_by_itself_leaves_no_trace(
    fault: str,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
    undisturbed: dict[str, list[tuple[Any, ...]]],
) -> None:
    server.faults = [Fault(call, **PASSING[fault]) for call in (*CALLS, *LATER_CALLS)]
    said: list[str] = []
    load(warehouse, server, said)
    change_the_world(world)
    load(warehouse, server, said)
    assert rows(warehouse) == undisturbed
    assert all(fault.times == 0 for fault in server.faults)
    assert sum("trying again" in line for line in said) >= len(server.faults)


@pytest.mark.parametrize("call", ["list contacts", "owners", "search contacts", "archived deals"])
def test_a_page_that_repeats_does_not_go_round_for_ever(
    call: str,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
    undisturbed: dict[str, list[tuple[Any, ...]]],
) -> None:
    world.account.owners += [
        {"id": str(100 + at), "firstName": f"R{at}", "archived": False} for at in range(150)
    ]
    small = {"page_size": 5, "search_page_size": 1}
    for record in world.account.records["deals"].values():
        record.archived = call == "archived deals"
    server.faults = [Fault(call, "repeat", after=1)]
    for attempt in range(3):
        with contextlib.suppress(RepeatedPage):
            load(warehouse, server, **small)
        if attempt == 0:
            change_the_world(world)
    expected = {row[:4] for row in undisturbed["hubspot_contacts"]}
    assert {row[:4] for row in rows(warehouse)["hubspot_contacts"]} == expected


def test_a_listing_that_only_repeats_is_an_error(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    server.faults = [Fault("list contacts", "repeat", after=1, times=99)]
    with pytest.raises(SourceError, match="GET crm/v3/objects/contacts: the page at"):
        load(warehouse, server, page_size=5)


# What needs another run


@pytest.mark.parametrize("call", [*CALLS, *LATER_CALLS])
def test_the_limit_of_the_day_keeps_what_came(
    call: str,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
    undisturbed: dict[str, list[tuple[Any, ...]]],
) -> None:
    if call in LATER_CALLS:
        load(warehouse, server)
        change_the_world(world)
    server.faults = [Fault(call, 429, body=rate_limit("DAILY"))]
    said: list[str] = []
    with pytest.raises(LimitReached) as stopped:
        load(warehouse, server, said)
    message = stopped.value.problems[0]
    assert stopped.value.exit_code == 3
    assert message.startswith("source hubspot: ")
    assert "What was read is kept; run again after " in message
    if call != "details":
        assert "UTC (midnight in Europe/Amsterdam)" in message
    assert not [line for line in said if "trying again" in line]
    load(warehouse, server)
    if call not in LATER_CALLS:
        change_the_world(world)
        load(warehouse, server)
    assert rows(warehouse) == undisturbed


@pytest.mark.parametrize("call", [*CALLS, *LATER_CALLS])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"how": 503, "times": QUICK.attempts}, "still failing after 4 tries"),
        ({"how": 401, "body": {"message": "expired"}}, "no longer valid"),
    ],
    ids=["a server that stays down", "a token that expires on the way"],
)
def test_what_stops_a_load_is_made_good_by_the_next(
    fault: dict[str, Any],
    message: str,
    call: str,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
    undisturbed: dict[str, list[tuple[Any, ...]]],
) -> None:
    if call in LATER_CALLS:
        load(warehouse, server)
        change_the_world(world)
    server.faults = [Fault(call, **fault)]
    with pytest.raises(SourceError, match=message) as stopped:
        load(warehouse, server)
    assert stopped.value.exit_code == 3
    load(warehouse, server)
    if call not in LATER_CALLS:
        change_the_world(world)
        load(warehouse, server)
    assert rows(warehouse) == undisturbed


def test_a_listing_goes_on_where_it_stopped(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    server.faults = [Fault("list contacts", 500, times=4, after=3)]
    with pytest.raises(SourceError):
        load(warehouse, server, page_size=5)
    assert count(warehouse, "hubspot_contacts") == 15
    assert RawLoad(warehouse, "hubspot", 0).state("contacts")["after"] == "1015"
    load(warehouse, server, page_size=5)
    assert count(warehouse, "hubspot_contacts") == CONTACTS
    assert server.read["contacts"] == CONTACTS


def test_a_search_goes_on_where_it_stopped(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    world.account.records["contacts"].clear()
    load(warehouse, server)
    world.account.now += timedelta(hours=1)
    moment = world.account.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(1, 121):
        world.account.add("contacts", Record(str(number), {}, moment, moment))
    server.faults = [Fault("batch contacts", 500, times=4, after=1)]
    with pytest.raises(SourceError):
        load(warehouse, server)
    assert count(warehouse, "hubspot_contacts") == 50
    server.read.clear()
    load(warehouse, server)
    assert count(warehouse, "hubspot_contacts") == 120
    assert server.read["contacts"] == 70


def test_a_place_that_was_forgotten_starts_the_listing_again(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    server.faults = [Fault("list contacts", 500, times=4, after=3)]
    with pytest.raises(SourceError):
        load(warehouse, server, page_size=5)
    server.faults = [
        Fault("list contacts", 400, body={"message": "Invalid after", "category": "X"})
    ]
    said: list[str] = []
    load(warehouse, server, said, page_size=5)
    assert any("starting again" in line for line in said)
    assert count(warehouse, "hubspot_contacts") == CONTACTS


def test_what_changes_while_the_listing_runs_is_found_by_the_next_load(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    server.faults = [Fault("list contacts", 500, times=4, after=3)]
    with pytest.raises(SourceError):
        load(warehouse, server, page_size=5)
    listed = world.account.records["contacts"]["1001"]
    world.account.now += timedelta(days=2)
    listed.properties["company"] = "Renamed"
    listed.updated_at = (NOW + timedelta(minutes=5)).isoformat()
    load(warehouse, server, page_size=5)
    load(warehouse, server, page_size=5)
    (found,) = warehouse.execute(
        "select properties from raw.hubspot_contacts where id = '1001'"
    ).fetchone() or ("",)
    assert "Renamed" in found


# What does not pass


def test_a_wrong_token_is_named_by_its_variable_and_never_shown(
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.token = "another"
    said: list[str] = []
    with caplog.at_level(logging.DEBUG), pytest.raises(CallRefused, match="HUBSPOT_TOKEN") as error:
        load(warehouse, server, said)
    assert error.value.exit_code == 3
    assert "GET account-info/v3/details" in error.value.problems[0]
    assert TOKEN not in "".join([*error.value.problems, *said, caplog.text])
    (finding,) = hubspot.check(source(server))
    assert finding.status == "error"
    assert "HUBSPOT_TOKEN" in finding.message


def test_a_token_that_hubspot_repeats_is_blotted_out(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    server.faults = [Fault("owners", 401, body={"message": f"The token {TOKEN} expired."})]
    with pytest.raises(CallRefused, match=r"The token \(token\) expired"):
        load(warehouse, server)


def test_no_token_at_all(server: HubSpotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBSPOT_TOKEN")
    (finding,) = hubspot.check(source(server))
    assert "the environment variable HUBSPOT_TOKEN is not set" in finding.message


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("contacts", "crm.objects.contacts.read"),
        ("deals", "crm.objects.deals.read"),
        ("emails", "sales-email-read"),
        ("owners", "crm.objects.owners.read"),
    ],
)
def test_a_missing_scope_is_named(
    name: str,
    scope: str,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
) -> None:
    world.account.missing_scopes[name] = scope
    with pytest.raises(CallRefused, match=re.escape(scope)) as error:
        load(warehouse, server)
    assert error.value.problems[0].startswith("source hubspot: GET crm/v3/")
    findings = hubspot.check(source(server))
    assert [finding.status for finding in findings] == ["error"]
    assert scope in findings[0].message


def test_a_scope_that_is_taken_away_is_an_error(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    quiet = {"stages": [{"property": "lifecyclestage"}]}
    load(warehouse, server, **quiet)
    world.account.missing_scopes["leads"] = "crm.objects.leads.read"
    with pytest.raises(CallRefused, match=re.escape("crm.objects.leads.read")):
        load(warehouse, server, **quiet)


def test_what_may_not_be_read_can_be_left_out(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    world.account.missing_scopes["emails"] = "sales-email-read"
    load(warehouse, server, objects=["contacts", "leads", "deals", "calls"])
    assert count(warehouse, "hubspot_engagements") == 6


@pytest.mark.parametrize("how", ["absent", "not in the plan"])
def test_an_account_without_the_leads_object_is_read_without_it(
    how: str, warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    if how == "absent":
        world.account.absent.add("leads")
    else:
        world.account.missing_scopes["leads"] = "crm.objects.leads.read"
    plain = HubSpotSource(kind="hubspot", base_url=server.url)
    result = hubspot.ingest(warehouse, plain, 1, patience=QUICK)
    assert [note.table_name for note in result.notes] == ["hubspot_leads"]
    assert "Sales Hub Professional" in result.notes[0].message
    assert count(warehouse, "ingestion_notes") == 1
    assert count(warehouse, "hubspot_contacts") == CONTACTS
    assert [finding.status for finding in hubspot.check(plain)] == ["warning"]


def test_leads_that_were_asked_for_by_name_must_be_readable(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    world.account.missing_scopes["leads"] = "crm.objects.leads.read"
    with pytest.raises(CallRefused, match=re.escape("crm.objects.leads.read")):
        load(warehouse, server)


def test_an_unknown_property_is_named_with_its_setting(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    settings: dict[str, Any] = {
        "stages": [{"property": "lifecyclestage"}, {"property": "hs_leadstatus"}],
        "reason_property": "why_not",
    }
    expected = (
        "source hubspot: stages[1].property: HubSpot's contacts have no property "
        "'hs_leadstatus'; similar: hs_lead_status"
    )
    with pytest.raises(SourceError) as error:
        load(warehouse, server, **settings)
    assert error.value.problems[0] == expected
    assert error.value.problems[1].startswith("source hubspot: reason_property: ")
    assert expected in [finding.message for finding in hubspot.check(source(server, **settings))]


def test_a_sound_account_has_nothing_to_fix(server: HubSpotServer) -> None:
    assert hubspot.check(source(server)) == []
    assert max(server.read.values(), default=0) <= 1


def test_a_refused_call_shows_what_hubspot_says(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    body = missing_scope("crm.objects.deals.read") | {"message": "No."}
    server.faults = [Fault("associations deals", 403, body=body)]
    with pytest.raises(CallRefused) as error:
        load(warehouse, server)
    assert "POST crm/v4/associations/deals/contacts/batch/read: No." in error.value.problems[0]
    assert "crm.objects.deals.read" in error.value.problems[0]


def test_the_state_is_the_time_of_hubspot(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    load(warehouse, server)
    state = RawLoad(warehouse, "hubspot", 0).state("contacts")
    assert datetime.fromisoformat(state["since"]) == NOW
    assert state["phase"] == "done"


# The page


@pytest.mark.parametrize("at", [0, 1])
def test_the_examples_of_the_page_are_valid(at: int, tmp_path: Path) -> None:
    page = (PROJECT_ROOT / "docs" / "sources" / "hubspot.md").read_text(encoding="utf-8")
    config = tmp_path / "handoff.yml"
    config.write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[at], encoding="utf-8")
    (found,) = load_settings(config).sources
    assert found.kind == ["hubspot", "landed"][at]


def test_the_page_names_every_key() -> None:
    page = (PROJECT_ROOT / "docs" / "sources" / "hubspot.md").read_text(encoding="utf-8")
    keys = set(HubSpotSource.model_fields) - {"kind", "name"}
    assert {key for key in keys if f"`{key}`" not in page} == set()


# Pages that were announced


@pytest.mark.parametrize("call", ["list contacts", "owners", "search contacts", "batch contacts"])
def test_a_page_that_was_announced_and_is_empty_is_noted(
    call: str, warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer, world: World
) -> None:
    small = {"page_size": 5, "search_page_size": 1}
    world.account.owners += [
        {"id": str(100 + at), "firstName": f"R{at}", "archived": False} for at in range(150)
    ]
    if call.split()[0] in LATER_CALLS:
        load(warehouse, server, **small)
        change_the_world(world)
    server.faults = [Fault(call, 200, body={"results": []}, after=call.split()[0] != "batch")]
    result = load(warehouse, server, **small)
    [note] = result.notes
    assert note.severity == "warning"
    path = {"batch": "contacts/batch/read: 2 of 2 records did not come"}.get(call.split()[0], "")
    assert (path or call.split()[-1]) in note.message
    assert "--full-refresh" in note.message


@pytest.mark.parametrize("body", [{"message": "welcome"}, {"results": None}, "<html>", []])
@pytest.mark.parametrize(
    "call",
    ["properties", "pipelines", "owners", "list contacts", "associations", "search contacts"],
)
def test_an_answer_of_another_shape_is_an_error(
    call: str,
    body: Any,
    warehouse: duckdb.DuckDBPyConnection,
    server: HubSpotServer,
    world: World,
) -> None:
    if call.split()[0] in LATER_CALLS:
        load(warehouse, server)
        change_the_world(world)
    server.faults = [Fault(call, 200, body=body or [1])]
    with pytest.raises(SourceError, match=r"source hubspot: \w+ crm/.*: the answer (has|is) no"):
        load(warehouse, server)


def test_an_answer_that_is_never_whole_is_an_error(
    warehouse: duckdb.DuckDBPyConnection, server: HubSpotServer
) -> None:
    for call in CALLS:
        server.faults = [Fault(call, "cut", times=99)]
        with pytest.raises(SourceError, match="source hubspot: "):
            load(warehouse, server)
