"""Sections of the report over a few rows: what they say where the sample has nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from dagster_project.reporting.pages.charts import are_alike
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.heading import heading
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Table, said
from dagster_project.reporting.pages.sections import channels, first_touch
from dagster_project.reporting.pages.words import shown


@pytest.fixture
def marts() -> Iterator[Marts]:
    """The marts of a build without a row: each test adds those that it needs."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as build; use build")
        for table in (
            "dim_milestones (milestone text, milestone_label text, milestone_rank int, "
            "counted_as text)",
            "channel_mix (period_start date, lead_source text, marketing_qualified int, "
            "all_marketing_qualified int)",
            "channel_economics (period text, period_start date, period_end date, dimension text, "
            "channel text, is_complete boolean, spend_amount double, won_new int, "
            "revenue_amount double, won_new_with_spend int, revenue_with_spend_amount double, "
            "return_on_spend double, customer_acquisition_cost double, spend_lag_days int, "
            "spend_lag_basis text)",
            "fct_lead_cycles (source_system text, lead_source text, segment text, owner_id text, "
            "cycle_started_at timestamp, handed_off_at timestamp, handed_off_basis text, "
            "intent_tier text, sla_due_at timestamp, sla_status text, first_touch_at timestamp, "
            "speed_to_lead_minutes double)",
            "handoff_sla (intent_tier text, tier_rank int)",
            "build_info (build_id text, as_of timestamp, timezone text, tradition text, "
            "tradition_label text, definition_version int, definition_valid_from date, "
            "acceptance_mode text, acceptance_window_hours double, audit_mode text)",
            "lead_accounting (bucket text)",
            "dim_leads (source_system text, created_at timestamp)",
            "fct_lead_stages (source_system text, entered_at timestamp)",
        ):
            connection.execute(f"create table {table}")
        yield Marts(connection)


def add(marts: Marts, mart: str, **values: Any) -> None:
    """A row of a mart."""
    named = ", ".join(f"? as {name}" for name in values)
    marts.execute(f"insert into {mart} by name select {named}", *values.values())


def channel(marts: Marts, name: str, **values: Any) -> None:
    """The last year of a channel."""
    add(
        marts,
        "channel_economics",
        period="rolling_12_months",
        period_start=date(2025, 7, 1),
        period_end=date(2026, 6, 30),
        dimension=name if name == "all" else "channel",
        channel=name,
        is_complete=True,
        spend_lag_days=30,
        spend_lag_basis="agreed",
        **values,
    )


def shown_rows(table: Table) -> list[dict[str, str]]:
    """The cells of a table by the labels of its columns."""
    return [
        {column.label: column.shown(row) for column in table.columns} for row in table.shown_rows
    ]


@pytest.mark.parametrize("spend", [None, 5000.0])
def test_a_channel_brought_what_was_won_whether_or_not_its_spend_is_known(
    marts: Marts, spend: float | None
) -> None:
    known = None if spend is None else 10
    for name in ("all", "webinar"):
        channel(
            marts,
            name,
            spend_amount=spend,
            won_new=25,
            revenue_amount=1108000.0,
            won_new_with_spend=known or 0,
            customer_acquisition_cost=None if known is None else 500.0,
        )
    found = channels.section(marts, Cubes(marts))
    assert found is not None
    [table] = [part for part in found.parts if isinstance(part, Table)]
    for row in shown_rows(table):
        assert (row["New customers"], row["Revenue"]) == ("25", "1.1\u00a0m")
        assert ("Spend" in row) is (spend is not None)
        assert row.get("New customers with spend") == (None if spend is None else "10")


def build(marts: Marts, as_of: datetime, timezone: str = "UTC") -> None:
    """What the marts are of."""
    add(
        marts,
        "build_info",
        build_id="b1",
        as_of=as_of,
        timezone=timezone,
        tradition="four_stage",
        tradition_label="Four stages",
        acceptance_mode="explicit",
        audit_mode="warn",
    )


def test_a_build_is_told_in_its_own_time_and_whether_a_check_blocks_it(marts: Marts) -> None:
    build(marts, datetime(2026, 6, 29, 15), "Asia/Tokyo")
    add(marts, "dim_leads", source_system="crm", created_at=datetime(2026, 6, 28, 20))
    found = {"passed": "stages_are_mapped", "blocked": "leads_are_unique"}
    checks = [{"check_name": name, "status": status} for status, name in found.items()]
    head = heading(marts, {"checks": checks})
    assert shown(head.as_of) == "30 June 2026, 00:00"
    assert dict(head.facts)["Coverage of crm"] == "leads created: 29 June 2026 to 29 June 2026"
    assert head.blocked == ("leads_are_unique",)


def test_the_weeks_compared_are_whole_and_the_running_one_is_marked(marts: Marts) -> None:
    as_of = datetime(2026, 7, 1)  # a Wednesday
    build(marts, as_of)
    # Late: one handoff of each of the six days before, of which two are of the running week.
    for days in range(1, 7):
        add(
            marts,
            "fct_lead_cycles",
            handed_off_at=as_of - timedelta(days=days),
            handed_off_basis="explicit",
            intent_tier="standard",
            sla_status="breached",
            sla_due_at=as_of,
        )
    found = first_touch.section(marts, Cubes(marts))
    assert found is not None
    [weeks] = [chart for chart in found.charts() if chart.name == "first-touch-weeks"]
    assert said(weeks.finding).startswith("Late in the last 4 whole weeks: too few (4 of 4)")
    counted = {row["Week from"]: row["Late"] for row in late(weeks.table)}
    assert counted == {"29 June 2026 (so far)": "2", "22 June 2026": "4"}


def late(table: Table) -> list[dict[str, str]]:
    """The rows that have late ones; the share has a column of the same name."""
    columns = [column for column in table.columns if column.name in {"day", "late"}]
    rows = [{column.label: column.shown(row) for column in columns} for row in table.shown_rows]
    return [row for row in rows if row["Late"] != "0"]


def test_rates_are_alike_where_all_their_intervals_overlap() -> None:
    assert are_alike([(110, 175), (167, 204), (5, 7)]) is False
    assert are_alike([(8, 12), (9, 11), (6, 12)])


@pytest.mark.parametrize(
    ("change", "said"),
    [(0.0004, "0.0"), (-0.0004, "0.0"), (0.006, "+0.6"), (-0.003, "-0.3"), (None, "–")],
)
def test_a_change_that_rounds_to_none_has_no_sign(change: float | None, said: str) -> None:
    assert shown(change, "points").removesuffix("\u00a0pp") == said
