"""The report in a browser: it asks for nothing, fits a phone, and says what the marts say."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import altair
import duckdb
import pytest

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import MARTS_SCHEMA, PUBLISHED_FILE
from dagster_project.reporting.agreement import read_agreement
from dagster_project.reporting.pages import REPORT_PAGE
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.definitions import definitions_page
from dagster_project.reporting.pages.marts import open_marts
from dagster_project.reporting.pages.report import write_report
from dagster_project.reporting.pages.sections import sections
from dagster_project.reporting.pages.words import FEWEST_CASES, NOTHING, TOO_FEW, shown
from expectations.catalogue import configured_suites
from tests.chromium import Browser, chromium
from tests.marts.conftest import PUBLISHED, SAMPLE_AS_OF
from tests.warehouse import Warehouse

HOSTILE = "</script><!--<script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
MANIFEST = {
    "handoff_version": "1",
    "sources": [{"kind": "files", "name": HOSTILE}],
    "checks": [
        {
            "check_name": name,
            "status": status,
            "owner": owner,
            "failing_rows": failing,
            "message": f"{failing} of 9 {HOSTILE}; warns above 0%",
        }
        for name, status, owner, failing in [
            ("stages_are_mapped", "passed", "data", 0),
            ("each_lead_is_one_row", "passed", None, 0),
            ("handed_off_leads_have_an_owner", "warned", "sales", 7),
        ]
    ],
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
# What the checks found in this build and in the two before it.
HISTORY = [
    {
        "build_id": f"b{number}",
        "as_of": SAMPLE_AS_OF + timedelta(days=number),
        "check_name": "handed_off_leads_have_an_owner",
        "status": status,
    }
    for number, status in enumerate(["passed", "blocked", "warned"])
]


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

    def listed(self, section: str, caption: str) -> list[list[str]]:
        """A table of a section by the start of its caption, as texts."""
        found: list[list[str]] = self.asked(
            f"[...[...document.querySelectorAll('#{section} table')]"
            f".find(table => table.caption.textContent.startsWith({caption!r})).tBodies[0].rows]"
            ".map(row => [...row.cells].map(cell => cell.textContent.trim()))"
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
    write_report(build, MANIFEST, path, tmp_path_factory.mktemp("cache"), history=HISTORY)
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
    # On a phone no table scrolls sideways within its box.
    tables = "[...document.querySelectorAll('.scroll')]"
    report.asked("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    if width < 500:
        assert (
            report.asked(f"{tables}.filter(it => it.scrollWidth > it.clientWidth + 1).length") == 0
        )
    # Each drawing is named by its finding, and colours are those of the scheme.
    assert report.asked(
        "[...document.querySelectorAll('.drawing')].every(place =>"
        "document.getElementById(place.getAttribute('aria-labelledby'))?.textContent)"
    )
    text = report.asked("document.body.innerText")
    assert HOSTILE in text
    assert "2 passed, 1 warned, 0 blocked" in text
    for sentence, next_step in report.marts.execute(
        "select sentence, next_step from what_stands_out"
    ).fetchall():
        assert sentence in text
        assert next_step in text


@pytest.mark.skipif("fct_conversions" not in published_marts(), reason="no fct_conversions yet")
def test_every_chart_is_what_vega_lite_knows(report: Report) -> None:
    """Pages are written without this check, which takes longer than all else."""
    with open_marts(report.path.parents[1] / PUBLISHED_FILE) as marts:
        found = list(sections(marts, Cubes(marts)))
    charts = [chart for section in found for chart in section.charts()]
    assert len(charts) > 15
    for chart in charts:
        altair.Chart.from_dict(chart.spec, validate=True)


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


def test_a_browser_that_cannot_unpack_the_cubes_has_the_tables(report: Report) -> None:
    script = report.browser.ask(
        "Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream"
    )
    try:
        assert report.opened(1440) == []
    finally:
        report.browser.ask("Page.removeScriptToEvaluateOnNewDocument", **script)
    left = report.asked(
        "[...document.querySelectorAll('figure:has(table[data-breakdown])')].map(figure =>"
        "[figure.querySelector('.drawing').hidden, figure.querySelector('details.data').open,"
        " figure.querySelector('.too-few').innerText.startsWith('This browser is too old')])"
    )
    assert left
    assert all(map(all, left))
    # What needs no cube is drawn, and nothing offers to filter.
    assert report.asked("document.querySelectorAll('.drawing svg').length") > 0
    assert report.asked("document.getElementById('filters').hidden")
    assert report.table("steps")


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
        assert counts == by_week.get(week.removesuffix(" (so far)"), ["0"] * 3)
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


def test_why_cycles_left_and_who_came_back_are_those_of_the_marts_and_follow_the_filters(
    report: Report,
) -> None:
    report.opened(1440)
    reasons = (
        "select reason_label, sum(exited), sum(late_rejected) from rejection_reasons group by 1"
    )
    assert counts_of(report.lines("why-not-by-reason"), 2, 4) == rows_of(report, reasons)
    leaks = """
        select
            case
                when reason_code = '(none)' then 'no reason given'
                when leak = 'unknown' then 'no known leak'
                else replace(leak, '_', ' ')
            end || outcome,
            sum(exited), sum(late_rejected)
        from rejection_reasons
        group by 1
    """
    by_leak = [
        [leak + outcome.replace(" ", "_"), *cells]
        for leak, outcome, *cells in report.lines("why-not-by-leak")
    ]
    assert counts_of(by_leak, 1, 3) == rows_of(report, leaks)
    outcomes = """
        select
            replace(outcome, '_', ' '), sum(exited), sum(exited) filter (reason_code = '(none)')
        from rejection_reasons
        group by 1
    """
    missing = report.listed("why-not", "What is missing")
    assert counts_of(missing, 1, 2) == rows_of(report, outcomes)
    recycled = """
        select
            reason_label, sum(exited), sum(recycled), sum(requalified), sum(second_pass_accepted),
            sum(second_pass_sales_qualified), sum(second_pass_won)
        from recycling
        group by 1
    """
    came_back = report.listed("recycling", "By the reason")
    assert counts_of(came_back, 1, 2, 3, 5, 6, 7) == rows_of(report, recycled)
    due = "select reason_label, count(*) from nurture_queue group by 1"
    assert counts_of([row for row in came_back if row[-1] != "0"], 10) == rows_of(report, due)
    [(left, back, won, recovered)] = report.marts.execute(
        "select sum(exited), sum(requalified), sum(second_pass_won), sum(revenue_recovered) "
        "from recycling"
    ).fetchall()
    assert report.headline("recycling").startswith(
        f"{left:,} cycles ended without a win; {back:,} came back ({shown(back / left, 'share')}), "
        f"{won:,} of them were won, worth {shown(recovered, 'amount')};"
    )

    report.choose(segment="enterprise", lead_source=HOSTILE)
    some = """
        select coalesce(reason_label, 'No reason given'), count(*),
            count(*) filter (is_late_rejection)
        from fct_lead_cycles left join dim_reasons using (reason_code)
        where
            segment = 'enterprise' and lead_source like '</script>%'
            and outcome in (select outcome from rejection_reasons)
        group by 1
    """
    # What leads over all leads is not said of some.
    leading = "document.querySelector('#why-not h2 [data-when=all]').hidden"
    assert report.asked(leading) is True
    left_of_some = rows_of(report, some)
    drawn = counts_of(report.lines("why-not-by-reason"), 2, 4)
    assert {key: counts for key, counts in drawn.items() if counts[0] != "0"} == left_of_some
    of_some = report.marts.execute(
        """
        select count(*), count(requalified_at)
        from fct_lead_cycles
        where
            segment = 'enterprise' and lead_source like '</script>%' and exited_at is not null
        """
    ).fetchone()
    assert of_some
    assert report.headline("recycling").startswith(
        f"{of_some[0]:,} cycles ended without a win; {of_some[1]:,} came back "
        f"({shown(of_some[1] / of_some[0], 'share', of_some[0])})"
    )


def test_scores_channels_changes_and_the_agenda_are_those_of_the_marts(report: Report) -> None:
    report.opened(1440)
    bands = """
        select score_kind || band, cycles, won_in_window
        from score_calibration
        where
            is_mature
            and period_start = (
                select max(period_start) from score_calibration
                where is_mature and auc is not null
            )
    """
    by_band = [
        [("crm" if "CRM" in score else "handoff") + band, *cells]
        for score, band, *cells in report.lines("score-bands")
    ]
    assert counts_of(by_band, 1, 4) == rows_of(report, bands)
    mix = """
        select
            strftime(period_start, '%b %Y'), lead_source, sum(marketing_qualified),
            any_value(all_marketing_qualified)
        from channel_mix
        group by all
    """
    of_months = {
        (month, source): [shown(cycles, "count"), shown(of_all, "count")]
        for month, source, cycles, of_all in report.marts.execute(mix).fetchall()
    }
    told = {
        (month, source): cells[:2]
        for month, source, *cells in report.lines("channel-mix")
        if source != "other sources"
    }
    assert told
    assert told.items() <= of_months.items()
    whole = report.marts.execute(
        """
        select spend_amount, cost_per_handed_off, won_new_with_spend, customer_acquisition_cost
        from channel_economics
        where period = 'rolling_12_months' and dimension = 'all' and is_complete
        order by period_start desc
        """
    ).fetchone()
    assert whole
    spend, handed_off, customers, cost = whole
    all_channels, *channels = report.listed("channels", "What each channel cost")
    assert all_channels[:3] == ["All channels", shown(spend, "amount"), shown(handed_off, "amount")]
    assert [all_channels[9], all_channels[-1]] == [shown(customers, "count"), shown(cost, "amount")]
    # Of few customers an acquisition cost says so.
    assert all(
        row[-1] == NOTHING or row[-1].endswith("(few)") or int(row[9]) >= FEWEST_CASES
        for row in channels
    )
    drivers = """
        select
            label, sum(previous_entered), sum(current_entered)
        from conversion_drivers
        inner join metric_catalog using (metric)
        where period_pair = 'change' and dimension = 'lead_source'
        group by 1
    """
    compared = report.asked(
        "[...document.querySelector('#what-changed table').tBodies[0].rows]"
        ".map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    assert counts_of(compared, 2, 4) == rows_of(report, drivers)
    rates = """
        select metric_label, cases, status
        from sync_scorecard
        where period_start = (select max(period_start) from sync_scorecard where not is_running)
    """
    scorecard = report.listed("agenda", "Scorecard")
    assert {(row[0], row[2], row[5]) for row in scorecard} == {
        (label, shown(cases, "count"), status.replace("_", " "))
        for label, cases, status in report.marts.execute(rates).fetchall()
    }


def test_data_quality_says_what_checks_found_now_and_before(
    report: Report, sample: Warehouse
) -> None:
    report.opened(1440)
    assert report.headline("data-quality") == "Of 3 checks none blocks, 1 warn"
    [(check, _, status, found, owner)] = report.listed("data-quality", "What blocks")
    assert (check, status, owner) == ("handed off leads have an owner", "warned", "sales")
    assert found == f"7 of 9 {HOSTILE}"
    squares = "#data-quality table .squares"
    assert report.asked(f"document.querySelector('{squares}').ariaLabel") == (
        "3 builds: 1 blocked, 1 warned, 1 passed"
    )
    assert report.asked(
        f"[...document.querySelector('{squares}').children].map(item => item.className)"
    ) == ["passed", "blocked", "warned"]
    rules = """
        select replace(rule, '_', ' '), count(*), count(distinct (source_system, lead_id))
        from lifecycle_violations
        group by 1
    """
    assert counts_of(report.lines("broken-rules"), 2, 3) == rows_of(report, rules)
    linked = report.asked(
        "[...document.querySelectorAll('[data-chart=broken-rules] a')]"
        ".map(link => link.getAttribute('href'))"
    )
    assert {f"definitions.html#rule-{rule}" for rule in rules_of(report)} == set(linked)
    # What the report calls defined is on the page that defines it.
    checks = [check for suite in configured_suites({}) for check in suite.checks]
    definitions = definitions_page(read_agreement(sample.connection, checks))
    links = report.asked(
        "[...document.querySelectorAll('a[href^=\"definitions.html#\"]')]"
        ".map(link => link.getAttribute('href').split('#')[1])"
    )
    assert set(links) <= set(re.findall(r'id="([^"]+)"', definitions))
    # Every lead is somewhere, once.
    *buckets, total = report.listed("data-quality", "Every lead")
    accounted = "select bucket, count(*) from lead_accounting group by 1"
    assert counts_of(buckets, 1) == rows_of(report, accounted)
    [(leads,)] = report.marts.execute("select count(*) from lead_accounting").fetchall()
    assert total[1] == shown(leads, "count")


def rules_of(report: Report) -> set[str]:
    """The rules that something breaks."""
    found = report.marts.execute("select distinct rule from lifecycle_violations").fetchall()
    return {rule for (rule,) in found}


def counts_of(lines: list[list[str]], *places: int) -> dict[str, list[str]]:
    """Some cells of lines, by their first; lines that count nothing are left out."""
    return {line[0]: [line[at] for at in places] for line in lines if line[places[0]] != "0"}
