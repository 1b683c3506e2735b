"""Alerts through the command: a blocked run is reported, listed, acknowledged, snoozed."""

from pathlib import Path

import pytest
import yaml

from dagster_project.config.warehouse import PROJECT_ROOT
from tests.alerting.conftest import Company, leads
from tests.conftest import AS_OF, GOLDEN_EXPORT, handoff

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


def test_a_blocked_run_is_told_and_a_broken_channel_fails_no_run(
    company: Company, config: Path
) -> None:
    ran = handoff(
        "run",
        "--config",
        config,
        "--input",
        PROJECT_ROOT / "seeds" / "sample_crm",
        "--as-of",
        "2026-07-01T00:00:00Z",
        "--output",
        company.output,
        TEST_MAIL_URL="mailto://127.0.0.1:1?from=a@example.com&to=b@example.com",
    )
    assert ran.returncode == 1, ran.stderr
    assert sorted(company.chat.titles) == [
        "New error for data: the marts were not updated, since a check blocks",
        "New error for sales: 21 rejections without a reason (7.5% of 280)",
    ]
    assert "2 messages sent" in ran.stdout
    listed = handoff("alerts", "list", "--config", config, "--output", company.output)
    assert "the marts were not updated, since a check blocks" in listed.stdout
    assert "21 rejections without a reason (7.5% of 280)" in listed.stdout


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


def test_incidents_that_cannot_be_kept_fail_no_command(company: Company, config: Path) -> None:
    (company.output / "alerts.sqlite").write_text("no database, but a text of some length")
    ran = handoff(
        "run",
        "--config",
        config,
        "--input",
        GOLDEN_EXPORT,
        "--as-of",
        AS_OF,
        "--audit",
        "warn",
        "--output",
        company.output,
    )
    assert ran.returncode == 0, ran.stderr
    assert "handoff: alerts: DatabaseError" in ran.stderr
    status = handoff("status", "--output", company.output)
    assert status.returncode == 0
    assert "alerts.sqlite can't be read" in status.stdout


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
    listed = handoff("alerts", "list", *place)
    assert "(acknowledged by ann, snoozed until" in listed.stdout
    shown = handoff("alerts", "show", "1", *place).stdout
    assert "by ann: asked" in shown
    assert "opened to chat: sent (1 tries)" in shown
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
