"""The command line: refusals are quick, say what to do, and exit as the contract says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from typer.main import get_command
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT
from tests.conftest import AS_OF, GOLDEN_EXPORT, handoff

COMMANDS = [
    name
    for name, command in get_command(app).commands.items()  # type: ignore[attr-defined]  # a group
    if not hasattr(command, "commands")
]


def lines(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said on stderr; never a traceback."""
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()


def test_help_has_examples_and_exit_codes() -> None:
    result = handoff("--help")
    assert result.returncode == 0
    assert "Examples:" in result.stdout
    assert "Exit codes:" in result.stdout


def test_start_up_imports_nothing_heavy() -> None:
    heavy = {"dagster", "dbt", "dlt", "great_expectations", "numpy", "pandas", "pyarrow"}
    code = "import sys, dagster_project.commands.app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as-of", "yesterday"], "--as-of 'yesterday': not a time; write 2026-06-30"),
        (["--as-of", "2026-02-30"], "--as-of '2026-02-30': not a time"),
        (["--tradition", "ours"], "known: "),
        (["--config", "/nowhere/handoff.yml"], "no such configuration file"),
        (["--acceptance", "maybe"], "explicit"),
        (["--audit", "none"], "block"),
        (["--wrong"], "No such option"),
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = handoff("run", "--input", GOLDEN_EXPORT, "--output", tmp_path / "out", *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_tradition_lists_the_known_ones(tmp_path: Path) -> None:
    result = handoff(
        "run", "--input", GOLDEN_EXPORT, "--output", tmp_path, "--tradition", "four_stages"
    )
    (line,) = lines(result)
    assert "four_stage, handoff_first" in line or "four_stage" in line.split("known: ")[1]


def test_an_unwritable_output_exits_2_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    output = tmp_path / "file" / "out"
    result = handoff("run", "--input", GOLDEN_EXPORT, "--output", output)
    assert result.returncode == 2
    (line,) = lines(result)
    assert str(output) in line
    assert "--output DIR" in line


def test_a_missing_input_directory_exits_3(tmp_path: Path) -> None:
    result = handoff("run", "--input", tmp_path / "nothing", "--output", tmp_path / "out")
    assert result.returncode == 3
    (line,) = lines(result)
    assert f"{tmp_path / 'nothing'}: no such directory" in line


def test_a_wrong_key_in_the_configuration_exits_2_and_names_what_is_allowed(tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text("lifecycle:\n  tradtion: hubspot\n")
    result = handoff("run", "--config", config, "--input", GOLDEN_EXPORT)
    assert result.returncode == 2
    (line,) = lines(result)
    assert "lifecycle.tradtion: unknown key" in line
    assert "tradition" in line.split("allowed here: ")[1]


def test_no_source_at_all_exits_2(tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text("{}\n")
    result = handoff("run", "--config", config)
    assert result.returncode == 2
    assert "--input DIR" in lines(result)[0]


def test_a_held_output_exits_5_at_once(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"):
        result = handoff("run", "--input", GOLDEN_EXPORT, "--output", tmp_path, "--as-of", AS_OF)
    assert result.returncode == 5
    (line,) = lines(result)
    assert "another run holds this output" in line


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    missing = tmp_path / "nothing"
    for arguments in (["--debug", "run"], ["run", "--debug"]):
        result = handoff(*arguments, "--input", missing, "--output", tmp_path / "out")
        assert result.returncode == 3
        assert "Traceback" in result.stderr


def test_status_and_rollback_of_nothing(tmp_path: Path) -> None:
    status = handoff("status", "--output", tmp_path)
    assert status.returncode == 0
    assert "nothing is published" in status.stdout
    rollback = handoff("rollback", "--output", tmp_path)
    assert rollback.returncode == 2
    assert "nothing is published" in lines(rollback)[0]
    rollback = handoff("rollback", "--to", "20260701", "--output", tmp_path)
    assert rollback.returncode == 2
    first, *kept = lines(rollback)
    assert "--to 20260701: no such build is kept; kept are" in first
    assert [line.removeprefix("handoff:").strip() for line in kept] == ["none"]


def test_simulate_writes_an_export_that_says_how_to_read_it(tmp_path: Path) -> None:
    out = tmp_path / "export"
    result = handoff("simulate", "--leads", "20", "--seed", "3", "--out", out)
    assert result.returncode == 0
    assert f"handoff run --input {out}" in result.stdout
    assert (out / "leads.csv").is_file()


def test_a_policy_that_cannot_work_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    shutil.copytree(POLICY_DIR, policy)
    (policy / "stages.csv").chmod(0o644)
    with (policy / "stages.csv").open("a") as stream:
        stream.write("four_stage,extra,Extra,900,no_such_milestone,,,sales,true\n")
    config = tmp_path / "handoff.yml"
    config.write_text("lifecycle:\n  policy_dir: policy\n")
    result = handoff(
        "run", "--config", config, "--input", GOLDEN_EXPORT, "--output", tmp_path / "o"
    )
    assert result.returncode == 2
    assert "stages.csv, row" in lines(result)[0]
    assert not (tmp_path / "o" / "warehouse.duckdb").exists()
