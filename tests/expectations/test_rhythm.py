"""Freshness and volume go by what each table usually does, whatever its size.

Every source of the test is a rhythm of its own: one build of the models judges them all.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from expectations.case_counts import count_cases
from expectations.catalogue import known_checks
from expectations.check import Outcome
from tests.warehouse import Warehouse

AS_OF = datetime(2026, 6, 30, 5)
TODAY = AS_OF.date()

# Days before as_of, and the rows of each.
Rows = dict[int, int]


def every(step: int, first: int = 364, last: int = 0, rows: int = 1) -> Rows:
    """So many rows on every ``step``-th day, up to ``last`` days ago."""
    return dict.fromkeys(range(last, first + 1, step), rows)


def working_days(last: int = 0, rows: int = 1, first: int = 364) -> Rows:
    """Rows on Mondays to Fridays."""
    return {ago: rows for ago in range(last, first + 1) if _day(ago).weekday() < 5}


def sixteen_a_month(last: int = 0, first: int = 300) -> Rows:
    """Rows 1, 1, 1, 2 and 4 days after each other, again and again."""
    found, ago = {}, last
    steps = [1, 4, 1, 2, 1]
    while ago <= first:
        found[ago] = 1
        ago += steps[len(found) % len(steps)]
    return found


def _day(ago: int) -> date:
    return TODAY - timedelta(days=ago)


def judge(
    warehouse: Warehouse,
    check: str,
    rhythms: dict[str, Rows],
    activities: Rows | None = None,
    spend: Rows | None = None,
    zone: str = "UTC",
) -> Outcome:
    """What a check finds of sources with these leads, and these activities and this spend each.

    All rows are dates without a time in the zone of the reports.
    """
    beside = {"activities": activities or {}, "channel_spend": spend or {}}
    rows = [
        (source, table, _day(ago), count)
        for source, leads in rhythms.items()
        for table, days in {"leads": leads, **beside}.items()
        for ago, count in days.items()
    ]
    warehouse.execute(
        f"""
        create or replace table quality.source_days as
        select
            source_system, table_name, source_date, date '{TODAY}' as as_of_date,
            timestamp '{AS_OF}' as as_of, row_count,
            timezone('{zone}', cast(source_date as timestamp)) at time zone 'UTC' as newest_at
        from (
            select
                unnest(cast(? as varchar[])) as source_system,
                unnest(cast(? as varchar[])) as table_name,
                unnest(cast(? as date[])) as source_date,
                unnest(cast(? as bigint[])) as row_count
        )
        """,
        [[row[at] for row in rows] for at in range(4)],
    )
    warehouse.decide(AS_OF, timezone=zone)
    warehouse.build(["source_freshness", "source_volume"], given=["source_days"])
    (outcome,) = count_cases(warehouse.connection, [known_checks()[check]])
    return outcome


def sources(outcome: Outcome) -> set[str]:
    return {key["source_system"] for key in outcome.keys}


HEALTHY = {
    "every day": every(1),
    "on working days, since Friday": working_days(last=4),
    "on working days, over a Christmas": working_days(last=11),
    "sixteen a month": sixteen_a_month(last=9),
    "in weekly batches": every(7, last=12),
    "monthly": every(30, last=55),
    "new today": {0: 3},
    "new this month": every(2, first=20),
    "imported in one day": {60: 800},
    "imported, then a few": {80: 800, 79: 20, 60: 1},
    "a few a year": {20: 1, 150: 1, 290: 1, 420: 1},
}
DEAD = {
    "every day": every(1, last=9),
    "on working days": working_days(last=15),
    "sixteen a month": sixteen_a_month(last=296, first=700),
    "sixteen a month, since lately": sixteen_a_month(last=24),
    "in weekly batches": every(7, last=28),
    "monthly": every(30, first=420, last=110),
    "new": every(1, first=99, last=97),
    "imported in one day": {296: 49},
}


# A source is compared with now, a table with the newest row of its source, here one of today.
FRESHNESS = pytest.mark.parametrize(
    ("check", "activities"), [("sources_are_fresh", {}), ("leads_are_fresh", {0: 1})]
)


@FRESHNESS
def test_what_keeps_to_its_rhythm_is_fresh(
    warehouse: Warehouse, check: str, activities: Rows
) -> None:
    outcome = judge(warehouse, check, HEALTHY, activities)
    assert (outcome.cases, sources(outcome)) == (len(HEALTHY), set())


@FRESHNESS
def test_what_is_silent_for_a_few_of_its_gaps_is_overdue(
    warehouse: Warehouse, check: str, activities: Rows
) -> None:
    assert sources(judge(warehouse, check, DEAD, activities)) == set(DEAD)


def test_an_old_export_is_one_warning(warehouse: Warehouse) -> None:
    old = {"an old export": every(1, last=121)}
    tables = judge(warehouse, "leads_are_fresh", old, every(2, last=125))
    assert (tables.cases, sources(tables)) == (1, set())
    # 121 days and 5 hours old, and three days are usual.
    outcome = judge(warehouse, "sources_are_fresh", old, every(2, last=125))
    assert outcome.observed == pytest.approx(118 + 5 / 24)
    assert outcome.said == "no new rows from an old export since 2026-03-01 (usually every day)"


def test_a_budget_makes_no_source_fresh(warehouse: Warehouse) -> None:
    """Nor a table late; but a source of nothing else is told by it."""
    budget = every(1)
    old = {"an old export": every(1, last=121), "ads": {}}
    outcome = judge(warehouse, "sources_are_fresh", old, spend=budget)
    assert (outcome.cases, sources(outcome)) == (2, {"an old export"})
    outcome = judge(warehouse, "leads_are_fresh", old, spend=budget)
    assert (outcome.cases, sources(outcome)) == (1, set())


@pytest.mark.parametrize(
    ("rows", "usually", "zone"),
    [
        (every(7, last=31), " (usually every 7 days)", "America/New_York"),
        (sixteen_a_month(last=296, first=700), " (usually every 1-4 days)", "UTC"),
        ({296: 49}, "", "Asia/Tokyo"),
    ],
)
def test_freshness_is_told_by_the_newest_row_and_the_rhythm(
    warehouse: Warehouse, rows: Rows, usually: str, zone: str
) -> None:
    both = {"crm": rows, "healthy": {0: 1}}
    outcome = judge(warehouse, "leads_are_fresh", both, {0: 1}, zone=zone)
    said = f"no new rows of leads since {_day(min(rows))}{usually}"
    assert replace(outcome, status="warned").message == said
    assert outcome.check.headline_of(outcome.observed, 2, 2, outcome.said) == f"{said} and 1 more"


def test_a_table_without_dated_rows_is_not_judged(warehouse: Warehouse) -> None:
    assert judge(warehouse, "leads_are_fresh", {}).status == "not_judged"


USUAL = {
    "60 a day": every(1, rows=60),
    "60 a day, 40 today": {**every(1, rows=60), 1: 40},
    "ten a day": every(1, rows=10),
    "on working days": working_days(rows=20),
    "sixteen in four weeks": every(7, rows=4),
    "sixteen, and thirty of late": {**every(7, rows=4), 10: 14},
    "sixteen, and seven of late": {**every(7, rows=4, first=364, last=29), 7: 4, 14: 3},
}
UNUSUAL = {
    "60 a day, 20 yesterday": {**every(1, rows=60), 1: 20},
    "60 a day, 100 yesterday": {**every(1, rows=60), 1: 100},
    "ten a day, four last week": {**every(1, rows=10), **every(1, first=7, last=1, rows=4)},
    "sixteen in four weeks, then three": {**every(7, rows=4, first=364, last=29), 10: 3},
    "sixteen in four weeks, then forty": {**every(7, rows=4), 10: 24},
}
TOO_LITTLE_IS_KNOWN = {
    "two a month": every(14),
    "new": every(1, rows=60, first=20),
    "silent for two weeks": every(1, rows=60, last=15, first=22),
}


def test_a_table_is_compared_over_a_span_that_says_something(warehouse: Warehouse) -> None:
    outcome = judge(
        warehouse, "leads_have_their_usual_volume", USUAL | UNUSUAL | TOO_LITTLE_IS_KNOWN
    )
    assert sources(outcome) == set(UNUSUAL)
    assert outcome.cases == len(USUAL) + len(UNUSUAL)


def test_where_too_little_is_known_no_volume_is_judged(warehouse: Warehouse) -> None:
    outcome = judge(warehouse, "leads_have_their_usual_volume", TOO_LITTLE_IS_KNOWN)
    assert outcome.status == "not_judged"
