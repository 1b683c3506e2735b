"""The data tests that tie every mart to the facts: they hold, and they notice when one does not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.marts.conftest import FUNNEL_MARTS
from tests.marts.cycles import cycle

MOMENT = datetime(2026, 2, 3, 10)
# What the data tests of the marts read beside them.
BUILT = (*FUNNEL_MARTS, "build_info")


def cycles():
    """A little of everything."""
    return [
        cycle("A", handed_off_at=MOMENT, sales_qualified_at=MOMENT + timedelta(days=3)),
        cycle("B", handed_off_at=MOMENT, exited_at=MOMENT + timedelta(days=1), reason_code="other"),
        cycle("C", handed_off_at=MOMENT, lead_source="Event", sla_status="met"),
        cycle("D", won_at=MOMENT, lead_source="Event"),
    ]


@pytest.fixture
def small(new_warehouse):
    """All funnel marts on a few cycles, for a test to spoil."""
    warehouse = new_warehouse()
    warehouse.decide(MOMENT + timedelta(days=20))
    warehouse.build_from_cycles(BUILT, cycles())
    return warehouse


def test_every_mart_of_the_sample_ties_to_the_facts(sample):
    assert sample.failing_tests(FUNNEL_MARTS) == {}


@pytest.mark.parametrize("count", [0, 1])
def test_marts_of_next_to_nothing_tie_too(new_warehouse, count):
    warehouse = new_warehouse()
    warehouse.decide(MOMENT + timedelta(days=20))
    warehouse.build_from_cycles(BUILT, cycles()[:count])
    assert warehouse.failing_tests(FUNNEL_MARTS) == {}


@pytest.mark.parametrize(
    ("mart", "spoil", "noticed_by"),
    [
        ("funnel_conversion", "delete from {} where value = 'Event'", "assert_funnel_conversion"),
        ("funnel_conversion", "update {} set converted = converted + 1", "assert_funnel_rates"),
        ("funnel_conversion", "update {} set rate_in_window_upper = 1.1", "assert_funnel_rates"),
        ("funnel_velocity", "delete from {} where dimension = 'all'", "assert_funnel_velocity"),
        ("funnel_velocity", "update {} set p75_days = 0", "assert_funnel_velocity"),
        ("funnel_trend", "delete from {} where value = 'Event'", "assert_funnel_trend"),
        ("funnel_trend", "update {} set converted_in_window = 0", "assert_funnel_trend"),
        ("handoff_sla", "update {} set met = met + 1", "assert_handoff_marts"),
        ("rep_acceptance", "update {} set accepted = accepted + 1", "assert_handoff_marts"),
        ("rejection_reasons", "update {} set share = share / 2", "assert_exit_marts"),
        ("recycling", "insert into {} select * from {}", "assert_exit_marts"),
        ("recycling", "insert into {} select * from {}", "each_recycling_reason"),
        ("nurture_queue", "insert into {} (days_overdue) values (-1)", "assert_exit_marts"),
    ],
)
def test_what_does_not_tie_is_noticed(small, mart, spoil, noticed_by):
    assert small.failing_tests(FUNNEL_MARTS) == {}
    small.execute(spoil.replace("{}", f"build.{mart}"))
    assert any(name.startswith(noticed_by) for name in small.failing_tests(FUNNEL_MARTS))
