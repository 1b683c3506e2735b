"""dbt in this process: parsed once, errors that name the model, connections given back."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pytest

from dagster_project import dbt_runner
from dagster_project.dbt_runner import Build, BuildRequest, parsed_project
from dagster_project.errors import BuildError

PROJECT = """
name: tiny
version: "1.0"
profile: tiny
seed-paths: ["../policy"]
models: {tiny: {+materialized: table}}
flags: {send_anonymous_usage_stats: false}
"""
PROFILE = """
tiny:
  target: prod
  outputs:
    prod:
      type: duckdb
      path: "{{ env_var('HANDOFF_WAREHOUSE', 'warehouse.duckdb') }}"
      threads: 1
"""
TESTS = """
version: 2
models:
  - name: doubled
    columns:
      - name: number
        data_tests: [unique]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny dbt project in place of ours."""
    directory = tmp_path / "dbt_project"
    (directory / "models").mkdir(parents=True)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "numbers.csv").write_text("number\n1\n2\n")
    (directory / "dbt_project.yml").write_text(PROJECT)
    (directory / "profiles.yml").write_text(PROFILE)
    (directory / "models" / "_models.yml").write_text(TESTS)
    (directory / "models" / "doubled.sql").write_text(
        "select number * 2 as number from {{ ref('numbers') }}"
    )
    monkeypatch.setattr(dbt_runner, "DBT_PROJECT_DIR", directory)
    monkeypatch.setattr(dbt_runner, "POLICY_DIR", tmp_path / "policy")
    monkeypatch.setenv("HANDOFF_HOME", str(tmp_path / "home"))
    return tmp_path


def build(project: Path, policy: str = "policy") -> list[str]:
    """Build everything; the status of each node, by name."""
    request = BuildRequest(
        warehouse=project / "warehouse.duckdb",
        target_path=project / "target",
        log_path=project / "logs",
        policy_dir=project / policy,
    )
    started = Build(parsed_project(), request)
    seen = [
        f"{event['data']['node_info']['node_name']} {event['data']['node_info']['node_status']}"
        for event in started.events()
    ]
    started.finish()
    return seen


def test_rows_are_counted_also_when_dbt_has_closed_its_connections(project: Path) -> None:
    request = BuildRequest(
        warehouse=project / "warehouse.duckdb",
        target_path=project / "target",
        log_path=project / "logs",
        policy_dir=project / "policy",
    )
    started = Build(parsed_project(), request)
    events = started.events()
    next(events)
    assert started.count_rows("numbers") == 2
    assert len(list(events)) == 2
    started._thread.join()
    assert started.count_rows("doubled") == 2
    started.finish()
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True):
        pass


def test_builds_and_gives_the_file_back(project: Path) -> None:
    assert build(project) == ["numbers success", "doubled success", "unique_doubled_number pass"]
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("select number from main.doubled order by 1").fetchall()
    assert rows == [(2,), (4,)]


def test_parses_again_only_when_a_file_changed(project: Path) -> None:
    first = parsed_project()
    started = time.monotonic()
    assert parsed_project().packed == first.packed
    assert time.monotonic() - started < 0.3
    (project / "policy" / "numbers.csv").write_text("number\n7\n")
    assert parsed_project().packed == first.packed, "rows of a seed are no part of the project"
    (project / "dbt_project" / "models" / "more.sql").write_text("select 1 as one")
    assert "model.tiny.more" in parsed_project().manifest["nodes"]


def test_a_failing_data_test_does_not_keep_models_from_being_built(project: Path) -> None:
    (project / "policy" / "numbers.csv").write_text("number\n1\n1\n")
    (project / "dbt_project" / "models" / "behind.sql").write_text(
        "select * from {{ ref('doubled') }}"
    )
    assert build(project) == [
        "numbers success",
        "doubled success",
        "unique_doubled_number warn",
        "behind success",
    ]


def test_a_broken_model_is_named_and_the_log_too(project: Path) -> None:
    (project / "dbt_project" / "models" / "broken.sql").write_text(
        "select nothing from {{ ref('doubled') }}"
    )
    with pytest.raises(BuildError) as caught:
        build(project)
    first, last = caught.value.problems
    assert first.startswith("model broken failed: ")
    assert "nothing" in first
    assert last == f"the whole log of the build is in {project / 'logs' / 'dbt.log'}"
    assert (project / "logs" / "dbt.log").is_file()
    duckdb.connect(str(project / "warehouse.duckdb"), read_only=True).close()


def test_a_project_that_does_not_parse_is_refused(project: Path) -> None:
    (project / "dbt_project" / "models" / "broken.sql").write_text("select {{ ref('nowhere') }}")
    with pytest.raises(BuildError, match=r"could not parse the project: .*nowhere"):
        parsed_project()


def test_another_policy_directory_is_loaded_and_left_as_it_is(project: Path) -> None:
    (project / "own").mkdir()
    own = project / "own" / "numbers.csv"
    own.write_text("number\n50\n")
    build(project, "own")
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select number from main.doubled").fetchall() == [(100,)]
    assert own.read_text() == "number\n50\n"
    assert (project / "policy" / "numbers.csv").read_text() == "number\n1\n2\n"
