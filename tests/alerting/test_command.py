"""Alerts through the command: a blocked run is told, looked at, taken on, put off."""

from pathlib import Path

import pytest
import yaml

from dagster_project.warehouse import PROJECT_ROOT
from tests.alerting.conftest import Company, leads
from tests.conftest import handoff


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
        "New error for data: Publication is blocked",
        "New error for sales: Rejected leads have a reason: 21 of 280 fail",
    ]
    assert "2 messages sent" in ran.stdout
    listed = handoff("alerts", "list", "--config", config, "--output", company.output)
    assert "Publication is blocked" in listed.stdout
    assert "Rejected leads have a reason: 21 of 280 fail" in listed.stdout


def test_incidents_are_listed_shown_taken_on_and_put_off(company: Company, config: Path) -> None:
    company.build(0, leads(2))
    place = ("--config", config, "--output", company.output)

    taken = handoff("alerts", "ack", "1", "--who", "ann", "--reason", "asked", *place)
    assert taken.returncode == 0, taken.stderr
    put_off = handoff(
        "alerts", "snooze", "1", "--until", "3d", "--who", "ann", "--reason", "later", *place
    )
    assert put_off.returncode == 0, put_off.stderr
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
