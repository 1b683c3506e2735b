"""The checks on the real models: over the golden export they find what the golden files list."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from tests.expectations.breaks import checks_of_rules
from tests.lifecycle import golden

TRADITION = "four_stage"
CHECK_OF_RULE = checks_of_rules()
LATE = "handed_off_leads_are_touched_in_time"
DEFINITION = "handed_off_leads_meet_the_mql_definition"


@pytest.fixture(scope="module")
def results(golden_output: Path) -> dict[str, dict]:
    with duckdb.connect(str(golden_output / "warehouse.duckdb"), read_only=True) as connection:
        answer = connection.execute("select * from quality.check_results")
        names = [column[0] for column in answer.description]
        rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return {row["check_name"]: row for row in rows}


@pytest.mark.parametrize("rule", CHECK_OF_RULE)
def test_a_rule_fails_with_the_leads_of_the_golden_violations(
    results: dict[str, dict], rule: str
) -> None:
    violations = golden.expected(TRADITION, "lifecycle_violations")
    leads = Counter(row["lead_id"] for row in violations if row["rule"] == rule)
    result = results[CHECK_OF_RULE[rule]]
    keys = json.loads(result["sample_keys"])
    assert Counter(key["lead_id"] for key in keys) == leads
    assert result["failing_rows"] == leads.total()
    failed = "blocked" if rule == "rejection_reason_missing" else "warned"
    assert result["status"] == (failed if leads else "passed" if result["cases"] else "not_judged")


def test_late_handoffs_are_told_by_tier(results: dict[str, dict]) -> None:
    cycles = golden.expected(TRADITION, "fct_lead_cycles")
    statuses = Counter(row["sla_status"] for row in cycles)
    result = results[LATE]
    judged = statuses["met"] + statuses["breached"]
    assert (result["failing_rows"], result["cases"]) == (statuses["breached"], judged)
    assert "standard 81.2% of 16, hand_raise 0% of 2, low_intent 0% of 1" in result["message"]


def test_nothing_else_fails_on_the_golden_export(results: dict[str, dict]) -> None:
    asked = (LATE, DEFINITION, *CHECK_OF_RULE.values())
    of_rules = {name for check in asked for name in (check, f"{check}_last_30_days")}
    assert not [
        (name, row["message"])
        for name, row in results.items()
        if name not in of_rules and row["status"] not in {"passed", "not_judged"}
    ]


def test_the_pages_of_the_audit_are_there(golden_output: Path) -> None:
    docs = golden_output / "data_docs"
    index = (docs / "index.html").read_text(encoding="utf-8")
    assert "standard 81.2% of 16, hand_raise 0% of 2" in index
    # Whose leads fail stands with the check, and again on the page of its suite.
    for page in (index, (docs / "fct_lead_stages.html").read_text(encoding="utf-8")):
        assert '">rejected_no_reason</td>' in page
