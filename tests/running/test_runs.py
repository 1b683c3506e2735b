"""Whole runs, as a user starts them: what is published, what is kept, what a failure leaves.

Runs cost seconds, so one story on one output directory serves many tests: a first build; a blocked
one, which is told, while a reader has the published file open; one that is killed; one under
another tradition, during which a second run is refused, and whose incidents can't be kept; a
roll-back. What an audit that only warns publishes is seen on the golden export.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.config.warehouse import PROJECT_ROOT
from tests.alerting.receivers import HttpReceiver
from tests.conftest import AS_OF, GOLDEN_EXPORT, handoff, start_handoff, wait_for
from tests.lifecycle import golden

# The first test that asks for the story waits for all of its runs.
pytestmark = pytest.mark.starts_runs

Result = subprocess.CompletedProcess[str]


@dataclass
class Story:
    """What each step of the story said, and the manifest that was published after it."""

    output: Path
    export: Path
    results: dict[str, Result] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def published(self) -> Path:
        return self.output / "published" / "lead_lifecycle.duckdb"

    @property
    def held_back(self) -> Path:
        return self.output / "held_back" / "index.html"

    def note(self, step: str, result: Result) -> None:
        self.results[step] = result
        assert (self.output / "published").exists(), result.stderr
        self.manifests[step] = json.loads((self.output / "published" / "manifest.json").read_text())


# One of few rejections, without a reason: it alone would hold the golden export back.
HOLDS_BACK = "status_only_rejected"


def publishable(directory: Path) -> Path:
    """The golden export without the lead that holds it back."""
    shutil.copytree(GOLDEN_EXPORT, directory)
    path = directory / "leads.csv"
    path.chmod(0o644)
    kept = [line for line in path.read_text().splitlines() if not line.startswith(HOLDS_BACK)]
    path.write_text("\n".join([*kept, ""]))
    return directory


def golden_rows(tradition: str, fact: str) -> list[dict[str, str]]:
    """What the golden files say of the leads that are left."""
    return [row for row in golden.expected(tradition, fact) if row["lead_id"] != HOLDS_BACK]


def without_reasons(directory: Path) -> Path:
    """The same with hardly any reason left: without a single one, none would be asked for."""
    publishable(directory)
    for table, column in (("stage_changes", "reason"), ("opportunities", "loss_reason")):
        path = directory / f"{table}.csv"
        path.chmod(0o644)
        rows = golden.read_csv(path)
        given = next(row for row in rows if row[column])
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(row if row is given else {**row, column: ""} for row in rows)
    return directory


def read_elsewhere(path: Path, query: str) -> list[Any]:
    """Query a published file as another program would: DuckDB shares files within a process."""
    code = (
        "import duckdb, json, sys; "
        "print(json.dumps(duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2])"
        ".fetchall(), default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), query], capture_output=True, text=True, check=True
    )
    rows: list[Any] = json.loads(done.stdout)
    return rows


TRADITION = "select tradition from marts.build_info"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("story")
    told = Story(place / "out", publishable(place / "export"))
    broken = without_reasons(place / "without_reasons")
    common = ("--as-of", AS_OF, "--output", told.output)

    told.note("first", handoff("run", "--input", told.export, *common, "--verbose"))

    reader = duckdb.connect(str(told.published), read_only=True)
    told.note("blocked", _run_with_alerts(told, broken, *common))
    told.counts["held back"] = told.held_back.read_text(encoding="utf-8")

    killed = start_handoff("run", "--input", told.export, *common)
    wait_for(killed, "reading the sources")
    killed.send_signal(signal.SIGKILL)
    said = killed.communicate()
    told.note("killed", Result(killed.args, killed.returncode, *said))

    (told.output / "alerts.sqlite").write_text("no database, but a text of some length")
    second = start_handoff("run", "--input", told.export, *common, "--tradition", "handoff_first")
    wait_for(second, "reading the sources")
    told.results["refused"] = handoff("run", "--input", told.export, *common)
    said = second.communicate(timeout=1500)
    told.note("second", Result(second.args, second.returncode, *said))
    told.counts["old reader"] = reader.execute(TRADITION).fetchall()
    told.counts["new reader"] = read_elsewhere(told.published, TRADITION)
    reader.close()
    told.results["status"] = handoff("status", "--output", told.output)

    told.note("back", handoff("rollback", "--output", told.output))
    told.counts["after rollback"] = read_elsewhere(told.published, TRADITION)
    told.note("no further", handoff("rollback", "--output", told.output))
    # Hidden, and read by the mart: built with it.
    upstream = "build.int_funnel_cycles"
    with duckdb.connect(str(told.output / "warehouse.duckdb")) as warehouse:
        warehouse.execute(f"drop view {upstream}")
    told.note("one mart", materialize('key:"handoff_sla"', told, place / "handoff.yml"))
    told.counts["upstream"] = read_elsewhere(
        told.output / "warehouse.duckdb", f"select count(*) > 0 from {upstream}"
    )
    return told


NO_MAIL = "mailto://127.0.0.1:1?from=a@example.com&to=b@example.com"


def _run_with_alerts(told: Story, export: Path, *arguments: str | Path) -> Result:
    """A run whose errors are told to a chat, and to a mail server that is not there."""
    chat = HttpReceiver()
    urls = {"TEST_CHAT_URL": chat.url, "TEST_MAIL_URL": NO_MAIL}
    channels = {"chat": {"url_env": "TEST_CHAT_URL"}, "mail": {"url_env": "TEST_MAIL_URL"}}
    routes = [{"severities": ["error"], "channels": list(channels)}]
    config = export.with_name("alerts.yml")
    config.write_text(json.dumps({"alerts": {"channels": channels, "routes": routes}}))
    done = handoff("run", "--config", config, "--input", export, *arguments, **urls)
    told.messages = sorted(chat.titles)
    chat.close()
    return done


def materialize(selection: str, told: Story, config: Path) -> Result:
    """Build a part of the assets, as somebody who changes a model does."""
    config.write_text(
        f"warehouse: {{output: {told.output}}}\nsources: [{{kind: files, path: {told.export}}}]\n"
    )
    return subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize", "--select", selection),
            *("--module-name", "dagster_project.definitions"),
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HANDOFF_CONFIG": str(config)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


def test_exit_codes(story: Story) -> None:
    codes = {step: result.returncode for step, result in story.results.items()}
    assert codes == {
        "first": 0,
        "blocked": 1,
        "refused": 5,
        "second": 0,
        "status": 0,
        "killed": -signal.SIGKILL,
        "back": 0,
        "no further": 2,
        "one mart": 0,
    }, {step: result.stderr for step, result in story.results.items()}
    assert not any("Traceback" in result.stderr for result in story.results.values())


def test_a_run_ends_with_its_funnel_and_where_the_marts_are(story: Story) -> None:
    said = story.results["first"].stdout
    for expected in (
        "Funnel",
        "Broken rules",
        "Checks:",
        "handed_off",
        str(story.published),
    ):
        assert expected in said


def test_verbose_shows_where_the_time_went(story: Story) -> None:
    said = story.results["first"].stdout
    assert "Where the time went" in said
    assert "building the models" in said
    slowest = re.findall(r"^ +(\d+\.\d\d) s  (\w+)$", said, re.M)
    assert len(slowest) == 10
    assert all(float(seconds) > 0 for seconds, _ in slowest)
    # Marts are copied afterwards, which takes no time of its own.
    assert {name for _, name in slowest} & story.manifests["first"]["row_counts"].keys()


@pytest.mark.parametrize(
    ("step", "tradition"), [("first", "four_stage"), ("second", "handoff_first")]
)
@pytest.mark.parametrize("fact", ["fct_lead_stages", "fct_lead_cycles"])
def test_the_published_facts_equal_the_golden_cases(
    story: Story, step: str, tradition: str, fact: str
) -> None:
    build = story.manifests[step]["build_id"]
    expected = golden_rows(tradition, fact)
    # Ids are hashes of ours; the golden files say what the facts hold.
    columns = [name for name in expected[0] if not name.endswith(("_stage_id", "_cycle_id"))]
    file = story.output / "builds" / build / "lead_lifecycle.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        names = ", ".join(columns)
        rows = connection.execute(f"select {names} from marts.{fact}").fetchall()
    found = sorted(tuple(golden.as_text(value) for value in row) for row in rows)
    assert found == sorted(tuple(row[name] for name in columns) for row in expected)


def test_a_blocked_build_is_not_published_and_says_which_check(story: Story) -> None:
    assert story.manifests["blocked"] == story.manifests["first"]
    said = story.results["blocked"].stderr
    assert "rejected_leads_have_a_reason" in said
    assert "blocks above 20" in said


def test_a_blocked_build_has_a_page_until_another_is_published(story: Story) -> None:
    page = story.counts["held back"]
    assert "rejected_leads_have_a_reason" in page
    assert "Ask the owners of the listed leads for the reason" in page
    assert f"build {story.manifests['first']['build_id']}" in page
    assert 'href="../data_docs/index.html"' in page
    assert not story.held_back.exists()


def test_a_blocked_build_is_told_and_a_broken_channel_fails_no_run(story: Story) -> None:
    assert story.messages == [
        "New error for data: the marts were not updated, since a check blocks",
        "New error for sales: 1 disqualification without a reason (100% of 1)",
        "New error for sales: 1 lost lead without a reason (100% of 1)",
        "Now an error for sales: 5 rejections without a reason (83.3% of 6), 4 new",
    ]
    assert "4 messages sent, 4 messages waiting" in story.results["blocked"].stdout


def test_incidents_that_cannot_be_kept_fail_no_command(story: Story) -> None:
    assert "handoff: alerts: DatabaseError" in story.results["second"].stderr
    assert "alerts.sqlite can't be read" in story.results["status"].stdout


def test_a_blocked_build_still_shows_its_figures(story: Story) -> None:
    assert "Funnel" in story.results["blocked"].stdout
    assert "Published" not in story.results["blocked"].stdout


def test_a_second_run_is_refused_with_what_to_do(story: Story) -> None:
    (line,) = story.results["refused"].stderr.strip().splitlines()
    assert "another run holds this output" in line


def test_who_holds_the_old_file_open_keeps_it_and_new_readers_see_the_new(story: Story) -> None:
    assert story.counts["old reader"] == [("four_stage",)]
    assert story.counts["new reader"] == [["handoff_first"]]


def test_a_killed_run_leaves_what_is_published(story: Story) -> None:
    assert story.manifests["killed"] == story.manifests["first"]


def test_one_mart_is_built_with_its_hidden_models_and_no_other(story: Story) -> None:
    done = story.results["one mart"]
    assert done.returncode == 0, done.stderr
    built = [line for line in done.stderr.splitlines() if "ASSET_MATERIALIZATION" in line]
    assert len(built) == 1
    assert "handoff_sla" in built[0]
    assert story.counts["upstream"] == [[True]]
    assert story.manifests["one mart"] == story.manifests["no further"]


def test_audit_warn_publishes_and_says_so(golden_output: Path) -> None:
    manifest = json.loads((golden_output / "published" / "manifest.json").read_text())
    assert manifest["audit_mode"] == "warn"
    failed = {item["check_name"] for item in manifest["checks"] if item["status"] == "blocked"}
    assert "rejected_leads_have_a_reason" in failed
    assert "--audit warn" in golden_output.with_suffix(".said").read_text()
    status = handoff("status", "--output", golden_output).stdout
    assert "rejected_leads_have_a_reason" in status


def test_roll_back_goes_one_build_back(story: Story) -> None:
    assert story.manifests["back"]["build_id"] == story.manifests["first"]["build_id"]
    assert story.manifests["back"]["rolled_back_from"] == story.manifests["second"]["build_id"]
    assert story.counts["after rollback"] == [["four_stage"]]
    assert story.manifests["no further"] == story.manifests["back"]
    assert "no build before" in story.results["no further"].stderr


def test_the_manifest_says_what_was_built(story: Story) -> None:
    manifest = story.manifests["first"]
    assert manifest["as_of"] == AS_OF
    assert manifest["tradition"] == "four_stage"
    assert manifest["acceptance_mode"] in {"explicit", "default"}
    assert len(manifest["policy_fingerprint"]) == 64
    assert manifest["sources"][0]["path"] == str(story.export)
    assert "deletions of leads" in manifest["not_restored_by_a_replay"]
    visits = golden_rows("four_stage", "fct_lead_stages")
    assert manifest["row_counts"]["fct_lead_stages"] == len(visits)
    build = story.output / "builds" / manifest["build_id"]
    written = {str(path.relative_to(build)) for path in build.rglob("*") if path.is_file()}
    assert written == {"manifest.json", *(file["path"] for file in manifest["files"])}
    held_back = {check["status"] for check in manifest["checks"]} & {"blocked", "errored"}
    assert not held_back


def test_nothing_but_marts_leaves_the_warehouse(story: Story) -> None:
    build = story.output / "builds" / story.manifests["first"]["build_id"]
    with duckdb.connect(str(build / "lead_lifecycle.duckdb"), read_only=True) as connection:
        schemas = connection.execute("select distinct schema_name from duckdb_tables()").fetchall()
        names = {
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
        }
    assert schemas == [("marts",)]
    assert not names & {"quarantine", "check_results", "run_parameters", "unreadable_values"}
    manifest = (build / "manifest.json").read_text()
    assert "sample_keys" not in manifest
    with duckdb.connect(str(story.output / "warehouse.duckdb"), read_only=True) as connection:
        (key,) = connection.execute("select hash_key from raw.run_parameters").fetchall()[0]
    assert key not in manifest
    assert key not in (story.output / "logs" / "dbt.log").read_text()


def test_the_hash_key_is_the_owners_alone(story: Story, own_home: Path) -> None:
    assert (own_home / ".hash_key").stat().st_mode & 0o777 == 0o600
    assert story.results["first"].returncode == 0


def test_descriptions_are_in_the_catalog_and_parquet_says_the_same(story: Story) -> None:
    build = story.output / "builds" / story.manifests["first"]["build_id"]
    with duckdb.connect(str(build / "lead_lifecycle.duckdb"), read_only=True) as connection:
        undescribed = connection.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'marts' "
            "and comment is null"
        ).fetchall()
        for table, count in story.manifests["first"]["row_counts"].items():
            file = build / "parquet" / f"{table}.parquet"
            assert connection.execute(f"select count(*) from '{file}'").fetchall() == [(count,)]
    assert undescribed == []


def test_the_runs_show_in_dagsters_instance(story: Story) -> None:
    from dagster import AssetKey, DagsterInstance, DagsterRunStatus

    with DagsterInstance.from_config(str(story.output / "dagster")) as instance:
        runs = {
            run.run_id[:8]: run for run in instance.get_runs() if run.job_name == "lead_lifecycle"
        }
        mine = [
            run
            for run in reversed(list(runs.values()))
            if run.tags.get("handoff/output") == str(story.output)
        ]
        assert [run.status for run in mine] == [
            DagsterRunStatus.SUCCESS,
            DagsterRunStatus.FAILURE,  # blocked
            DagsterRunStatus.FAILURE,  # killed: closed by the next run
            DagsterRunStatus.SUCCESS,
        ]
        choices = mine[3].run_config["resources"]["run"]["config"]
        assert choices["tradition"] == "handoff_first"
        assert mine[3].tags["handoff/tradition"] == "handoff_first"
        assert mine[3].tags["handoff/as_of"] == AS_OF
        assert mine[3].tags["handoff/build"] == story.manifests["second"]["build_id"]
        fact = instance.get_latest_materialization_event(AssetKey(["fct_lead_stages"]))
        assert fact is not None
        assert fact.asset_materialization is not None
        rows = fact.asset_materialization.metadata["dagster/row_count"].value
        assert rows == story.manifests["second"]["row_counts"]["fct_lead_stages"]


def test_a_warehouse_that_is_open_elsewhere_exits_4(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
            "sys.stdin.read()",
            str(tmp_path / "warehouse.duckdb"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    try:
        result = handoff("run", "--input", GOLDEN_EXPORT, "--as-of", AS_OF, "--output", tmp_path)
    finally:
        holder.communicate("")
    assert result.returncode == 4
    assert "close the program that has it open" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_export_without_leads_exits_3_and_names_the_file(tmp_path: Path) -> None:
    export = tmp_path / "export"
    shutil.copytree(GOLDEN_EXPORT, export)
    (export / "leads.csv").unlink()
    result = handoff("run", "--input", export, "--as-of", AS_OF, "--output", tmp_path / "out")
    assert result.returncode == 3
    # Nothing was started: not even the line that says so.
    (line,) = result.stderr.splitlines()
    assert "no leads table" in line
    assert f"`handoff init --from {export}`" in line
    assert not (tmp_path / "out").exists()


def test_output_goes_below_the_configured_one_by_the_inputs_name(tmp_path: Path) -> None:
    from dagster_project.running.plan import RunOptions, plan_run

    config = tmp_path / "handoff.yml"
    config.write_text("warehouse:\n  output: results\n")
    plan = plan_run(RunOptions(config=str(config), input=str(GOLDEN_EXPORT)))
    assert plan.output == tmp_path / "results" / "crm_export"
    assert os.access(plan.output, os.W_OK)


def test_an_interrupted_run_cancels_dbt_and_says_so_in_a_line(tmp_path: Path) -> None:
    process = start_handoff(
        *("run", "--verbose", "--input", GOLDEN_EXPORT, "--as-of", AS_OF),
        *("--output", tmp_path / "out"),
    )
    wait_for(process, "int_stage_changes")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=1500)
    assert process.returncode == 4, said
    assert "handoff: interrupted; nothing was published" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "published").exists()
