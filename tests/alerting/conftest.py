"""What tests of alerts share: receivers, and a company that alerts both of them."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path

import pytest

from dagster_project.alerting.service import Alerted, after_run
from dagster_project.alerting.store import Store
from dagster_project.config.errors import HandoffError
from dagster_project.config.settings import Settings
from dagster_project.running.execute import DataTest
from tests.alerting.builds import CASES, publish, write_build
from tests.alerting.receivers import HttpReceiver, MailReceiver

START = datetime(2026, 7, 1, 5, 0, tzinfo=UTC)


@dataclass
class Company:
    """An output directory whose builds are reported to a chat (HTTP) and by mail."""

    output: Path
    chat: HttpReceiver
    mails: list[Message]
    alerts: dict[str, object] = field(default_factory=dict)
    number: int = 0

    @property
    def settings(self) -> Settings:
        """The company's configuration."""
        channels = {"chat": {"url_env": "TEST_CHAT_URL"}, "mail": {"url_env": "TEST_MAIL_URL"}}
        return Settings.model_validate(
            {
                "crm_links": {"lead": "https://crm.example.com/lead/{lead_id}"},
                "alerts": {
                    "channels": channels,
                    "dagster_url": "https://dagster.example.com",
                    "data_docs_url": "https://docs.example.com/index.html",
                    "report_url": "https://docs.example.com/published/report",
                    **self.alerts,
                },
            }
        )

    def build(
        self,
        hours: float,
        failing: list[str],
        error: HandoffError | None = None,
        *,
        errored: bool = False,
        kept: int = CASES,
        not_judged: tuple[str, ...] = (),
        vanished: bool = False,
        data_tests: Iterable[DataTest] = (),
    ) -> Alerted:
        """A run ``hours`` after the first, with these leads failing.

        ``vanished``: the activities are gone.
        """
        self.number += 1
        run_id = f"{self.number:08d}-run"
        now = START + timedelta(hours=hours)
        write_build(
            self.output,
            run_id,
            now,
            failing,
            errored=errored,
            kept=kept,
            not_judged=not_judged,
            vanished=vanished,
        )
        if error is None:
            publish(self.output, run_id, now)
        return after_run(self.output, self.settings, run_id, error, data_tests=data_tests, now=now)

    def store(self) -> Store:
        """The incidents."""
        return Store(self.output)


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company with two channels that work."""
    output = tmp_path / "out"
    output.mkdir()
    with closing(HttpReceiver()) as chat, closing(MailReceiver()) as mail:
        monkeypatch.setenv("TEST_CHAT_URL", chat.url)
        monkeypatch.setenv("TEST_MAIL_URL", mail.url)
        yield Company(output, chat, mail.messages)


def leads(count: int, first: int = 1) -> list[str]:
    """Ids of leads, counted from ``first``."""
    return [f"L-{number:04d}" for number in range(first, first + count)]
