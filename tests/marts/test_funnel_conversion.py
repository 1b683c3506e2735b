"""Cohort conversion: what is counted, when a cohort is mature, and by whose calendar."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from statsmodels.stats.proportion import proportion_confint

from dagster_project.config import policy
from dagster_project.config.warehouse import POLICY_DIR
from dagster_project.reporting.build_figures import funnel
from tests.marts.cycles import cycle

JANUARY = datetime(2026, 1, 10, 12)
AS_OF = datetime(2026, 7, 1)


def whole(warehouse, metric="mql_to_sql", period="month", dimension="all"):
    """The rows of one metric by period and value."""
    rows = warehouse.rows(
        "select * from funnel_conversion where metric = ? and period = ? and dimension = ?",
        [metric, period, dimension],
    )
    return {(row["period_start"], row["value"]): row for row in rows}


@pytest.fixture
def built(new_warehouse):
    """Builds funnel_conversion on some cycles."""

    def build(cycles, as_of=AS_OF, tradition="four_stage", **choices):
        warehouse = new_warehouse()
        warehouse.decide(as_of, tradition, **choices)
        warehouse.build_from_cycles(["funnel_conversion", "funnel_velocity"], cycles)
        return warehouse

    return build


def ten_leads():
    """Ten leads handed off in January: four are sales qualified, one of them after 100 days."""
    days_to_convert = [2, 4, 9, 100]
    converted = [
        cycle(
            f"L{at}",
            handed_off_at=JANUARY,
            accepted_at=JANUARY,
            sales_qualified_at=JANUARY + timedelta(days=days),
            lead_source="Event",
        )
        for at, days in enumerate(days_to_convert)
    ]
    rejected = [
        cycle(f"L{at}", handed_off_at=JANUARY, exited_at=JANUARY + timedelta(days=1))
        for at in range(4, 8)
    ]
    waiting = [cycle(f"L{at}", handed_off_at=JANUARY) for at in range(8, 10)]
    return converted + rejected + waiting


def test_ten_leads_by_hand(built):
    row = whole(built(ten_leads()))[date(2026, 1, 1), "all"]
    assert (row["entered"], row["converted"], row["converted_in_window"]) == (10, 4, 3)
    assert (row["rate"], row["rate_in_window"], row["still_open"]) == (0.4, 0.3, 2)
    # Wilson by hand for 3 of 10: (3 + 1.9207 -+ 1.96 * sqrt(2.1 + 0.9604)) / (10 + 3.8415)
    assert row["rate_in_window_lower"] == pytest.approx(0.1078, abs=5e-5)
    assert row["rate_in_window_upper"] == pytest.approx(0.6032, abs=5e-5)
    assert row["median_days"] == pytest.approx((4 + 9) / 2)
    assert (row["from_label"], row["to_label"]) == ("MQL", "SQL")


def test_empty_values_are_shown_as_none(built):
    warehouse = built(ten_leads())
    by_source = whole(warehouse, dimension="lead_source")
    assert {value: row["entered"] for (_, value), row in by_source.items()} == {
        "Event": 4,
        "(none)": 6,
    }
    assert {value for _, value in whole(warehouse, dimension="owner_id")} == {"(none)"}
    assert {value for _, value in whole(warehouse, dimension="score_band")} == {"(none)"}


def test_velocity_of_the_ten_leads(built):
    [row] = built(ten_leads()).rows(
        "select * from funnel_velocity where dimension = 'all' and metric = 'mql_to_sql'"
    )
    assert (row["entered"], row["converted"], row["still_open"], row["exited"]) == (10, 4, 2, 4)
    assert row["median_days"] == pytest.approx(6.5)
    assert row["p75_days"] == pytest.approx(9 + 0.25 * 91)
    assert row["p90_days"] == pytest.approx(9 + 0.7 * 91)
    assert row["open_share"] == 0.2


def test_a_deal_that_fell_from_the_sky_did_not_convert(built):
    rows = whole(
        built(
            [
                cycle("proper", handed_off_at=JANUARY, won_at=JANUARY + timedelta(days=20)),
                cycle("sky", won_at=JANUARY),
                cycle("guessed", handed_off_at=JANUARY, handed_off_basis="inferred"),
            ]
        ),
        metric="mql_to_won",
    )
    row = rows[date(2026, 1, 1), "all"]
    assert (row["entered"], row["entered_implied"], row["converted"]) == (1, 2, 1)


def test_a_cohort_of_implied_entries_has_no_rate(built):
    row = whole(built([cycle("sky", won_at=JANUARY)]))[date(2026, 1, 1), "all"]
    assert (row["entered"], row["entered_implied"], row["converted"]) == (0, 1, 0)
    assert row["rate"] is row["rate_in_window"] is row["median_days"] is None
    assert row["rate_in_window_lower"] is row["rate_in_window_upper"] is None


def test_acceptance_counts_when_said_or_by_silence(built):
    later = JANUARY + timedelta(days=3)
    kinds = ["explicit", "default", "implied", "inferred"]
    cycles = [
        cycle(kind, handed_off_at=JANUARY, accepted_at=later, acceptance_kind=kind)
        for kind in kinds
    ]
    row = whole(built(cycles), metric="sal_to_sql")[date(2026, 1, 1), "all"]
    assert (row["entered"], row["entered_implied"]) == (2, 2)


def test_a_milestone_without_a_stage_is_counted_as_the_next_one_that_has(new_warehouse):
    warehouse = new_warehouse()
    # four_stage has no stage for marketing qualification: MQL is the handoff.
    warehouse.execute(
        "insert into warehouse.policy.conversion_pairs "
        "values ('four_stage', 'all_the_way', 'marketing_qualified', 'won', 9)"
    )
    warehouse.decide(AS_OF)
    won = cycle("won", handed_off_at=JANUARY, won_at=JANUARY + timedelta(days=9))
    sky = cycle("sky", won_at=JANUARY)
    warehouse.build_from_cycles(["funnel_conversion"], [won, sky])
    row = whole(warehouse, metric="all_the_way")[date(2026, 1, 1), "all"]
    assert (row["entered"], row["entered_implied"], row["converted"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("mode", "counted_as"), [("explicit", "sales_qualified"), ("default", "accepted")]
)
def test_silence_tells_acceptance_apart_without_a_stage(new_warehouse, mode, counted_as):
    warehouse = new_warehouse()
    warehouse.execute("delete from warehouse.policy.stages where milestone = 'accepted'")
    warehouse.decide(AS_OF, acceptance_mode=mode)
    warehouse.build(["dim_milestones"])
    milestones = warehouse.rows("select milestone, counted_as from dim_milestones")
    assert {row["milestone"]: row["counted_as"] for row in milestones} == {
        "captured": "captured",
        "marketing_qualified": "handed_off",
        "handed_off": "handed_off",
        "accepted": counted_as,
        "sales_qualified": "sales_qualified",
        "opportunity": "opportunity",
        "won": "won",
    }


@pytest.mark.parametrize(
    ("as_of", "is_mature"),
    [
        (datetime(2026, 5, 2) - timedelta(seconds=1), False),
        (datetime(2026, 5, 2), True),
    ],
)
def test_a_month_is_mature_when_the_window_has_passed_for_its_last_moment(built, as_of, is_mature):
    # January ends on 1 February; 90 days later it is 2 May.
    row = whole(built(ten_leads(), as_of=as_of))[date(2026, 1, 1), "all"]
    assert row["is_mature"] is is_mature


def test_the_window_includes_its_last_moment(built):
    entered = [
        cycle("in", handed_off_at=JANUARY, sales_qualified_at=JANUARY + timedelta(days=90)),
        cycle(
            "out",
            handed_off_at=JANUARY,
            sales_qualified_at=JANUARY + timedelta(days=90, seconds=1),
        ),
    ]
    row = whole(built(entered))[date(2026, 1, 1), "all"]
    assert (row["converted"], row["converted_in_window"]) == (2, 1)


def test_periods_follow_the_reporting_time_zone(built):
    midnight_in_berlin = datetime(2026, 1, 31, 23, 30)
    cycles = [cycle("L", handed_off_at=midnight_in_berlin)]
    assert set(whole(built(cycles))) == {(date(2026, 1, 1), "all")}
    berlin = built(cycles, timezone="Europe/Berlin")
    assert set(whole(berlin)) == {(date(2026, 2, 1), "all")}
    # 31 January 2026 is a Saturday, 1 February a Sunday: the same week from Monday 26 January.
    assert set(whole(berlin, period="week")) == {(date(2026, 1, 26), "all")}
    assert set(whole(berlin, period="quarter")) == {(date(2026, 1, 1), "all")}


def test_a_name_means_what_the_tradition_means_by_it(built):
    cycles = [
        cycle(
            "L",
            marketing_qualified_at=JANUARY,
            handed_off_at=JANUARY + timedelta(days=35),
            accepted_at=JANUARY + timedelta(days=36),
        )
    ]
    salesforce = whole(built(cycles, tradition="salesforce"))
    [((month, _), row)] = salesforce.items()
    assert (month, row["from_milestone"], row["to_milestone"]) == (
        date(2026, 2, 1),
        "handed_off",
        "sales_qualified",
    )
    hubspot = whole(built(cycles, tradition="hubspot"))
    [((month, _), row)] = hubspot.items()
    assert (month, row["from_label"], row["to_label"]) == (date(2026, 1, 1), "MQL", "SQL")
    assert (row["from_milestone"], row["to_milestone"]) == ("marketing_qualified", "handed_off")
    assert row["converted"] == 1


def test_first_passes_and_second_passes_stand_apart(built):
    cycles = [
        cycle("L", handed_off_at=JANUARY, exited_at=JANUARY + timedelta(days=1)),
        cycle("L", number=2, handed_off_at=JANUARY + timedelta(days=5)),
        cycle("M", number=2, start_kind="expansion", handed_off_at=JANUARY),
    ]
    rows = whole(built(cycles), dimension="start_kind")
    assert {value: row["entered"] for (_, value), row in rows.items()} == {
        "new": 1,
        "requalified": 1,
        "expansion": 1,
    }


def test_intervals_of_the_sample_are_those_of_statsmodels(sample):
    rows = sample.rows(
        "select distinct converted_in_window, entered, rate_in_window_lower, rate_in_window_upper "
        "from funnel_conversion where entered > 0"
    )
    assert len(rows) > 100
    for row in rows:
        low, high = proportion_confint(row["converted_in_window"], row["entered"], method="wilson")
        assert row["rate_in_window_lower"] == pytest.approx(low, abs=1e-12)
        assert row["rate_in_window_upper"] == pytest.approx(high, abs=1e-12)


def test_cohorts_of_the_sample_are_those_of_plain_sql(sample):
    """Month by month and source by source, straight from the facts."""
    expected = sample.rows(
        """
        select
            date_trunc('month', handed_off_at)::date as period_start,
            coalesce(lead_source, '(none)') as value,
            count(*) filter (where handed_off_basis = 'explicit') as entered,
            count(*) filter (where handed_off_basis <> 'explicit') as entered_implied,
            count(sales_qualified_at) filter (where handed_off_basis = 'explicit') as converted,
            count(*) filter (
                where handed_off_basis = 'explicit'
                and sales_qualified_at <= handed_off_at + interval 90 day
            ) as converted_in_window,
            median(epoch(sales_qualified_at) - epoch(handed_off_at)) filter (
                where handed_off_basis = 'explicit'
            ) / 86400 as median_days
        from fct_lead_cycles
        where handed_off_at is not null
        group by all
        """
    )
    rows = whole(sample, dimension="lead_source")
    assert len(expected) == len(rows) > 50
    for row in expected:
        found = rows[row["period_start"], row["value"]]
        assert {name: found[name] for name in row if name != "median_days"} == {
            name: row[name] for name in row if name != "median_days"
        }
        assert found["median_days"] == pytest.approx(row["median_days"])


def test_no_cycles_no_rows(built):
    warehouse = built([])
    assert warehouse.rows("select * from funnel_conversion") == []
    assert warehouse.rows("select * from funnel_velocity") == []


def funnel_and_mart(warehouse):
    """The funnel of the console, and the named rates over all cohorts by their milestones."""
    rates = warehouse.rows(
        """
        select
            from_milestone, to_milestone, sum(entered) as entered,
            sum(entered_implied) as entered_implied, sum(converted) as converted
        from funnel_conversion where period = 'month' and dimension = 'all' group by all
        """
    )
    by_pair = {(row["from_milestone"], row["to_milestone"]): row for row in rates}
    return funnel(warehouse.connection), by_pair


def assert_ties(found, rates):
    """Where a step or what came of the first has a name, its figures are those of the rate."""
    first = next(step.milestone for step in found.steps if step.from_first is None and step.entered)
    named = 0
    for before, step in pairwise(found.steps):
        if rate := rates.get((before.milestone, step.milestone)):
            named += 1
            assert (before.cycles, before.implied) == (rate["entered"], rate["entered_implied"])
            assert (step.entered, step.converted) == (rate["entered"], rate["converted"])
        if rate := rates.get((first, step.milestone)):
            assert (found.first_cycles, step.from_first) == (rate["entered"], rate["converted"])
    assert named >= 3


def test_the_funnel_of_the_console_is_that_of_the_sample(sample):
    found, rates = funnel_and_mart(sample)
    assert_ties(found, rates)
    accepted = next(step for step in found.steps if step.milestone == "accepted")
    assert (accepted.converted, accepted.entered) == (904, 1266)


@pytest.mark.parametrize("tradition", policy.traditions(POLICY_DIR))
def test_the_funnel_of_the_console_is_that_of_every_tradition(built, tradition):
    cycles = [
        {**it, "marketing_qualified_at": JANUARY, "marketing_qualified_basis": "explicit"}
        for it in [*ten_leads(), *all_the_way()]
    ]
    assert_ties(*funnel_and_mart(built(cycles, tradition=tradition)))


def all_the_way():
    """Two won leads: one step by step, one of which the handoff is only implied."""
    steps = ("accepted", "sales_qualified", "opportunity", "won")
    reached = {f"{name}_at": JANUARY + timedelta(days=at) for at, name in enumerate(steps)}
    return [
        cycle("W1", handed_off_at=JANUARY, **reached),
        cycle("W2", handed_off_at=JANUARY, handed_off_basis="implied", **reached),
    ]
