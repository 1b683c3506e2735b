"""Every failing row of an incident can be had as CSV."""

import csv
import io

import pytest

from dagster_project.alerting.cases import write_cases
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import connect, warehouse_path
from expectations.case_counts import KEPT_CASES
from tests.alerting.conftest import Company, leads

HOSTILE = "=cmd|' /C calc'!A0\x1b[31m,\n\"x\""


def have_cases(company: Company, broken: int) -> None:
    """Leave the cases of the rule in the warehouse: so many broken ones, and as many others."""
    with connect(warehouse_path(company.output)) as warehouse:
        warehouse.execute(
            "create schema if not exists raw; create schema if not exists quality; "
            "create or replace table raw.run_parameters as "
            "select timestamp '2026-07-01' as as_of; "
            "create or replace table quality.rule_cases as select "
            "'rejection_reason_missing' as rule, 'crm' as source_system, "
            "'L-' || number as lead_id, 1 as cycle_number, 3 as visit_number, "
            "'rep-7' as owner_id, timestamp '2026-06-30' as judged_at, "
            f"number < {broken} as is_broken from range({2 * broken}) as numbers (number)"
        )
        warehouse.execute(
            "update quality.rule_cases set lead_id = ? where lead_id = 'L-0'", [HOSTILE]
        )


def rows_of(company: Company) -> list[dict[str, str]]:
    """The failing rows of the first incident, as read from its CSV."""
    file = io.StringIO()
    with company.store() as store:
        write_cases(company.output, company.settings, store.incident(1), file)
    file.seek(0)
    return list(csv.DictReader(file))


def test_all_rows_are_there_and_none_of_them_acts(company: Company) -> None:
    company.build(0, leads(2))
    have_cases(company, KEPT_CASES + 100)
    rows = rows_of(company)
    assert len({row["lead_id"] for row in rows}) == len(rows) == KEPT_CASES + 100
    assert rows[0] == {
        "source_system": "crm",
        "lead_id": "L-9999",
        "cycle_number": "1",
        "visit_number": "3",
        "judged_at": "2026-06-30 00:00:00",
        "owner_id": "rep-7",
    }
    (hostile,) = [row["lead_id"] for row in rows if "calc" in row["lead_id"]]
    assert hostile == "'" + HOSTILE.replace("\x1b", r"\x1b").replace("\n", r"\n")


def test_rows_of_another_build_are_not_taken_for_its_own(company: Company) -> None:
    company.build(0, leads(2))
    whole = "rejected_leads_have_a_reason"
    company.build(1, [], not_judged=(whole, f"{whole}_last_30_days"))
    have_cases(company, 2)
    with pytest.raises(ConfigError, match="the warehouse holds another one"):
        rows_of(company)


def test_what_has_no_rows_says_so(company: Company) -> None:
    company.build(0, leads(2), errored=True)
    with pytest.raises(ConfigError, match="is not about rows"):
        rows_of(company)
    company.build(1, [])
    with pytest.raises(ConfigError, match="was resolved at"):
        rows_of(company)
