"""``handoff sync``: on the published build of the golden export, copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.config.errors import ConfigError
from tests.conftest import handoff

Sync = Callable[..., Result]


@pytest.fixture
def output(golden_output: Path, tmp_path: Path) -> Path:
    copytree(golden_output / "published", tmp_path / "published")
    return tmp_path


@pytest.fixture
def sync(output: Path) -> Sync:
    """Runs the command on the copy; a refusal is an exception."""
    return lambda *arguments: CliRunner().invoke(
        app, ["sync", "--output", str(output), *arguments], catch_exceptions=False
    )


def test_the_agenda_of_a_published_build(sync: Sync) -> None:
    told = sync().output
    assert told.startswith("Calibration meeting: 2026-06-22 to 2026-06-28\n")
    for title in ("Scorecard", "Passed to sales", "To decide", "Decisions: 0 open"):
        assert f"\n{title}" in told
    # Six leads or so: nothing is judged.
    assert "too few" in told
    assert "missed" not in told
    running = sync("--period", "2026-06-30").output
    assert running.startswith("Calibration meeting: 2026-06-29 to 2026-07-05, so far")


def test_the_same_as_json(sync: Sync) -> None:
    sync("--decide", "Ask sales")
    told = json.loads(sync("--json").output)
    assert told["agenda"]["period_start"] == "2026-06-22"
    assert {rate["status"] for rate in told["agenda"]["scorecard"]} == {"too_few"}
    [decision] = told["decisions"]
    assert (decision["number"], decision["what"], decision["done_on"]) == (1, "Ask sales", None)


def test_decisions_are_shown_the_next_time(sync: Sync) -> None:
    said = sync(
        *("--decide", "Call [b]them[/b]", "--owner", "Kim", "--due", "2999-01-01"),
        *("--about", "overdue"),
    )
    assert said.output == "decision 1: Call [b]them[/b]\n"
    sync("--decide", "Nothing else", "--about", "touched in time")
    told = sync().output
    assert "Nothing else [sla_met_rate]" in told
    assert "Decisions: 2 open" in told
    assert "Call [b]them[/b] [overdue]" in told
    assert "Kim" in told
    assert "2999-01-01" in told
    assert sync("--done", "1").output == "decision 1: done: Call [b]them[/b]\n"
    told = sync().output
    assert "Decisions: 1 open" in told
    assert "done 20" in told, "since the meeting before"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--period", "last"], "--period 'last': not a date; write 2026-06-30"),
        (["--period", "2020-01-01"], "--period 2020-01-01: no agenda of that day; there are"),
        (["--decide", "x", "--due", "soon"], "--due 'soon': not a date; write 2026-06-30"),
        (["--decide", "x", "--due", "2020-01-01"], "that is in the past; today is"),
        (["--decide", "x", "--about", "weather"], "--about 'weather': known: "),
        (["--decide", " "], "--decide: say what was decided"),
        (["--due", "2999-01-01"], "add --decide TEXT"),
        (["--decide", "x", "--done", "1"], "--done and --decide: one at a time"),
        (["--done", "7"], "decision 7: no such decision (handoff sync)"),
    ],
)
def test_wrong_usage_is_told(sync: Sync, output: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        sync(*arguments)
    assert said in raised.value.problems[0]
    assert [path.name for path in output.iterdir()] == ["published"], "nothing is kept"


def test_where_nothing_is_published_it_says_so(tmp_path: Path) -> None:
    done = handoff("sync", "--output", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        f"handoff: {tmp_path / 'nowhere'}: nothing is published yet (handoff run)\n"
    )
    assert not (tmp_path / "nowhere").exists()
