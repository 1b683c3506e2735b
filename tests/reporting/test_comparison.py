"""``handoff compare``: one run, then its history under another tradition and another policy."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.config.errors import BuildError, ConfigError, OutputLocked
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import POLICY_DIR, PUBLISHED_FILE
from dagster_project.reporting import comparison
from dagster_project.running.output_lock import hold_output
from tests.conftest import AS_OF, GOLDEN_EXPORT, handoff

pytestmark = pytest.mark.starts_runs
GOLDEN = GOLDEN_EXPORT.parent
MILESTONES = {
    "marketing_qualified": "marketing_qualified_at",
    "handed_off": "handed_off_at",
    "accepted": "accepted_at",
    "sales_qualified": "sales_qualified_at",
    "opportunity": "opportunity_at",
    "won": "won_at",
}


def golden(tradition: str, name: str) -> list[dict[str, str]]:
    with (GOLDEN / tradition / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key(row: dict[str, str]) -> tuple[str, int]:
    return row["lead_id"], int(row["cycle_number"])


def story(row: dict[str, str]) -> str:
    """A cycle's outcome; of an open one also what sales answered."""
    is_answered = row["outcome"] == "open" and row["acceptance_status"]
    return f"open, {row['acceptance_status']}" if is_answered else row["outcome"]


def state_of(output: Path) -> dict[str, str]:
    """Every file below an output but logs and locks, by what it holds."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.suffix not in {".log", ".lock"} and path.name != ".lock"
    }


@pytest.fixture
def output(golden_output: Path) -> Path:
    """A run on the golden export in the tradition of four stages."""
    return golden_output


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A copy of the policy to change."""
    return Path(shutil.copytree(POLICY_DIR, tmp_path / "draft"))


def append(policy: Path, table: str, row: str) -> None:
    path = policy / f"{table}.csv"
    path.write_text(path.read_text("utf-8").rstrip("\n") + f"\n{row}\n", "utf-8")


def change(policy: Path, table: str, before: str, after: str) -> None:
    path = policy / f"{table}.csv"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def test_another_tradition_gives_what_a_run_in_it_gives(output: Path) -> None:
    before = state_of(output)
    found = comparison.compare(output, Settings(), tradition="handoff_first", lead_limit=2)

    last, replayed = found.last.build, found.replay.build
    assert (last["tradition"], replayed["tradition"]) == ("four_stage", "handoff_first")
    assert (last["acceptance_mode"], replayed["acceptance_mode"]) == ("explicit", "default")
    assert last["policy_fingerprint"] == replayed["policy_fingerprint"]
    assert f"{found.as_of:%Y-%m-%dT%H:%M:%SZ}" == AS_OF

    builds = {"four_stage": found.last, "handoff_first": found.replay}
    cycles = {name: golden(name, "fct_lead_cycles") for name in builds}
    for name, figures in builds.items():
        reached = {name: own + by for name, (_, own, by) in figures.milestones.items()}
        for milestone, column in MILESTONES.items():
            expected = sum(bool(row[column]) for row in cycles[name])
            assert reached[milestone] == expected, (name, milestone)
        handed_off = [row["handed_off_basis"] for row in cycles[name]]
        assert figures.milestones["handed_off"][1] == handed_off.count("explicit")
        assert figures.outcomes == Counter((row["outcome"],) for row in cycles[name])
        rules = Counter(row["rule"] for row in golden(name, "lifecycle_violations"))
        assert {rule: count for (rule, _), count in figures.violations.items()} == rules
    labels = [figures.milestones["sales_qualified"][0] for figures in builds.values()]
    assert labels == ["SQL", "Opportunity"]

    # A rate that has one name in both means another pair of milestones.
    explicit = [row for row in cycles["four_stage"] if row["handed_off_basis"] == "explicit"]
    qualified = sum(bool(row["sales_qualified_at"]) for row in explicit)
    assert found.last.rates["mql_to_sql"][:3] == ("MQL to SQL", len(explicit), qualified)
    assert "sal_to_sql" not in found.replay.rates

    stories = [{key(row): story(row) for row in rows} for rows in cycles.values()]
    none = "no such cycle"
    changed: dict[tuple[str, ...], set[str]] = {}
    for lead, cycle in stories[0].keys() | stories[1].keys():
        before_and_after = tuple(told.get((lead, cycle), none) for told in stories)
        if len(set(before_and_after)) > 1:
            changed.setdefault(before_and_after, set()).add(lead)
    assert {row[:2]: row[2] for row in found.changes} == {
        both: len(leads) for both, leads in changed.items()
    }
    assert found.changed_leads == len(set().union(*changed.values()))
    for was, becomes, _, named in found.changes:
        assert named == sorted(changed[was, becomes])[:2]

    # The same as JSON.
    data = comparison.as_data(found)
    assert data["replay"]["tradition"] == "handoff_first"
    assert sum(data["last_build"]["outcomes"].values()) == len(cycles["four_stage"])
    assert {row["lead_ids"][0] for row in data["changes"]} == {row[3][0] for row in found.changes}
    assert set(data) == {"as_of", "last_build", "replay", "changed_leads", "changes"}

    assert state_of(output) == before


def test_a_changed_policy_on_the_console(output: Path, draft: Path) -> None:
    change(draft, "rule_parameters", "conversion_window,90,days", "conversion_window,36,hours")
    append(draft, "exclusions", "lead_id,equals,happy_path,a test")
    before = state_of(output)
    arguments = ["compare", "--policy", str(draft), "--output", str(output)]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"}, catch_exceptions=False)
    assert done.exit_code == 0
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]

    with duckdb.connect(str(output / "published" / PUBLISHED_FILE), read_only=True) as marts:
        ((entered, converted, in_window),) = marts.execute(
            """
            select
                count(*), count(sales_qualified_at),
                count_if(sales_qualified_at <= handed_off_at + interval 36 hours)
            from marts.fct_lead_cycles
            where handed_off_basis = 'explicit' and lead_id <> 'happy_path'
            """
        ).fetchall()
    assert 0 < in_window < converted < entered
    (rate,) = [line for line in said if line.startswith("mql_to_sql ")]
    assert rate.endswith(
        f"{converted} of {entered} ({converted / entered:.1%}; {in_window / entered:.1%})"
    )
    assert "1 lead changes its outcome" in said
    assert "won no such cycle 1 happy_path" in said
    assert "tradition four_stage four_stage" in said
    (policies,) = [line.split()[1:] for line in said if line.startswith("policy ")]
    assert policies[0] != policies[1]
    assert "\x1b" not in done.stdout
    assert state_of(output) == before


def test_a_policy_that_cannot_work_is_refused_with_its_lines(output: Path, draft: Path) -> None:
    append(draft, "stage_aliases", "Demo,demo_done")
    row = len((draft / "stage_aliases.csv").read_text("utf-8").splitlines())
    done = handoff("compare", "--policy", draft, "--output", output)
    assert done.returncode == 2
    assert f"stage_aliases.csv, row {row}: stage 'demo_done'" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(ConfigError, match="known: four_stage"):
        comparison.compare(output, Settings(), tradition="ours")
    assert not list(output.glob(".compare-*"))


def test_what_cannot_be_compared_is_refused(output: Path, tmp_path: Path) -> None:
    nothing = handoff("compare", "--tradition", "hubspot", "--output", tmp_path)
    assert nothing.returncode == 2
    assert "nothing was built here yet" in nothing.stderr
    with pytest.raises(ConfigError, match="name --policy DIR, --tradition or --acceptance"):
        comparison.compare(output, Settings())
    with hold_output(output), pytest.raises(OutputLocked):
        comparison.compare(output, Settings(), tradition="hubspot")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("drop table build.build_info", "no complete build"),
        ("delete from raw.run_parameters", "nothing was built"),
        ("update raw.run_parameters set build_id = 'later'", "did not finish its build"),
    ],
)
def test_a_warehouse_without_a_whole_build_is_refused(
    output: Path, tmp_path: Path, damage: str, said: str
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copyfile(output / "warehouse.duckdb", warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(damage)
    with pytest.raises(ConfigError, match=said):
        comparison.compare(tmp_path, Settings(), acceptance="default")
    warehouse.write_text("no database")
    with pytest.raises(BuildError, match="can't be opened"):
        comparison.compare(tmp_path, Settings(), acceptance="default")
