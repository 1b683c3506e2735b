"""``handoff init`` writes a configuration that loads, and overwrites nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.commands.app import app
from dagster_project.config.errors import ConfigError
from dagster_project.config.policy import validate
from dagster_project.config.settings import load_settings


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    directory = tmp_path / "exports"
    directory.mkdir()
    (directory / "leads.csv").write_text(
        "Lead ID,Create Date,Lead Status\nL1,2026-01-05,New\nL2,2026-01-06,New\n", "utf-8"
    )
    return directory


def test_proposal_is_written_and_loads(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--from", str(exports)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "leads  2     100%                     1 of 1         leads.csv\n" in done.output
    assert "handoff.yml: exports of an unknown system" in done.output
    assert "Then: handoff run --audit warn\n" in done.output
    (source,) = load_settings(tmp_path / "handoff.yml").sources
    assert (source.kind, source.path) == ("files", exports)


def test_existing_configuration_is_left_as_it_is(exports: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yml"
    mine.write_text("mine", "utf-8")
    arguments = ["init", "--from", str(exports), "--out", str(mine)]
    with pytest.raises(ConfigError, match="already exists"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert mine.read_text("utf-8") == "mine"


def test_without_leads_it_says_what_they_are_and_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "spend.csv").write_text("Day,Channel,Cost\n2026-01-01,ads,10\n")
    for name in ("prices.csv", "texts.csv"):
        (tmp_path / name).write_text("a,b\n1,2\n")
    arguments = ["init", "--from", str(tmp_path), "--out", str(tmp_path / "own.yml")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "a leads table has one row per person or company" in done.output
    assert "as they look like none of the tables: prices.csv, texts.csv\n" in done.output
    assert "handoff run" not in done.output + (tmp_path / "own.yml").read_text("utf-8")


def test_policy_is_copied_to_edit_and_never_over_another(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    arguments = ["init", "--policy", str(policy)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert f"lifecycle: {{policy_dir: {policy}}}" in done.output
    assert validate(policy) == []
    assert not (tmp_path / "handoff.yml").exists()
    (policy / "stages.csv").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="overwrites nothing"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (policy / "stages.csv").read_text("utf-8") == "mine"
