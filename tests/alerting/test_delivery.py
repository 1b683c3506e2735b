"""Messages survive crashes and receivers that are down, and keep to quiet hours and digests."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from dagster_project.alerting.delivery import _without_secrets, deliver, receiver_of
from dagster_project.alerting.service import after_run, on_the_clock
from dagster_project.alerting.store import Store
from dagster_project.config.warehouse import PROJECT_ROOT
from tests.alerting.builds import write_build
from tests.alerting.conftest import START, Company, leads
from tests.alerting.receivers import HttpReceiver, make_certificate, part

# Delivers in a process that is killed after the receiver took the nth message, before that is
# noted.
_KILLED_DELIVERY = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from dagster_project.alerting import delivery
from dagster_project.alerting.store import Store
from dagster_project.config.settings import Settings

output, settings, now, kill_at = sys.argv[1:]
settings = Settings.model_validate_json(settings).alerts
send = delivery.AppriseSender(settings)
sent = 0

def dying(channel, document):
    global sent
    problem = send(channel, document)
    sent += 1
    if sent == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return problem

with Store(Path(output)) as store:
    delivery.deliver(store, settings, Path(output), datetime.fromisoformat(now), dying)
"""


def test_a_crash_between_send_and_record_repeats_one_message_and_loses_none(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three messages wait, because the receiver is not available.
    company.alerts = {"channels": {"chat": {"url_env": "TEST_CHAT_URL"}}}
    url = os.environ["TEST_CHAT_URL"]
    monkeypatch.delenv("TEST_CHAT_URL")
    for hour in range(3):
        company.build(hour, leads(hour + 1))
    monkeypatch.setenv("TEST_CHAT_URL", url)
    later = START + timedelta(hours=9)

    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            _KILLED_DELIVERY,
            str(company.output),
            company.settings.model_dump_json(include={"alerts"}),
            later.isoformat(),
            "2",
        ],
        cwd=PROJECT_ROOT,
        timeout=1500,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(company.chat.messages) == 2

    with company.store() as store:
        deliver(store, company.settings.alerts, company.output, later)
        states = {row["state"] for row in store.rows("select state from messages")}
    first, second, third = dict.fromkeys(company.chat.titles)
    assert company.chat.titles == [first, second, second, third]
    assert states == {"sent"}


def test_a_receiver_that_is_down_for_two_runs_gets_all_in_order(company: Company) -> None:
    company.chat.down = True
    down = [company.build(0, leads(1)), company.build(6, leads(2))]
    company.chat.down = False
    company.build(12, leads(2))

    assert [told.delivered.waiting for told in down] == [1, 2]
    assert (
        "503" in down[0].delivered.problems["chat"] or "error" in down[0].delivered.problems["chat"]
    )
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Growing"]
    assert len(company.mails) == 2


def test_a_channel_that_fails_does_not_stop_the_other(company: Company) -> None:
    company.chat.close()
    told = company.build(0, leads(1))
    company.build(1, leads(2))

    assert list(told.delivered.problems) == ["chat"]
    assert [str(mail["Subject"]).split()[0] for mail in company.mails] == ["New", "Growing"]


def test_back_off_doubles_and_gives_up(company: Company) -> None:
    company.alerts = {
        "channels": {"chat": {"url_env": "TEST_NO_SUCH_URL"}},
        "give_up_after_hours": 5,
    }
    company.build(0, leads(1))
    tries = []
    with company.store() as store:
        for minute in range(400):
            now = START + timedelta(minutes=minute)
            deliver(store, company.settings.alerts, company.output, now)
            row = store.row("select attempts, state, last_error from messages")
            assert row
            if row["attempts"] > len(tries):
                tries.append(minute)
    assert tries[:6] == [0, 1, 3, 7, 15, 31]
    assert row["state"] == "failed"
    assert row["last_error"] == "the environment variable TEST_NO_SUCH_URL is not set"


def test_secrets_of_a_url_are_in_no_message_of_ours(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = company.chat.port
    company.chat.close()
    monkeypatch.setenv("TEST_CHAT_URL", f"json://user:hunter2secret@127.0.0.1:{port}/tok3n-tok3n")
    told = company.build(0, leads(1))

    assert told.delivered.problems["chat"]
    assert "hunter2secret" not in str(told)
    assert "tok3n-tok3n" not in str(told)


def test_secrets_are_hidden_in_every_spelling() -> None:
    url = "mailto://user:p%40ss%2Fword@mail.example.com/tok%2Ben123?key=abc+defgh"
    said = _without_secrets("refused p@ss/word and p%40ss%2Fword, tok+en123 of abc defgh", url)
    assert said == "refused *** and ***, *** of ***"
    assert _without_secrets("no 4815 at 127.0.0.1", "mailto://u:4815@127.0.0.1") == (
        "no *** at 127.0.0.1"
    )


def test_a_message_that_is_refused_again_and_again_lets_others_pass(company: Company) -> None:
    company.alerts = {"channels": {"chat": {"url_env": "TEST_CHAT_URL"}}}
    company.chat.down = True
    for hour in range(3):
        company.build(hour, leads(hour + 1))
    taken = []

    def refuse_the_first(_channel: str, document: dict[str, object]) -> str | None:
        if str(document["title"]).startswith("New"):
            return "400 too long"
        taken.append(document["title"])
        return None

    with company.store() as store:
        for hour in range(4, 16):
            now = START + timedelta(hours=hour)
            deliver(store, company.settings.alerts, company.output, now, refuse_the_first)
    assert [str(title).split()[0] for title in taken] == ["Growing", "Growing"]


def test_reminders_that_do_not_get_through_do_not_pile_up(company: Company) -> None:
    company.alerts = {"reminder_hours": 4}
    company.build(0, leads(2))
    company.chat.down = True
    for hour in range(1, 40):
        now = START + timedelta(hours=hour)
        on_the_clock(company.output, company.settings, now=now)
    company.chat.down = False
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=42))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Still"]


def test_the_end_is_told_to_all_who_heard_of_it(company: Company) -> None:
    company.alerts = {
        "routes": [
            {"severities": ["error"], "channels": ["chat"]},
            {"severities": ["warning"], "channels": ["mail"]},
        ]
    }
    company.build(0, leads(30))
    company.build(1, leads(5))
    company.build(2, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]
    assert [str(mail["Subject"]).split()[0] for mail in company.mails] == ["Resolved"]


def test_a_service_on_call_pages_once_and_closes_the_page(company: Company) -> None:
    receivers = []

    def send(channel: str, document: dict[str, object]) -> str | None:
        if channel == "chat":
            receivers.append(receiver_of(f"pagerduty://{'i' * 32}@{'a' * 32}", document))
        return None

    for hour, failing in enumerate((leads(30), [])):
        run_id = f"{hour:08d}-run"
        now = START + timedelta(hours=hour)
        write_build(company.output, run_id, now, failing)
        after_run(company.output, company.settings, run_id, None, now=now, send=send)
    opened, closed = receivers
    assert opened.dedup == closed.dedup
    # Triggers the page on a failure and resolves it on a success.
    assert (opened.action, closed.action) == ("map", "map")
    own = receiver_of(f"pagerduty://{'i' * 32}@{'a' * 32}?dedup=own", {"key": "incident 1"})
    assert (own.dedup, own.action) == ("own", "trigger")


@pytest.mark.parametrize(
    ("hours", "kind"), [((0,), "failure"), ((0, 1), "success")], ids=["opened", "resolved"]
)
def test_the_kind_of_a_message_follows_the_incident(
    company: Company, hours: tuple[int, ...], kind: str
) -> None:
    for hour in hours:
        company.build(hour, [] if hour else leads(30))
    assert company.chat.messages[-1]["type"] == kind


def test_nothing_that_came_from_data_is_markup(company: Company) -> None:
    company.build(0, ["@everyone", "[click](http://evil.example)", "jane@localhost"])
    message = company.chat.messages[0]["message"]
    assert "@everyone" not in message
    assert "[click](" not in message
    assert "jane" not in message


def test_people_are_called_as_the_channel_spells_it(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = HttpReceiver(certificate=make_certificate(tmp_path / "certificate.pem"))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv(
        "TEST_SLACK_URL", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7?verify=no"
    )
    monkeypatch.setenv(
        "TEST_DISCORD_URL", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?verify=no"
    )
    company.alerts = {
        "channels": {
            "chat": {"url_env": "TEST_CHAT_URL", "mentions": {"error": "@anna"}},
            "mail": {"url_env": "TEST_MAIL_URL", "mentions": {"warning": "<Anna & Bo>"}},
            "slack": {"url_env": "TEST_SLACK_URL", "mentions": {"warning": "<!here> <@U012AB3CD>"}},
            "discord": {"url_env": "TEST_DISCORD_URL", "mentions": {"warning": "<@&4711>"}},
        }
    }
    company.build(0, ["<!channel>"])
    (slack,) = (post for host, posts in proxy.posts.items() if "slack" in host for post in posts)
    text = slack["attachments"][0]["text"]
    assert text.startswith("<!here> <@U012AB3CD>\n\n")
    assert "&lt;!channel&gt;" in text
    (discord,) = (
        post for host, posts in proxy.posts.items() if "discord" in host for post in posts
    )
    assert "<@&4711>" in discord["content"]
    assert part(company.mails[0], "text/html").count("&lt;Anna &amp; Bo&gt;") == 1
    assert "@anna" not in company.chat.messages[0]["message"]
    company.build(1, leads(30))
    assert company.chat.messages[1]["message"].startswith("@anna\n\n")
    # Whoever is called for something wrong is not called for its end.
    company.build(2, [])
    assert "@anna" not in company.chat.messages[2]["message"]
    proxy.close()


def test_quiet_hours_hold_warnings_until_the_morning_and_let_errors_through(
    company: Company,
) -> None:
    # The first build is on Wednesday at 05:00.
    company.alerts = {
        "channels": {
            "chat": {
                "url_env": "TEST_CHAT_URL",
                "quiet_hours": {"start": "20:00", "end": "07:00", "weekends": True},
            }
        },
    }
    company.build(0, leads(1))
    assert company.chat.titles == []
    company.build(0.5, leads(2))
    assert company.chat.titles == []
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=2, minutes=1))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Growing"]
    company.build(17, leads(3))
    company.build(18, leads(30))
    assert [title.split()[0] for title in company.chat.titles[2:]] == ["Growing", "Now"]


def test_a_weekend_is_quiet_until_monday_morning(company: Company) -> None:
    company.alerts = {
        "channels": {
            "chat": {
                "url_env": "TEST_CHAT_URL",
                "quiet_hours": {"start": "20:00", "end": "07:00", "weekends": True},
            }
        },
        "timezone": "Europe/Amsterdam",
    }
    # Friday evening; Monday at 07:00 in Amsterdam is 05:00 UTC.
    company.build(2 * 24 + 16, leads(1))
    with company.store() as store:
        row = store.row("select not_before from messages")
    assert row
    assert row["not_before"].startswith("2026-07-06T05:00")


def test_routes_by_severity_owner_and_tag(company: Company) -> None:
    company.alerts = {
        "routes": [
            {"severities": ["error"], "channels": ["chat"]},
            {"tags": ["handover"], "owners": ["sales"], "channels": ["mail"]},
        ],
        "tags": {"rejected_leads_have_a_reason": ["handover"]},
    }
    company.build(0, leads(1))
    assert (len(company.chat.messages), len(company.mails)) == (0, 1)
    company.build(1, leads(30))
    assert (len(company.chat.messages), len(company.mails)) == (1, 2)
    # Who heard that it is an error hears that it is over.
    company.build(2, [])
    assert company.chat.titles[-1].startswith("Resolved")


def test_a_daily_digest_replaces_single_messages(company: Company) -> None:
    company.alerts = {
        "channels": {"chat": {"url_env": "TEST_CHAT_URL", "digest": "daily", "digest_at": "08:00"}}
    }
    company.build(0, leads(1))
    company.build(1, leads(4))
    assert company.chat.titles == []
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=3, minutes=1))
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=4))
    assert company.chat.titles == ["Digest: 1 open (1 new), 0 resolved"]
    said = company.chat.messages[0]["message"]
    assert "4 rejections without a reason (4% of 100)" in said
    assert "Report: https://docs.example.com/published/report/index.html\n" in said


def test_two_deliveries_at_once_send_once(company: Company) -> None:
    """While one delivers, the other leaves it to it."""
    company.chat.down = True
    company.build(0, leads(1))
    company.chat.down = False
    later = START + timedelta(hours=1)
    nested = []

    def send(_channel: str, _document: object) -> None:
        with Store(company.output) as other:
            nested.append(deliver(other, company.settings.alerts, company.output, later).sent)

    with company.store() as store:
        deliver(store, company.settings.alerts, company.output, later, send)
    assert nested == [[]]
    assert company.chat.messages == []


def test_receivers_come_back_on_the_same_port(company: Company) -> None:
    port = company.chat.port
    company.chat.close()
    company.build(0, leads(1))
    company.chat = HttpReceiver(port)
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=1))
    assert len(company.chat.messages) == 1
