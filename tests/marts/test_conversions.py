"""One row per cycle and named rate: plain sums and averages are right at any grain."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from tests.marts.cycles import cycle

JANUARY = datetime(2026, 1, 10, 12)
AS_OF = datetime(2026, 7, 1)
DIMENSIONS = ("lead_source", "segment", "country", "owner_id", "score_band", "start_kind")
PERIODS = ("week", "month", "quarter")


@pytest.fixture
def built(new_warehouse):
    """Builds fct_conversions on some cycles; the rows of one rate by lead."""

    def build(cycles, metric="mql_to_sql", reps=(), **choices):
        warehouse = new_warehouse()
        warehouse.decide(AS_OF, **choices)
        warehouse.build_from_cycles(["fct_conversions"], cycles, reps)
        rows = warehouse.rows("from fct_conversions where metric = ?", [metric])
        return {row["lead_id"]: row for row in rows}

    return build


def test_sums_of_the_sample_are_its_cohorts_at_every_grain(sample):
    """Whatever a period, a dimension and a rate are: no distinct, no filter, no weights."""
    cohorts = " union all ".join(
        f"""
        select
            '{period}' as period, '{dimension}' as dimension, {column} as value, metric,
            metric_label, from_milestone, from_label, to_milestone, to_label, sort_order,
            sum(entered) as entered,
            sum(entered_implied) as entered_implied,
            coalesce(sum(converted), 0) as converted,
            coalesce(sum(converted_in_window), 0) as converted_in_window,
            coalesce(sum(still_open), 0) as still_open,
            round(avg(converted), 9) as rate,
            round(avg(converted_in_window), 9) as rate_in_window,
            round(median(days_to_convert), 6) as median_days,
            entered_{period} as period_start
        from fct_conversions
        group by all
        """
        for period in PERIODS
        for dimension, column in [("all", "'all'"), *((name, name) for name in DIMENSIONS)]
    )
    mart = """
        select * exclude (value_label, rate_in_window_lower, rate_in_window_upper, is_mature)
            replace (
                round(rate, 9) as rate,
                round(rate_in_window, 9) as rate_in_window,
                round(median_days, 6) as median_days
            )
        from funnel_conversion
    """
    shown = sample.rows(mart)
    assert {row["dimension"] for row in shown} == {"all", *DIMENSIONS}
    assert len(shown) > 1000
    summed = {frozenset(row.items()) for row in sample.rows(cohorts)}
    assert summed == {frozenset(row.items()) for row in shown}


def test_the_whole_mart_adds_up_to_the_cycles(sample):
    [handoffs] = sample.rows(
        """
        select
            count(*) as entered,
            count(accepted_at) as converted,
            count(accepted_at) / count(*) as rate
        from fct_lead_cycles
        where handed_off_basis = 'explicit'
        """
    )
    [summed] = sample.rows(
        "select sum(entered) as entered, sum(converted) as converted, avg(converted) as rate "
        "from fct_conversions where metric = 'mql_to_sal'"
    )
    assert handoffs["entered"] > 1000
    assert summed == handoffs


def test_cohorts_that_are_mature_are_made_of_mature_cycles(sample):
    [counted] = sample.rows(
        """
        select
            count(*) filter (where is_mature) as cohorts,
            count(*) filter (where is_mature and entered <> mature) as wrong
        from funnel_conversion
        inner join (
            select metric, entered_month as period_start, sum(mature) as mature
            from fct_conversions group by all
        ) using (metric, period_start)
        where period = 'month' and dimension = 'all'
        """
    )
    assert counted["cohorts"] > 10
    assert not counted["wrong"]


def test_what_only_follows_is_in_no_sum_and_no_average(built):
    rows = built(
        [
            cycle("proper", handed_off_at=JANUARY, sales_qualified_at=JANUARY + timedelta(days=9)),
            cycle("waiting", handed_off_at=JANUARY),
            cycle("left", handed_off_at=JANUARY, exited_at=JANUARY + timedelta(days=1)),
            cycle("sky", sales_qualified_at=JANUARY),
            cycle("nowhere", marketing_qualified_at=JANUARY),
        ]
    )
    names = ("entered", "entered_implied", "converted", "still_open", "mature", "days_to_convert")
    assert {lead: tuple(row[name] for name in names) for lead, row in rows.items()} == {
        "proper": (1, 0, 1, 0, 1, 9.0),
        "waiting": (1, 0, 0, 1, 1, None),
        "left": (1, 0, 0, 0, 1, None),
        "sky": (0, 1, None, None, None, None),
    }
    assert rows["proper"]["converted_date"] == date(2026, 1, 19)
    assert rows["sky"]["converted_date"] is rows["sky"]["converted_at"] is None


@pytest.mark.parametrize(("seconds", "mature"), [(1, 0), (0, 1)])
def test_a_cycle_is_mature_when_its_own_window_has_passed(built, seconds, mature):
    entered = AS_OF - timedelta(days=90) + timedelta(seconds=seconds)
    assert built([cycle("L", handed_off_at=entered)])["L"]["mature"] == mature


def test_periods_follow_the_reporting_time_zone(built):
    late = [cycle("L", handed_off_at=datetime(2026, 3, 31, 23, 30))]
    for zone, days in {
        "UTC": (date(2026, 3, 31), date(2026, 3, 30), date(2026, 3, 1), date(2026, 1, 1)),
        "Europe/Berlin": (date(2026, 4, 1), date(2026, 3, 30), date(2026, 4, 1), date(2026, 4, 1)),
    }.items():
        row = built(late, timezone=zone)["L"]
        assert tuple(row[f"entered_{it}"] for it in ("date", *PERIODS)) == days


def test_rows_can_be_read_without_a_join(built):
    rows = built(
        [
            cycle("known", handed_off_at=JANUARY, owner_id="R1"),
            cycle("other", handed_off_at=JANUARY, owner_id="R1", source_system="other"),
            cycle("nobody", handed_off_at=JANUARY, intent_tier=None),
        ],
        reps=[{"source_system": "files", "rep_id": "R1", "rep_name": "Ada", "team": "emea"}],
    )
    names = ("metric_label", "owner_name", "owner_team", "intent_tier", "lead_source")
    assert {lead: tuple(row[name] for name in names) for lead, row in rows.items()} == {
        "known": ("MQL to SQL", "Ada", "emea", "standard", "(none)"),
        "other": ("MQL to SQL", "R1", "(none)", "standard", "(none)"),
        "nobody": ("MQL to SQL", "(none)", "(none)", "(none)", "(none)"),
    }


def test_reached_milestones_of_the_sample_can_be_summed(sample):
    columns = [
        row["column_name"].removeprefix("reached_")
        for row in sample.rows("describe fct_lead_cycles")
        if row["column_name"].startswith("reached_")
    ]
    assert columns == [
        *("marketing_qualified", "handed_off", "accepted"),
        *("sales_qualified", "opportunity", "won"),
    ]
    for column in columns:
        [row] = sample.rows(
            f"select sum(reached_{column}) as summed, count({column}_at) as counted, "
            f"count(reached_{column}) as said, count(*) as cycles from fct_lead_cycles"
        )
        assert 0 < row["summed"] == row["counted"]
        assert row["said"] == row["cycles"]
