"""Credit, cost and concentration, by hand and against the facts of the sample."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.marts.cycles import cycle

MOMENT = datetime(2026, 2, 3, 10)
AS_OF = datetime(2026, 7, 1)
MODELS = ("first_touch", "last_touch", "linear", "position_based")


@pytest.fixture
def credit(new_warehouse):
    """Credit by model and channel of one deal of 1,000 that was touched by these channels."""

    def attribute(channels):
        warehouse = new_warehouse()
        warehouse.decide(AS_OF)
        for table, rows in (
            (
                "fct_opportunities",
                "1::ubigint as lead_key, 'files' as source_system, 'files' as "
                "survivor_source_system, 'L' as survivor_lead_id, 'O' as opportunity_id, "
                "'won' as status, 1000.00::decimal(18, 2) as amount, "
                f"timestamp '{MOMENT}' as created_at, true as is_primary_lead",
            ),
            (
                "fct_lead_cycles",
                "'files' as source_system, 'L' as lead_id, 1 as cycle_number, "
                "timestamp '2026-01-01' as cycle_started_at, null::timestamp as cycle_ended_at",
            ),
        ):
            warehouse.execute(f"create table warehouse.build.{table} as select {rows}")
        # The deal names a second lead: it has neither its amount nor a touch of its own.
        warehouse.execute(
            "insert into warehouse.build.fct_opportunities select * replace (2 as lead_key, "
            "'M' as survivor_lead_id, null as amount, false as is_primary_lead) "
            "from warehouse.build.fct_opportunities"
        )
        warehouse.execute(
            "create table warehouse.build.fct_engagements (lead_key ubigint, engagement_id text, "
            "channel text, occurred_at timestamp)"
        )
        for at, channel in enumerate(channels):
            warehouse.execute(
                "insert into warehouse.build.fct_engagements values (1, ?, ?, ?)",
                [f"E{at}", channel, MOMENT - timedelta(days=len(channels) - at - 1)],
            )
        given = ("fct_opportunities", "fct_lead_cycles", "fct_engagements")
        warehouse.build(["pipeline_attribution"], given=given)
        rows = warehouse.rows("select * from pipeline_attribution")
        for model in MODELS:
            of_model = [row for row in rows if row["attribution_model"] == model]
            assert sum(row["credit"] for row in of_model) == pytest.approx(1)
            assert sum(row["credited_amount"] for row in of_model) == pytest.approx(1000)
        return {
            model: {
                row["channel"]: round(float(row["credit"]), 6)
                for row in rows
                if row["attribution_model"] == model and row["credit"]
            }
            for model in MODELS
        }, rows

    return attribute


def test_one_touch_gets_it_all(credit):
    found, _ = credit(["email"])
    assert set(map(str, found.values())) == {"{'email': 1.0}"}


def test_two_touches_share_by_position(credit):
    found, _ = credit(["organic", "email"])
    assert found["first_touch"] == {"organic": 1}
    assert found["last_touch"] == {"email": 1}
    assert found["linear"] == {"organic": 0.5, "email": 0.5}
    assert found["position_based"] == {"organic": 0.5, "email": 0.5}


def test_five_touches_give_the_middle_a_fifth(credit):
    """Lead sources stand for their channel; the moment of the opportunity itself counts."""
    found, rows = credit(["Organic Search", "email", "event", "Webinar", "social"])
    assert found["linear"] == {"organic": 0.2, "email": 0.2, "event": 0.4, "social": 0.2}
    assert found["position_based"] == {
        "organic": 0.4,
        "email": pytest.approx(0.2 / 3, abs=1e-6),
        "event": pytest.approx(0.4 / 3, abs=1e-6),
        "social": 0.4,
    }
    influenced = {row["channel"]: row["influenced_amount"] for row in rows}
    assert influenced == dict.fromkeys(("organic", "email", "event", "social"), Decimal("1000.00"))


def test_an_untouched_deal_keeps_its_credit_without_influence(credit):
    found, rows = credit([])
    assert found["linear"] == {"(none)": 1}
    assert {row["influenced_amount"] for row in rows} == {Decimal("0.00")}


def test_a_channel_that_nobody_mapped_is_shown_as_such(credit):
    found, _ = credit(["carrier pigeon", None])
    assert found["linear"] == {"(unmapped) carrier pigeon": 0.5, "(unknown)": 0.5}


def test_concentration_by_hand(new_warehouse):
    """Ten leads: six, three and one of a source."""
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    sources = ["Event"] * 6 + ["Email"] * 3 + ["Odd"]
    warehouse.build_from_cycles(
        ["channel_mix"],
        [
            cycle(f"L{at}", marketing_qualified_at=MOMENT, lead_source=source)
            for at, source in enumerate(sources)
        ],
    )

    rows = {row["lead_source"]: row for row in warehouse.rows("select * from channel_mix")}

    assert {round(row["concentration"], 12) for row in rows.values()} == {0.46}
    assert {row["top_source_share"] for row in rows.values()} == {0.6}
    assert [name for name, row in rows.items() if row["is_top_source"]] == ["Event"]
    assert rows["Odd"]["channel"] == "(unmapped)"


def test_cost_without_spend_or_success_is_null(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    warehouse.execute(
        "create table warehouse.build.fct_channel_spend as select 'Event' as channel, "
        "300.00::decimal(18, 2) as amount, date '2026-02-01' as spend_date"
    )
    warehouse._give(
        warehouse.project.models["fct_lead_cycles"],
        [
            cycle("A", handed_off_at=MOMENT, lead_source="Webinar"),
            cycle("B", won_at=MOMENT, lead_source="Email", opportunity_amount=50, won_amount=50),
        ],
    )
    warehouse.build(["channel_economics"], given=("fct_lead_cycles", "fct_channel_spend"))

    rows = {row["channel"]: row for row in warehouse.rows("select * from channel_economics")}

    assert rows["event"]["cost_per_handed_off"] == 300
    assert rows["event"]["cost_per_won"] is None
    assert rows["email"]["cost_per_won"] is None
    assert rows["email"]["revenue_amount"] == 50


def test_an_unknown_amount_is_not_revenue_of_nothing(new_warehouse):
    warehouse = new_warehouse()
    warehouse.decide(AS_OF)
    unknown = {"opportunity_amount": None, "won_amount": None}
    reached = {"opportunity_at": MOMENT, "won_at": MOMENT}
    warehouse._give(
        warehouse.project.models["fct_lead_cycles"],
        [
            cycle("A", lead_source="Webinar", **reached, **unknown),
            cycle("B", lead_source="Email", **reached, **unknown),
            cycle("C", lead_source="Email", **reached, opportunity_amount=50, won_amount=50),
            cycle("D", lead_source="Partner", handed_off_at=MOMENT),
        ],
    )
    warehouse.execute(
        "create table warehouse.build.fct_channel_spend as select 'Event' as channel, "
        "300.00::decimal(18, 2) as amount, date '2026-01-01' as spend_date"
    )
    warehouse.build(["channel_economics"], given=("fct_lead_cycles", "fct_channel_spend"))

    rows = warehouse.rows("select * from channel_economics")

    amounts = {
        (row["channel"], row["period_start"].month): (row["pipeline_amount"], row["revenue_amount"])
        for row in rows
    }
    assert amounts == {
        ("event", 2): (None, None),
        ("email", 2): (50, 50),
        ("partner", 2): (0, 0),
        ("event", 1): (0, 0),
    }


def test_money_and_leads_of_the_sample_tie_to_the_facts(whole_sample):
    def one(query):
        return next(iter(whole_sample.rows(query)[0].values()))

    facts = "fct_lead_cycles"
    for column in ("marketing_qualified", "handed_off", "sales_qualified", "won"):
        assert one(f"select sum({column}) from channel_economics") == one(
            f"select count({column}_at) from {facts}"
        )
    assert one("select sum(pipeline_amount) from channel_economics") == one(
        f"select sum(opportunity_amount) from {facts} where opportunity_at is not null"
    )
    assert one("select sum(revenue_amount) from channel_economics") == one(
        f"select sum(won_amount) from {facts} where won_at is not null"
    )
    assert one("select sum(marketing_qualified) from channel_mix") == one(
        f"select count(marketing_qualified_at) from {facts}"
    )
    pipeline = float(one(f"select sum(opportunity_amount) from {facts}"))
    credited = whole_sample.rows(
        "select sum(credited_amount) as amount from pipeline_attribution group by attribution_model"
    )
    assert [row["amount"] for row in credited] == [pytest.approx(pipeline)] * len(MODELS)
