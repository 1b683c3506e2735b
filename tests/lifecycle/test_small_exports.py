"""Small exports that show one rule each, with the answer written down by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.lifecycle import strategies
from tests.lifecycle.reference import Fact, Run
from tests.warehouse import Warehouse

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
MORNING = "2026-01-05T09:00:00Z"

Facts = Mapping[str, list[Fact]]


def facts_of(
    warehouse: Warehouse,
    leads: Mapping[str, str | None],
    tradition: str = "four_stage",
    **tables: Sequence[Mapping[str, Any]],
) -> Facts:
    """The facts of leads with these current stages, created on New Year's Day, and other rows."""
    rows = [
        {"lead_id": lead_id, "created_at": "2026-01-01", "current_stage": stage, "owner_id": "R1"}
        for lead_id, stage in leads.items()
    ]
    warehouse.load({"leads": rows, **tables}, strategies.DEFAULT_POLICY)
    return warehouse.run(Run(as_of=AS_OF, tradition=tradition))


def deal(deal_id: str, lead_id: str, **more: Any) -> dict[str, Any]:
    """A deal of 100, created in the morning."""
    return {
        "opportunity_id": deal_id,
        "lead_id": lead_id,
        "created_at": MORNING,
        "amount": "100",
        **more,
    }


def findings(facts: Facts, *rules: str) -> set[tuple[str, str, str | None]]:
    """Lead, rule and detail of the violations of these rules, or of all."""
    return {
        (row["lead_id"], row["rule"], row["detail"])
        for row in facts["lifecycle_violations"]
        if not rules or row["rule"] in rules
    }


@pytest.mark.parametrize("tradition", ["four_stage", "hubspot", "salesforce"])
def test_a_status_that_a_deal_contradicts_is_found(warehouse: Warehouse, tradition: str) -> None:
    won = {"is_won": "true"}
    facts = facts_of(
        warehouse,
        {"undated": "Customer", "junk": "Disqualified", "gone": "Rejected"},
        tradition,
        opportunities=[
            deal("O1", "undated", **won),
            deal("O2", "junk", **won, closed_at="2026-02-01"),
        ],
    )
    # The source gives no reason at all, so nobody is asked for one.
    assert findings(facts) == {
        ("undated", "won_without_closing_date", "O1"),
        ("undated", "current_stage_differs", "customer"),
        ("junk", "current_stage_differs", "disqualified"),
    }


@pytest.mark.parametrize(
    ("more", "is_found"),
    [
        ({}, True),
        ({"is_won": "false"}, False),
        ({"closed_at": "2026-07-15"}, False),
        ({"is_deleted": "true"}, False),
        ({"merged_into_opportunity_id": "other"}, False),
        ({"merged_into_opportunity_id": "O1"}, True),
        ({"merged_into_opportunity_id": "later"}, True),
        ({"merged_into_opportunity_id": "of nobody"}, True),
        ({"created_at": "2026-07-01"}, False),
    ],
)
def test_only_a_won_deal_that_counts_lacks_a_closing_date(
    warehouse: Warehouse, more: dict[str, str], is_found: bool
) -> None:
    facts = facts_of(
        warehouse,
        {"A": None},
        opportunities=[
            deal("O1", "A", **{"is_won": "true", **more}),
            deal("other", "A"),
            deal("later", "A", created_at="2026-07-01"),
            deal("of nobody", "no lead"),
        ],
    )
    found = findings(facts, "won_without_closing_date")
    assert found == ({("A", "won_without_closing_date", "O1")} if is_found else set())


@pytest.mark.parametrize(
    "named",
    [" 11 ; 12 ", "nobody;11, 12;11", "|11||12", "11\r\n12\n", '["11", "12"]', "[11,12]"],
)
def test_a_deal_of_two_leads_counts_its_amount_once(warehouse: Warehouse, named: str) -> None:
    facts = facts_of(
        warehouse,
        {"11": "Customer", "12": "Opportunity"},
        opportunities=[
            deal("900", named, amount="5000", is_won="true", closed_at="2026-03-01"),
            deal("901", "12", amount="7000"),
        ],
    )
    amounts = {
        row["lead_id"]: (row["outcome"], row["opportunity_amount"], row["won_amount"])
        for row in facts["fct_lead_cycles"]
    }
    assert amounts == {
        "11": ("won", Decimal(5000), Decimal(5000)),
        "12": ("won", Decimal(7000), Decimal(0)),
    }
    assert not warehouse.rows("quarantine")


@pytest.mark.parametrize("lead_id", ["US|0001", "Smith, John", "[EXT]-12", '12" rack', "A;B"])
def test_a_lead_s_id_may_hold_what_separates_ids(warehouse: Warehouse, lead_id: str) -> None:
    others = dict.fromkeys(("US", "0001", "Smith", "12", "EXT-12", "A", "B"))
    facts = facts_of(warehouse, {**others, lead_id: None}, opportunities=[deal("900", lead_id)])
    assert [row["lead_id"] for row in facts["fct_lead_cycles"]] == [lead_id]
    assert not warehouse.rows("quarantine")


def test_a_deal_that_names_nobody_known_is_kept_apart(warehouse: Warehouse) -> None:
    facts = facts_of(
        warehouse, {"11": None}, opportunities=[deal("900", "21;22"), deal("901", "21")]
    )
    assert facts["fct_lead_cycles"] == []
    assert {(row["source_row"], row["reason"]) for row in warehouse.rows("quarantine")} == {
        (1, "unknown lead"),
        (2, "unknown lead"),
    }


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([None], None),
        ([None, "100"], Decimal(100)),
        (["0"], Decimal(0)),
        ([], Decimal(0)),
    ],
)
def test_an_unknown_amount_is_never_zero(
    warehouse: Warehouse, amounts: list[str | None], total: Decimal | None
) -> None:
    facts = facts_of(
        warehouse,
        {"A": None},
        stage_changes=[
            {"change_id": "1", "lead_id": "A", "changed_at": MORNING, "to_stage": "SQL"}
        ],
        opportunities=[
            deal(f"O{place}", "A", amount=amount, is_won="true", closed_at="2026-03-01")
            for place, amount in enumerate(amounts)
        ],
    )
    (cycle,) = facts["fct_lead_cycles"]
    assert (cycle["opportunity_amount"], cycle["won_amount"]) == (total, total)


@pytest.mark.parametrize(
    ("wait", "owner"),
    [("09:00:01", "R2"), ("10:00:00", "R2"), ("10:00:01", None)],
)
def test_routing_may_name_the_owner_within_the_hour(
    warehouse: Warehouse, wait: str, owner: str | None
) -> None:
    facts = facts_of(
        warehouse,
        {"A": None},
        stage_changes=[
            {"change_id": "1", "lead_id": "A", "changed_at": MORNING, "to_stage": "MQL"}
        ],
        owner_changes=[{"lead_id": "A", "changed_at": f"2026-01-05T{wait}Z", "owner_id": "R2"}],
    )
    (cycle,) = facts["fct_lead_cycles"]
    assert cycle["owner_id"] == owner
    assert bool(findings(facts, "handoff_without_owner")) == (owner is None)


@pytest.mark.parametrize(
    ("rule", "stage", "latest"),
    [
        ("sales_qualified_without_opportunity", "SQL", "2026-05-31"),
        ("not_recycled", "rejected", "2026-06-23"),
    ],
)
def test_a_grace_ends_behind_its_last_moment(
    warehouse: Warehouse, rule: str, stage: str, latest: str
) -> None:
    last = datetime.fromisoformat(latest)
    moments = {"A": last, "B": last - timedelta(seconds=1)}
    changes = [
        {"lead_id": lead, "changed_at": f"{moment}Z", "to_stage": to_stage, "reason": "no_budget"}
        for lead, at in moments.items()
        for to_stage, moment in [("MQL", MORNING.rstrip("Z")), (stage, at)]
    ]
    facts = facts_of(warehouse, dict.fromkeys(moments), stage_changes=changes)
    assert {lead for lead, *_ in findings(facts, rule)} == {"B"}


def test_spellings_of_one_unmapped_stage_are_one_finding(warehouse: Warehouse) -> None:
    changes = [
        {"change_id": f"{at}", "lead_id": "A", "changed_at": f"2026-02-0{at}", "to_stage": stage}
        for at, stage in [(3, "zombie"), (1, "Lead"), (2, " Zombie")]
    ]
    facts = facts_of(warehouse, {"A": "ZOMBIE", "B": "Zombie"}, stage_changes=changes)
    assert findings(facts, "unmapped_stage") == {
        ("A", "unmapped_stage", " Zombie"),
        ("B", "unmapped_stage", "Zombie"),
    }


def test_what_the_lead_waited_begins_with_its_request(warehouse: Warehouse) -> None:
    facts = facts_of(
        warehouse,
        {"A": None, "B": None},
        stage_changes=[
            {"change_id": name, "lead_id": name, "changed_at": MORNING, "to_stage": "MQL"}
            for name in "AB"
        ],
        engagements=[
            {"lead_id": "A", "kind": "demo_request", "occurred_at": "2026-01-05T08:50:00Z"}
        ],
        activities=[
            {"lead_id": name, "kind": "call", "occurred_at": "2026-01-05T09:05:00Z"}
            for name in "AB"
        ],
    )
    waited = {
        row["lead_id"]: (row["request_to_touch_minutes"], row["speed_to_lead_minutes"])
        for row in facts["fct_lead_cycles"]
    }
    assert waited == {"A": (15, 5), "B": (5, 5)}


def test_a_placeholder_of_year_1_costs_no_calendar_of_its_own(warehouse: Warehouse) -> None:
    changes = [
        {"change_id": lead, "lead_id": lead, "changed_at": at, "to_stage": "MQL"}
        for lead, at in [("placeholder", "0001-01-01"), ("real", MORNING)]
    ]
    calls = [{"lead_id": "real", "kind": "call", "occurred_at": MORNING}]
    leads: dict[str, str | None] = {"placeholder": "MQL", "real": "MQL"}
    facts = facts_of(warehouse, leads, stage_changes=changes, activities=calls)
    by_lead = {row["lead_id"]: row for row in facts["fct_lead_cycles"]}
    assert by_lead["placeholder"]["handed_off_at"].year == 1
    assert by_lead["real"]["sla_status"] == "met"
    # A day for each of two thousand years would take minutes.
    [row] = warehouse.rows("select min(date_day) as first_day from build.int_working_periods")
    assert row["first_day"].year >= 1970
