"""An open incident goes on when its check gets another name or table."""

from datetime import timedelta

import pytest

from dagster_project.alerting.delivery import deliver
from dagster_project.alerting.findings import Finding, Member, Report
from dagster_project.alerting.incidents import Incidents
from expectations.catalogue import FORMER_NAMES, known_checks
from tests.alerting.builds import CHECK
from tests.alerting.conftest import START, Company, leads

FORMER = "rejections_say_why"


@pytest.fixture
def company_of_before(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company with an incident that the release before opened and somebody works on."""
    monkeypatch.setitem(FORMER_NAMES, FORMER, CHECK)
    company.build(0, leads(2))
    with company.store() as store:
        store.execute(
            "update incidents set check_name = ?1, place = 'build.before', "
            "finding = replace(finding, ?2, ?1), "
            "acknowledged_at = opened_at, acknowledged_by = 'Ada'",
            [FORMER, CHECK],
        )
    return company


def test_it_is_the_same_incident_under_the_new_name(company_of_before: Company) -> None:
    company_of_before.build(1, leads(2))
    with company_of_before.store() as store:
        (incident,) = store.open_incidents()
    assert (incident["check_name"], incident["place"]) == (CHECK, "build.fct_lead_stages")
    assert (incident["acknowledged_by"], incident["builds"]) == ("Ada", 2)
    assert [title.split()[0] for title in company_of_before.chat.titles] == ["New"]


def test_it_grows_and_is_resolved_under_the_new_name(company_of_before: Company) -> None:
    company_of_before.build(1, leads(3))
    company_of_before.build(2, [])
    titles = [title.split()[0] for title in company_of_before.chat.titles]
    assert titles == ["New", "Growing", "Resolved"]


def test_it_stays_open_while_the_check_is_not_judged(company_of_before: Company) -> None:
    windows = (CHECK, f"{CHECK}_last_30_days")
    company_of_before.build(1, [], not_judged=windows)
    assert [title.split()[0] for title in company_of_before.chat.titles] == ["New"]


def test_tags_under_the_former_name_are_those_of_the_check(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMER_NAMES, FORMER, CHECK)
    company.alerts = {
        "tags": {FORMER: ["sdr"]},
        "routes": [{"tags": ["sdr"], "channels": ["chat"]}],
    }
    company.build(0, leads(2))
    assert len(company.chat.titles) == 1


LATE, UNTOUCHED = "handed_off_leads_are_touched_in_time", "handed_off_leads_are_touched"
LEADS, ACTIVITIES, SOURCES = "leads_are_fresh", "activities_are_fresh", "sources_are_fresh"


def found(check: str, meaning: int, member: str) -> Finding:
    """That a check fails in one case."""
    return Finding(
        check=check,
        place=known_checks()[check].table,
        severity="error",
        owner="sales",
        status="warned",
        headline="",
        description="",
        runbook="",
        failing=1,
        members={member: Member(member)},
        windows=(check,),
        meaning=meaning,
    )


def opened(
    company: Company,
    *findings: Finding,
    hours: int = 0,
    judged: tuple[str, ...] = (LATE, UNTOUCHED, LEADS, ACTIVITIES, SOURCES),
) -> dict[str, tuple[int, str]]:
    """The open incidents after a run with these findings: by check their number and cases."""
    report = Report(frozenset((check, "*") for check in judged), findings, run_id=f"run {hours}")
    with company.store() as store:
        Incidents(store, company.settings, company.output).record(
            report, START + timedelta(hours=hours)
        )
        return {
            row["check_name"]: (
                row["id"],
                ", ".join(member["member"] for member in store.members(row["id"])),
            )
            for row in store.open_incidents()
        }


def messages(company: Company) -> list[tuple[int, str]]:
    """What the messages in the chat are, sent or waiting: the number of the incident, the kind."""
    with company.store() as store:
        return [
            (row["incident_id"], row["kind"])
            for row in store.rows("select * from messages where channel = 'chat' order by id")
        ]


def test_an_incident_of_what_another_check_judges_now_goes_on_there(company: Company) -> None:
    assert opened(company, found(LATE, 1, "never touched")) == {LATE: (1, "never touched")}
    now = opened(company, found(UNTOUCHED, 1, "never touched"), found(LATE, 2, "late"), hours=1)
    assert now == {UNTOUCHED: (1, "never touched"), LATE: (2, "late")}
    # From now on each is what it says.
    assert opened(company, found(LATE, 2, "late"), hours=2) == {LATE: (2, "late")}


def test_an_incident_that_its_own_check_still_finds_stays_there(company: Company) -> None:
    opened(company, found(LEADS, 1, "crm"))
    # Nothing says yet whether the whole source is late.
    assert opened(company, hours=1, judged=(LEADS,)) == {LEADS: (1, "crm")}
    assert opened(company, found(LEADS, 2, "crm"), hours=2) == {LEADS: (1, "crm")}
    assert messages(company) == [(1, "opened")]
    assert opened(company, hours=3) == {}


@pytest.mark.parametrize("was_sent", [True, False])
def test_incidents_that_become_one_go_on_as_one(company: Company, was_sent: bool) -> None:
    """The other's end is told where it was told of; what is not sent yet is not sent any more."""
    before = opened(company, *(found(check, 1, "crm") for check in (LEADS, ACTIVITIES)))
    assert before == {LEADS: (1, "crm"), ACTIVITIES: (2, "crm")}
    if was_sent:
        with company.store() as store:
            deliver(store, company.settings.alerts, company.output, START, lambda *_: None)
    assert opened(company, found(SOURCES, 1, "crm"), hours=1) == {SOURCES: (1, "crm")}
    told = [(1, "opened"), (2, "opened"), (2, "resolved")] if was_sent else [(1, "opened")]
    assert messages(company) == told
    with company.store() as store:
        assert "goes on as incident 1" in store.incident(2)["finding"]
