"""Six runs over a changing export give the promised messages, in order, and no others."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dagster_project.alerting.delivery import deliver
from dagster_project.alerting.findings import Finding, Report
from dagster_project.alerting.incidents import Incidents
from dagster_project.alerting.service import after_run
from dagster_project.config.errors import AuditBlocked, BuildError, SourceError
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.running.execute import DataTest
from dagster_project.running.output_lock import hold_output
from expectations.catalogue import configured_suites
from tests.alerting.builds import write_build
from tests.alerting.conftest import START, Company, leads
from tests.alerting.receivers import part

NAME = "rejections without a reason"


def test_the_story_of_an_incident(company: Company) -> None:
    company.alerts = {"reminder_hours": 24}

    company.build(0, leads(12))  # opened
    company.build(6, leads(12))  # silence
    company.build(12, leads(17))  # grown
    company.build(37, leads(17))  # reminder, a day after the last message
    with company.store() as store:
        (incident,) = store.open_incidents()
        until = START + timedelta(hours=80)
        Incidents(store, company.settings, company.output).snooze(
            incident["id"], until, "ann", "the pick list comes on Monday"
        )
    company.build(62, leads(19))  # snoozed, although it grew and a day went by
    company.build(90, [])  # resolved

    assert company.chat.titles == [
        f"New warning for sales: 12 {NAME} (12% of 100)",
        f"Growing warning for sales: 17 {NAME} (17% of 100), 5 new",
        f"Still open after 37 hours, warning for sales: 17 {NAME} (17% of 100)",
        f"Resolved after 3 days: 19 {NAME} (19% of 100)",
    ]
    assert [mail["Subject"] for mail in company.mails] == company.chat.titles


def test_what_grew_during_a_snooze_is_told_when_it_ends(company: Company) -> None:
    company.build(0, leads(3))
    with company.store() as store:
        Incidents(store, company.settings, company.output).snooze(
            1, START + timedelta(hours=10), "ann", "known"
        )
    company.build(5, leads(4))
    company.build(11, leads(4))
    company.build(20, leads(4))

    assert company.chat.titles[1:] == [
        f"Growing warning for sales: 4 {NAME} (4% of 100), 1 new",
    ]


def test_acknowledged_incidents_are_not_reminded_of_but_news_is_told(company: Company) -> None:
    company.alerts = {"reminder_hours": 2}
    company.build(0, leads(3))
    with company.store() as store:
        incidents = Incidents(store, company.settings, company.output)
        incidents.acknowledge(1, "ann", "asked the owners", START)
    company.build(5, leads(3))
    company.build(10, leads(5))

    assert [title.split()[0] for title in company.chat.titles] == ["New", "Growing"]
    assert "by ann: asked the owners" in company.chat.messages[1]["message"]


def test_one_fixed_and_one_broken_is_news_although_the_number_stays(company: Company) -> None:
    company.build(0, ["L-1", "L-2"])
    company.build(1, ["L-2", "L-3"])

    assert company.chat.titles[1].endswith(f"2 {NAME} (2% of 100), 1 new")
    assert "- new: L-3" in company.chat.messages[1]["message"]


def test_getting_blocked_is_told_without_new_cases_of_leads(company: Company) -> None:
    company.build(0, leads(20))
    company.build(1, leads(21))

    assert company.chat.titles[1].startswith("Now an error for sales")


def test_a_check_that_could_not_run_is_no_pass(company: Company) -> None:
    company.build(0, leads(2))
    company.build(1, [], errored=True)

    assert company.chat.titles[1:] == [
        "Now an error for sales: the check rejected_leads_have_a_reason could not run"
    ]


def test_a_run_is_taken_in_once(company: Company) -> None:
    company.build(0, leads(2))
    again = after_run(company.output, company.settings, "00000001-run", None)

    assert len(company.chat.messages) == 1
    assert again.lines() == []


def test_a_message_says_all_that_ops_need(company: Company) -> None:
    company.build(0, leads(2))
    company.build(24, [*leads(16), "jane.doe@example.com"])
    text = company.chat.messages[1]["message"]

    assert text.splitlines() == [
        "Expected: A lead that sales rejected says why, so that marketing can aim better.",
        "Now: 17% (17 of 100) over the whole history",
        "Last 30 days: 17% (17 of 100) over the trailing 30 days",
        "Previous build: 2%",
        "Since: 2026-07-01 05:00 UTC (24 hours, in 2 runs)",
        "Check: rejected_leads_have_a_reason of build.fct_lead_stages",
        "Owner: sales",
        "",
        "What to do: Ask the owners of the listed leads for the reason; make the field required "
        "on the rejected stage in the CRM.",
        "",
        *[
            f"- new: L-{number:04d} (cycle 1, visit 3, owner rep-7) https://crm.example.com/lead/L-{number:04d}"
            for number in range(3, 13)
        ],
        "- and 7 more",
        "",
        "Checks: https://docs.example.com/index.html#rejected_leads_have_a_reason",
        "Definition: https://docs.example.com/published/report/definitions.html"
        "#check-rejected_leads_have_a_reason",
        "Run: https://dagster.example.com/runs/00000002-run",
        f"incident 1: handoff alerts show 1 --output {company.output}",
    ]


def links_of(message: str) -> list[str]:
    """What a message links to, by name."""
    names = ("Checks", "Definition", "Report", "Run")
    return [line.partition(":")[0] for line in message.splitlines() if line.startswith(names)]


def test_definitions_are_linked_once_a_build_shows_them(company: Company) -> None:
    blocked = AuditBlocked(["check rejected_leads_have_a_reason blocks"])
    company.build(0, leads(30), blocked)
    company.build(1, leads(40))
    company.alerts = {"report_url": None}
    company.build(2, leads(60))
    first, *_, second, third = (
        message["message"]
        for message in company.chat.messages
        if "rejections without a reason" in message["title"]
    )
    assert [links_of(message) for message in (first, second, third)] == [
        ["Checks", "Run"],
        ["Checks", "Definition", "Run"],
        ["Checks", "Run"],
    ]


def test_a_data_test_has_no_definition(company: Company) -> None:
    failed = DataTest("each_lead_is_one_row", "dim_leads", passed=False, is_error=True, failing=2)
    company.build(0, [], data_tests=[failed])
    (message,) = company.chat.messages
    assert links_of(message["message"]) == ["Checks", "Run"]
    assert "index.html#" not in message["message"]


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


def test_many_that_open_at_once_are_one_message_per_owner(company: Company) -> None:
    report = Report(
        findings=tuple(
            Finding(
                check=f"check_{number}",
                place="build.leads",
                severity="error" if number == 9 else "warning",
                owner="marketing" if number == 8 else "sales",
                status="warned",
                headline=f"{number} things wrong",
                description="",
                runbook="Fix them.",
                failing=number,
                tags=frozenset({"check"}),
            )
            for number in range(1, 10)
        ),
        judged=frozenset((f"check_{number}", "*") for number in range(1, 10)),
    )
    with company.store() as store:
        incidents = Incidents(store, company.settings, company.output)
        incidents.record(report, START)
        deliver(store, company.settings.alerts, company.output, START)
        assert company.chat.titles == [
            "7 new warnings for sales",
            "New warning for marketing: 8 things wrong",
            "New error for sales: 9 things wrong",
        ]
        message = company.chat.messages[0]["message"]
        listed = [line for line in message.splitlines() if line.startswith("- ")]
        # The most first.
        assert listed == [
            f"- {number} things wrong (incident {number})" for number in range(7, 0, -1)
        ]
        assert f"handoff alerts show 7 --csv --output {company.output}" in message
        assert [row["id"] for row in store.open_incidents()] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
        grown = tuple(replace(finding, failing=finding.failing + 1) for finding in report.findings)
        incidents.record(replace(report, findings=grown), START + timedelta(hours=1))
        deliver(store, company.settings.alerts, company.output, START + timedelta(hours=1))
        assert company.chat.titles[3:] == [
            "7 growing warnings for sales",
            "Growing warning for marketing: 8 things wrong, 1 new",
            "Growing error for sales: 9 things wrong, 1 new",
        ]
        assert "- 3 things wrong, 1 new (incident 3)" in company.chat.messages[3]["message"]
        # Each is over for itself, and whoever heard of it hears that.
        judged = frozenset({("check_3", "*")})
        incidents.record(Report(judged=judged), START + timedelta(hours=3))
        deliver(store, company.settings.alerts, company.output, START + timedelta(hours=3))
    assert company.chat.titles[6:] == ["Resolved after 3 hours: 3 things wrong"]


def test_a_part_of_the_windows_resolves_nothing(company: Company) -> None:
    company.build(0, leads(2))
    write_build(
        company.output,
        "00000002-run",
        START + timedelta(hours=1),
        [],
        parts={"rejected_leads_have_a_reason_last_30_days"},
    )
    after_run(company.output, company.settings, "00000002-run", None)
    assert len(company.chat.titles) == 1


def test_a_replay_of_the_past_says_nothing_of_now(company: Company) -> None:
    company.build(0, leads(2))
    told = company.build(-24 * 30, leads(9))
    company.build(1, leads(2))
    assert told.lines() == []
    assert len(company.chat.titles) == 1


def test_a_check_that_is_gone_is_over(company: Company) -> None:
    company.build(0, leads(2))
    known = frozenset({"another_check"})
    with company.store() as store:
        incidents = Incidents(store, company.settings, company.output)
        incidents.record(Report(known=known), START)
        assert store.open_incidents() == []


def test_what_becomes_an_error_is_told_in_spite_of_a_snooze(company: Company) -> None:
    company.build(0, leads(2))
    with company.store() as store:
        incidents = Incidents(store, company.settings, company.output)
        incidents.acknowledge(1, "ann", "asked", START)
        incidents.snooze(1, START + timedelta(days=14), "ann", "known")
    company.build(1, leads(3))
    company.build(2, leads(30))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Now"]
    with company.store() as store:
        assert store.open_incidents()[0]["acknowledged_by"] is None


def test_an_error_that_comes_back_is_told_again(company: Company) -> None:
    for hour, number in enumerate((30, 5, 30)):
        company.build(hour, leads(number))
    assert [title.split(" for ")[0] for title in company.chat.titles] == [
        "New error",
        "Now an error",
    ]


def test_growth_is_seen_where_only_a_number_is_followed(company: Company) -> None:
    for hour, number in enumerate((4, 9, 9, 6, 8, 3, 4)):
        company.build(hour, leads(number), kept=5)
    assert [title.partition(": ")[2] for title in company.chat.titles[1:]] == [
        f"9 {NAME} (9% of 100), 5 new",
        f"8 {NAME} (8% of 100), 2 new",
        f"4 {NAME} (4% of 100), 1 new",
    ]


def test_one_source_down_does_not_resolve_another(company: Company) -> None:
    company.build(0, [], SourceError("source hubspot: 503"))
    company.build(1, [], SourceError("source files: no such file"))
    company.build(2, [])
    assert company.chat.titles == [
        "New error for data: source hubspot could not be read",
        "New error for data: source files could not be read",
        "Resolved after 2 hours: source hubspot could not be read",
        "Resolved after 60 minutes: source files could not be read",
    ]


def test_a_run_that_failed_is_told_although_the_warehouse_is_in_use(company: Company) -> None:
    company.build(0, [])
    with hold_output(company.output):
        company.build(1, [], BuildError("the disk is full"))
    assert company.chat.titles == [
        "New error for data: the run failed before it could publish",
    ]
    message = company.chat.messages[0]["message"]
    assert "Now: the disk is full" in message
    assert "Published meanwhile: the build published 2026-07-01 05:00 UTC" in message


def test_data_tests_of_the_models_are_told(company: Company) -> None:
    test = DataTest("unique_fct_lead_cycles_lead_cycle_id", "fct_lead_cycles", False, True, 3)
    for run_id, tests in (("1", [test]), ("2", []), ("3", [replace(test, passed=True)])):
        after_run(company.output, company.settings, run_id, None, data_tests=tests)
    said = "fct_lead_cycles fails its data test unique_fct_lead_cycles_lead_cycle_id (3 rows)"
    assert company.chat.titles == [
        f"New error for data: {said}",
        f"Resolved after a moment: {said}",
    ]


def test_a_run_that_a_later_one_has_overtaken_tells_nothing(company: Company) -> None:
    write_build(company.output, "a0000000-run", START, leads(30))
    company.build(1, [])
    # A daemon's runs are taken in when it looks, which may be after a later run of the shell.
    error = AuditBlocked("check rejected_leads_have_a_reason failed")
    after_run(company.output, company.settings, "a0000000-run", error, ended_at=START)
    failed = BuildError("the disk is full")
    after_run(company.output, company.settings, "b0000000-run", failed, ended_at=START)
    assert company.chat.titles == []


def test_a_publication_alone_that_is_refused_resolves_no_source(company: Company) -> None:
    company.build(0, [], SourceError("source crm: 503"))
    company.number = 50
    refused = AuditBlocked("build x was not audited; run the checks first")
    after_run(company.output, company.settings, "c0000000-run", refused)
    assert [title.split()[0] for title in company.chat.titles] == ["New", "New"]


def test_one_mart_built_alone_resolves_nothing(company: Company) -> None:
    company.build(0, leads(12))
    test = DataTest("each_cohort_is_one_row", "funnel_conversion", True, True, 0)
    after_run(company.output, company.settings, "e0000000-run", None, data_tests=[test])
    assert [title.split()[0] for title in company.chat.titles] == ["New"]


def test_checks_alone_end_no_incident_of_a_data_test(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"rejected_leads_have_a_reason", "rejected_leads_have_a_reason_last_30_days"}
    suites = tuple(suite.restricted_to(frozenset(names)) for suite in configured_suites({}))
    monkeypatch.setattr("dagster_project.alerting.checks.configured_suites", lambda _: suites)
    test = DataTest("unique_fct_lead_cycles", "fct_lead_cycles", False, True, 3)
    after_run(company.output, company.settings, "d0000000-run", None, data_tests=[test])
    company.build(1, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New"]


def test_a_check_that_could_not_run_in_between_makes_no_news_of_old_cases(
    company: Company,
) -> None:
    company.build(0, leads(9), kept=5)
    company.build(1, leads(9), errored=True)
    company.build(2, leads(9), kept=5)
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Now"]


def test_an_owner_is_called_by_name_where_names_are_published(company: Company) -> None:
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute(
            "create schema build; create table build.dim_reps as "
            "select 'crm' as source_system, 'rep-7' as rep_id, 'Kim Ode' as rep_name"
        )
    company.build(0, leads(2))
    message = company.chat.messages[0]["message"]
    assert message.count("owner Kim Ode") == 2
    assert "rep-7" not in message
