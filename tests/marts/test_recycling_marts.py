"""Leads that left: who came back, what the second pass brought, and who is due another look."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from tests.marts.cycles import cycle

EXIT = datetime(2026, 1, 15, 12)
AS_OF = datetime(2026, 7, 1)
MARTS = ("recycling", "nurture_queue")


def left(lead_id, reason="no_response", at=EXIT, **columns):
    """A first pass that sales rejected."""
    return cycle(
        lead_id,
        handed_off_at=at - timedelta(days=3),
        exited_at=at,
        exit_kind="rejected",
        reason_code=reason,
        **columns,
    )


def came_back(lead_id, after, reason="no_response", **second):
    """A first pass that was rejected and recycled at once, and the second one."""
    again = EXIT + timedelta(days=after)
    return [
        left(lead_id, reason, recycled_at=EXIT, requalified_at=again, is_recycled=True),
        cycle(lead_id, number=2, marketing_qualified_at=again, **second),
    ]


@pytest.fixture
def built(new_warehouse):
    """Builds the recycling marts on some cycles."""

    def build(cycles, as_of=AS_OF, before=(), **choices):
        warehouse = new_warehouse()
        for statement in before:
            warehouse.execute(statement)
        warehouse.decide(as_of, **choices)
        warehouse.build_from_cycles(MARTS, cycles)
        return warehouse

    return build


def test_second_passes_stand_beside_the_first(built):
    later = EXIT + timedelta(days=70)
    warehouse = built(
        [
            *came_back("A", 60, won_at=later, won_amount=1200.5, opportunity_amount=1200.5),
            *came_back("B", 20, handed_off_at=later, accepted_at=later),
            *came_back("C", 40),
            left("D", recycled_at=AS_OF - timedelta(days=10), is_recycled=True),
            left("E", accepted_at=EXIT - timedelta(days=1)),
            left("F", reason=None),
            cycle("G", handed_off_at=EXIT),
        ]
    )
    rows = {row["reason_code"]: row for row in warehouse.rows("select * from recycling")}
    assert set(rows) == {"no_response", "(none)"}
    row = rows["no_response"]
    assert row["period_start"] == date(2026, 1, 1)
    assert (row["exited"], row["exited_accepted"]) == (5, 1)
    assert (row["recycled"], row["requalified"]) == (4, 3)
    assert (row["recycled_rate"], row["requalified_rate"]) == (0.8, 0.6)
    second = [row[f"second_pass_{name}"] for name in ("handed_off", "accepted", "won")]
    assert second == [2, 2, 1]
    assert row["second_pass_won_rate"] == pytest.approx(1 / 3)
    assert float(row["revenue_recovered"]) == 1200.5
    # In nurture for 60, 20, 40 and so far 10 days; back after 60, 20 and 40.
    assert row["median_days_in_nurture"] == pytest.approx(30)
    assert row["median_days_to_requalify"] == pytest.approx(40)
    assert rows["(none)"]["second_pass_won_rate"] is None


def test_a_third_pass_is_recovered_from_the_second_exit(built):
    [first, second] = came_back("A", 20, handed_off_at=EXIT + timedelta(days=20))
    february = EXIT + timedelta(days=25)
    second |= {"exited_at": february, "reason_code": "no_budget", "requalified_at": AS_OF}
    third = cycle("A", number=3, won_at=AS_OF, won_amount=500)
    rows = built([first, second, third]).rows("select * from recycling order by period_start")
    assert [(row["reason_code"], float(row["revenue_recovered"])) for row in rows] == [
        ("no_response", 0),
        ("no_budget", 500),
    ]


@pytest.mark.parametrize(
    ("reason", "days"), [("no_response", 90), ("not_icp", 365), ("unknown", 180), (None, 180)]
)
def test_a_lead_is_due_when_its_reason_says(built, reason, days):
    due = EXIT + timedelta(days=days)
    early = built([left("A", reason)], as_of=due - timedelta(seconds=1))
    assert early.rows("select * from nurture_queue") == []
    [row] = built([left("A", reason)], as_of=due + timedelta(days=2)).rows(
        "select * from nurture_queue"
    )
    assert (row["lead_id"], row["due_at"]) == ("A", due)
    assert row["days_overdue"] == pytest.approx(2)
    assert row["reason_code"] == (reason or "(none)")
    assert built([left("A", reason)], as_of=due).rows("select lead_id from nurture_queue")


def test_who_came_back_or_never_should_is_not_in_the_queue(built):
    cycles = [
        *came_back("back", 100),
        left("bad", reason="bad_data"),
        cycle("open", handed_off_at=EXIT),
    ]
    assert (
        built(cycles, as_of=AS_OF + timedelta(days=900)).rows("select * from nurture_queue") == []
    )


def test_a_second_pass_that_left_again_is_due_from_its_own_exit(built):
    [first, second] = came_back("A", 20, handed_off_at=EXIT + timedelta(days=20))
    second |= {"exited_at": EXIT + timedelta(days=30), "reason_code": "no_response"}
    [row] = built([first, second]).rows("select * from nurture_queue")
    assert (row["cycle_number"], row["start_kind"]) == (2, "requalified")
    assert row["due_at"] == EXIT + timedelta(days=120)


def test_months_follow_the_reporting_time_zone(built):
    warehouse = built([left("A", at=datetime(2026, 1, 31, 23, 30))], timezone="Europe/Berlin")
    assert warehouse.rows("select period_start from recycling") == [
        {"period_start": date(2026, 2, 1)}
    ]


def test_without_a_reason_called_other_missing_reasons_are_never_due(built):
    policy = ["delete from policy.reason_codes where reason_code = 'other'"]
    late = AS_OF + timedelta(days=900)
    warehouse = built([left("A", None), left("B")], as_of=late, before=policy)
    assert [row["lead_id"] for row in warehouse.rows("select * from nurture_queue")] == ["B"]


def test_the_queue_of_the_sample_is_that_of_plain_sql(sample):
    expected = sample.rows(
        """
        select lead_id, exited_at + to_days(reasons.recycle_after_days) as due_at
        from fct_lead_cycles as cycles
        inner join dim_reasons as reasons
            on coalesce(cycles.reason_code, 'unknown') = reasons.reason_code
        where
            exited_at is not null
            and requalified_at is null
            and exited_at + to_days(reasons.recycle_after_days) <= timestamp '2026-07-01'
        order by all
        """
    )
    assert len(expected) > 100
    assert sample.rows("select lead_id, due_at from nurture_queue order by all") == expected


def test_nobody_left_nobody_waits(built):
    warehouse = built([])
    for mart in MARTS:
        assert warehouse.rows(f"select * from {mart}") == []
