"""The page that both teams sign says all that the policy decides, and nothing that it doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.commands import app as command_line
from dagster_project.config.settings import CheckThresholds
from dagster_project.config.warehouse import POLICY_DIR, PUBLISHED_FILE
from dagster_project.reporting.agreement import anchor, read_agreement
from dagster_project.reporting.pages import DEFINITIONS_PAGE
from dagster_project.reporting.pages.definitions import (
    definitions_page,
    elapsed,
    limit,
    write_definitions,
)
from dagster_project.reporting.policy_changes import POLICY_FILE, compare
from expectations.catalogue import configured_suites
from expectations.check import Check
from tests.chromium import chromium
from tests.lifecycle.company_policy import MILESTONES, Policy
from tests.warehouse import Project, Warehouse

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
SHIPPED = Policy.from_directory(POLICY_DIR)
# What the page reads of the models.
MODELS = (
    "build_info",
    "dim_milestones",
    "dim_stages",
    "dim_reasons",
    "int_conversion_pairs",
    "int_diagnostics",
    "int_rules",
    "int_stage_moves",
    "int_stage_names",
    "int_targets",
    "lifecycle_violations",
    "metric_catalog",
)
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }} \u202e"
EXPORT = {
    "leads": [{"lead_id": "L1", "created_at": "2026-01-01T00:00:00Z"}],
    "stage_changes": [
        {"change_id": str(number), "lead_id": "L1", "changed_at": "2026-02-01", "to_stage": stage}
        for number, stage in enumerate(
            ("Hot lead", "On hold", "<b>No stage</b>", "見込み客", "ask bob@acme.example")
        )
    ],
}

Made = Callable[..., Warehouse]


@pytest.fixture(scope="module")
def make(project: Project) -> Made:
    """Makes the build of a small export by a policy; the next one takes its place."""
    warehouse = Warehouse(project)

    def build(
        policy: Policy = SHIPPED,
        tradition: str = "four_stage",
        stage_map: Mapping[str, str] | None = None,
    ) -> Warehouse:
        warehouse.load(EXPORT, policy, stage_map)
        warehouse.decide(AS_OF, tradition)
        warehouse.build(MODELS)
        return warehouse

    return build


@pytest.fixture(scope="module")
def shipped_build(project: Project) -> Warehouse:
    """The build by the policy that ships; "Hot lead" is an MQL, and a hostile text, too."""
    warehouse = Warehouse(project)
    warehouse.load(EXPORT, SHIPPED, {"Hot lead": "mql", HOSTILE: "mql"})
    warehouse.decide(AS_OF)
    warehouse.build(MODELS)
    return warehouse


@pytest.fixture
def shipped(shipped_build: Warehouse) -> Warehouse:
    """The same, with the policy that ships, whatever a test before made of it."""
    shipped_build.set_policy(SHIPPED)
    return shipped_build


def checks(**configured: CheckThresholds) -> list[Check]:
    """All checks, some as `handoff.yml` may set them."""
    return [check for suite in configured_suites(configured) for check in suite.checks]


class Page(HTMLParser):
    """What a browser makes of a page: its ids, links and tags, and the text of each id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self._starts: list[int] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.text += " " if tag in {"td", "th", "div", "dt", "dd", "p", "h3"} else ""
        given = dict(attributes)
        assert not [name for name in given if name.startswith("on")]
        if name := given.get("id"):
            self.ids.append(name)
            self._starts.append(len(self.text))
        if tag == "a":
            self.links.append(given["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data

    def after(self, name: str) -> str:
        """The text from an id up to the next one."""
        at = self.ids.index(name)
        return " ".join(self.text[slice(*self._starts[at : at + 2])].split())


def page_of(warehouse: Warehouse, **configured: CheckThresholds) -> Page:
    """The page of the build that a warehouse holds."""
    page = Page(definitions_page(read_agreement(warehouse.connection, checks(**configured))))
    assert len(page.ids) == len(set(page.ids)), "an id that stands twice"
    dangling = {link for link in page.links if link.startswith("#")} - {f"#{i}" for i in page.ids}
    assert not dangling
    return page


def column(table: str, name: str, tradition: str = "four_stage") -> list[str]:
    """The values of a policy column, of the tradition only."""
    rows = SHIPPED.rows(table)
    return [row[name] for row in rows if row.get("tradition", tradition) == tradition]


def changed(table: str, column: str, value: str, **where: str) -> Policy:
    """The shipped policy with a cell changed."""
    rows = [
        {**row, column: value} if where.items() <= row.items() else row
        for row in SHIPPED.rows(table)
    ]
    return SHIPPED.with_rows(table, rows)


def test_whatever_is_linked_to_has_its_place(shipped: Warehouse) -> None:
    page = page_of(shipped)
    wanted = {
        "milestone": MILESTONES,
        "stage": column("stages", "stage"),
        "tier": column("sla_policies", "intent_tier"),
        "reason": [*column("reason_codes", "reason_code"), "unknown"],
        "parameter": column("rule_parameters", "parameter"),
        "metric": [row["metric"] for row in shipped.rows("metric_catalog")],
        "rule": [row["rule"] for row in shipped.rows("int_rules")],
        "check": [check.name for check in checks()],
        "diagnostic": column("diagnostics", "diagnostic"),
        "version": column("definition_versions", "version"),
    }
    missing = {anchor(kind, name) for kind, names in wanted.items() for name in names} - set(
        page.ids
    )
    assert not missing
    assert not page.tags & {"script", "img", "iframe", "form"}


@pytest.mark.parametrize("tradition", ["hubspot", "salesforce", "winning_by_design"])
def test_every_tradition_has_a_page(make: Made, tradition: str) -> None:
    page = page_of(make(tradition=tradition))
    for row in SHIPPED.rows("milestone_labels"):
        if row["tradition"] == tradition:
            assert page.after(f"milestone-{row['milestone']}").startswith(row["label"])


def test_a_milestone_says_what_it_means(shipped: Warehouse, make: Made) -> None:
    page = page_of(shipped)
    assert "happens together with MQL handed_off" in page.after("milestone-marketing_qualified")
    assert "Hot lead" in page.after("stage-mql")
    assert "It decides within 48 hours" in page.after("milestone-accepted")
    assert "mapped to no stage: <b>No stage</b>, On hold, ask [e-mail]" in " ".join(
        page.text.split()
    )
    # Where silence is acceptance, and the handoff needs explicit intent.
    page = page_of(make(tradition="handoff_first"))
    assert "Silence is acceptance" in page.after("milestone-accepted")
    assert "explicit intent in the 30 days before" in page.after("handoff")


def test_numbers_are_those_of_the_policy(shipped: Warehouse) -> None:
    page = page_of(shipped)
    assert page.after("tier-hand_raise").startswith("1. hand_raise 5 minutes, by the clock")
    assert "or no engagement at all" in page.after("tier-standard")
    assert page.after("reason-no_response").startswith("No response no_response follow_up")
    assert "after 90 days no response, unresponsive" in page.after("reason-no_response")
    assert "never duplicate" in page.after("reason-bad_data")
    assert "always required" in page.after("stage-rejected")
    assert "required from Subscriber, Lead, MQL" in page.after("stage-nurture")
    metric = page.after("metric-mql_to_sql")
    assert "cycles that reached sales_qualified to date (converted), or within the window" in metric
    assert "90 days funnel_conversion" in metric
    assert "Target" not in metric
    promise = page.after("metric-sla_met_rate")
    assert "Target: at least 80 % (sales), from 2025-01-01" in promise
    assert "watch below 15 % (smb)" in page.after("check-diagnostic_qualification_range")
    assert page.after("parameter-creation_tolerance").startswith("creation_tolerance 1 minute")
    shipped.set_policy(changed("sla_policies", "target_minutes", "15", intent_tier="hand_raise"))
    assert "15 minutes" in page_of(shipped).after("tier-hand_raise")


def test_a_rule_shows_its_check_as_it_is_set(shipped: Warehouse) -> None:
    name = "rejected_leads_have_a_reason"
    page = page_of(shipped, **{name: CheckThresholds(warn=0.03, block=0.1)})
    assert "owner: sales" in page.after("rule-rejection_reason_missing")
    assert "Ask the owners" in page.after("rule-rejection_reason_missing")
    said = page.after(f"check-{name}_last_30_days")
    assert "whole history: warns above 3 %, blocks above 10 %" in said
    assert "trailing 30 days: warns above 0 %, blocks above 20 %" in said
    agreement = read_agreement(shipped.connection, checks())
    assert all(rule["watch"] for rule in agreement.rules)


def test_texts_of_a_company_are_texts(make: Made) -> None:
    policy = changed("stages", "label", HOSTILE, tradition="four_stage", stage="sal")
    rows = [
        {**row, "label": f"{HOSTILE} {row['reason_code']}", "reason_group": "不適合"}
        for row in SHIPPED.rows("reason_codes")
    ]
    reason = {**rows[0], "reason_code": "予算 なし", "label": "予算なし"}
    extra = {
        **next(row for row in SHIPPED.rows("stages") if row["stage"] == "mql"),
        **{"stage": "見込み客", "label": "有望な見込み客", "owner_team": "マーケティング"},
        **{"milestone": "captured", "path_order": "25"},
    }
    policy = policy.with_rows("reason_codes", [*rows, reason])
    policy = policy.with_rows("stages", [*policy.rows("stages"), extra])
    page = page_of(make(policy, stage_map={HOSTILE: "sal", "ホットリード": "見込み客"}))
    assert "script" not in page.tags
    shown = "<script>alert(1)</script> {{ 7 * 7 }} \\u202e"
    assert page.after("stage-sal").startswith(f"{shown} sal")
    assert page.after("stage-見込み客").startswith("有望な見込み客 見込み客")
    assert "ホットリード" in page.after("stage-見込み客")
    assert page.after("reason-予算_なし").startswith("予算なし 予算 なし")
    assert "For マーケティング" in page.text


def test_a_policy_of_few_rows_has_a_page(make: Made) -> None:
    policy = SHIPPED
    for table in (
        "activity_kinds",
        "benchmarks",
        "channel_map",
        "conversion_pairs",
        "definition_versions",
        "diagnostics",
        "fit_rules",
        "qualification_rules",
        "reason_aliases",
        "score_bands",
        "segments",
        "signals",
        "stage_aliases",
        "working_hours",
    ):
        policy = policy.with_rows(table, [])
    stages = [{**row, "owner_team": ""} for row in policy.rows("stages") if not row["exit_kind"]]
    page = page_of(make(policy.with_rows("stages", stages)))
    assert "No version of these definitions is signed yet" in page.text
    assert "No stage of this tradition is an exit" in page.text
    assert "For marketing" in page.text


def test_whether_it_is_as_signed(shipped: Warehouse) -> None:
    assert "Version 1 was signed by marketing and sales." in page_of(shipped).text
    shipped.execute(
        "create table quality.policy_history as select 1 as signed_version, "
        "policy_fingerprint, 'b1' as build_id from build.int_run_policy"
    )
    try:
        assert "As signed: version 1, by marketing and sales." in page_of(shipped).text
        shipped.execute("update quality.policy_history set policy_fingerprint = 'other'")
        assert "Not as signed" in page_of(shipped).text
    finally:
        shipped.execute("drop table quality.policy_history")


def test_a_build_says_what_changed_since_those_before(shipped: Warehouse, tmp_path: Path) -> None:
    faster = changed("sla_policies", "target_minutes", "15", intent_tier="hand_raise")
    fewer = faster.with_rows("reason_codes", SHIPPED.rows("reason_codes")[1:])
    texts = {}
    for build_id, policy in (("b1", SHIPPED), ("b2", faster), ("b3", faster), ("b4", fewer)):
        shipped.set_policy(policy)
        shipped.execute(f"update build.int_run_policy set build_id = '{build_id}'")
        shipped.execute(f"update build.build_info set build_id = '{build_id}'")
        directory = tmp_path / build_id
        directory.mkdir()
        page = write_definitions(directory, shipped.connection, checks())
        assert page == directory / DEFINITIONS_PAGE
        (directory / "manifest.json").touch()
        texts[build_id] = Page(page.read_text("utf-8")).after("version-1")
        # Left of a run that was killed: no build.
        (tmp_path / f"{build_id}x").mkdir()
        (tmp_path / f"{build_id}x" / POLICY_FILE).touch()
        # What can't be read, or has another shape, is passed over.
        for part, content in (("y", "{"), ("z", former(directory / POLICY_FILE))):
            (tmp_path / f"{build_id}{part}").mkdir()
            (tmp_path / f"{build_id}{part}" / "manifest.json").touch()
            (tmp_path / f"{build_id}{part}" / POLICY_FILE).write_text(content, "utf-8")
    assert "No build that is kept had other definitions" in texts["b1"]
    changed_at = "Build b2, version 1, against b1 Table Row Change sla_policies hand_raise"
    assert f"{changed_at} changed: target_minutes 5 → 15" in texts["b2"]
    assert changed_at in texts["b3"]
    assert "against b3 Table Row Change reason_codes not_icp removed: label Does" in texts["b4"]
    assert changed_at in texts["b4"]
    kept = json.loads((tmp_path / "b4" / POLICY_FILE).read_text("utf-8"))
    assert [row["label"] for row in kept["tables"]["traditions"]] == [
        "MQL > SAL > SQL > Opportunity"
    ]


def former(file: Path) -> str:
    """A file as another release may have written it: a change lacks a field."""
    change = {"build_id": "b0", "as_of": "", "differences": [{"table": "stages"}]}
    return json.dumps({**json.loads(file.read_text("utf-8")), "changes": [change]})


def test_differences_are_found_by_what_names_a_row() -> None:
    before: dict[str, list[dict[str, str | None]]] = {
        "traditions": [{"label": "Ours", "window_hours": "48"}],
        "rule_parameters": [{"parameter": "Recycle_Grace", "value": "7"}],
        "stage_aliases": [{"raw_stage": "New", "stage": "lead"}],
    }
    after: dict[str, list[dict[str, str | None]]] = {
        "traditions": [{"label": "Ours", "window_hours": "24"}],
        "rule_parameters": [{"parameter": "recycle_grace", "value": "9"}],
        "stage_aliases": [{"raw_stage": "New", "stage": "mql"}],
    }
    told = [(found.table, found.row, found.kind) for found in compare(before, after)]
    assert told == [
        ("traditions", "", "changed"),
        ("rule_parameters", "recycle_grace", "changed"),
        ("stage_aliases", "New, mql", "added"),
        ("stage_aliases", "New, lead", "removed"),
    ]
    assert compare(after, after) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(300, "5 minutes"), (3600, "1 hour"), (86400, "24 hours"), (604800, "7 days"), (90, "1.5 m")],
)
def test_times_are_told_in_the_unit_that_people_use(seconds: float, shown: str) -> None:
    assert elapsed(seconds).replace("\u00a0", " ").startswith(shown)
    assert limit(0.05, "share") == "5\u00a0%"


def publish(warehouse: Warehouse, output: Path) -> None:
    """Publish the tables that a summary reads, with a page."""
    build = output / "published"
    (build / DEFINITIONS_PAGE).parent.mkdir(parents=True)
    warehouse.execute(f"attach '{build / PUBLISHED_FILE}' as published")
    warehouse.execute("create schema published.marts")
    for mart in ("build_info", "dim_milestones", "dim_stages", "metric_catalog"):
        warehouse.execute(f"create table published.marts.{mart} as from build.{mart}")
    warehouse.execute("detach published")
    write_definitions(build, warehouse.connection, checks())


def says(output: Path, *arguments: str) -> Sequence[str]:
    """What `handoff definitions` prints."""
    line = ["definitions", "--output", str(output), *arguments]
    return CliRunner().invoke(command_line.app, line, catch_exceptions=False).output.splitlines()


def test_the_command_says_what_milestones_mean(shipped: Warehouse, tmp_path: Path) -> None:
    publish(shipped, tmp_path / "output")
    lines = says(tmp_path / "output")
    assert max(map(len, lines[:-1])) <= 80
    said = [" ".join(line.split()) for line in lines]
    assert "handed_off MQL MQL, PQL both" in said
    assert "marketing_qualified MQL counted as handed_off" in said
    assert "mql_to_sql MQL to SQL funnel_conversion" in said
    page = tmp_path / "output" / "published" / DEFINITIONS_PAGE
    assert lines[-1] == f"The whole of it, to sign: {page}"
    assert says(tmp_path / "output", "--path") == [str(page)]


def test_the_page_fits_a_phone_and_does_nothing(shipped: Warehouse, tmp_path: Path) -> None:
    page = write_definitions(tmp_path, shipped.connection, checks())
    with chromium(tmp_path / "chromium") as browser:
        browser.ask(
            "Emulation.setDeviceMetricsOverride",
            **{"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        shown = browser.open(page)
        width = browser.ask(
            "Runtime.evaluate",
            expression="Math.max(document.documentElement.scrollWidth, ...[...document."
            "querySelectorAll('.scroll')].map(part => part.scrollWidth))",
        )
    assert shown.deeds == []
    assert "<script>alert(1)</script>" in shown.text
    assert width["result"]["value"] <= 390
