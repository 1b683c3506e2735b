"""What people say needs no fixing is not told again until there is more of it."""

from datetime import timedelta

from dagster_project.alerting.incidents import Incidents, Mark
from dagster_project.alerting.service import on_the_clock
from dagster_project.alerting.store import counts
from tests.alerting.conftest import START, Company, leads


def mark(company: Company, mark: Mark | None, hours: float = 0) -> None:
    """Ann marks the first incident."""
    with company.store() as store:
        Incidents(store, company.settings, company.output).mark(
            1, mark, "ann", "the old CRM has none", START + timedelta(hours=hours)
        )


def kinds(company: Company) -> list[str]:
    """The first word of each message."""
    return [title.split()[0] for title in company.chat.titles]


def test_it_is_told_of_again_once_more_cases_fail(company: Company) -> None:
    company.alerts = {"reminder_hours": 2}
    company.build(0, leads(4))
    mark(company, "expected")
    company.build(5, leads(4))
    # Others, and fewer, and as many again.
    for hour, failing in enumerate((leads(4, first=3), leads(2), leads(4)), 6):
        company.build(hour, failing)
    assert kinds(company) == ["New"]
    found = counts(company.output)
    assert (found["warning"], found["expected"]) == (0, 1)

    company.build(9, leads(5))
    assert kinds(company) == ["New", "Growing"]
    # What was said was of less.
    assert "Marked:" not in company.chat.messages[1]["message"]
    found = counts(company.output)
    assert (found["warning"], found["expected"]) == (1, 0)
    company.build(12, leads(5))
    assert kinds(company) == ["New", "Growing", "Still"]


def test_its_end_is_told(company: Company) -> None:
    company.build(0, leads(2))
    mark(company, "false_positive")
    assert counts(company.output)["false_positive"] == 1
    company.build(1, [])
    assert kinds(company) == ["New", "Resolved"]
    reason = "Marked: false positive at 2026-07-01 05:00 UTC by ann: the old CRM has none"
    assert reason in company.chat.messages[1]["message"]


def test_that_it_becomes_an_error_is_told(company: Company) -> None:
    company.alerts = {"growth": 50}
    company.build(0, leads(2))
    mark(company, "expected")
    company.build(1, leads(30))
    assert kinds(company) == ["New", "Now"]


def test_a_mark_can_be_taken_back(company: Company) -> None:
    company.build(0, leads(2))
    mark(company, "expected")
    company.build(1, leads(2, first=2))
    mark(company, None)
    company.build(2, leads(2, first=2))
    assert company.chat.titles[1].endswith(", 1 new")
    assert counts(company.output)["warning"] == 1


def test_a_digest_counts_it_apart(company: Company) -> None:
    company.alerts = {
        "channels": {"chat": {"url_env": "TEST_CHAT_URL", "digest": "daily", "digest_at": "08:00"}}
    }
    company.build(0, leads(1))
    mark(company, "expected")
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=4))
    assert company.chat.titles == []
    company.build(5, leads(1), vanished=True)
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=28))
    assert company.chat.titles == ["Digest: 1 open (1 new), 0 resolved; 1 expected"]
    lines = company.chat.messages[0]["message"].splitlines()
    assert any(line.endswith("Open: data 1.") for line in lines)
    assert any(line.endswith("(incident 2)") for line in lines)
    company.build(30, [])
    on_the_clock(company.output, company.settings, now=START + timedelta(hours=52))
    assert company.chat.titles[1:] == ["Digest: 1 open (0 new), 1 resolved"]


def test_incidents_of_the_release_before_can_be_marked(company: Company) -> None:
    company.build(0, leads(2))
    with company.store() as store:
        for column in ("marked_as", "marked_at", "marked_by", "marked_reason"):
            store.execute(f"alter table incidents drop column {column}")
    mark(company, "expected")
    assert counts(company.output)["expected"] == 1
