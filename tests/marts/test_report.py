"""The report in a browser: it asks for nothing, fits a phone, and says what the marts say."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import MARTS_SCHEMA, PUBLISHED_FILE
from dagster_project.reporting.pages import REPORT_PAGE
from dagster_project.reporting.pages.report import write_report
from dagster_project.reporting.pages.words import FEWEST_CASES, NOTHING, TOO_FEW, shown
from tests.chromium import Browser, chromium
from tests.marts.conftest import PUBLISHED
from tests.warehouse import Warehouse

HOSTILE = "</script><!--<script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
MANIFEST = {
    "handoff_version": "1",
    "sources": [{"kind": "files", "name": HOSTILE}],
    "checks": [{"status": "passed"}, {"status": "passed"}, {"status": "warned"}],
    "notes": [
        {
            "source_system": "sample",
            "severity": "warning",
            "place": HOSTILE,
            "note": "stages that no map knows",
            "row_count": 1234,
            "what_to_do": "map them",
        }
    ],
}


@dataclass
class Report:
    """The page in a browser, and the marts that it was written from."""

    browser: Browser
    path: Path
    marts: duckdb.DuckDBPyConnection

    def opened(self, width: int, scheme: str = "light") -> list[str]:
        """Show the page; returns what it did beside being shown."""
        self.browser.ask(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.browser.ask("Emulation.setEmulatedMedia", features=[feature])
        page = self.browser.open(self.path)
        self.asked(
            "new Promise(done => { const look = () => 'ready' in document.documentElement.dataset"
            " ? done() : setTimeout(look, 20); look(); })"
        )
        return page.deeds

    def asked(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = self.browser.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def choose(self, **labels: str) -> None:
        """Set filters by what a reader sees."""
        for name, label in labels.items():
            self.asked(
                f"(() => {{ const box = document.forms.filters.elements.{name};"
                f"box.value = [...box.options].find(item => item.text === {label!r}).value;"
                "box.dispatchEvent(new Event('change', {bubbles: true})); })()"
            )

    def table(self, breakdown: str) -> dict[str, dict[str, str]]:
        """The numbers of a table as they stand, by row and measure."""
        found: dict[str, dict[str, str]] = self.asked(
            f"Object.fromEntries([...document.querySelector('[data-breakdown={breakdown}]')"
            ".tBodies[0].rows].map(row => [row.dataset.row, Object.fromEntries("
            "[...row.querySelectorAll('[data-measure]')]"
            ".map(cell => [cell.dataset.measure, cell.textContent]))]))"
        )
        return found

    def lines(self, chart: str) -> list[list[str]]:
        """The table below a chart, as texts."""
        found: list[list[str]] = self.asked(
            f"[...document.querySelector('[data-chart={chart}] table').tBodies[0].rows]"
            ".map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return found

    def headline(self, section: str) -> str:
        """What a section says first."""
        found: str = self.asked(f"document.querySelector('#{section} h2').textContent")
        return found

    def show_all(self) -> None:
        """Set no filter."""
        self.asked("document.querySelector('#filters button').click()")
        self.asked("new Promise(done => setTimeout(done, 100))")

    def steps(self, query: str) -> dict[str, dict[str, str]]:
        """What the table of steps must say: (metric, entered, converted, in window) by query."""
        return {
            metric: {
                "entered": shown(entered, "count"),
                "converted": shown(converted, "count"),
                "rate": shown(converted / entered, "share", entered),
                "rate_in_window": shown(in_window / entered, "share", entered),
            }
            for metric, entered, converted, in_window in self.marts.execute(query).fetchall()
        }


@pytest.fixture(scope="module")
def report(sample: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The report of the sample's marts; the name of a lead source is hostile."""
    build = tmp_path_factory.mktemp("build")
    file = build / PUBLISHED_FILE
    sample.execute(f"attach {literal(file)} as written")
    sample.execute(f"create schema written.{MARTS_SCHEMA}")
    for mart in published_marts():
        sample.execute(f"create table written.{MARTS_SCHEMA}.{mart} as from {mart}")
    sample.execute("detach written")
    with duckdb.connect(str(file)) as marts:
        marts.execute(f"use {MARTS_SCHEMA}")
        for mart in ("fct_lead_cycles", "fct_conversions"):
            if mart in published_marts():
                marts.execute(
                    f"update {mart} set lead_source = ? where lead_source = 'Event'", [HOSTILE]
                )
    path = build / REPORT_PAGE
    write_report(build, MANIFEST, path, tmp_path_factory.mktemp("cache"))
    with (
        duckdb.connect(str(file), read_only=True) as marts,
        chromium(tmp_path_factory.mktemp("chromium")) as browser,
    ):
        marts.execute(f"use {MARTS_SCHEMA}")
        yield Report(browser, path, marts)


def published_marts() -> list[str]:
    """The marts that a build has."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return sorted({row["mart"] for row in csv.DictReader(file)})


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_asks_for_nothing_and_fits(report: Report, width: int, scheme: str) -> None:
    assert report.opened(width, scheme) == []
    assert report.asked("document.documentElement.scrollWidth") <= width
    assert (
        report.asked("document.querySelectorAll('.drawing:not([hidden]):not(:has(svg))').length")
        == 0
    )
    # Each drawing is named by its finding, and colours are those of the scheme.
    assert report.asked(
        "[...document.querySelectorAll('.drawing')].every(place =>"
        "document.getElementById(place.getAttribute('aria-labelledby'))?.textContent)"
    )
    text = report.asked("document.body.innerText")
    assert HOSTILE in text
    assert "1 warned, 2 passed" in text
    for sentence, next_step in report.marts.execute(
        "select sentence, next_step from what_stands_out"
    ).fetchall():
        assert sentence in text
        assert next_step in text


@pytest.mark.skipif("fct_conversions" not in published_marts(), reason="no fct_conversions yet")
def test_numbers_are_those_of_the_marts_and_follow_the_filters(report: Report) -> None:
    report.opened(1440)
    whole = report.steps(
        """
        select metric, sum(entered), sum(converted), sum(converted_in_window)
        from funnel_conversion
        where period = 'month' and dimension = 'all'
        group by metric
        """
    )
    steps = report.table("steps")
    assert steps
    assert steps == {metric: whole[metric] for metric in steps}
    # A drawing says the same as its table.
    bars = "document.querySelectorAll('[data-drawing=funnel-by-kind] .mark-rect path').length"
    drawn = report.asked(bars)
    assert drawn

    report.choose(segment="enterprise", lead_source=HOSTILE)
    some = report.steps(
        """
        select metric, sum(entered), sum(converted), sum(converted_in_window)
        from fct_conversions
        where segment = 'enterprise' and lead_source like '</script>%'
        group by metric
        """
    )
    assert report.table("steps") == {metric: some[metric] for metric in steps}
    assert report.asked("document.querySelector('#stands-out .all-leads').hidden") is False

    report.show_all()
    assert report.table("steps") == steps
    assert report.asked(bars) == drawn


@pytest.mark.skipif("fct_conversions" not in published_marts(), reason="no fct_conversions yet")
def test_the_trend_is_that_of_the_mart_and_goes_on_with_what_is_known_so_far(
    report: Report,
) -> None:
    report.opened(1440)
    window = report.marts.execute("select conversion_window_days from build_info").fetchone()
    assert window
    latest = report.marts.execute(
        """
        select
            metric, day, mature_entered, mature_converted, mature_rate,
            entered_in_window, converted_in_window
        from funnel_trend
        where dimension = 'all'
        qualify day = max(day) over ()
        """
    ).fetchall()
    assert latest
    for metric, day, entered, converted, rate, young_entered, _young_converted in latest:
        lines = report.lines(f"trend-{metric}")
        final = next(line for line in lines if line[-1] == "final")
        assert final[1:4] == [
            shown(entered, "count"),
            shown(converted, "count"),
            shown(rate, "share", entered),
        ]
        assert final[0] == shown(day - timedelta(days=window[0] + 1))
        # The youngest window is as long: all that the mart has in view on its last day.
        assert lines[0][:2] == [shown(day), shown(young_entered, "count")]
        assert lines[0][-1] == "so far"
    assert report.asked("document.querySelectorAll('#trend .drawing svg').length") == len(latest)


@pytest.mark.skipif("fct_conversions" not in published_marts(), reason="no fct_conversions yet")
def test_cohorts_are_those_of_the_mart_and_young_ones_are_marked(report: Report) -> None:
    report.opened(1440)
    found = report.marts.execute(
        """
        select
            period_start, from_label || ' to ' || to_label, entered, converted_in_window, is_mature
        from funnel_conversion
        where period = 'month' and dimension = 'all'
        """
    ).fetchall()
    cohorts = {
        (f"{start:%b %Y}", label): [shown(entered, "count"), shown(converted, "count")]
        for start, label, entered, converted, _ in found
    }
    lines = {
        (cohort, label): [entered, converted]
        for cohort, label, entered, _, converted, _ in report.lines("cohorts")
    }
    assert {key: value for key, value in lines.items() if value[0] != "0"} == cohorts
    # Cells that are final are filled, the others have an outline only.
    dashed = "document.querySelectorAll('[data-drawing=cohorts] [stroke-dasharray=\"3,3\"]').length"
    young = [entered for _, _, entered, _, is_mature in found if not is_mature]
    assert report.asked(dashed) == sum(entered >= FEWEST_CASES for entered in young)


def test_first_touch_and_acceptance_are_those_of_the_marts_and_follow_the_filters(
    report: Report,
) -> None:
    report.opened(1440)
    has_names = report.marts.execute(
        "select count(*) from duckdb_columns() where column_name = 'rep_name'"
    ).fetchall()[0][0]
    name = "(select any_value(rep_name) from dim_reps where rep_id = owner_id)"
    owner = f"coalesce({name}, owner_id, '(none)')" if has_names else "coalesce(owner_id, '(none)')"
    sla = (
        f"select {owner}, sum(met + breached), sum(met), sum(breached) from handoff_sla group by 1"
    )
    decided = (
        f"select {owner}, sum(handed_off), sum(accepted), sum(rejected), sum(pending) "
        "from rep_acceptance group by 1"
    )
    weeks = (
        "select period_start, sum(met + breached), sum(met), sum(breached) from handoff_sla "
        "group by 1"
    )
    assert counted(report, "first-touch-owners") == rows_of(report, sla)
    assert counted(report, "acceptance-owners") == rows_of(report, decided)
    by_week = rows_of(report, weeks)
    assert len(counted(report, "first-touch-weeks")) == len(report.lines("first-touch-weeks"))
    for week, counts in counted(report, "first-touch-weeks").items():
        assert counts == by_week.get(week, ["0"] * 3)
    late, judged = (
        sum(row)
        for row in zip(
            *report.marts.execute("select breached, met + breached from handoff_sla").fetchall(),
            strict=True,
        )
    )
    assert f"{shown(late / judged, 'share')} ({late:,} of {judged:,}" in report.headline(
        "first-touch"
    )
    # A curve crosses its service level at the share that kept it.
    [(met_share,)] = report.marts.execute(
        """
        select avg((sla_status = 'met')::int) from fct_lead_cycles
        where
            handed_off_basis = 'explicit' and sla_status in ('met', 'breached')
            and intent_tier = (from handoff_sla select arg_min(intent_tier, tier_rank))
        """
    ).fetchall()
    labels = report.asked(
        "[...document.querySelectorAll('[data-drawing=first-touch] .mark-text.role-mark text')]"
        ".map(label => label.textContent)"
    )
    assert f"{met_share:.0%}" in labels

    report.choose(segment="enterprise")
    some = f"""
        from fct_lead_cycles
        select {owner}, count(*),
            count(*) filter (acceptance_status = 'accepted'),
            count(*) filter (acceptance_status = 'rejected'),
            count(*) filter (acceptance_status = 'pending')
        where handed_off_basis = 'explicit' and segment = 'enterprise'
        group by 1
    """
    assert counted(report, "acceptance-owners") == rows_of(report, some)
    report.show_all()
    assert counted(report, "acceptance-owners") == rows_of(report, decided)


def counted(report: Report, chart: str) -> dict[str, list[str]]:
    """The counts below a chart by the first cell, but for lines of nothing."""
    return {
        first: [cell for cell in cells if "%" not in cell and cell not in {TOO_FEW, NOTHING}]
        for first, *cells in report.lines(chart)
        if cells[0] != "0" or chart.endswith("weeks")
    }


def rows_of(report: Report, query: str) -> dict[str, list[str]]:
    """The counts of a query by its first column, as the page writes them."""
    found = report.marts.execute(query).fetchall()
    return {
        shown(first): [shown(count, "count") for count in counts]
        for first, *counts in found
        if counts[0]
    }
