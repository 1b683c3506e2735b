"""Credit, cost and concentration, by hand and against the facts of the sample."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import pytest

from tests.marts.cycles import MILESTONES, cycle
from tests.warehouse import POLICY_DIR

MOMENT = datetime(2026, 2, 3, 10)
AS_OF = datetime(2026, 7, 1)
MODELS = ("first_touch", "last_touch", "linear", "position_based")


def days_before(days, moment=MOMENT):
    return moment - timedelta(days=days)


def touch(days, channel, campaign=None, *, lead="L", counts=True, moment=MOMENT):
    """An engagement of a lead so many days before the moment."""
    return (lead, channel, campaign, days_before(days, moment), counts)


def deal(opportunity_id="O", leads=("L",), **columns):
    """A won deal of 1,000, created at the moment and closed ten days later; a row per lead."""
    row = {"status": "won", "amount": 1000, "created_at": MOMENT, **columns}
    row.setdefault("closed_at", row["created_at"] + timedelta(days=10))
    return [
        {
            **row,
            "opportunity_id": opportunity_id,
            "lead": lead,
            "is_primary_lead": at == 0,
            "amount": row["amount"] if at == 0 else None,
        }
        for at, lead in enumerate(leads)
    ]


@pytest.fixture
def attribute(new_warehouse):
    """The rows of pipeline_attribution for these touches, deals and cycles."""

    def build(touches, deals=(), cycles=(), policy=None):
        warehouse = new_warehouse()
        warehouse.decide(AS_OF)
        for parameter, value in (policy or {}).items():
            warehouse.execute(
                "update warehouse.policy.rule_parameters set value = ? where parameter = ?",
                [value, parameter],
            )
        key = "md5_number_lower(concat_ws(chr(31), 'files', ?::text))"
        warehouse.execute(
            "create table warehouse.build.fct_opportunities (lead_key ubigint, source_system text, "
            "survivor_source_system text, survivor_lead_id text, opportunity_id text, status text, "
            "amount decimal(18, 2), created_at timestamp, closed_at timestamp, "
            "is_primary_lead boolean)"
        )
        warehouse.execute(
            "create table warehouse.build.fct_engagements (lead_key ubigint, source_system text, "
            "engagement_id text, channel text, campaign text, occurred_at timestamp, "
            "counts_as_touch boolean)"
        )
        for row in deals or deal():
            warehouse.execute(
                f"insert into warehouse.build.fct_opportunities values ({key}, 'files', 'files', "
                "?, ?, ?, ?, ?, ?, ?)",
                [
                    row["lead"],
                    *(row["lead"], row["opportunity_id"], row["status"], row["amount"]),
                    *(row["created_at"], row["closed_at"], row["is_primary_lead"]),
                ],
            )
        for at, (lead, channel, campaign, occurred_at, counts) in enumerate(touches):
            warehouse.execute(
                "insert into warehouse.build.fct_engagements "
                f"values ({key}, 'files', ?, ?, ?, ?, ?)",
                [lead, f"E{at}", channel, campaign, occurred_at, counts],
            )
        warehouse._give(
            warehouse.project.models["fct_lead_cycles"],
            cycles or [cycle("L", cycle_started_at=datetime(2026, 1, 1))],
        )
        given = ("fct_opportunities", "fct_lead_cycles", "fct_engagements")
        warehouse.build(["pipeline_attribution"], given=given)
        assert not warehouse.failing_tests(["pipeline_attribution"])
        rows = warehouse.rows("pipeline_attribution")
        totals = defaultdict(float)
        for row in rows:
            subject = row["opportunity_id"] or (row["lead_id"], row["cycle_number"])
            totals[row["credited_milestone"], row["attribution_model"], subject] += row["credit"]
        assert {round(total, 9) for total in totals.values()} == {1.0}
        return rows

    return build


def credits(rows, milestone="opportunity", of=("channel",)) -> dict[str, Any]:
    """Credit by model and channel (or whatever else) at a milestone."""
    found = {model: defaultdict(float) for model in MODELS}
    for row in rows:
        if row["credited_milestone"] == milestone:
            name = row[of[0]] if len(of) == 1 else tuple(row[column] for column in of)
            found[row["attribution_model"]][name] += row["credit"]
    return {
        model: {name: round(value, 6) for name, value in credit.items()}
        for model, credit in found.items()
    }


def influenced(rows, column="influenced_amount", milestone="opportunity"):
    """The amount influenced by each channel, whatever the model."""
    found = defaultdict(Decimal)
    for row in rows:
        if row["credited_milestone"] == milestone:
            found[row["channel"]] += row[column]
    return dict(found)


def test_one_touch_gets_it_all(attribute):
    found = credits(attribute([touch(0, "email")]))
    assert set(map(str, found.values())) == {"{'email': 1.0}"}


def test_two_touches_share_by_position(attribute):
    found = credits(attribute([touch(1, "organic"), touch(0, "email")]))
    assert found["first_touch"] == {"organic": 1}
    assert found["last_touch"] == {"email": 1}
    assert found["linear"] == {"organic": 0.5, "email": 0.5}
    assert found["position_based"] == {"organic": 0.5, "email": 0.5}


FIVE = [
    touch(4, "Organic Search"),
    touch(3, "email"),
    touch(2, "event"),
    touch(1, "Webinar"),
    touch(0, "social"),
]


def test_five_touches_give_the_middle_a_fifth(attribute):
    """Lead sources stand for their channel; the moment of the opportunity itself counts."""
    rows = attribute(FIVE)
    found = credits(rows)
    assert found["linear"] == {"organic": 0.2, "email": 0.2, "event": 0.4, "social": 0.2}
    assert found["position_based"] == {
        "organic": 0.4,
        "email": pytest.approx(0.2 / 3, abs=1e-6),
        "event": pytest.approx(0.4 / 3, abs=1e-6),
        "social": 0.4,
    }
    # Over all models together: a sum has no amount twice.
    assert influenced(rows) == dict.fromkeys(("organic", "email", "event", "social"), 1000)


def test_the_share_of_the_ends_is_policy(attribute):
    found = credits(attribute(FIVE, policy={"end_touch_credit": 30}))["position_based"]
    assert found["organic"] == found["social"] == 0.3
    assert found["event"] == pytest.approx(0.8 / 3, abs=1e-6)


def test_an_untouched_deal_keeps_its_credit_without_influence(attribute):
    rows = attribute([touch(1, "email", counts=False)])
    assert credits(rows, of=("channel", "campaign"))["linear"] == {("(none)", "(none)"): 1}
    assert influenced(rows) == {"(none)": 0}
    of_model = [row for row in rows if row["attribution_model"] == "linear"]
    assert [
        (row["credited_milestone"], row["credited_amount"], row["credited_won_amount"])
        for row in sorted(of_model, key=lambda row: row["credited_milestone"])
    ] == [("opportunity", 1000, 1000), ("won", 1000, 1000)]


def test_a_channel_that_nobody_mapped_is_shown_as_such(attribute):
    found = credits(attribute([touch(1, "carrier pigeon"), touch(0, None)]))
    assert found["linear"] == {"(unmapped) carrier pigeon": 0.5, "(unknown)": 0.5}


def test_campaigns_share_their_channel_s_credit_and_its_influence_is_counted_once(attribute):
    rows = attribute(
        [
            touch(3, "email", "spring"),
            touch(2, "Email", "summer"),
            touch(1, "event", "fair"),
            touch(0, "email", "spring"),
        ]
    )
    found = credits(rows, of=("channel", "campaign"))
    assert found["first_touch"] == found["last_touch"] == {("email", "spring"): 1}
    assert found["linear"] == {
        ("email", "spring"): 0.5,
        ("email", "summer"): 0.25,
        ("event", "fair"): 0.25,
    }
    assert found["position_based"] == {
        ("email", "spring"): 0.8,
        ("email", "summer"): 0.1,
        ("event", "fair"): 0.1,
    }
    assert influenced(rows) == {"email": 1000, "event": 1000}
    assert influenced(rows, "campaign_influenced_amount") == {"email": 2000, "event": 1000}


def test_touches_before_the_look_back_have_no_credit(attribute):
    touches = [touch(366, "event"), touch(365, "organic"), touch(31, "social"), touch(30, "email")]
    assert credits(attribute(touches))["linear"].keys() == {"organic", "social", "email"}
    short = attribute(touches, policy={"attribution_lookback": 30})
    assert credits(short)["linear"] == {"email": 1}


def test_touches_of_all_leads_of_a_deal_count_once_each(attribute):
    """The deal names L, a record that was merged into L, and M."""
    rows = attribute(
        [touch(2, "organic"), touch(1, "event", lead="M"), touch(0, "email", lead="M")],
        deals=deal(leads=("L", "L", "M")),
    )
    assert credits(rows)["linear"] == {
        "organic": pytest.approx(1 / 3, abs=1e-6),
        "event": pytest.approx(1 / 3, abs=1e-6),
        "email": pytest.approx(1 / 3, abs=1e-6),
    }
    assert {row["lead_id"] for row in rows} == {"L"}
    assert sum(row["channel_touches"] for row in rows if row["credited_milestone"] == "won") == 8


def test_each_milestone_credits_what_came_before_it(attribute):
    """Handed off, qualified, created, won: ten days apart, one touch before each."""
    handed_off = datetime(2026, 3, 1)
    reached = [handed_off + timedelta(days=10 * at) for at in range(4)]
    channels = ("organic", "email", "event", "social")
    rows = attribute(
        [touch(1, channel, moment=at) for channel, at in zip(channels, reached, strict=True)],
        deals=deal(created_at=reached[2], closed_at=reached[3]),
        cycles=[
            cycle(
                "L",
                handed_off_at=reached[0],
                accepted_at=reached[1],
                sales_qualified_at=reached[1],
                won_at=reached[3],
                opportunity_amount=1000,
                won_amount=1000,
            )
        ],
    )
    touched = {
        milestone: set(credits(rows, milestone)["linear"])
        for milestone in ("handed_off", "sales_qualified", "opportunity", "won")
    }
    assert touched == {
        "handed_off": {"organic"},
        "sales_qualified": {"organic", "email"},
        "opportunity": {"organic", "email", "event"},
        "won": {"organic", "email", "event", "social"},
    }
    assert {(row["credited_milestone"], row["credited_date"]) for row in rows} == {
        (milestone, moment.date()) for milestone, moment in zip(touched, reached, strict=True)
    }
    assert {row["opportunity_created_date"] for row in rows if not row["opportunity_id"]} == {None}
    # A handoff and a qualification are of the cycle, and worth its deals.
    qualified = [row for row in rows if row["credited_milestone"] == "sales_qualified"]
    assert {(row["opportunity_id"], row["cycle_number"], row["status"]) for row in qualified} == {
        (None, 1, "won")
    }
    assert {row["credited_amount"] for row in qualified if row["credit"] == 0.5} == {500}


def test_an_open_deal_is_credited_nothing_won_and_an_unknown_amount_is_unknown(attribute):
    rows = attribute(
        [touch(1, "email")],
        deals=[*deal("O", status="open", closed_at=None), *deal("P", amount=None)],
    )
    found = {
        (row["credited_milestone"], row["opportunity_id"]): (
            row["credited_amount"],
            row["credited_won_amount"],
            row["influenced_amount"],
        )
        for row in rows
        if row["attribution_model"] == "linear"
    }
    assert found == {
        ("opportunity", "O"): (1000, 0, 1000),
        ("opportunity", "P"): (None, None, None),
        ("won", "P"): (None, None, None),
    }


def test_which_kinds_are_touches_is_policy(new_warehouse):
    warehouse = new_warehouse()
    kinds = ("page_view", "Demo_Request", "carrier pigeon", "email_bounced")
    tables = {
        "leads": [{"lead_id": "L", "created_at": MOMENT}],
        "engagements": [
            {"engagement_id": kind, "lead_id": "L", "kind": kind, "occurred_at": MOMENT}
            for kind in kinds
        ],
    }

    warehouse.load(tables)
    warehouse.decide(AS_OF)
    warehouse.build(["fct_engagements"])

    def touches():
        warehouse.build(
            ["fct_engagements"], given=("int_lead_records", "int_contract__engagements")
        )
        query = "select engagement_id from fct_engagements where counts_as_touch order by all"
        return [row["engagement_id"] for row in warehouse.rows(query)]

    assert touches() == ["Demo_Request"]
    warehouse.execute(
        "update warehouse.policy.signals set counts_as_touch = true where signal = 'page_view'"
    )
    assert touches() == ["Demo_Request", "page_view"]


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


@pytest.fixture
def economics(new_warehouse):
    """The rows of channel_economics, by period, channel and first day."""

    def build(cycles, spend=(), as_of=AS_OF, lag=None):
        warehouse = new_warehouse()
        warehouse.decide(as_of)
        if lag:
            warehouse.execute(
                "update warehouse.policy.rule_parameters set value = ?, unit = ? "
                "where parameter = 'spend_lag'",
                list(lag),
            )
        warehouse.execute(
            "create table warehouse.build.fct_channel_spend "
            "(channel text, amount decimal(18, 2), spend_date date)"
        )
        for row in spend:
            warehouse.execute("insert into warehouse.build.fct_channel_spend values (?, ?, ?)", row)
        warehouse._give(warehouse.project.models["fct_lead_cycles"], cycles)
        warehouse.build(["channel_economics"], given=("fct_lead_cycles", "fct_channel_spend"))
        assert not warehouse.failing_tests(["channel_economics"])
        return {
            (row["period"], row["channel"], row["period_start"]): row
            for row in warehouse.rows("channel_economics")
        }

    return build


FEBRUARY = date(2026, 2, 1)


def test_cost_without_spend_or_success_is_null(economics):
    rows = economics(
        [
            cycle("A", handed_off_at=MOMENT, lead_source="Webinar"),
            cycle("B", won_at=MOMENT, lead_source="Email", opportunity_amount=50, won_amount=50),
        ],
        [("Event", 300, FEBRUARY)],
    )
    event, email = (rows["month", channel, FEBRUARY] for channel in ("event", "email"))
    assert event["cost_per_handed_off"] == 300
    assert event["cost_per_won"] is None
    assert email["cost_per_won"] is None
    assert email["revenue_amount"] == 50


def test_nothing_at_all_is_no_row(economics):
    assert economics([]) == {}


def test_an_unknown_amount_is_not_revenue_of_nothing(economics):
    unknown = {"opportunity_amount": None, "won_amount": None}
    reached = {"opportunity_at": MOMENT, "won_at": MOMENT}
    rows = economics(
        [
            cycle("A", lead_source="Webinar", **reached, **unknown),
            cycle("B", lead_source="Email", **reached, **unknown),
            cycle("C", lead_source="Email", **reached, opportunity_amount=50, won_amount=50),
            cycle("D", lead_source="Partner", handed_off_at=MOMENT),
        ],
        [("Event", 300, date(2026, 1, 1))],
    )
    amounts = {
        (period, channel, start.month): (row["pipeline_amount"], row["revenue_amount"])
        for (period, channel, start), row in rows.items()
        if period in ("month", "quarter") and channel != "all"
    }
    assert amounts == {
        ("month", "event", 2): (None, None),
        ("month", "email", 2): (50, 50),
        ("month", "partner", 2): (0, 0),
        ("month", "event", 1): (0, 0),
        # January had nothing to know; that does not make February's amount known.
        ("quarter", "event", 1): (None, None),
        ("quarter", "email", 1): (50, 50),
        ("quarter", "partner", 1): (0, 0),
    }


def won_after(days, lead_id, started=date(2026, 1, 1), **columns):
    """A cycle of events worth 100, won so many days after it started."""
    start = datetime(started.year, started.month, started.day)
    return cycle(
        lead_id,
        cycle_started_at=start,
        won_at=start + timedelta(days=days),
        lead_source="Event",
        opportunity_amount=100,
        won_amount=100,
        **columns,
    )


# Wins in January, February (2), March, April; the median of the first passes is 45 days.
WINS = [
    won_after(20, "A"),
    won_after(40, "B"),
    won_after(50, "C"),
    won_after(95, "D"),
    won_after(85, "E", number=2, start_kind="expansion"),
    won_after(86, "F", number=2, start_kind="requalified"),
]
BUDGET = [("event", 300, date(2026, 1, 1)), ("event", 600, FEBRUARY)]
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def test_spend_counts_for_wins_the_median_time_to_win_later(economics):
    """January's 300 for 15 February, February's 600 for 18 March."""
    rows = economics(WINS, BUDGET)
    assert {(row["spend_lag_days"], row["spend_lag_basis"]) for row in rows.values()} == {
        (45, "measured")
    }
    months = {
        start: row
        for (period, name, start), row in rows.items()
        if (period, name) == ("month", "event")
    }
    assert {
        start.month: (row["spend_amount"], row["lagged_spend_amount"], row["won"])
        for start, row in months.items()
    } == {
        1: (300, None, 1),
        2: (600, 300, 2),
        3: (None, 600, 2),
        4: (None, None, 1),
    }
    february, march = months[FEBRUARY], months[MARCH]
    # Of February's two wins, that of the 10th came before any spend could count.
    assert (february["won_with_spend"], february["cost_per_won"]) == (1, 300)
    assert february["return_on_spend"] == pytest.approx(1 / 3)
    # The earlier milestones follow the spend of the month itself.
    assert february["cost_per_opportunity"] == 300
    # March's wins are no new business.
    assert (march["won_new"], march["won_requalified"], march["won_expansion"]) == (0, 1, 1)
    assert march["cost_per_won"] == 300
    assert march["customer_acquisition_cost"] is None
    assert (march["revenue_amount"], march["revenue_new_amount"]) == (200, 0)


def test_quarters_twelve_months_and_everything_are_sums_of_months(economics):
    rows = economics(WINS, BUDGET)
    quarter = rows["quarter", "event", date(2026, 1, 1)]
    assert (quarter["spend_amount"], quarter["lagged_spend_amount"]) == (900, 900)
    assert (quarter["won"], quarter["won_with_spend"], quarter["won_new_with_spend"]) == (5, 3, 1)
    assert (quarter["cost_per_won"], quarter["customer_acquisition_cost"]) == (300, 900)
    assert (quarter["period_end"], quarter["is_complete"]) == (date(2026, 3, 31), True)

    rolling = rows["rolling_12_months", "all", date(2025, 5, 1)]
    assert (rolling["period_end"], rolling["won"]) == (date(2026, 4, 30), 6)
    assert not rolling["is_complete"]  # Nothing is known of 2025.

    # Spend is recorded for January and February only.
    assert (quarter["opportunity"], quarter["opportunity_with_spend"]) == (5, 3)
    assert quarter["cost_per_opportunity"] == 300

    # D is won on 6 April, within the days that February's spend covers (to 14 April).
    whole = rows["all", "all", date(2026, 1, 1)]
    assert (whole["dimension"], whole["won"], whole["period_end"]) == ("all", 6, AS_OF.date())
    assert (whole["won_new_with_spend"], whole["customer_acquisition_cost"]) == (2, 450)
    assert whole["is_complete"]


def test_twelve_months_roll(economics):
    """One win a month from January 2025 on; the window moves with its last month."""
    cycles = [won_after(0, f"L{at}", date(2025 + at // 12, at % 12 + 1, 1)) for at in range(18)]
    rows = economics(cycles)
    found = {
        row["period_end"]: (row["won"], row["is_complete"])
        for (period, channel, _), row in rows.items()
        if (period, channel) == ("rolling_12_months", "event")
    }
    assert found[date(2025, 11, 30)] == (11, False)
    assert found[date(2025, 12, 31)] == (12, True)
    assert found[date(2026, 6, 30)] == (12, True)
    assert found[date(2026, 7, 31)] == (11, False)  # July is not over.


@pytest.mark.parametrize(
    ("lag", "wins", "days", "basis", "february"),
    [
        ((0, "days"), WINS, 0, "none", 600),
        ((31, "days"), WINS, 31, "fixed", 300),
        ((2, "medians"), WINS, 90, "measured", None),
        (None, [cycle("A", handed_off_at=MOMENT, lead_source="Event")], 0, "nothing_won", 600),
    ],
)
def test_the_lag_of_spend_is_policy(economics, lag, wins, days, basis, february):
    row = economics(wins, BUDGET, lag=lag)["month", "event", FEBRUARY]
    assert (row["spend_lag_days"], row["spend_lag_basis"]) == (days, basis)
    assert row["lagged_spend_amount"] == february


def test_spend_that_has_not_had_its_time_counts_for_nothing_yet(economics):
    rows = economics(WINS, [*BUDGET, ("event", 999, date(2026, 6, 1))])
    whole = rows["all", "event", date(2026, 1, 1)]
    assert (whole["spend_amount"], whole["lagged_spend_amount"]) == (1899, 900)


def test_money_and_leads_of_the_sample_tie_to_the_facts(sample):
    def one(query):
        return next(iter(sample.rows(query)[0].values()))

    facts = "fct_lead_cycles"
    for period in ("month", "quarter", "all"):
        for dimension in ("all", "channel"):
            economics = (
                f"from channel_economics where period = '{period}' and dimension = '{dimension}'"
            )
            for column in MILESTONES:
                assert one(f"select sum({column}) {economics}") == one(
                    f"select count({column}_at) from {facts}"
                )
            assert one(f"select sum(pipeline_amount) {economics}") == one(
                f"select sum(opportunity_amount) from {facts} where opportunity_at is not null"
            )
            assert one(f"select sum(revenue_amount) {economics}") == one(
                f"select sum(won_amount) from {facts} where won_at is not null"
            )
            assert one(f"select sum(spend_amount) {economics}") == one(
                "select sum(amount) from fct_channel_spend"
            )
    assert one("select sum(marketing_qualified) from channel_mix") == one(
        f"select count(marketing_qualified_at) from {facts}"
    )
    pipeline = float(one(f"select sum(opportunity_amount) from {facts}"))
    revenue = float(one(f"select sum(won_amount) from {facts}"))
    credited = sample.rows(
        "select sum(credited_amount) as amount, sum(credited_won_amount) as won "
        "from pipeline_attribution where credited_milestone = 'opportunity' "
        "group by attribution_model"
    )
    assert [(row["amount"], row["won"]) for row in credited] == [
        (pytest.approx(pipeline), pytest.approx(revenue))
    ] * len(MODELS)


def test_acquisition_cost_of_the_sample_is_that_of_plain_python(sample):
    cycles = sample.rows("select * from fct_lead_cycles where won_at is not null")
    spend = sample.rows("select * from fct_channel_spend")
    channels = channel_names()
    new = [row for row in cycles if row["start_kind"] == "new"]
    lag = timedelta(
        days=round(
            median((row["won_at"] - row["cycle_started_at"]) / timedelta(days=1) for row in new)
        )
    )
    # The sample's spend is from July 2025 to June 2026, so all of it covers whole months.
    first_day, last_day = date(2025, 7, 1) + lag, date(2026, 7, 1)
    counted = defaultdict(Decimal)
    for row in spend:
        if row["spend_date"] + lag <= last_day:
            counted[channels[row["channel"].lower()]] += row["amount"]
    won = defaultdict(int)
    for row in new:
        if row["won_at"].date() >= first_day:
            won[channels[row["lead_source"].lower()] if row["lead_source"] else "(none)"] += 1

    rows = sample.rows(
        "select * from channel_economics where period = 'all' and dimension = 'channel'"
    )

    assert {row["spend_lag_days"] for row in rows} == {lag.days}
    assert sum(won.values()) > 40
    for row in rows:
        channel = row["channel"]
        assert row["won_new_with_spend"] == won[channel]
        assert (row["lagged_spend_amount"] or 0) == counted[channel]
        if counted[channel] and won[channel]:
            cost = float(counted[channel]) / won[channel]
            assert row["customer_acquisition_cost"] == pytest.approx(cost)
        else:
            assert row["customer_acquisition_cost"] is None


def test_credits_of_the_sample_are_those_of_plain_python(sample):
    """From the facts, the signals and the channel map alone: every milestone, every model."""
    with (POLICY_DIR / "signals.csv").open(encoding="utf-8", newline="") as file:
        kinds = {row["signal"] for row in csv.DictReader(file) if row["counts_as_touch"] == "true"}
    lead_keys = {
        (row["source_system"], row["lead_id"]): row["lead_key"]
        for row in sample.rows("select * from int_leads")
    }
    touches = defaultdict(list)
    for row in sample.rows("select * from fct_engagements where lead_key is not null"):
        if row["kind"] in kinds:
            touches[row["lead_key"]].append(row)
    subjects = []
    for row in sample.rows("select * from fct_lead_cycles"):
        key = (row["lead_id"], row["cycle_number"])
        leads = {lead_keys[row["source_system"], row["lead_id"]]}
        for milestone in ("handed_off", "sales_qualified"):
            subjects.append((milestone, key, leads, row[f"{milestone}_at"]))
    named = defaultdict(set)
    deals = sample.rows("select * from fct_opportunities")
    for row in deals:
        named[row["opportunity_id"]].add(row["lead_key"])
    for row in (row for row in deals if row["is_primary_lead"]):
        key, leads = row["opportunity_id"], named[row["opportunity_id"]]
        subjects.append(("opportunity", key, leads, row["created_at"]))
        if row["status"] == "won":
            subjects.append(("won", key, leads, row["closed_at"]))
    channels = channel_names()
    expected = defaultdict(float)
    for milestone, key, leads, reached_at in subjects:
        if reached_at is None:
            continue
        before = sorted(
            (
                row
                for lead in leads
                for row in touches[lead]
                if reached_at - timedelta(days=365) <= row["occurred_at"] <= reached_at
            ),
            key=lambda row: (row["occurred_at"], row["engagement_id"]),
        )
        for model in MODELS:
            if not before:
                expected[milestone, model, key, "(none)", "(none)"] = 1.0
            for at, row in enumerate(before):
                channel = channels[row["channel"].lower()] if row["channel"] else "(unknown)"
                place = (milestone, model, key, channel, row["campaign"] or "(none)")
                expected[place] += share(model, at, len(before))

    rows = sample.rows("pipeline_attribution")

    found = {
        (
            row["credited_milestone"],
            row["attribution_model"],
            row["opportunity_id"] or (row["lead_id"], row["cycle_number"]),
            row["channel"],
            row["campaign"],
        ): row["credit"]
        for row in rows
    }
    assert len(found) == len(rows)
    assert found == pytest.approx({place: credit for place, credit in expected.items() if credit})


def share(model: str, at: int, count: int) -> float:
    """The credit of one of so many touches."""
    if model == "first_touch":
        return float(at == 0)
    if model == "last_touch":
        return float(at == count - 1)
    if model == "linear" or count <= 2:
        return 1 / count
    return 0.4 if at in (0, count - 1) else 0.2 / (count - 2)


def channel_names() -> dict[str, str]:
    """Channel by lead source or by its own name, in lower case."""
    with (POLICY_DIR / "channel_map.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    own = {row["channel"].lower(): row["channel"] for row in rows}
    return own | {row["lead_source"].lower(): row["channel"] for row in rows}
