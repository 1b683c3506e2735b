"""A diagnostic that calls for action is an incident until it is judged not to any more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dagster_project.alerting.service import after_run
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.running.audit import append_results, ensure_tables
from expectations.catalogue import suites
from expectations.validation import validate
from tests.alerting.builds import publish
from tests.alerting.conftest import START, Company

CHECKS = frozenset({"diagnostic_acceptance", "diagnostic_qualification_range"})
READING = "Marketing and sales disagree on sight"

Build = Callable[..., None]


def acceptance(status: str) -> list[Any]:
    """A row of the mart: 30 of 120 handoffs were accepted."""
    values = 0.25, 30, 120, None, 0.3, 0.95
    about = "acceptance", "mql_to_sal", "all", "share", "handoffs", "180 to 91 days ago"
    return [*about, *values, status, READING, "Sit down together"]


def segment(name: str, status: str) -> list[Any]:
    """A row of the mart: how many of a segment qualify."""
    values = 0.05, 2, 40, 0.07, None, None
    about = "qualification_range", "mql_to_sql", name, "share", "handoffs", "180 to 91 days ago"
    return [*about, *values, status, "Below it", "Look at it"]


@pytest.fixture
def build(company: Company) -> Build:
    """A run whose mart has these rows, audited by the real checks and taken in."""
    path = warehouse_path(company.output)

    def run(hour: int, *rows: list[Any]) -> None:
        run_id, now = f"{hour:08d}-run", START + timedelta(hours=hour)
        with connect(path) as warehouse:
            warehouse.execute(
                "create schema if not exists raw; create schema if not exists build; "
                f"create or replace table raw.run_parameters as select timestamp '{now:%F %T}' "
                "as as_of; create or replace table build.funnel_diagnostics ("
                "diagnostic varchar, metric varchar, segment varchar, unit varchar, "
                "cases varchar, cases_period varchar, "
                "value double, numerator double, sample_size bigint, "
                "previous_value double, threshold_low double, threshold_high double, "
                "status varchar, reading varchar, next_step varchar)"
            )
            for row in rows:
                warehouse.execute(
                    f"insert into build.funnel_diagnostics values ({', '.join('?' * len(row))})",
                    row,
                )
        asked = [suite.restricted_to(CHECKS) for suite in suites()]
        outcomes = validate(tuple(suite for suite in asked if suite.checks), path)
        with connect(path) as warehouse:
            ensure_tables(warehouse)
            append_results(warehouse, f"{now:%Y%m%dT%H%M%S}-{run_id[:8]}", outcomes)
        publish(company.output, run_id, now)
        after_run(company.output, company.settings, run_id, None, now=now)

    return run


def test_it_opens_an_incident_in_the_words_of_the_runbook(company: Company, build: Build) -> None:
    build(0, acceptance("act"), segment("smb", "watch"))
    said = f"{READING} (mql_to_sal 25%, 30 of 120 handoffs 180 to 91 days ago; acts below 30%)"
    assert company.chat.titles == [f"New warning for marketing: {said}"]
    lines = company.chat.messages[0]["message"].splitlines()
    assert f"Now: {said}" in lines
    assert "What to do: Sit down together" in lines
    assert "- segment all, metric mql_to_sal" in lines
    build(1, acceptance("act"), segment("smb", "watch"))
    build(2, acceptance("too_few"), segment("smb", "too_few"))
    assert len(company.chat.titles) == 1
    build(3, acceptance("watch"))
    assert company.chat.titles[1:] == [f"Resolved after 3 hours: {said}"]


def test_a_segment_with_too_few_cases_is_not_resolved_by_another(
    company: Company, build: Build
) -> None:
    build(0, segment("smb", "act"), segment("enterprise", "ok"))
    build(1, segment("smb", "too_few"), segment("enterprise", "ok"))
    assert [title.split()[0] for title in company.chat.titles] == ["New"]
    assert (
        "(mql_to_sql of smb 5%, 2 of 40 handoffs 180 to 91 days ago; before: 7%)"
        in company.chat.titles[0]
    )
    build(2, segment("smb", "too_few"), segment("enterprise", "act"))
    build(3, segment("smb", "ok"), segment("enterprise", "too_few"))
    assert [title.split()[0] for title in company.chat.titles] == ["New", "Growing"]
    build(4, segment("smb", "ok"), segment("enterprise", "ok"))
    assert [title.split()[0] for title in company.chat.titles[2:]] == ["Resolved"]
