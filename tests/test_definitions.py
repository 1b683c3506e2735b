"""What Dagster shows: assets with groups and descriptions, checks, the job, the schedule."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import dagster as dg
import pytest

from dagster_project.assets.dbt_models import HandoffTranslator
from dagster_project.assets.published import PUBLISHED_KEY
from dagster_project.automation.job import JOB_NAME
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.running.dbt import parsed_project
from dagster_project.running.execute import as_run_config
from dagster_project.running.plan import RunOptions


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from dagster_project.definitions import defs

    loaded: dg.Definitions = defs()
    return loaded


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> Any:
    return definitions.resolve_asset_graph()


def test_importing_the_definitions_does_nothing() -> None:
    code = (
        "import sys; import dagster_project.definitions; "
        "sys.exit('dbt.cli.main' in sys.modules or 'great_expectations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == 0


def test_the_folders_of_a_crm_hold_its_models_and_no_others() -> None:
    project = parsed_project()
    for crm, models in project.models_by_crm.items():
        prefixes = tuple(f"{folder}." for folder in project.folders_of({crm}))
        within = {
            node["name"]
            for node in project.manifest["nodes"].values()
            if node["resource_type"] == "model" and ".".join(node["fqn"][1:]).startswith(prefixes)
        }
        assert within == {model["name"] for model in models} != set()


def test_every_asset_has_a_group_a_description_and_an_owner(graph: Any) -> None:
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert len(nodes) > 60
    assert [node.key.to_user_string() for node in nodes if node.group_name == "default"] == []
    assert [node.key.to_user_string() for node in nodes if not node.description] == []
    assert [node.key.to_user_string() for node in nodes if not node.owners] == []


def test_groups_read_like_the_rooms_of_the_house(graph: Any) -> None:
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert {"raw_files", "conform", "facts", "handoff", "quality", "policy", "published"} <= groups


def test_hidden_models_are_no_assets_and_their_parents_stand_for_them(graph: Any) -> None:
    project = parsed_project()
    shown = {key.path[-1] for key in graph.get_all_asset_keys()}
    hidden = {unique_id.rpartition(".")[2] for unique_id in project.hidden_models}
    assert {"stg_files__leads", "int_hubspot__leads", "int_stage_visits"} <= hidden
    assert hidden & shown == set()
    parents = graph.get(dg.AssetKey(["fct_lead_stages"])).parent_keys
    assert {"int_contract__leads", "int_contract__stage_changes", "policy"} <= {
        key.path[-1] for key in parents
    }
    # Through a staging view, and not to the tables of a CRM that is not configured.
    parents = graph.get(dg.AssetKey(["int_contract__leads"])).parent_keys
    assert dg.AssetKey(["raw", "leads"]) in parents
    assert not any("hubspot" in key.to_user_string() for key in parents)
    with_hubspot = HandoffTranslator(project, {"hubspot"})
    spec = with_hubspot.get_asset_spec(
        project.manifest, "model.handoff.int_contract__leads", project=None
    )
    assert dg.AssetKey(["raw", "hubspot_contacts"]) in {dep.asset_key for dep in spec.deps}


def test_every_data_test_is_a_check_and_checks_are_of_assets(graph: Any) -> None:
    nodes = parsed_project().manifest["nodes"].values()
    tests = {node["name"] for node in nodes if node["resource_type"] == "test"}
    assert tests <= {key.name for key in graph.asset_check_keys}
    assert {key.asset_key for key in graph.asset_check_keys} <= graph.materializable_asset_keys


def test_descriptions_are_words_not_sql(graph: Any) -> None:
    fact = graph.get(dg.AssetKey(["fct_lead_cycles"]))
    assert "select" not in (fact.description or "")


def test_publishing_waits_for_every_check_that_blocks(graph: Any) -> None:
    parents = graph.get(PUBLISHED_KEY).parent_keys
    checked = {key.asset_key for key in graph.asset_check_keys if graph.get(key).blocking}
    from dagster_project.assets.checks import check_specs

    assert {spec.asset_key for spec in check_specs()} <= parents
    assert dg.AssetKey(["fct_lead_stages"]) in checked & parents


def test_the_job_runs_everything_in_one_process(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def(JOB_NAME)
    assert job.executor_def.name == "in_process"
    assert PUBLISHED_KEY in job.asset_layer.executable_asset_keys


def test_the_schedule_takes_the_configured_time(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def(f"{JOB_NAME}_daily")
    assert schedule.cron_schedule == "0 5 * * *"
    assert schedule.job_name == JOB_NAME


def test_the_choices_of_a_run_are_its_configuration() -> None:
    options = RunOptions(input="/export", tradition="hubspot", as_of="2026-06-30", audit="warn")
    assert as_run_config(options)["resources"]["run"]["config"] == {
        "input": "/export",
        "tradition": "hubspot",
        "as_of": "2026-06-30",
        "audit": "warn",
    }


def test_the_job_needs_no_configuration(definitions: dg.Definitions) -> None:
    dg.validate_run_config(definitions.resolve_job_def(JOB_NAME))
