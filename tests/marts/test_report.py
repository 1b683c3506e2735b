"""The report in a browser: it asks for nothing, fits a phone, and says what the marts say."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import MARTS_SCHEMA, PUBLISHED_FILE
from dagster_project.reporting.pages import REPORT_PAGE
from dagster_project.reporting.pages.report import write_report
from dagster_project.reporting.pages.words import shown
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

    report.asked("document.querySelector('#filters button').click()")
    report.asked("new Promise(done => setTimeout(done, 100))")
    assert report.table("steps") == steps
    assert report.asked(bars) == drawn
