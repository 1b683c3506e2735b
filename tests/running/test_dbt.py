"""dbt in this process: parsed once, errors that name the model, connections given back."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project.config import policy
from dagster_project.config.errors import BuildError
from dagster_project.config.warehouse import DBT_PROJECT_DIR
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.running import dbt
from dagster_project.running.dbt import BuildRequest, parsed_project

PROJECT = """
name: tiny
version: "1.0"
profile: tiny
seed-paths: ["../policy"]
models: {tiny: {+materialized: table}}
data_tests: {tiny: {+severity: "{{ env_var('HANDOFF_TEST_SEVERITY', 'error') }}"}}
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
        data_tests:
          - unique:
              name: numbers_are_unique
          - not_null:
              name: numbers_are_there
              config: {severity: warn}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny dbt project in place of ours."""
    directory = tmp_path / "dbt_project"
    (directory / "models").mkdir(parents=True)
    (directory / "macros").mkdir()
    for macros in ("load_csv_rows.sql", "engine/materializations.sql"):
        shutil.copy(DBT_PROJECT_DIR / "macros" / macros, directory / "macros")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "numbers.csv").write_text("number\n1\n2\n")
    (directory / "dbt_project.yml").write_text(PROJECT)
    (directory / "profiles.yml").write_text(PROFILE)
    (directory / "models" / "_models.yml").write_text(TESTS)
    (directory / "models" / "doubled.sql").write_text(
        "select number * 2 as number from {{ ref('numbers') }}"
    )
    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    monkeypatch.setattr(dbt, "DBT_PROJECT_DIR", directory)
    monkeypatch.setattr(dbt, "POLICY_DIR", tmp_path / "policy")
    monkeypatch.setattr(policy, "POLICY_DIR", tmp_path / "policy")
    monkeypatch.setenv("HANDOFF_HOME", str(tmp_path / "home"))
    return tmp_path


def build(
    project: Path,
    policy: str = "policy",
    select: tuple[str, ...] = (),
    full_refresh: bool = False,
) -> list[str]:
    """Build; the status of each node, by name."""
    request = BuildRequest(
        warehouse=project / "warehouse.duckdb",
        target_path=project / "target",
        log_path=project / "logs",
        policy_dir=project / policy,
        selection=select,
        full_refresh=full_refresh,
    )
    ended: list[str] = []
    built = dbt.build(parsed_project(), request, lambda name, _: ended.append(name))
    built.require_success()
    assert [node.unique_id.split(".")[2] for node in built.nodes] == ended
    return [f"{node.unique_id.split('.')[2]} {node.status}" for node in built.nodes]


def test_builds_and_gives_the_file_back(project: Path) -> None:
    assert sorted(build(project)) == [
        "doubled success",
        "numbers success",
        "numbers_are_there pass",
        "numbers_are_unique pass",
    ]
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("select number from main.doubled order by 1").fetchall()
    assert rows == [(2,), (4,)]


def test_parses_again_only_when_a_file_changed(project: Path) -> None:
    first = parsed_project()
    (project / "policy" / "numbers.csv").write_text("number\n7\n")
    assert parsed_project().directory == first.directory, (
        "rows of a seed are no part of the project"
    )
    (project / "dbt_project" / "models" / "more.sql").write_text("select 1 as one")
    assert "model.tiny.more" in parsed_project().manifest["nodes"]


def test_loads_the_policy_only_when_it_may_have_changed(project: Path) -> None:
    policy, warehouse = project / "policy" / "numbers.csv", project / "warehouse.duckdb"
    is_loaded = "numbers success"
    assert is_loaded in build(project)
    assert [name.split()[0] for name in sorted(build(project))] == [
        "doubled",
        "numbers_are_there",
        "numbers_are_unique",
    ]
    policy.write_text("figure\n7\n")
    with pytest.raises(BuildError):
        build(project)
    policy.write_text("number\n1\n2\n")
    build(project)
    with duckdb.connect(str(warehouse)) as connection:
        assert connection.execute("select sum(number) from main.numbers").fetchone() == (3,)
        # As a plain `dbt seed` leaves it.
        connection.execute("comment on table main.numbers is ''")
    assert is_loaded in build(project)
    policy.write_text("number\n1\n3\n")
    assert is_loaded in build(project)
    assert is_loaded in build(project, full_refresh=True)
    assert is_loaded not in build(project)


def test_a_seed_is_made_anew_when_its_columns_changed(project: Path) -> None:
    build(project)
    seeds = "seeds: {tiny: {+column_types: {number: 'decimal(9, 1)'}}}\n"
    (project / "dbt_project" / "dbt_project.yml").write_text(PROJECT + seeds)
    assert "numbers success" in build(project)
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select distinct typeof(number) from numbers").fetchall() == [
            ("DECIMAL(9,1)",)
        ]


def test_a_failing_data_test_does_not_keep_models_from_being_built(project: Path) -> None:
    (project / "policy" / "numbers.csv").write_text("number\n1\n1\n")
    (project / "dbt_project" / "models" / "behind.sql").write_text(
        "select * from {{ ref('doubled') }}"
    )
    statuses = build(project)
    assert {"numbers_are_unique warn", "behind success"} <= set(statuses)


@pytest.mark.usefixtures("project")
def test_severity_is_that_of_the_project() -> None:
    parsed = parsed_project()
    severities = {
        node["name"]: parsed.is_error(key)
        for key, node in parsed.manifest["nodes"].items()
        if node["resource_type"] == "test"
    }
    assert severities == {"numbers_are_unique": True, "numbers_are_there": False}


def test_a_selection_builds_its_models_and_runs_the_tests_it_names(project: Path) -> None:
    build(project)
    assert build(project, select=("doubled", "numbers_are_there")) == [
        "doubled success",
        "numbers_are_there pass",
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
    assert last == f"the log of the build is in {project / 'logs' / 'dbt.log'}"
    assert (project / "logs" / "dbt.log").is_file()
    duckdb.connect(str(project / "warehouse.duckdb"), read_only=True).close()


def test_a_model_may_become_a_table_or_a_view_and_one_that_fails_leaves_what_was_there(
    project: Path,
) -> None:
    model = project / "dbt_project" / "models" / "doubled.sql"

    def built(kind: str, query: str, **config: str) -> list[tuple[int]]:
        given = "".join(f", {name}={value}" for name, value in config.items())
        model.write_text(f"{{{{ config(materialized='{kind}'{given}) }}}}\n{query}")
        build(project, select=("doubled",))
        return read("select number from main.doubled")

    def read(query: str) -> list[tuple[int]]:
        with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    hooks = {
        "pre_hook": "before_begin('create or replace table main.before as select 1')",
        "post_hook": "after_commit('create or replace table main.after as from main.doubled')",
        "sql_header": "'set variable four = 4;'",
    }
    build(project)
    assert built("view", "select 2 as number") == [(2,)]
    with pytest.raises(BuildError, match="doubled failed"):
        built("table", "select cast('two' as integer) as number")
    assert read("select number from main.doubled") == [(2,)]
    assert built("table", "select getvariable('four') as number", **hooks) == [(4,)]
    assert read("from main.before union all from main.after") == [(1,), (4,)]
    with pytest.raises(BuildError, match="doubled failed"):
        built("view", "select nothing as number")
    assert read("select number from main.doubled") == [(4,)]
    assert built("view", "select 5 as number") == [(5,)]


def test_a_project_that_does_not_parse_is_refused(project: Path) -> None:
    (project / "dbt_project" / "models" / "broken.sql").write_text("select {{ ref('nowhere') }}")
    with pytest.raises(BuildError, match=r"could not parse the project: .*nowhere"):
        parsed_project()


def test_a_table_that_ships_empty_takes_the_rows_of_another_policy(project: Path) -> None:
    (project / "policy" / "numbers.csv").write_text("number\n")
    (project / "own").mkdir()
    (project / "own" / "numbers.csv").write_text("number\n50\n")
    build(project, "own")
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select number from main.numbers").fetchall() == [(50,)]


def test_another_policy_directory_is_loaded_and_left_as_it_is(project: Path) -> None:
    (project / "own").mkdir()
    own = project / "own" / "numbers.csv"
    own.write_text("number\n50\n")
    build(project, "own")
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select number from main.doubled").fetchall() == [(100,)]
    assert own.read_text() == "number\n50\n"
    assert (project / "policy" / "numbers.csv").read_text() == "number\n1\n2\n"


@pytest.mark.parametrize(
    ("configured", "with_rows", "expected"),
    [
        (set(), set(), set()),
        ({"files", "salesforce"}, set(), {"salesforce"}),
        # The rows of a source that was taken out of the configuration still count.
        ({"files"}, {"hubspot"}, {"hubspot"}),
    ],
)
def test_builds_the_crms_that_are_configured_or_have_rows(
    tmp_path: Path, configured: set[str], with_rows: set[str], expected: set[str]
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        ensure_raw_tables(connection)
        parameters = raw_schema.RunParameters("build", datetime(2026, 6, 30), "four_stage")
        raw_schema.write_run_parameters(connection, parameters)
        for crm in with_rows:
            connection.execute(
                f"insert into raw.{crm}_owners (source_system, id) values ('{crm}', '7')"
            )
    request = BuildRequest(
        warehouse=warehouse,
        target_path=tmp_path / "target",
        log_path=tmp_path / "logs",
        crms=configured,
        selection=["+int_contract__reps"],
    )
    built = dbt.build(parsed_project(), request)
    built.require_success()
    models = {node.unique_id.split(".")[2] for node in built.nodes}
    assert {crm for crm in ("hubspot", "salesforce") if f"int_{crm}__reps" in models} == expected
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        query = "select distinct source_system from build.int_contract__reps"
        assert {crm for (crm,) in connection.execute(query).fetchall()} == with_rows
