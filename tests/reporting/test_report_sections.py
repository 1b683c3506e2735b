"""What the report makes of marts that are unlike the sample's: broken, shared, of another zone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.config.warehouse import MARTS_SCHEMA, PUBLISHED_FILE
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, local_date, open_marts
from dagster_project.reporting.pages.section import Chart, Table, said
from dagster_project.reporting.pages.sections import channels, sections, what_changed

# A few marts of a company in Tokyo, whose moments are in UTC: July began there at 15:00.
CYCLES = "values ('crm', 'Ads', 'smb', 'R1', timestamp '2026-04-01')"
TOKYO = {
    "build_info": "select 'Asia/Tokyo' as timezone, timestamp '2026-07-31 20:00' as as_of",
    "fct_lead_stages": "select unnest([timestamp '2026-04-30 16:00', '2026-06-30 16:00']) "
    "as entered_at",
    "fct_lead_cycles": f"from ({CYCLES}) "
    "as t(source_system, lead_source, segment, owner_id, cycle_started_at)",
}
ECONOMICS = """
    select
        'all' as period, date '2026-01-01' as period_start, date '2026-06-30' as period_end,
        true as is_complete, 'channel' as dimension, channel, spend as spend_amount,
        spend / 20 as cost_per_handed_off, 20 as handed_off_with_spend,
        null as customer_acquisition_cost, 0 as won_new_with_spend,
        0 as revenue_with_spend_amount, null as return_on_spend,
        0 as spend_lag_days, 'policy' as spend_lag_basis
    from (values ('paid', 900.0), ('events', 300.0), ('refunded', -40.0), ('own', 0.0))
        as t(channel, spend)
"""
MILESTONES = """
    select
        'handed_off' as milestone, 'MQL' as milestone_label, 1 as milestone_rank,
        'handed_off' as counted_as
"""
# Nothing but its name is as a mart should be.
BROKEN = "select 'no such column' as other"

Made = Callable[[dict[str, str]], Marts]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Made]:
    """Makes a build of queries by the names of their marts."""
    with ExitStack() as stack:

        def build(queries: dict[str, str]) -> Marts:
            with duckdb.connect(str(tmp_path / PUBLISHED_FILE)) as connection:
                connection.execute(f"create schema {MARTS_SCHEMA}")
                for mart, query in queries.items():
                    connection.execute(f"create table {MARTS_SCHEMA}.{mart} as {query}")
            return stack.enter_context(open_marts(tmp_path / PUBLISHED_FILE))

        yield build


def test_what_brought_more_refunds_than_spend_is_in_the_table_alone(make: Made) -> None:
    mix = "select null::date as period_start, '' as lead_source, 0 as marketing_qualified, "
    marts = make(
        {
            "channel_economics": ECONOMICS,
            "channel_mix": f"{mix} 0 as all_marketing_qualified limit 0",
            "dim_milestones": MILESTONES,
            **TOKYO,
        }
    )
    section = channels.section(marts, Cubes(marts))
    assert section
    [drawn] = section.charts()
    assert [row["label"] for row in drawn.data] == ["paid", "events"]
    table = next(part for part in section.parts if isinstance(part, Table))
    assert {row["label"]: row["spend_amount"] for row in table.rows}["refunded"] == -40


def test_a_section_that_fails_costs_no_other(make: Made, caplog: pytest.LogCaptureFixture) -> None:
    marts = make(
        {
            "channel_economics": BROKEN,
            "channel_mix": BROKEN,
            "dim_milestones": MILESTONES,
            "lead_accounting": "select 'counted' as bucket",
            "lifecycle_violations": "select '' as rule, '' as severity, '' as source_system, "
            "'' as lead_id, null::timestamp as occurred_at limit 0",
            **TOKYO,
        }
    )
    broken, whole = sections(marts, Cubes(marts))
    assert (broken.anchor, broken.title) == ("channels", "Channels")
    assert said(broken.finding) == "Channels could not be shown"
    assert whole.anchor == "data-quality"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "the section channels could not be shown" in record.getMessage()
    assert "BinderException" in record.getMessage()


def test_periods_are_those_of_the_reporting_time_zone_up_to_its_moment(make: Made) -> None:
    marts = make(TOKYO)
    cubes = Cubes(marts)
    # Also the one in which nothing happened, and the one that has just begun.
    assert cubes.periods == [date(2026, month, 1) for month in (8, 7, 6, 5)]
    assert not cubes.has_older
    query = (
        "select cycles.*, 1 as stages, "
        f"{local_date('fct_lead_stages.entered_at')} as happened_on "
        "from fct_lead_stages cross join fct_lead_cycles as cycles"
    )
    cube = cubes.cube("stages", query, keys=(), sums=("stages",))
    assert cube.added_up(["period"]) == {("1",): {"stages": 1}, ("3",): {"stages": 1}}


@pytest.mark.parametrize(
    ("names", "shown"),
    [(["Kim"], "Kim"), (["Kim", "Kim"], "Kim"), (["Kim", "Lou"], "R1"), ([], "R1")],
)
def test_an_id_of_several_people_has_no_name(make: Made, names: Sequence[str], shown: str) -> None:
    reps = f"select 'R1' as rep_id, unnest({list(names)}::varchar[]) as rep_name"
    cubes = Cubes(make({"dim_reps": reps, **TOKYO}))
    assert cubes.filter("owner_id").values == (shown,)


def test_two_people_of_one_name_are_two_owners(make: Made) -> None:
    two = CYCLES + ", ('crm', 'Ads', 'smb', 'R2', timestamp '2026-04-02')"
    cycles = TOKYO["fct_lead_cycles"].replace(CYCLES, two)
    reps = "select unnest(['R1', 'R2']) as rep_id, 'Kim Lee' as rep_name"
    marts = make({**TOKYO, "fct_lead_cycles": cycles, "dim_reps": reps})
    assert Cubes(marts).filter("owner_id").values == ("Kim Lee (R1)", "Kim Lee (R2)")


def test_changes_are_named_as_the_mart_names_them(make: Made) -> None:
    """A segment may have the id of a rep."""
    drivers = """
        select
            'change' as period_pair, 'mql_to_sql' as metric, dimension, 'R1' as value, value_label,
            date '2026-01-01' as previous_from, date '2026-03-31' as previous_until,
            date '2026-04-01' as current_from, date '2026-06-30' as current_until,
            100 as previous_entered, 50 as previous_converted, 0.5 as previous_rate,
            100 as current_entered, 60 as current_converted, 0.6 as current_rate,
            0.0 as mix_part, 0.1 as rate_part, 0.1 as change_part, 0.1 as total_change
        from (values ('owner_id', 'Kim'), ('segment', 'R1')) as t(dimension, value_label)
    """
    marts = make(
        {
            "conversion_drivers": drivers,
            "metric_catalog": "select 'mql_to_sql' as metric, 'MQL to SQL' as label",
            "dim_reps": "select 'R1' as rep_id, 'Kim' as rep_name",
            **TOKYO,
        }
    )
    section = what_changed.section(marts, Cubes(marts))
    assert section
    chart = next(part for part in section.parts if isinstance(part, Chart))
    assert {row["what"] for row in chart.data} == {"Owner: Kim", "Segment: R1"}
