"""The rolling rates: as known on the day, and when a change may be called one."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import proportions_ztest

from tests.marts.conftest import sample_as_of
from tests.marts.cycles import cycle

NEW_YEAR = datetime(2026, 1, 1, 9)


@pytest.fixture
def trend(new_warehouse):
    """Builds funnel_trend on some cycles and gives one metric's days."""

    def build(cycles, as_of, metric="mql_to_sql", before=(), **choices):
        warehouse = new_warehouse()
        for statement in before:
            warehouse.execute(statement)
        warehouse.decide(as_of, **choices)
        warehouse.build_from_cycles(["funnel_trend"], cycles)
        rows = warehouse.rows(
            "select * from funnel_trend where metric = ? and dimension = 'all' order by day",
            [metric],
        )
        return {row["day"]: row for row in rows}

    return build


def day(number: int) -> date:
    """The day so many days after New Year."""
    return NEW_YEAR.date() + timedelta(days=number)


def test_a_day_shows_what_was_known_on_it(trend):
    days = trend(
        [
            cycle("fast", handed_off_at=NEW_YEAR, sales_qualified_at=NEW_YEAR + timedelta(days=5)),
            cycle("slow", handed_off_at=NEW_YEAR, sales_qualified_at=NEW_YEAR + timedelta(days=95)),
            cycle("next", handed_off_at=NEW_YEAR + timedelta(days=10)),
        ],
        as_of=NEW_YEAR + timedelta(days=400),
    )
    known = {
        at: (days[day(at)]["entered_in_window"], days[day(at)]["converted_in_window"])
        for at in (0, 4, 5, 9, 10, 89, 90, 99, 100, 300)
    }
    assert known == {
        0: (2, 0),
        4: (2, 0),
        5: (2, 1),
        9: (2, 1),
        10: (3, 1),
        89: (3, 1),
        90: (1, 0),
        99: (1, 0),
        100: (0, 0),
        300: (0, 0),
    }
    mature = {
        at: (days[day(at)]["mature_entered"], days[day(at)]["mature_converted"])
        for at in (90, 91, 100, 101, 180, 181, 190, 191)
    }
    # The slow one converted after its window: it counts as entered, never as converted.
    assert mature == {
        90: (0, 0),
        91: (2, 1),
        100: (2, 1),
        101: (3, 1),
        180: (3, 1),
        181: (1, 0),
        190: (1, 0),
        191: (0, 0),
    }
    assert days[day(181)]["earlier_entered"] == 2
    assert days[day(270)]["earlier_entered"] == 3
    assert days[day(271)]["earlier_entered"] == 1
    assert days[day(281)]["earlier_entered"] == 0
    assert days[day(300)]["rate_in_window"] is days[day(300)]["mature_rate"] is None


def test_ten_leads_before_and_ten_leads_after_by_hand(trend):
    """2 of 10 against 7 of 10: pooled 0.45, z = -0.5 / sqrt(0.45 * 0.55 * 0.2) = -2.2473."""
    cycles = []
    for start, won in ((0, 7), (90, 2)):
        entered = NEW_YEAR + timedelta(days=start)
        for at in range(10):
            done = {"sales_qualified_at": entered + timedelta(days=3)} if at < won else {}
            cycles.append(cycle(f"{start}-{at}", handed_off_at=entered, **done))
    row = trend(cycles, as_of=NEW_YEAR + timedelta(days=200))[day(181)]
    assert (row["mature_entered"], row["mature_converted"]) == (10, 2)
    assert (row["earlier_entered"], row["earlier_converted"]) == (10, 7)
    assert row["rate_change"] == pytest.approx(-0.5)
    assert row["z_score"] == pytest.approx(-2.2473, abs=5e-5)
    assert row["p_value"] == pytest.approx(0.0246, abs=5e-5)
    z, p = proportions_ztest([2, 7], [10, 10])
    assert (row["z_score"], row["p_value"]) == (pytest.approx(z), pytest.approx(p, rel=1e-6))
    # Expected successes are 4.5 on either side: too few to call it a drop.
    assert (row["trend"], row["is_significant"]) == ("too_few", False)


@pytest.mark.parametrize(
    ("earlier", "later", "reading"),
    [
        ((20, 40), (8, 40), "drop"),
        ((8, 40), (20, 40), "rise"),
        ((20, 40), (17, 40), "no_change"),
        ((3, 3), (0, 3), "too_few"),
        ((40, 40), (40, 40), "too_few"),
    ],
)
def test_a_drop_is_a_drop_only_when_the_sample_says_so(trend, earlier, later, reading):
    cycles = []
    for start, (converted, entered) in ((0, earlier), (90, later)):
        moment = NEW_YEAR + timedelta(days=start)
        for at in range(entered):
            done = {"sales_qualified_at": moment} if at < converted else {}
            cycles.append(cycle(f"{start}-{at}", handed_off_at=moment, **done))
    row = trend(cycles, as_of=NEW_YEAR + timedelta(days=200))[day(181)]
    assert row["trend"] == reading
    assert row["is_significant"] is (reading in {"drop", "rise"})


def test_z_and_p_of_the_sample_are_those_of_statsmodels_and_scipy(sample):
    rows = sample.rows(
        "select distinct mature_converted, mature_entered, earlier_converted, earlier_entered, "
        "z_score, p_value from funnel_trend where z_score is not null order by all"
    )
    assert len(rows) > 1000
    p_values = 2 * norm.sf(numpy.abs([row["z_score"] for row in rows]))
    assert [row["p_value"] for row in rows] == pytest.approx(list(p_values), rel=1e-6)
    for row in rows[:: len(rows) // 200]:
        z, _ = proportions_ztest(
            [row["mature_converted"], row["earlier_converted"]],
            [row["mature_entered"], row["earlier_entered"]],
        )
        assert row["z_score"] == pytest.approx(z)


def test_every_day_of_the_sample_is_that_of_counting_cycle_by_cycle(sample):
    differing = sample.rows(
        """
        with facts as (
            select
                unnest(['all', 'lead_source', 'segment']) as dimension,
                unnest(['all', coalesce(lead_source, 'unknown'), segment]) as value,
                handed_off_at::date as entered,
                sales_qualified_at::date as converted,
                sales_qualified_at <= handed_off_at + interval 90 day as in_window
            from fct_lead_cycles
            where handed_off_basis = 'explicit'
        ),
        counted as (
            select
                trend.day, trend.dimension, trend.value,
                count(*) filter (where entered between day - 89 and day) as entered_in_window,
                count(*) filter (
                    where entered between day - 89 and day and converted <= day
                ) as converted_in_window,
                count(*) filter (where entered between day - 180 and day - 91)
                    as mature_entered,
                count(*) filter (where entered between day - 180 and day - 91 and in_window)
                    as mature_converted,
                count(*) filter (where entered between day - 270 and day - 181)
                    as earlier_entered,
                count(*) filter (where entered between day - 270 and day - 181 and in_window)
                    as earlier_converted
            from funnel_trend as trend
            inner join facts using (dimension, value)
            where trend.metric = 'mql_to_sql'
            group by all
        )
        select counted.day, counted.dimension, counted.value
        from counted
        inner join funnel_trend as trend using (day, dimension, value)
        where trend.metric = 'mql_to_sql' and (
            counted.entered_in_window <> trend.entered_in_window
            or counted.converted_in_window <> trend.converted_in_window
            or counted.mature_entered <> trend.mature_entered
            or counted.mature_converted <> trend.mature_converted
            or counted.earlier_entered <> trend.earlier_entered
            or counted.earlier_converted <> trend.earlier_converted
        )
        """
    )
    assert differing == []


def test_a_run_of_that_day_would_have_shown_the_same(project, sample):
    """The strongest meaning of "as known on that day": replay it."""
    then = datetime(2026, 3, 31, 23, 59, 59)
    shown = (
        "select metric, entered_in_window, converted_in_window, mature_entered, mature_converted, "
        "earlier_entered, earlier_converted from funnel_trend "
        "where dimension = 'all' and day = date '2026-03-31' order by metric"
    )
    replayed = sample_as_of(project, then).rows(shown)
    assert len(replayed) == 6
    assert sample.rows(shown) == replayed


def test_trends_go_back_two_years_at_the_most_and_know_what_was_before(trend):
    days = trend(
        [cycle("old", handed_off_at=NEW_YEAR), cycle("new", handed_off_at=NEW_YEAR)],
        as_of=NEW_YEAR + timedelta(days=800),
    )
    assert (min(days), max(days)) == (day(70), day(800))
    assert days[day(70)]["entered_in_window"] == days[day(89)]["entered_in_window"] == 2
    assert days[day(90)]["entered_in_window"] == 0


def test_the_day_of_a_new_definition_is_marked_the_first_one_is_none(trend):
    days = trend(
        [cycle("L", handed_off_at=NEW_YEAR)],
        as_of=NEW_YEAR + timedelta(days=30),
        before=[
            "delete from policy.definition_versions",
            "insert into policy.definition_versions values "
            "(1, '2026-01-05', 'both', 'first'), (2, '2026-01-15', 'both', 'stricter')",
        ],
    )
    assert [at for at, row in days.items() if row["has_definition_change"]] == [date(2026, 1, 15)]


def test_the_window_is_the_policys(trend):
    days = trend(
        [cycle("L", handed_off_at=NEW_YEAR)],
        as_of=NEW_YEAR + timedelta(days=120),
        before=[
            "update policy.rule_parameters set value = 30 where parameter = 'conversion_window'"
        ],
    )
    assert [days[day(at)]["entered_in_window"] for at in (29, 30)] == [1, 0]
    assert [days[day(at)]["mature_entered"] for at in (30, 31, 60, 61)] == [0, 1, 1, 0]


def test_no_cycles_no_days(trend):
    assert trend([], as_of=NEW_YEAR) == {}
