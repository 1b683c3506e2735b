"""Checks as data: what their thresholds mean, and what the catalogue promises."""

from dataclasses import dataclass, replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.contract import Severity
from dagster_project.config.settings import DEFAULT_CONFIG, load_settings
from expectations.case_counts import count_cases
from expectations.catalogue import (
    FORMER_NAMES,
    NOW_JUDGED_BY,
    SUITE_MODULES,
    Suite,
    configured_suites,
    known_checks,
    name_warnings,
    suites,
    threshold_problems,
)
from expectations.check import TRAILING, TRAILING_SUFFIX, Check, Outcome, Part
from expectations.failing_cases import failing_cases
from expectations.site import Site
from expectations.validation import validate

CHECK = Check(
    name="things_are_so",
    table="build.things",
    headline="{failing} thing{s} not so",
    description="Things are so.",
    severity="error",
    owner="data",
    runbook="Make them so.",
    cases="select thing_id, is_broken from build.things",
    keys=("thing_id",),
    warn=0.1,
    block=0.2,
)


@dataclass(frozen=True)
class Own:
    """What a configuration may say of a check."""

    warn: float | None = None
    block: float | None = None
    severity: Severity | None = None


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of 100 things of which 15 are broken."""
    path = tmp_path_factory.mktemp("things") / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema raw; create schema build; "
            "create table raw.run_parameters as select timestamp '2026-06-30' as as_of; "
            "create table build.things as select number as thing_id, number < 15 as is_broken "
            "from range(100) as numbers (number)"
        )
    return path


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"warn": 0.15}, "passed"),
        ({"warn": 0.14, "block": 0.15}, "warned"),
        ({"warn": 0.0, "block": 0.14}, "blocked"),
        ({"warn": 0.0, "block": 0.0}, "blocked"),
        (
            {"warn": 0.0, "block": 0.0, "cases": "select * from build.things where false"},
            "not_judged",
        ),
        ({"warn": 0.0, "block": 0.0, "severity": "warning"}, "warned"),
        ({"warn": 0.0, "block": None}, "warned"),
        ({"warn": 0.0, "block": 0.14, "minimum_cases": 100}, "blocked"),
        ({"warn": 0.0, "block": 0.14, "minimum_cases": 101}, "not_judged"),
        ({"warn": 0.0, "block": 0.14, "blocks_from": 100}, "blocked"),
        ({"warn": 0.0, "block": 0.14, "blocks_from": 101}, "warned"),
        ({"warn": 0.0, "block": 0.0, "blocks_from": 101}, "warned"),
        ({"warn": 0.0, "block": 0.0, "cases": "select * from build.nothing"}, "errored"),
    ],
)
def test_thresholds_decide(warehouse: Path, changes: dict[str, Any], status: str) -> None:
    check = replace(CHECK, **changes)
    (outcome,) = validate((Suite("things", check.table, (check,)),), warehouse)
    assert outcome.status == status, outcome.message


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"warn": 0.15}, "passed"),
        ({"warn": 0.1, "block": 0.2}, "warned"),
        ({"warn": 0.0, "block": 0.1}, "blocked"),
        ({"minimum_cases": 101}, "not_judged"),
    ],
)
def test_an_expectation_of_great_expectations_is_one_entry(
    warehouse: Path, tmp_path: Path, changes: dict[str, Any], status: str
) -> None:
    check = replace(
        CHECK,
        cases="",
        expectation="ExpectColumnValuesToBeInSet",
        arguments={"column": "is_broken", "value_set": [False]},
        **changes,
    )
    (outcome,) = validate(
        (Suite("things", check.table, (check,)),), warehouse, site=Site(tmp_path / "docs")
    )
    assert outcome.status == status, outcome.message
    assert (outcome.cases, outcome.failing, outcome.observed) == (100, 15, 0.15)
    assert [key["thing_id"] for key in outcome.keys] == (
        list(range(15)) if status in ("warned", "blocked") else []
    )


def test_a_page_that_fails_costs_no_result_and_leaves_the_pages_before(
    warehouse: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(text: str) -> str:
        raise KeyError(text)

    site, suites = Site(tmp_path / "docs"), (Suite("things", CHECK.table, (CHECK,)),)
    validate(suites, warehouse, site=site)
    before = (tmp_path / "docs" / "index.html").read_bytes()
    (outcome,) = validate(suites, warehouse, site=replace(site, shown=fails))
    assert outcome.cases == 100
    assert (tmp_path / "docs" / "index.html").read_bytes() == before
    assert "Data Docs could not be written: KeyError" in caplog.text


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.cells.append(data.strip())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"warn": 0.0, "block": 0.0},
        {
            "cases": "",
            "expectation": "ExpectColumnValuesToBeInSet",
            "arguments": {"column": "thing_id", "value_set": ["<u>none</u>"]},
        },
        {
            "cases": "",
            "expectation": "ExpectColumnValuesToBeUnique",
            "arguments": {"column": "other"},
        },
        {"cases": "select cast(thing_id as int) as thing_id, is_broken from build.things"},
    ],
    ids=["share", "rows", "set", "unique", "error"],
)
def test_data_docs_show_values_as_text(tmp_path: Path, changes: dict[str, Any]) -> None:
    hostile = "<script>alert(1)</script> & <img src=x onerror=alert(1)> $template ${x}"
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema raw; create schema build; "
            "create table raw.run_parameters as select timestamp '2026-06-30' as as_of; "
            "create table build.things as select unnest([?, 'b']) as thing_id, true as is_broken, "
            "unnest([?, ?]) as other",
            [hostile] * 3,
        )
    check = replace(CHECK, description="Things are <b>so</b>.", **changes)
    (outcome,) = validate(
        (Suite("things", check.table, (check,)),), path, site=Site(tmp_path / "docs")
    )
    assert outcome.status in {"blocked", "errored"}, outcome.message
    shown = []
    for page in (tmp_path / "docs").rglob("*.html"):
        reader = _Reader()
        reader.feed(page.read_text("utf-8"))
        assert not reader.tags & {"script", "img", "b", "u"}
        shown += reader.cells
    assert any(hostile in cell for cell in shown), (outcome, shown)
    assert any("Things are <b>so</b>." in cell for cell in shown)


def test_a_failing_case_is_whose_it_was_or_else_is_now() -> None:
    said, silent = (
        replace(CHECK, name=name, keys=("source_system", "lead_id"), newest_by="judged_at", **own)
        for name, own in (("said", {"told_with": ("owner_id", "tier")}), ("silent", {}))
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create schema build; create schema raw; "
            "create table raw.run_parameters as select timestamp '2026-06-30' as as_of; "
            "create table build.things as select unnest(['L1', 'L2']) as lead_id, 'crm' as "
            "source_system, unnest(['R1', null]) as owner_id, 'hot' as tier, true as is_broken, "
            "timestamp '2026-06-29 08:00' as judged_at; "
            "create table build.dim_leads as select 'crm' as source_system, "
            "unnest(['L1', 'L2']) as lead_id, unnest(['R9', 'R8']) as owner_id; "
            "create table build.dim_reps as select 'crm' as source_system, "
            "unnest(['R1', 'R9']) as rep_id, unnest(['Ana', 'Bo']) as rep_name"
        )
        checks = [replace(check, cases="from build.things") for check in (said, silent)]
        found = failing_cases(connection, count_cases(connection, checks))
    owners = {
        name: {case.keys["lead_id"]: case.owner for case in cases} for name, cases in found.items()
    }
    # Nobody had L2 then, and somebody without a name has it now.
    assert owners == {"said": {"L1": "Ana", "L2": None}, "silent": {"L1": "Bo", "L2": "R8"}}
    assert found["said"][0].beside == {"tier": "hot"}
    assert {case.moment for case in found["silent"]} == {datetime(2026, 6, 29, 8)}


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("share", None, "–"),
        ("share", 0.0, "0%"),
        ("share", 0.2, "20%"),
        ("share", 0.0481, "4.8%"),
        ("share", 0.0012, "0.12%"),
        ("days", 4.0, "4 days"),
        ("days", 3.46, "3.5 days"),
    ],
)
def test_values_are_shown_for_people(unit: str, value: float | None, shown: str) -> None:
    assert replace(CHECK, unit=unit).shown(value) == shown


def test_every_suite_is_about_one_table() -> None:
    assert [suite.name for suite in suites()] == list(SUITE_MODULES)
    for suite in suites():
        assert {check.table for check in suite.checks} == {suite.table}


def test_names_are_assertions_and_unique() -> None:
    names = [check.name for suite in suites() for check in suite.checks]
    assert len(names) == len(set(names)) == len(known_checks())


@pytest.mark.parametrize("check", known_checks().values(), ids=lambda check: check.name)
def test_a_check_says_what_it_is_and_what_to_do(check: Check) -> None:
    assert check.description.endswith(".")
    assert check.explanation.endswith(".")
    assert check.runbook.endswith(".")
    assert check.severity == "error" or check.block is None
    assert check.block is None or check.block >= check.warn
    assert check.keys


def test_default_thresholds_are_the_contracts() -> None:
    checks = known_checks()
    of_rules = checks["rejected_leads_have_a_reason"]
    assert (of_rules.severity, of_rules.warn, of_rules.block) == ("error", 0.0, 0.20)
    assert checks["stages_are_mapped"].block == 0.05
    assert checks["leads_rows_are_usable"].block == 0.05
    amounts = checks["opportunities_amount_can_be_read"]
    assert (amounts.severity, amounts.block, amounts.blocks_from) == ("error", 0.05, 5)
    assert checks["leads_crm_score_can_be_read"].severity == "warning"
    assert checks["rows_read_are_accounted_for"].block == 0.0
    assert checks["stages_are_not_skipped"].severity == "warning"


@pytest.mark.parametrize(
    ("name", "own", "problem"),
    [
        ("reasons_are_knwon", Own(warn=0.1), "unknown check; did you mean reasons_are_known?"),
        ("reasons_are_known", Own(warn=5), "a share is between 0 and 1"),
        ("reasons_are_known", Own(severity="error"), "needs a block threshold"),
        ("rejected_leads_have_a_reason", Own(warn=0.3), "block (0.2) is below warn (0.3)"),
    ],
)
def test_wrong_thresholds_are_named(name: str, own: Own, problem: str) -> None:
    (found,) = threshold_problems({name: own})
    assert found.startswith(f"checks.{name}: ")
    assert problem in found


def test_right_thresholds_are_no_problem() -> None:
    assert not threshold_problems(
        {
            "rejected_leads_have_a_reason": Own(block=0.5),
            "leads_are_fresh": Own(warn=2, block=10, severity="error"),
        }
    )


@pytest.mark.parametrize("suffix", ["", TRAILING_SUFFIX])
def test_a_former_name_sets_the_check_and_is_named_with_the_new_one(suffix: str) -> None:
    former = "rejected_leads_are_recycled" + suffix
    now = "rejected_and_disqualified_leads_are_recycled" + suffix
    configured = {former: Own(warn=0.3)}
    assert not threshold_problems(configured)
    checks = {
        check.name: check for suite in configured_suites(configured) for check in suite.checks
    }
    assert checks[now].warn == 0.3
    (warning,) = name_warnings("checks", configured)
    assert warning.startswith(f"checks.{former}: this check is called {now} now")
    (problem,) = threshold_problems({former: Own(warn=0.3), now: Own(warn=0.3)})
    assert f"called {now} now, which is set, too" in problem


def test_a_check_that_judges_something_else_now_is_named_until_both_are_set() -> None:
    (warning,) = name_warnings("checks", ["handed_off_leads_are_touched_in_time"])
    assert warning.endswith("handed_off_leads_are_touched judges now; set both")
    both = ["handed_off_leads_are_touched_in_time", "handed_off_leads_are_touched"]
    assert not name_warnings("checks", both)
    assert not name_warnings("checks", ["reasons_are_known"])


def test_former_names_lead_to_checks_that_there_are() -> None:
    known = known_checks().keys()
    assert not FORMER_NAMES.keys() & known
    assert {*FORMER_NAMES.values(), *NOW_JUDGED_BY, *NOW_JUDGED_BY.values()} <= known


def test_thresholds_are_said_in_words() -> None:
    assert CHECK.thresholds == "warns above 10%, blocks above 20%"
    assert replace(CHECK, severity="warning").thresholds == "warns above 10%, never blocks"
    promise = replace(CHECK, warn=0.0, block=0.0)
    assert promise.thresholds == "blocks above 0%"
    rare = replace(promise, unit="days", blocks_from=20)
    assert rare.thresholds == "warns above 0 days, blocks above 0 days from 20 cases on"


def test_a_share_is_told_by_part_the_worst_first() -> None:
    parts = (Part("hand_raise", 9, 10), Part("standard", 400, 1000))
    outcome = Outcome(CHECK, "warned", 409 / 1010, 1010, 409, parts)
    assert outcome.found == "40.5% (409 of 1,010: hand_raise 90% of 10, standard 40% of 1,000)"


def test_the_configuration_file_shows_the_defaults() -> None:
    configured = load_settings(DEFAULT_CONFIG).checks
    assert len(configured) >= 10
    for name, own in configured.items():
        check = known_checks()[name]
        assert check.with_thresholds(own.warn, own.block, own.severity) == check


def test_the_headline_says_what_is_wrong_with_its_figures() -> None:
    assert CHECK.headline_of(0.0625, 2, 32) == "2 things not so (6.2% of 32)"
    assert CHECK.headline_of(0.5, 1, 2) == "1 thing not so (50% of 2)"
    late = replace(CHECK, window=TRAILING)
    assert late.headline_of(0.5, 1, 2) == "1 thing not so (50% of 2) in the last 30 days"
    old = replace(CHECK, unit="days", headline="the newest row is {observed} old")
    assert old.headline_of(3.0, 1, 1) == "the newest row is 3 days old"
    assert old.headline_of(1.0, 1, 1) == "the newest row is 1 day old"


def test_every_headline_can_be_filled_in() -> None:
    for check in known_checks().values():
        said = check.headline_of(0.5, 2, 4)
        assert "{" not in said, check.name
        assert said[0].isdigit() or said.startswith("the "), said
