"""From HubSpot's records to contract rows: what the staging models make of each."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.hubspot import load as hubspot
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.raw_schema import EXTRA_COLUMNS
from tests.crm.hubspot_server import TOKEN, HubSpotAccount, HubSpotServer, Record
from tests.crm.hubspot_world import FORM, NOW, PROPERTIES, REASON, USER, World, remember
from tests.lifecycle.company_policy import Policy
from tests.warehouse import POLICY_DIR, Project, Warehouse


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", TOKEN)


@pytest.fixture
def account() -> HubSpotAccount:
    """An account with one contact, 101, and nothing told of it."""
    account = HubSpotAccount(now=NOW)
    account.properties = {
        "contacts": {"lifecyclestage", "hs_lead_status", REASON, FORM},
        "leads": {"hs_pipeline_stage", "hs_lead_disqualification_reason"},
        "deals": {"closed_lost_reason"},
    }
    account.add("contacts", contact("101"))
    return account


@pytest.fixture
def warehouse(crm_project: Project) -> Warehouse:
    return Warehouse(crm_project)


def contact(record_id: str, **properties: str) -> Record:
    return Record(
        record_id,
        {"createdate": "2026-01-01T00:00:00Z", **properties},
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
    )


def rows(
    warehouse: Warehouse, account: HubSpotAccount, table: str, **settings: Any
) -> list[dict[str, Any]]:
    """The contract rows of a table after one more load of the account."""
    with HubSpotServer(account).running() as server:
        source = HubSpotSource(kind="hubspot", base_url=server.url, **{**PROPERTIES, **settings})
        load_id = raw_schema.next_load_id(warehouse.connection)
        hubspot.ingest(warehouse.connection, source, load_id)
    warehouse.build(warehouse.project.of_source("hubspot"))
    return warehouse.rows(f"int_hubspot__{table}")


def changes(warehouse: Warehouse, account: HubSpotAccount, **settings: Any) -> list[str]:
    """The stage changes as short sentences, in the order of time."""
    found = rows(warehouse, account, "stage_changes", **settings)
    return [
        f"{row['changed_at'][5:16]} {row['to_stage']}"
        + (f" ({row['reason']})" if row["reason"] else "")
        for row in sorted(found, key=lambda row: (row["changed_at"], row["to_stage"] or ""))
    ]


@pytest.mark.parametrize("table", [name for name in CONTRACT_TABLES if name != "channel_spend"])
def test_the_views_have_the_shape_of_the_contract(
    table: str, warehouse: Warehouse, account: HubSpotAccount
) -> None:
    rows(warehouse, account, table)
    found = warehouse.connection.execute(
        f"select * from warehouse.build.int_hubspot__{table}"
    ).description
    lineage = ["source_system", "load_id", "source_file", "source_row"]
    columns = [*lineage, *CONTRACT_TABLES[table].columns, EXTRA_COLUMNS]
    assert [column[0] for column in found] == columns


def test_the_golden_world_gives_the_rows_of_the_golden_export(warehouse: Warehouse) -> None:
    world = World()
    rows(warehouse, world.account, "leads")
    leads = {world.names[row["lead_id"]]: row for row in warehouse.rows("int_hubspot__leads")}
    for lead in world.export["leads"]:
        ours = leads[lead["lead_id"]]
        if lead["merged_into_lead_id"]:
            assert ours["merged_into_lead_id"] == world.id_of(world.survivor(lead["lead_id"]))
            continue
        for column in ("email", "company", "title", "industry", "country", "lead_source"):
            assert ours[column] == (lead[column] or None)
        assert ours["employee_count"] == (lead["employee_count"] or None)
        assert ours["updated_at"] == lead["updated_at"]
        assert ours["is_deleted"] == lead["is_deleted"]
        assert (ours["owner_id"] or "") == ("71" if lead["owner_id"] else "")
    deals = {
        world.names[row["opportunity_id"]]: row
        for row in warehouse.rows("int_hubspot__opportunities")
    }
    for deal in world.export["opportunities"]:
        ours = deals[deal["opportunity_id"]]
        merged_into = ours["merged_into_opportunity_id"]
        assert world.names.get(merged_into, "") == deal.get("merged_into_opportunity_id", "")
        if merged_into:
            continue
        is_deleted = deal.get("is_deleted") or "false"
        assert ours["is_deleted"] == is_deleted
        # Of a deal in the recycle bin nobody says whose it was.
        assert is_deleted == "true" or world.names[ours["lead_id"]] == deal["lead_id"]
        for column in ("created_at", "amount", "is_won", "closed_at", "loss_reason"):
            assert (ours[column] or "") == deal[column]
    touches = Counter(row["occurred_at"] for row in warehouse.rows("int_hubspot__activities"))
    assert touches == Counter(
        row["occurred_at"] for row in world.export["activities"] if row["kind"] != "note"
    )
    signals = Counter(
        (row["kind"], row["occurred_at"]) for row in warehouse.rows("int_hubspot__engagements")
    )
    assert signals == Counter(
        (row["kind"], row["occurred_at"]) for row in world.export["engagements"]
    )


# Stages from several properties


def test_several_properties_become_one_history(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "marketingqualifiedlead", "2026-02-01T08:00:00.000Z")
    remember(person, "hs_lead_status", "UNQUALIFIED", "2026-02-02T08:00:00Z")
    remember(person, "hs_lead_status", "BAD_TIMING", "2026-02-03T08:00:00Z")
    remember(person, "lifecyclestage", "salesqualifiedlead", "2026-02-04T08:00:00Z")
    assert changes(warehouse, account) == [
        "02-01T08:00 mql",
        "02-02T08:00 disqualified",
        "02-03T08:00 nurture",
        "02-04T08:00 sql",
    ]


def test_of_one_decision_the_first_property_holds(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "salesqualifiedlead", "2026-02-01T08:00:00.120Z")
    remember(person, "hs_lead_status", "CONNECTED", "2026-02-01T08:00:01.480Z")
    status = {"property": "hs_lead_status", "map": {"CONNECTED": "sal"}}
    stages = [{"property": "lifecyclestage"}, status]
    assert changes(warehouse, account, stages=stages) == ["02-01T08:00 sql"]
    assert changes(warehouse, account, stages=stages[::-1]) == ["02-01T08:00 sal"]


@pytest.mark.parametrize("unmapped_first", [True, False])
def test_a_stage_without_a_meaning_hides_none_of_its_decision(
    unmapped_first: bool, warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "9999999", "2026-02-01T08:00:00.120Z")
    remember(person, "hs_lead_status", "CONNECTED", "2026-02-01T08:00:00.480Z")
    status = {"property": "hs_lead_status", "map": {"CONNECTED": "sal"}}
    stages = [{"property": "lifecyclestage"}, status][:: 1 if unmapped_first else -1]
    assert changes(warehouse, account, stages=stages) == [
        "02-01T08:00 9999999",
        "02-01T08:00 sal",
    ]


REJECTION = {
    "stages": [
        {"property": "lifecyclestage"},
        {"property": "hs_lead_status", "map": {"REJECTED": "rejected"}},
        {"property": "leads.hs_pipeline_stage"},
    ]
}


@pytest.mark.parametrize(
    ("reset_to", "reset_at", "expected"),
    [
        ("lead", "00.050Z", ["02-02T08:00 rejected (spam)"]),
        ("lead", "01.900Z", ["02-02T08:00 rejected (spam)"]),
        ("marketingqualifiedlead", "00.050Z", ["02-02T08:00 rejected (spam)"]),
        ("salesqualifiedlead", "00.050Z", ["02-02T08:00 sql", "02-02T08:00 rejected (spam)"]),
        ("lead", "05.000Z", ["02-02T08:00 rejected (spam)", "02-02T08:00 lead"]),
    ],
    ids=["back, before", "back, after", "where it was", "further", "later"],
)
def test_an_exit_holds_against_a_stage_that_is_written_with_it(
    reset_to: str,
    reset_at: str,
    expected: list[str],
    warehouse: Warehouse,
    account: HubSpotAccount,
) -> None:
    warehouse.decide(NOW)
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "marketingqualifiedlead", "2026-02-01T08:00:00Z")
    remember(person, "hs_lead_status", "REJECTED", "2026-02-02T08:00:00.200Z")
    remember(person, "lifecyclestage", reset_to, f"2026-02-02T08:00:{reset_at}")
    remember(person, REASON, "spam", "2026-02-02T08:00:00.400Z")
    assert changes(warehouse, account, **REJECTION) == ["02-01T08:00 mql", *expected]
    is_later = reset_at == "05.000Z"
    (lead,) = warehouse.rows("int_hubspot__leads")
    assert lead["current_stage"] == ("lead" if is_later else "rejected")


def test_a_stage_beside_an_exit_is_never_after_it(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    warehouse.decide(NOW)
    person = account.records["contacts"]["101"]
    remember(person, "hs_lead_status", "REJECTED", "2026-02-02T08:00:00.200Z")
    remember(person, "lifecyclestage", "marketingqualifiedlead", "2026-02-02T08:00:00.900Z")
    found = rows(warehouse, account, "stage_changes", **REJECTION)
    assert {(row["to_stage"], row["changed_at"]) for row in found} == {
        ("mql", "2026-02-02T08:00:00.200Z"),
        ("rejected", "2026-02-02T08:00:00.200Z"),
    }


def test_where_a_lead_was_does_not_go_back_with_an_exit(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    warehouse.decide(NOW)
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "salesqualifiedlead", "2026-02-01T08:00:00Z")
    for day in ("02", "04"):
        remember(person, "hs_lead_status", "REJECTED", f"2026-02-{day}T08:00:00Z")
        remember(person, "lifecyclestage", "lead", f"2026-02-{day}T08:00:00Z")
        remember(person, "hs_lead_status", "NEW", f"2026-02-{day}T12:00:00Z")
    remember(person, "lifecyclestage", "marketingqualifiedlead", "2026-02-04T08:00:01Z")
    assert changes(warehouse, account, **REJECTION) == [
        "02-01T08:00 sql",
        "02-02T08:00 rejected",
        "02-04T08:00 rejected",
    ]


def test_a_value_that_carries_no_stage_is_no_change_and_hides_none(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "lead", "2026-02-01T08:00:00Z")
    remember(person, "hs_lead_status", "IN_PROGRESS", "2026-02-01T08:00:00Z")
    turned = [{"property": "hs_lead_status"}, {"property": "lifecyclestage"}]
    assert changes(warehouse, account, stages=turned) == ["02-01T08:00 lead"]


def test_the_source_s_own_map_comes_first_by_value_or_label(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    account.options[("contacts", "lifecyclestage")] = {"880001": "Accepted by Sales"}
    remember(person, "lifecyclestage", "lead", "2026-02-01T08:00:00Z")
    remember(person, "lifecyclestage", "880001", "2026-02-02T08:00:00Z")
    mapped = [{"property": "lifecyclestage", "map": {"LEAD": "mql", "accepted by sales": "sal"}}]
    assert changes(warehouse, account, stages=mapped) == ["02-01T08:00 mql", "02-02T08:00 sal"]


def test_a_value_that_no_map_knows_stays_as_its_label_reads(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    account.options[("contacts", "lifecyclestage")] = {"880001": "Zombie"}
    remember(person, "lifecyclestage", "880001", "2026-02-02T08:00:00Z")
    remember(person, "hs_lead_status", "MYSTERY", "2026-02-03T08:00:00Z")
    assert changes(warehouse, account) == ["02-02T08:00 Zombie", "02-03T08:00 MYSTERY"]
    (lead,) = warehouse.rows("int_hubspot__leads")
    assert lead["current_stage"] == "MYSTERY"


def test_a_cleared_property_stays_a_change_without_a_stage(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "salesqualifiedlead", "2026-02-01T08:00:00Z")
    remember(person, "lifecyclestage", "", "2026-02-02T08:00:00Z")
    remember(person, "lifecyclestage", "lead", "2026-02-02T08:00:01Z")
    assert changes(warehouse, account) == [
        "02-01T08:00 sql",
        "02-02T08:00 None",
        "02-02T08:00 lead",
    ]


def test_several_records_of_the_leads_object_follow_each_other(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    for number, (moment, stage) in enumerate(
        [("2026-02-01T08:00:00Z", "unqualified-stage-id"), ("2026-05-01T08:00:00Z", "5551")]
    ):
        record = Record(f"30{number}", {}, moment, moment)
        remember(record, "hs_pipeline_stage", "new-stage-id", moment)
        remember(record, "hs_pipeline_stage", stage, moment.replace("T08", "T09"))
        account.add("leads", record)
        account.contacts_of.setdefault("leads", {})[record.id] = [("101", None)]
    stages = [{"id": "5551", "label": "Qualified by SDR"}]
    account.pipelines["leads"] = [{"id": "p", "stages": stages}]
    named = [{"property": "leads.hs_pipeline_stage", "map": {"Qualified by SDR": "sql"}}]
    assert changes(warehouse, account, stages=named) == [
        "02-01T09:00 disqualified",
        "05-01T09:00 sql",
    ]
    assert {row["lead_id"] for row in warehouse.rows("int_hubspot__stage_changes")} == {"101"}


def test_who_changed_it_is_an_owner_where_it_was_a_user(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    account.owners = [{"id": "71", "userId": int(USER), "archived": True}]
    remember(person, "lifecyclestage", "lead", "2026-02-01T08:00:00Z")
    person.history["lifecyclestage"].insert(
        0,
        {
            "value": "marketingqualifiedlead",
            "timestamp": "2026-02-02T08:00:00Z",
            "sourceType": "AUTOMATION_PLATFORM",
            "sourceId": "enrollmentId:9;actionExecutionIndex:0",
        },
    )
    found = rows(warehouse, account, "stage_changes")
    assert {row["to_stage"]: row["changed_by"] for row in found} == {
        "lead": "71",
        "mql": "AUTOMATION_PLATFORM",
    }


# Reasons


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [
        ("2026-02-02T08:00:00Z", ["02-02T08:00 disqualified (spam)"]),
        ("2026-02-02T07:59:20Z", ["02-02T08:00 disqualified (spam)"]),
        (
            "2026-02-09T08:00:00Z",
            ["02-02T08:00 disqualified", "02-09T08:00 disqualified (spam)"],
        ),
        ("2026-02-01T12:00:00Z", ["02-02T08:00 disqualified"]),
    ],
    ids=["at the same moment", "just before", "a week later", "long before"],
)
def test_a_reason_explains_the_exit_it_was_given_for(
    given_at: str, expected: list[str], warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    remember(person, "lifecyclestage", "marketingqualifiedlead", "2026-02-01T08:00:00Z")
    remember(person, "hs_lead_status", "UNQUALIFIED", "2026-02-02T08:00:00Z")
    remember(person, REASON, "spam", given_at)
    assert changes(warehouse, account) == ["02-01T08:00 mql", *expected]


def test_a_reason_is_the_code_or_alias_that_policy_knows_else_its_label(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    labels = {"wrong_persona": "Person is not the buyer", "OPT_7": "Too many cats"}
    account.options[("contacts", REASON)] = labels
    for day, reason in (("02", "wrong_persona"), ("04", "OPT_7")):
        remember(person, "lifecyclestage", "lead", f"2026-02-{day}T07:00:00Z")
        remember(person, "hs_lead_status", "UNQUALIFIED", f"2026-02-{day}T08:00:00Z")
        remember(person, REASON, reason, f"2026-02-{day}T08:00:00Z")
    found = [row["reason"] for row in rows(warehouse, account, "stage_changes") if row["reason"]]
    assert sorted(found) == ["Too many cats", "wrong_persona"]


# Merges, deletions, owners


def test_a_merge_tells_the_same_story_whenever_it_was_read(
    crm_project: Project, account: HubSpotAccount
) -> None:
    def before(account: HubSpotAccount) -> None:
        for number, stage in (("101", "lead"), ("102", "marketingqualifiedlead")):
            record = account.add("contacts", contact(number))
            remember(record, "lifecyclestage", stage, f"2026-02-0{number[-1]}T08:00:00Z")
            remember(record, "hubspot_owner_id", f"7{number[-1]}", "2026-01-01T00:00:00Z")

    def after(account: HubSpotAccount) -> None:
        old = [account.records["contacts"].pop(number) for number in ("101", "102")]
        merged_at = account.now.isoformat()
        left = account.add("contacts", contact("500", hs_calculated_merged_vids="101:1;102:1"))
        left.updated_at = merged_at
        for record in old:
            for prop, entries in record.history.items():
                for entry in entries:
                    remember(left, prop, entry["value"], entry["timestamp"])

    early, late = Warehouse(crm_project), Warehouse(crm_project)
    before(account)
    rows(early, account, "leads")
    account.now += timedelta(hours=1)
    after(account)
    told = {}
    for name, warehouse in (("early", early), ("late", late)):
        leads = rows(warehouse, account, "leads")
        told[name] = (
            {row["lead_id"]: row["merged_into_lead_id"] for row in leads},
            sorted(
                (row["lead_id"], row["changed_at"], row["to_stage"])
                for row in warehouse.rows("int_hubspot__stage_changes")
            ),
            sorted(
                (row["lead_id"], row["owner_id"])
                for row in warehouse.rows("int_hubspot__owner_changes")
            ),
        )
    assert told["early"] == told["late"]
    assert told["late"][0] == {"500": None, "101": "500", "102": "500"}


def test_a_contact_in_the_recycle_bin_is_deleted(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    account.add("contacts", contact("102")).archived = True
    found = {row["lead_id"]: row["is_deleted"] for row in rows(warehouse, account, "leads")}
    assert found == {"101": "false", "102": "true"}


def test_every_change_of_owner_is_told_and_none_means_nobody(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    for day, owner in (("01", "71"), ("02", ""), ("03", "72")):
        remember(person, "hubspot_owner_id", owner, f"2026-02-{day}T08:00:00Z")
    found = rows(warehouse, account, "owner_changes")
    assert sorted((row["changed_at"][8:10], row["owner_id"]) for row in found) == [
        ("01", "71"),
        ("02", None),
        ("03", "72"),
    ]


def test_every_score_that_the_contact_had_is_told(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    account.properties["contacts"].add("fit")
    person = account.records["contacts"]["101"]
    for day, score in (("01", "40"), ("02", ""), ("03", "71.5")):
        remember(person, "fit", score, f"2026-02-{day}T08:00:00Z")
    found = rows(warehouse, account, "crm_scores", columns={"crm_score": "fit"})
    assert sorted((row["changed_at"].day, row["crm_score"], row["lead_id"]) for row in found) == [
        (1, 40, "101"),
        (2, None, "101"),
        (3, 71.5, "101"),
    ]


# Attributes


@pytest.mark.parametrize(
    ("given", "expected"),
    [("25-50", "25"), ("1,000+", "1000"), ("200", "200"), ("1 to 5", "1"), ("many", "many")],
)
def test_a_range_of_employees_counts_from_its_lower_end(
    given: str, expected: str, warehouse: Warehouse, account: HubSpotAccount
) -> None:
    account.records["contacts"]["101"].properties["numemployees"] = given
    (lead,) = rows(warehouse, account, "leads")
    assert lead["employee_count"] == expected


def test_columns_come_from_the_properties_that_the_configuration_names(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    person.properties |= {"hs_analytics_source": "PAID_SEARCH", "region": "EMEA", "fit": "71"}
    (lead,) = rows(warehouse, account, "leads", columns={"country": "region", "crm_score": "fit"})
    assert lead["lead_source"] == "Paid Search"
    assert lead["country"] == "EMEA"
    assert lead["crm_score"] == "71"


# Deals


def test_a_deal_counts_once_and_proves_the_stage_for_each_contact(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    account.add("contacts", contact("102"))
    account.add("contacts", contact("103"))
    for number in ("901", "902"):
        deal = account.add("deals", contact(number, amount="500", pipeline="default"))
        remember(deal, "dealstage", "closedwon", "2026-03-01T00:00:00Z")
    account.contacts_of["deals"] = {
        "901": [("102", None), ("101", None), ("103", "Primary")],
        "902": [("102", None), ("101", None)],
    }
    found = {row["opportunity_id"]: row for row in rows(warehouse, account, "opportunities")}
    amounts = {key: (row["lead_id"], row["amount"]) for key, row in found.items()}
    assert amounts == {"901": ("103;102;101", "500"), "902": ("102;101", "500")}
    assert {row["is_won"] for row in found.values()} == {"true"}
    assert {row["closed_at"] for row in found.values()} == {"2026-03-01T00:00:00Z"}


def test_an_amount_in_another_currency_is_worth_what_hubspot_or_the_rates_say(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    rates = [
        {"currency": "USD", "valid_from": "2026-01-01", "rate": "0.9"},
        {"currency": "USD", "valid_from": "2026-02-01", "rate": "0.8"},
    ]
    warehouse.set_policy(Policy.from_directory(POLICY_DIR).with_rows("currency_rates", rates))
    plain = {"amount": "100", "deal_currency_code": "usd"}
    for number, properties in (
        ("901", plain),
        ("902", plain | {"createdate": "2026-02-01T00:00:00Z"}),
        ("903", plain | {"amount_in_home_currency": "77"}),
        ("904", plain | {"deal_currency_code": "CHF"}),
        # What is worth the same at home tells the account's currency.
        ("905", {"amount": "5", "amount_in_home_currency": "5.0", "deal_currency_code": "EUR"}),
    ):
        account.add("deals", contact(number, **properties))
    rows(warehouse, account, "opportunities")

    def amounts(currency: str | None) -> dict[str, Decimal | None]:
        warehouse.decide(datetime(2026, 6, 30), currency=currency)
        warehouse.build(["int_contract__opportunities"])
        found = warehouse.rows("int_contract__opportunities")
        return {row["opportunity_id"]: row["amount"] for row in found}

    at_home = {"901": 90, "902": 80, "903": 77, "904": None, "905": 5}
    assert amounts(None) == amounts("EUR") == at_home
    # In the marts of a company that reports in another currency these are foreign.
    assert amounts("CHF") == {"901": 90, "902": 80, "903": None, "904": 100, "905": None}


@pytest.mark.parametrize("read_before", [True, False])
def test_a_merged_deal_points_to_the_one_that_is_left(
    read_before: bool, warehouse: Warehouse, account: HubSpotAccount
) -> None:
    for number, amount in (("901", "500"), ("902", "700")):
        account.add("deals", contact(number, amount=amount, hs_merged_object_ids=""))
    account.contacts_of["deals"] = {"901": [("101", None)], "902": [("101", None)]}
    if read_before:
        rows(warehouse, account, "opportunities")
    account.now += timedelta(hours=1)
    del account.records["deals"]["902"]
    left = account.records["deals"]["901"]
    left.properties["hs_merged_object_ids"] = "902;871"
    left.updated_at = account.now.isoformat()
    found = rows(warehouse, account, "opportunities")
    assert {row["opportunity_id"]: row["merged_into_opportunity_id"] for row in found} == {
        "901": None,
        "902": "901",
        "871": "901",
    }
    assert {row["lead_id"] for row in found} == {"101"}
    assert all(row["created_at"] == "2026-01-01T00:00:00Z" for row in found)


def test_a_deal_in_the_recycle_bin_is_deleted(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    for number in ("901", "902"):
        account.add("deals", contact(number, amount="500"))
    account.records["deals"]["902"].archived = True
    found = rows(warehouse, account, "opportunities")
    assert {row["opportunity_id"]: row["is_deleted"] for row in found} == {
        "901": "false",
        "902": "true",
    }


def test_a_deal_without_a_contact_stays_visible(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    account.add("deals", contact("901", amount="500", dealstage="appointmentscheduled"))
    (deal,) = rows(warehouse, account, "opportunities")
    assert (deal["opportunity_id"], deal["lead_id"], deal["amount"]) == ("901", None, "500")
    assert deal["closed_at"] is None


def test_a_deal_in_another_pipeline_is_closed_as_its_stage_says(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    stages = [
        {"id": "77", "label": "Signed", "metadata": {"isClosed": "true", "probability": "1.0"}},
        {"id": "78", "label": "Gone", "metadata": {"isClosed": "true", "probability": "0.0"}},
    ]
    account.pipelines["deals"] = [{"id": "renewals", "stages": stages}]
    for number, stage in (("901", "77"), ("902", "78")):
        deal = account.add(
            "deals",
            contact(
                number,
                pipeline="renewals",
                dealstage=stage,
                closedate="2026-03-05T00:00:00Z",
                closed_lost_reason="No budget",
            ),
        )
        account.contacts_of.setdefault("deals", {})[deal.id] = [("101", None)]
    found = {row["opportunity_id"]: row for row in rows(warehouse, account, "opportunities")}
    assert found["901"]["is_won"] == "true"
    assert found["901"]["loss_reason"] is None
    assert found["902"]["is_won"] == "false"
    assert found["902"]["loss_reason"] == "No budget"
    # Midnight in UTC is how a date without a time is kept.
    assert found["902"]["closed_at"] == "2026-03-05"


def test_a_deal_closes_on_the_date_that_people_typed(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    dates = {
        "901": ("2026-04-01T00:00:00Z", "2026-04-01"),
        "902": ("2026-04-01T00:00:00.000Z", "2026-04-01"),
        "903": ("2026-04-01T00:00:01Z", "2026-04-01T00:00:01Z"),
        "904": ("2026-04-01", "2026-04-01"),
        # Won without a closing date: nothing is made up.
        "905": ("", None),
    }
    flags = {"hs_is_closed": "true", "hs_is_closed_won": "true"}
    for number, (typed, _) in dates.items():
        account.add("deals", contact(number, dealstage="signed", closedate=typed, **flags))
    found = {row["opportunity_id"]: row for row in rows(warehouse, account, "opportunities")}
    assert {number: row["closed_at"] for number, row in found.items()} == {
        number: closed_at for number, (_, closed_at) in dates.items()
    }
    assert {row["is_won"] for row in found.values()} == {"true"}


# Activities and signals


def test_only_what_took_place_is_a_touch(warehouse: Warehouse, account: HubSpotAccount) -> None:
    meetings = {"1": "COMPLETED", "2": "NO_SHOW", "3": "CANCELED", "4": ""}
    for number, outcome in meetings.items():
        account.add(
            "meetings",
            contact(
                f"60{number}",
                hs_timestamp="2026-02-01T00:00:00Z",
                hs_meeting_start_time="2026-02-02T00:00:00Z",
                hs_meeting_outcome=outcome,
            ),
        )
    account.add("emails", contact("700", hs_email_direction="FORWARDED_EMAIL"))
    account.add("emails", contact("701", hs_email_direction="EMAIL", hs_email_status="BOUNCED"))
    account.contacts_of = {
        "meetings": {f"60{number}": [("101", None), ("102", None)] for number in meetings},
        "emails": {"700": [("101", None)], "701": [("101", None)]},
    }
    found = rows(warehouse, account, "activities")
    assert len({row["activity_id"] for row in found}) == len(found) == 10
    kinds = {row["source_row"]: (row["kind"], row["direction"]) for row in found}
    assert kinds == {
        601: ("meeting", None),
        602: ("meeting_no_show", None),
        603: ("meeting_canceled", None),
        604: ("meeting", None),
        700: ("email", "inbound"),
        701: ("email_bounced", "outbound"),
    }
    assert {row["occurred_at"] for row in found if row["source_row"] < 700} == {
        "2026-02-02T00:00:00Z"
    }


def test_a_signal_has_the_kind_that_the_configuration_gives_it(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    person = account.records["contacts"]["101"]
    account.properties["contacts"].add("hs_email_last_click_date")
    remember(person, FORM, "Webinar 7: form", "2026-02-01T08:00:00Z")
    remember(person, FORM, "trial_signup", "2026-02-02T08:00:00Z")
    remember(person, "hs_email_last_click_date", "1770000000000", "2026-02-03T08:00:00Z")
    signals = [
        {"property": FORM, "map": {"webinar 7: FORM": "webinar_attended"}},
        {"property": "hs_email_last_click_date", "kind": "email_clicked"},
    ]
    found = rows(warehouse, account, "engagements", signals=signals)
    assert sorted((row["occurred_at"][8:10], row["kind"]) for row in found) == [
        ("01", "webinar_attended"),
        ("02", "trial_signup"),
        ("03", "email_clicked"),
    ]


# Several sources


def test_two_accounts_with_the_same_ids_stay_apart(
    warehouse: Warehouse, account: HubSpotAccount
) -> None:
    other = HubSpotAccount(now=NOW, properties=account.properties)
    other.add("contacts", contact("101", email="other@acme.example"))
    remember(account.records["contacts"]["101"], "lifecyclestage", "lead", "2026-02-01T08:00:00Z")
    remember(other.records["contacts"]["101"], "lifecyclestage", "customer", "2026-02-01T08:00:00Z")
    rows(warehouse, account, "leads", name="emea")
    found = rows(warehouse, other, "stage_changes", name="apac")
    assert {(row["source_system"], row["to_stage"]) for row in found} == {
        ("emea", "lead"),
        ("apac", "customer"),
    }
