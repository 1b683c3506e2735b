"""Six runs over a changing export give the promised messages, in order, and no others."""

from datetime import timedelta

from dagster_project.alerting.incidents import Incidents
from dagster_project.warehouse import connect, warehouse_path
from tests.alerting.conftest import START, Company, leads
from tests.alerting.receivers import part

NAME = "Rejected leads have a reason"


def test_the_story_of_an_incident(company: Company) -> None:
    company.alerts = {"reminder_hours": 24}

    company.build(0, leads(12))  # opened
    company.build(6, leads(12))  # silence
    company.build(12, leads(17))  # grown
    company.build(37, leads(17))  # reminder, a day after the last message
    with company.store() as store:
        (incident,) = store.open_incidents()
        until = START + timedelta(hours=80)
        Incidents(store, company.settings.alerts, company.output).snooze(
            incident["id"], until, "ann", "the pick list comes on Monday"
        )
    company.build(62, leads(19))  # snoozed, although it grew and a day went by
    company.build(90, [])  # resolved

    assert company.chat.titles == [
        f"New warning for sales: {NAME}: 12 of 100 fail",
        f"Growing warning for sales: {NAME}: 17 of 100 fail, 5 new",
        f"Open warning for sales, a reminder: {NAME}: 17 of 100 fail",
        f"Resolved: {NAME}",
    ]
    assert [mail["Subject"] for mail in company.mails] == company.chat.titles


def test_what_grew_during_a_snooze_is_told_when_it_ends(company: Company) -> None:
    company.build(0, leads(3))
    with company.store() as store:
        Incidents(store, company.settings.alerts, company.output).snooze(
            1, START + timedelta(hours=10), "ann", "known"
        )
    company.build(5, leads(4))
    company.build(11, leads(4))
    company.build(20, leads(4))

    assert company.chat.titles[1:] == [
        f"Growing warning for sales: {NAME}: 4 of 100 fail, 1 new",
    ]


def test_acknowledged_incidents_are_not_reminded_of_but_news_is_told(company: Company) -> None:
    company.alerts = {"reminder_hours": 2}
    company.build(0, leads(3))
    with company.store() as store:
        incidents = Incidents(store, company.settings.alerts, company.output)
        incidents.acknowledge(1, "ann", "asked the owners", START)
    company.build(5, leads(3))
    company.build(10, leads(5))

    assert [title.split()[0] for title in company.chat.titles] == ["New", "Growing"]
    assert "by ann: asked the owners" in company.chat.messages[1]["message"]


def test_one_fixed_and_one_broken_is_news_although_the_number_stays(company: Company) -> None:
    company.build(0, ["L-1", "L-2"])
    company.build(1, ["L-2", "L-3"])

    assert company.chat.titles[1].endswith("2 of 100 fail, 1 new")
    assert "- new: L-3" in company.chat.messages[1]["message"]


def test_getting_blocked_is_told_without_new_cases_of_leads(company: Company) -> None:
    company.build(0, leads(20))
    company.build(1, leads(21))

    assert company.chat.titles[1].startswith("Escalated to error for sales")


def test_a_check_that_could_not_run_is_no_pass(company: Company) -> None:
    company.build(0, leads(2))
    company.build(1, [], errored=True)

    assert company.chat.titles[1:] == [
        f"Escalated to error for sales: {NAME}: the check could not run"
    ]


def test_a_run_is_taken_in_once(company: Company) -> None:
    from dagster_project.alerting.service import after_run

    company.build(0, leads(2))
    again = after_run(company.output, company.settings, "00000001-run", None)

    assert len(company.chat.messages) == 1
    assert again.lines() == []


def test_a_message_says_all_that_ops_need(company: Company) -> None:
    company.build(0, leads(2))
    company.build(24, [*leads(16), "jane.doe@example.com"])
    text = company.chat.messages[1]["message"]

    assert text.splitlines() == [
        "A lead that sales rejected says why, so that marketing can aim better.",
        "Now: 17% (17 of 100) over the whole history; warns above 0%, blocks above 20%",
        "The build before: 2%",
        "Since: 2026-07-01 05:00 UTC (2 runs)",
        "Where: build.fct_lead_stages",
        "Owner: sales",
        "",
        "What to do: Ask the owners of the listed leads for the reason; make the field required "
        "on the rejected stage in the CRM.",
        "",
        *[
            f"- new: L-{number:04d} (cycle 1, visit 3) https://crm.example.com/lead/L-{number:04d}"
            for number in range(3, 13)
        ],
        "- and 7 more",
        "",
        "Checks: https://docs.example.com/index.html",
        "Run: https://dagster.example.com/runs/00000002-run",
        "incident 1: handoff alerts show 1",
    ]


def test_a_mail_is_readable_and_carries_no_personal_data(company: Company) -> None:
    company.build(0, ["jane.doe@example.com", "<b>L-1</b>"])
    (mail,) = company.mails
    html = part(mail, "text/html")

    assert mail["To"] == "ops@example.com"
    assert "jane.doe" not in html
    assert "<b>L-1" not in html
    assert "&lt;b&gt;L-1" in html
    assert "What to do" in html


def test_incidents_stand_in_the_warehouse(company: Company) -> None:
    company.build(0, leads(2))
    company.build(1, [])
    with connect(warehouse_path(company.output), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select check_name, state, owner, failing, hour(resolved_at) from quality.alerts"
        ).fetchall()

    assert rows == [("rejected_leads_have_a_reason", "resolved", "sales", 2, 6)]
