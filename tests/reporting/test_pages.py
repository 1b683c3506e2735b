"""All pages of an output in a browser: they fit, can be read, ask for nothing, and link right."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from dagster_project.alerting.messages import html_of
from dagster_project.config.warehouse import PUBLISHED_FILE, warehouse_path
from dagster_project.reporting.pages import DEFINITIONS_PAGE, HELD_BACK_PAGE, REPORT_PAGE
from dagster_project.reporting.pages.held_back import write_held_back
from dagster_project.reporting.pages.report import write_report
from dagster_project.running import publishing
from dagster_project.running.audit import DATA_DOCS_DIRECTORY
from tests.alerting.test_messages import document
from tests.chromium import Browser, chromium

# Width in pixels, and what the reader prefers; axe, which takes seconds, looks at two of them.
SCREENS = [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]
LOOKED_AT = SCREENS[1:3]
# Of the pages of suites, which are made alike, axe looks at the one with the most to show.
ALIKE = re.compile(rf"{DATA_DOCS_DIRECTORY}/(?!index|fct_lead_cycles)")
_READY = """
new Promise(done => {
  const look = () => !document.getElementById('data')
    || 'ready' in document.documentElement.dataset ? done() : setTimeout(look, 20);
  look();
})
"""
_VIOLATIONS = """
axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(found.violations
  .filter(rule => ['serious', 'critical'].includes(rule.impact))
  .map(rule => [rule.id, ...rule.nodes.slice(0, 3).map(node => node.failureSummary)])))
"""


@pytest.fixture(scope="module")
def output(golden_output: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden run's output: what it published, and the page of the same build held back."""
    output = tmp_path_factory.mktemp("pages")
    shutil.copyfile(warehouse_path(golden_output), warehouse_path(output))
    shutil.copytree(golden_output / DATA_DOCS_DIRECTORY, output / DATA_DOCS_DIRECTORY)
    shutil.copytree(golden_output / "published", output / "published")
    manifest = publishing.published_manifest(output)
    assert manifest
    # The last 30 days block, too: a name as long as they get, without a place to break.
    with publishing.connect(warehouse_path(output)) as warehouse:
        warehouse.execute(
            "update quality.check_results set status = 'blocked' where check_name in ("
            "select check_name || '_last_30_days' from quality.check_results "
            "where status = 'blocked')"
        )
    write_held_back(output, manifest["build_id"])
    # No lead in a stage, and so next to nothing to show.
    bare = output / "bare"
    (bare / REPORT_PAGE).parent.mkdir(parents=True)
    shutil.copyfile(output / "published" / PUBLISHED_FILE, bare / PUBLISHED_FILE)
    empty_all_but_leads(bare / PUBLISHED_FILE)
    write_report(bare, {}, bare / REPORT_PAGE)
    shutil.copyfile(output / "published" / DEFINITIONS_PAGE, bare / DEFINITIONS_PAGE)
    mail = html_of(document("Touched late: 56 % (707 of 1,260)"))
    (output / "mail.html").write_text(
        '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
        f"<title>A mail</title><main>{mail}</main></html>",
        encoding="utf-8",
    )
    return output


def empty_all_but_leads(published_file: Path) -> None:
    """Leave the leads and what is no data, as where no source tells a stage."""
    kept = ("build_info", "dim_leads", "dim_milestones", "lead_accounting")
    with publishing.connect(published_file) as marts:
        tables = marts.execute("select table_name from duckdb_tables()").fetchall()
        for (table,) in tables:
            if table not in kept:
                marts.execute(f"delete from marts.{table}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def pages(output: Path) -> list[Path]:
    """Every page that people open."""
    return sorted(output.rglob("*.html"))


def asked(browser: Browser, expression: str) -> Any:
    told = browser.ask("Runtime.evaluate", expression=expression, awaitPromise=True)
    assert "exceptionDetails" not in told, told
    return told["result"].get("value")


def test_pages_fit_can_be_read_and_ask_for_nothing(output: Path, browser: Browser) -> None:
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    assert {"bare", "held_back", "published", "mail.html", DATA_DOCS_DIRECTORY} == {
        page.relative_to(output).parts[0] for page in pages(output)
    }
    for path in pages(output):
        page = browser.open(path)
        asked(browser, _READY)
        asked(browser, axe)
        for width, scheme in SCREENS:
            browser.ask(
                "Emulation.setDeviceMetricsOverride",
                **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
            )
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.ask("Emulation.setEmulatedMedia", features=[feature])
            where = (path.relative_to(output), width, scheme)
            assert asked(browser, "document.documentElement.scrollWidth") <= width, where
            if (width, scheme) in LOOKED_AT and not ALIKE.search(path.as_posix()):
                assert json.loads(asked(browser, _VIOLATIONS)) == [], where
        assert page.deeds == [], path


def test_where_no_lead_got_far_the_report_says_so(output: Path, browser: Browser) -> None:
    shown = browser.open(output / "bare" / REPORT_PAGE).text
    assert "No lead got far enough for a rate (0 of " in shown
    assert "Show all" not in shown


def test_links_lead_somewhere(output: Path) -> None:
    ids = {
        path: set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8"))) for path in pages(output)
    }
    linked, anchored = set(), set()
    for path in pages(output):
        for link in re.findall(r'<a [^>]*?href="([^"]+)"', path.read_text("utf-8")):
            if link.startswith("https://"):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.is_file(), (path, link)
            assert not anchor or anchor in ids[target], (path, link)
            linked.add((path.relative_to(output).parts[0], target.name))
            anchored.add((path.relative_to(output).parts[0], anchor))
    assert ("published", DEFINITIONS_PAGE.name) in linked
    assert (HELD_BACK_PAGE.parts[0], REPORT_PAGE.name) in linked
    assert (HELD_BACK_PAGE.parts[0], "rejected_leads_have_a_reason") in anchored
    held_back = (output / HELD_BACK_PAGE).read_text("utf-8")
    assert ">rejected_leads_have_a_reason_last_30_days</a>" in held_back
