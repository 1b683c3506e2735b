"""Alerts through the command: incidents are listed, acknowledged, snoozed, channels tried."""

from pathlib import Path

import pytest
import yaml

from tests.alerting.conftest import Company, leads
from tests.alerting.test_cases import have_cases
from tests.conftest import handoff

pytestmark = pytest.mark.starts_runs


@pytest.fixture
def config(company: Company, tmp_path: Path) -> Path:
    """A configuration file with the company's channels and one check that blocks early."""
    alerts = company.settings.alerts.model_dump(exclude_defaults=True)
    path = tmp_path / "handoff.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "alerts": {**alerts, "routes": [{"severities": ["error"], "channels": ["chat"]}]},
                "checks": {"rejected_leads_have_a_reason": {"block": 0.01}},
            }
        )
    )
    return path


def test_a_run_that_could_not_start_is_told_and_a_slip_at_the_shell_is_not(
    company: Company, config: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load(config.read_text())
    content["warehouse"] = {"output": str(company.output)}
    content["lifecycle"] = {"policy_dir": str(tmp_path / "no_policy")}
    config.write_text(yaml.safe_dump(content))
    slip = handoff("run", "--config", config, "--tradition", "four_stags")
    assert slip.returncode == 2
    assert company.chat.titles == []
    nightly = handoff("run", "--config", config)
    assert nightly.returncode == 2
    assert company.chat.titles == ["New error for data: the configuration is wrong, so nothing ran"]
    assert "no_policy" in company.chat.messages[0]["message"]


def test_incidents_are_listed_shown_acknowledged_and_snoozed(
    company: Company, config: Path
) -> None:
    company.build(0, leads(2))
    place = ("--config", config, "--output", company.output)

    taken = handoff("alerts", "ack", "1", "--who", "ann", "--reason", "asked", *place)
    assert taken.returncode == 0, taken.stderr
    snoozed = handoff(
        "alerts", "snooze", "1", "--until", "3d", "--who", "ann", "--reason", "later", *place
    )
    assert snoozed.returncode == 0, snoozed.stderr
    shown = handoff("alerts", "show", "1", *place).stdout
    assert "by ann: asked" in shown
    assert "opened to chat: sent (1 tries)" in shown
    marked = handoff("alerts", "mark", "1", "expected", "--note", "an old CRM", *place)
    assert marked.returncode == 0, marked.stderr
    listed = handoff("alerts", "list", *place).stdout
    assert "(acknowledged by ann, expected, says " in listed
    assert ", snoozed until" in listed
    assert listed.splitlines()[-1] == "0 open; 1 expected"
    have_cases(company, 2)
    rows = handoff("alerts", "show", "1", "--csv", *place).stdout.splitlines()
    assert (rows[0].split(",")[:2], len(rows)) == (["source_system", "lead_id"], 3)
    unknown = handoff("alerts", "ack", "7", *place)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    dry = handoff("alerts", "send", "--dry-run", *place)
    assert "0 messages would be sent" in dry.stdout


def test_channels_are_tried(company: Company, config: Path) -> None:
    dry = handoff("alerts", "test", "chat", "--dry-run", "--config", config)
    assert "Test of the channel chat" in dry.stdout
    assert company.chat.messages == []
    real = handoff("alerts", "test", "--config", config)
    assert real.returncode == 0, real.stdout + real.stderr
    assert (len(company.chat.messages), len(company.mails)) == (1, 1)
    broken = handoff("alerts", "test", "--config", config, TEST_CHAT_URL="")
    assert broken.returncode == 2
    assert "chat: the environment variable TEST_CHAT_URL is not set" in broken.stdout
