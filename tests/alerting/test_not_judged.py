"""What a run could not judge, for want of cases or of rows, neither opens nor resolves anything."""

from dataclasses import replace

import pytest

from dagster_project.alerting.service import after_run
from dagster_project.config.errors import AuditBlocked, SourceError
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.running.execute import DataTest
from dagster_project.running.publishing import NO_LEAD
from tests.alerting.builds import CHECK
from tests.alerting.conftest import START, Company, leads

WHOLE, TRAILING = CHECK, f"{CHECK}_last_30_days"
HELD_BACK = AuditBlocked("check activities_do_not_vanish of activities failed")
OPENED = "New warning for sales: 2 rejections without a reason (2% of 100)"


def test_it_opens_no_incident(company: Company) -> None:
    company.build(0, leads(2), not_judged=(WHOLE, TRAILING))
    assert company.chat.titles == []


def test_it_resolves_no_incident_and_does_not_count_as_seen(company: Company) -> None:
    company.build(0, leads(2))
    with company.store() as store:
        (before,) = store.open_incidents()
    company.build(1, [], not_judged=(WHOLE, TRAILING))
    with company.store() as store:
        assert store.open_incidents() == [before]
    assert company.chat.titles == [OPENED]
    company.build(2, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_a_window_that_failed_is_not_resolved_while_it_is_not_judged(company: Company) -> None:
    company.build(0, leads(2))
    company.build(1, [], not_judged=(TRAILING,))
    # The whole history fails again, without the trailing window, and passes.
    company.build(2, leads(2), not_judged=(TRAILING,))
    company.build(3, [], not_judged=(TRAILING,))
    assert company.chat.titles == [OPENED]
    company.build(4, [])
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_a_window_that_never_failed_is_not_waited_for(company: Company) -> None:
    company.build(0, leads(2), not_judged=(TRAILING,))
    assert "Last 30 days: Not judged: 2 cases, needs 20" in company.chat.messages[0]["message"]
    company.build(1, [], not_judged=(TRAILING,))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Resolved"]


def test_the_value_before_is_of_a_build_that_was_judged(company: Company) -> None:
    company.build(0, leads(1))
    company.build(1, [], not_judged=(WHOLE, TRAILING))
    company.build(2, leads(3))
    assert "Previous build: 1%" in company.chat.messages[-1]["message"]


def without_leads(company: Company) -> None:
    """Leave a warehouse whose build has no lead at all."""
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute("create schema if not exists build")
        warehouse.execute("create or replace table build.dim_leads (lead_id varchar)")


def test_without_a_lead_that_is_the_headline_and_not_the_checks_that_fail_too(
    company: Company,
) -> None:
    without_leads(company)
    company.build(0, [], HELD_BACK)
    assert company.chat.titles == [f"New error for data: {NO_LEAD}"]
    assert HELD_BACK.problems[0] in company.chat.messages[0]["message"]
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute("insert into build.dim_leads values ('L1')")
    company.build(1, [])
    assert company.chat.titles[1:] == [f"Resolved after 60 minutes: {NO_LEAD}"]


def test_a_run_that_was_held_back_for_another_reason_has_leads(company: Company) -> None:
    without_leads(company)
    company.build(0, [], HELD_BACK)
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute("insert into build.dim_leads values ('L1')")
    company.build(1, [], AuditBlocked("check stages_are_mapped of stage_changes failed"))
    assert company.chat.titles[1:] == [
        "New error for data: the marts were not updated, since a check blocks",
        f"Resolved after 60 minutes: {NO_LEAD}",
    ]


@pytest.mark.parametrize("lost", ["every lead", "the calls"])
def test_a_run_that_lost_its_rows_resolves_nothing(company: Company, lost: str) -> None:
    passes = DataTest("unique_fct_lead_cycles", "fct_lead_cycles", True, True, 0)
    down = SourceError("source crm: 503 after 5 tries")
    company.build(0, leads(2), data_tests=[replace(passes, passed=False, failing=3)])
    after_run(company.output, company.settings, "a0000000-run", down, now=START)
    opened = list(company.chat.titles)
    assert [title.split()[0] for title in opened] == ["New", "New", "New"]
    if lost == "every lead":
        without_leads(company)
    company.build(1, [], HELD_BACK, data_tests=[passes], vanished=lost == "the calls")
    assert not [title for title in company.chat.titles if title.startswith("Resolved")]
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute("drop table if exists build.dim_leads")
    company.build(2, [], data_tests=[passes])
    resolved = {
        title.partition(": ")[2] for title in company.chat.titles if title.startswith("Resolved")
    }
    assert {title.partition(": ")[2] for title in opened} <= resolved
