"""The audit of a build: results kept, publication stopped, pages written, Dagster told."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from dagster_project.assets.checks import as_check_result, asset_key, build_checks, check_specs
from dagster_project.config.errors import ConfigError
from dagster_project.config.settings import CheckThresholds, Settings
from dagster_project.running.audit import KEPT_BUILDS, run_checks
from dagster_project.running.plan import RunOptions, plan_run
from expectations.catalogue import FORMER_NAMES, SUITE_MODULES, known_checks
from expectations.check import TRAILING_SUFFIX, Outcome
from tests.conftest import GOLDEN_EXPORT

REASONS = "rejected_leads_have_a_reason"
# A part of the checks, where a test is not about all.
SOME = frozenset({REASONS, "visits_tile_time", "leads_keep_their_columns"})


@pytest.fixture
def output(clean_warehouse: Path, tmp_path: Path) -> Path:
    shutil.copyfile(clean_warehouse, tmp_path / "warehouse.duckdb")
    return tmp_path


def execute(output: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(output / "warehouse.duckdb")) as connection:
        return connection.execute(sql).fetchall()


def lose_reasons(output: Path, share: float) -> None:
    execute(
        output,
        "update quality.rule_cases set is_broken = hash(lead_id) % 1000 < "
        f"{1000 * share} where rule = 'rejection_reason_missing'",
    )


def audit(output: Path, build: str = "b9", mode: str = "block", **checks: CheckThresholds) -> dict:
    outcomes = run_checks(output, Settings(checks=checks), mode, build, SOME)
    return {outcome.check.name: outcome for outcome in outcomes}


def test_a_whole_audit_keeps_every_result_and_writes_pages(output: Path) -> None:
    lose_reasons(output, 0.15)
    execute(output, "delete from quality.column_history")
    outcomes = run_checks(output, Settings(), "block", "b9")
    assert {outcome.check.name for outcome in outcomes} == set(known_checks())
    assert not any(outcome.stops_publication for outcome in outcomes)
    rows = execute(
        output,
        "select status, passed, observed, cases, failing_rows, warn_threshold, block_threshold, "
        'owner, "window", as_of, sample_keys from quality.check_results '
        f"where build_id = 'b9' and check_name = '{REASONS}'",
    )
    ((status, passed, observed, cases, failing, warn, block, owner, window, as_of, keys),) = rows
    assert (status, passed, cases, warn, block) == ("warned", False, 900, 0.0, 0.2)
    assert observed == pytest.approx(failing / cases)
    assert (owner, window, str(as_of)) == ("sales", "whole history", "2026-06-30 00:00:00")
    samples = json.loads(keys)
    assert len(samples) == 20
    assert set(samples[0]) == {"source_system", "lead_id", "cycle_number", "visit_number"}
    assert execute(output, "select count(*) from quality.check_results") == [(len(outcomes),)]

    pages = {page.stem: page.read_text("utf-8") for page in (output / "data_docs").iterdir()}
    assert pages.keys() == {"index", *SUITE_MODULES}
    assert not any("http://" in page or "https://" in page for page in pages.values())
    index = pages["index"]
    assert index.index("To look at") < index.index(REASONS) < index.index("visits_tile_time")
    counts = dict(execute(output, "select status, count(*) from quality.check_results group by 1"))
    assert f"<h1>{len(outcomes)} checks: none blocked, {counts['warned']} warned</h1>" in index
    for status, count in counts.items():
        assert f'<strong class="{status}">{count}</strong> {status.replace("_", " ")}<' in index
    assert "no cases over the whole history<" in index
    suite_page = pages["fct_lead_stages"]
    assert samples[0]["lead_id"] in suite_page
    assert "make the field required" in suite_page
    # What warns is no failure.
    assert 'class="fas fa-exclamation-triangle text-warning"' in suite_page
    assert 'class="fas fa-times text-danger"' not in suite_page


def test_pages_show_whose_lead_fails_since_when_and_lead_to_the_crm(output: Path) -> None:
    lose_reasons(output, 0.15)
    # An id that may not be shown, and one that an address has no place for.
    for at, lead in enumerate(("anna@example.com", "a/b?c")):
        execute(
            output,
            f"update quality.rule_cases set lead_id = '{lead}', owner_id = 'rep_x', "
            f"is_broken = true, judged_at = timestamp '2026-06-29 22:30:0{at}' where lead_id = "
            "(select min(lead_id) from quality.rule_cases where rule = 'rejection_reason_missing')",
        )
    settings = Settings.model_validate(
        {
            "lifecycle": {"timezone": "Europe/Amsterdam"},
            "crm_links": {"lead": "https://crm.example.com/{lead_id}/view"},
        }
    )
    outcomes = {o.check.name: o for o in run_checks(output, settings, "block", "b9")}
    page = (output / "data_docs" / "fct_lead_stages.html").read_text("utf-8")
    card = page.split(f'id="{REASONS}"')[1].split("</article>")[0]
    columns, *rows = (re.findall(">([^<>]+)</(?:a|t[hd])>", row) for row in card.split("<tr>")[1:])
    assert columns == ["Lead", "Owner", "Judged", "Cycle", "Visit", "Source"]
    # Half past midnight of the next day in Amsterdam.
    assert rows[0][:3] == ["a/b?c", "rep_x", "2026-06-30"]
    assert rows[1][:3] == ["(e-mail address)", "rep_x", "2026-06-30"]
    assert '<a href="https://crm.example.com/a%2Fb%3Fc/view" rel="noreferrer">a/b?c</a>' in card
    assert f"{outcomes[REASONS].failing:,} failing, 20 shown" in card
    assert f"and {outcomes[REASONS].failing - 20:,} more" in card
    assert "warns above 0%, blocks above 20%" in card
    assert not any("anna@" in file.read_text() for file in (output / "data_docs").iterdir())


def test_a_square_per_build_tells_how_a_check_went(output: Path) -> None:
    for build, share in (("b1", 0.0), ("b2", 0.30), ("b3", 0.10)):
        lose_reasons(output, share)
        audit(output, build)
    name = next(name for name, now in FORMER_NAMES.items() if now in known_checks())
    execute(
        output,
        "insert into quality.check_results by name select * replace "
        f"('{name}' as check_name) from quality.check_results where check_name = '{REASONS}'",
    )
    run_checks(output, Settings(), "block", "b9")
    index = (output / "data_docs" / "index.html").read_text("utf-8")

    def history(check: str) -> list[tuple[str, str]]:
        squares = index.split(f"#{check}-history")[1].split("</a>")[0]
        return re.findall(
            r'<i class="(\w+)" title="Build (b\d), as of 2026-06-30 00:00 UTC', squares
        )

    went = [("passed", "b1"), ("blocked", "b2"), ("warned", "b3"), ("warned", "b9")]
    assert history(REASONS) == went
    assert 'aria-label="Last 4 builds: 1 blocked, 2 warned, 1 passed"' in index
    # Under the name that it had.
    assert history(FORMER_NAMES[name])[:3] == went[:3]
    # One that only this build judged.
    assert [build for _, build in history("stages_do_not_move_backward")] == ["b9"]


def test_what_is_not_judged_is_kept_as_such(output: Path) -> None:
    name = "leads_keep_their_columns"
    execute(output, "delete from quality.column_history")
    assert not audit(output)[name].stops_publication
    kept = execute(
        output,
        "select status, passed, observed, cases, failing_rows, sample_keys "
        f"from quality.check_results where build_id = 'b9' and check_name = '{name}'",
    )
    assert kept == [("not_judged", None, None, 0, 0, "[]")]


def test_text_of_a_crm_is_inert_on_the_pages(output: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    execute(
        output,
        f"update quality.rule_cases set lead_id = '{hostile}', is_broken = true "
        "where rule = 'rejection_reason_missing' and lead_id = 'L0000'",
    )
    run_checks(output, Settings(), "block", "b9")
    pages = [page.read_text(encoding="utf-8") for page in (output / "data_docs").rglob("*.html")]
    assert any("&lt;img src=x" in page for page in pages)
    assert not any("<img" in page for page in pages)


def test_the_failing_cases_are_kept_for_alerts(output: Path) -> None:
    lose_reasons(output, 0.15)
    failing = audit(output)[REASONS].failing
    kept = execute(
        output,
        "select unnest(failing_cases) as failing_case from quality.audited_cases "
        f"where check_name = '{REASONS}'",
    )
    assert len(kept) == failing > 20
    case = json.loads(kept[0][0])
    assert set(case["keys"]) == {"source_system", "lead_id", "cycle_number", "visit_number"}
    assert case["told"]["owner_id"].startswith("rep")


@pytest.mark.parametrize(("mode", "stops"), [("block", True), ("warn", False)])
def test_a_share_above_the_blocking_threshold_stops_the_publication(
    output: Path, mode: str, stops: bool
) -> None:
    lose_reasons(output, 0.30)
    outcomes = audit(output, mode=mode)
    assert (outcomes[REASONS].status, outcomes[REASONS].stops_publication) == ("blocked", stops)
    assert outcomes["visits_tile_time"].passed
    assert "blocks above 20%" in outcomes[REASONS].message


def test_the_configuration_decides(output: Path) -> None:
    lose_reasons(output, 0.30)
    lenient = audit(output, **{REASONS: CheckThresholds(warn=0.5, block=0.6)})
    assert lenient[REASONS].status == "passed"
    never = audit(output, **{REASONS: CheckThresholds(severity="warning")})
    assert (never[REASONS].status, never[REASONS].stops_publication) == ("warned", False)
    strict = audit(output, **{REASONS: CheckThresholds(warn=0.0, block=0.1)})
    assert strict[REASONS].status == "blocked"


def test_a_check_that_cannot_run_is_an_error_of_its_own(output: Path) -> None:
    execute(output, "alter table build.fct_lead_stages drop column exited_at")
    outcomes = audit(output)
    broken = outcomes["visits_tile_time"]
    assert (broken.status, broken.passed, broken.stops_publication) == ("errored", False, True)
    assert "could not run" in broken.message
    assert "exited_at" in broken.message
    # Its neighbours in the same suite still say what they see.
    assert outcomes[REASONS].status == "passed"


def test_a_missing_table_is_an_error_of_all_its_checks(output: Path) -> None:
    execute(output, "drop table build.fct_lead_stages")
    outcomes = audit(output)
    assert outcomes["visits_tile_time"].status == "errored"
    assert outcomes[REASONS].status == "errored"
    assert outcomes["leads_keep_their_columns"].status == "passed"


def test_history_stays_and_gives_the_previous_value(output: Path) -> None:
    lose_reasons(output, 0.10)
    first = audit(output, "b9")[REASONS]
    assert first.previous is None
    lose_reasons(output, 0.15)
    second = audit(output, "b10")[REASONS]
    assert second.previous == first.observed
    again = audit(output, "b10")[REASONS]
    assert again.previous == first.observed
    counts = execute(
        output, "select build_id, count(*) from quality.check_results group by all order by all"
    )
    assert counts == [("b10", len(SOME)), ("b9", len(SOME))]


def test_only_the_last_builds_stay(output: Path) -> None:
    audit(output, "first")
    execute(
        output,
        f"insert into quality.check_results by name (select '{REASONS}' as check_name, "
        "'old' || number as build_id, timestamp '2020-01-01' + interval 1 day * number as ran_at "
        f"from range({KEPT_BUILDS + 50}) as numbers (number))",
    )
    audit(output, "last")
    ((builds, oldest),) = execute(
        output, "select count(distinct build_id), min(ran_at) from quality.check_results"
    )
    assert builds == KEPT_BUILDS
    assert str(oldest) > "2020-02-01"


def deliver_leads(output: Path, *, without: str, extra: str = "null") -> None:
    """Let the leads come without values in a column, and with other columns."""
    execute(
        output,
        "create table if not exists build.delivered as from build.stg_files__leads; "
        "create or replace view build.stg_files__leads as "
        f"select * replace (cast(null as varchar) as {without}, {extra} as extra_columns) "
        "from build.delivered",
    )


def test_columns_that_come_and_go_between_builds_are_seen(output: Path) -> None:
    execute(output, "delete from quality.column_history")
    deliver_leads(output, without="title")
    assert audit(output, "b1")["leads_keep_their_columns"].status == "not_judged"
    second = audit(output, "b2")["leads_keep_their_columns"]
    assert second.status == "passed", second.message
    deliver_leads(output, without="owner_id", extra="""'{"utm_source": "x"}'""")
    changed = audit(output, "b3")["leads_keep_their_columns"]
    assert changed.status == "warned"
    assert [key["column_name"] for key in changed.keys] == ["utm_source", "title", "owner_id"]


def test_the_warehouse_is_free_after_an_audit(output: Path) -> None:
    audit(output)
    execute(output, "create table quality.scratch (id integer)")


def test_specs_stand_on_the_models_and_are_complete() -> None:
    specs = {spec.name: spec for spec in check_specs()}
    assert set(specs) == {name.removesuffix(TRAILING_SUFFIX) for name in known_checks()}
    assert specs["visits_tile_time"].asset_key.path == ["fct_lead_stages"]
    assert specs["loads_are_counted"].asset_key.path == ["quality", "row_counts"]
    assert len(set(build_checks().check_keys)) == len(specs)


@pytest.mark.parametrize(
    ("status", "stops", "severity", "passed"),
    [
        ("passed", False, "WARN", True),
        ("warned", False, "WARN", False),
        ("blocked", True, "ERROR", False),
        ("blocked", False, "WARN", False),
        ("errored", True, "ERROR", False),
    ],
)
def test_dagster_sees_an_error_only_where_the_publication_stops(
    status: str, stops: bool, severity: str, passed: bool
) -> None:
    check = known_checks()[REASONS]
    outcome = Outcome(
        check=check,
        status=status,  # type: ignore[arg-type]  # one of the statuses
        observed=0.25,
        previous=0.1,
        cases=100,
        failing=25,
        keys=({"lead_id": "L1"},),
        problem=None,
        stops_publication=stops,
    )
    result = as_check_result([outcome], Path("data_docs/index.html"))
    assert (result.severity.value, result.passed) == (severity, passed)
    assert result.asset_key == asset_key(check)
    assert "25% (25 of 100)" in (result.description or "")
    assert {"observed", "observed before", "warns above", "blocks above", "failing", "runbook"} <= (
        set(result.metadata or {})
    )


def test_dagster_passes_a_check_that_was_not_judged_and_says_so() -> None:
    outcome = Outcome(known_checks()["leads_have_a_source"], "not_judged", 1.0, 3, 3)
    result = as_check_result([outcome], Path("data_docs/index.html"))
    assert result.passed
    assert result.description == "Not judged: 3 cases, needs 50"


def test_an_unknown_check_in_the_configuration_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "handoff.yml"
    path.write_text("checks:\n  rejected_leads_have_reasons: {warn: 0.1}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        plan_run(RunOptions(config=str(path)))
    (problem,) = error.value.problems
    assert "checks.rejected_leads_have_reasons: unknown check" in problem
    assert "did you mean rejected_leads_have_a_reason?" in problem
    assert "docs/checks.md lists them" in problem


def test_former_names_of_checks_work_and_are_named(tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text(
        "checks: {rejected_leads_are_recycled: {warn: 0.3}}\n"
        "alerts: {tags: {at_most_seven_reasons_are_in_use: [meeting]}}\n",
        encoding="utf-8",
    )
    plan = plan_run(RunOptions(str(config), input=str(GOLDEN_EXPORT), output=str(tmp_path / "out")))
    recycled, reasons = plan.warnings
    assert recycled.startswith(f"{config}: checks.rejected_leads_are_recycled: ")
    assert "is called rejected_and_disqualified_leads_are_recycled now" in recycled
    assert reasons.startswith(f"{config}: alerts.tags.at_most_seven_reasons_are_in_use: ")


def test_a_changed_policy_warns_until_a_new_version_is_signed(output: Path) -> None:
    name = "policy_changes_are_signed"

    def status(build: str) -> str:
        (outcome,) = run_checks(output, Settings(), "block", build, frozenset({name}))
        assert not outcome.stops_publication
        return outcome.status

    assert status("b9") == "passed"
    execute(output, "update raw.run_parameters set policy_fingerprint = 'another'")
    assert [status("c1"), status("c2")] == ["warned", "warned"]
    execute(output, "insert into policy.definition_versions by name select 3 as version")
    assert status("c3") == "passed"
    execute(output, "update raw.run_parameters set policy_fingerprint = 'and another'")
    assert status("c4") == "warned"


def test_rows_of_builds_that_were_held_back_are_nothing_to_compare_with(output: Path) -> None:
    lost = "update quality.row_counts set rows_read = 60 where table_name = 'leads'"
    execute(output, f"{lost}; delete from quality.row_counts where table_name = 'reps'")
    for build in ("c1", "c2"):
        outcomes = {o.check.name: o for o in run_checks(output, Settings(), "block", build)}
        assert outcomes["leads_do_not_vanish"].status == "blocked"
        assert outcomes["reps_do_not_vanish"].status == "blocked"
    # Published all the same, that is what there is now.
    run_checks(output, Settings(), "warn", "c3")
    outcomes = {o.check.name: o for o in run_checks(output, Settings(), "warn", "c4")}
    assert outcomes["leads_do_not_vanish"].status == "passed"
    assert outcomes["reps_do_not_vanish"].status == "not_judged"
