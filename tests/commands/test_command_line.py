"""The command line: refusals are quick, say what to do, and exit as the contract says."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from filelock import FileLock
from typer.main import get_command
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.config import policy
from dagster_project.config.locations import config_path
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT, SAMPLE_DIR
from tests.conftest import AS_OF, GOLDEN_EXPORT, command, handoff

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


def examples(called: click.Command) -> Iterator[str]:
    """The lines below "Example" in the help of a command and of those below it, as typed."""
    for line in (called.help or "").splitlines():
        if line.strip().startswith("handoff "):
            yield re.split(r"\s{3,}", line.strip())[0]
    for below in getattr(called, "commands", {}).values():
        yield from examples(below)


@pytest.mark.parametrize("line", [*examples(get_command(app))])
def test_examples_work_on_the_sample(line: str) -> None:
    """They parse, and the leads, files, sources and traditions that they name are the sample's."""
    called: click.Command = get_command(app)
    words = shlex.split(line.split(">")[0])[1:]
    while words and (below := getattr(called, "commands", {}).get(words[0])):
        called, words = below, words[1:]
    # Raises what a user would be told.
    values = called.make_context("handoff", words).params
    if lead := values.get("lead_id"):
        with (SAMPLE_DIR / "leads.csv").open(newline="") as file:
            assert lead in {row["lead_id"] for row in csv.DictReader(file)}
    if source := values.get("source"):
        assert source in {it.name for it in load_settings(config_path(None)).sources}
    if tradition := values.get("tradition"):
        assert tradition in policy.traditions(POLICY_DIR)
    for name in ("input_directory", "directory"):
        if directory := values.get(name):
            assert (PROJECT_ROOT / directory).is_dir()


def test_shells_complete_commands(tmp_path: Path) -> None:
    line = shlex.join(command("--install-completion"))
    # Ending with another command, bash stays the parent, which is how the shell is found out.
    done = subprocess.run(
        ["bash", "-c", f"{line}; true"],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bash completion installed" in done.stdout
    assert "_HANDOFF_COMPLETE" in (tmp_path / ".bash_completions" / "handoff.sh").read_text()
    asked = {"_HANDOFF_COMPLETE": "complete_bash", "COMP_WORDS": "handoff st", "COMP_CWORD": "1"}
    assert handoff(**asked).stdout.split() == ["status"]


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
