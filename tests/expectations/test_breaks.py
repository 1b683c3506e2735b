"""Break the data in one way: the check on it fails, with the rows that were broken."""

import pytest

from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX
from tests.expectations.breaks import (
    AS_OF_SQL,
    BREAKS,
    DIAGNOSTICS,
    READABLE,
    Break,
    checks_of_rules,
    rule_case,
    unreadable,
)
from tests.expectations.conftest import Audit

REASONS = "rejected_leads_have_a_reason"
REASON_RULE = "rejection_reason_missing"
MERGED_DEALS = "opportunities_merged_into_opportunity_id_can_be_read"


def test_clean_data_fails_no_check(audit: Audit) -> None:
    outcomes = audit("select 1", *known_checks())
    failing = {name: item.message for name, item in outcomes.items() if item.passed is False}
    assert failing == {}


@pytest.mark.parametrize("broken", BREAKS, ids=lambda item: item.check)
def test_a_break_fails_its_check(audit: Audit, broken: Break) -> None:
    found = audit(broken.sql, broken.check)[broken.check]
    expected = "blocked" if found.check.block == 0 else "warned"
    assert (found.status, found.failing) == (expected, broken.failing), found.message
    named = [{name: row[name] for name in broken.keys[0]} for row in found.keys]
    assert tuple(named[: len(broken.keys)]) == broken.keys
    assert len(named) == min(broken.failing, 20)


def test_every_check_has_a_break() -> None:
    broken = {broken.check for broken in BREAKS}
    without = known_checks().keys() - broken - READABLE.keys() - {*DIAGNOSTICS}
    if without:
        # Not red: a new check works without one.
        pytest.xfail(f"add a break to tests/expectations/breaks.py for {sorted(without)}")


def test_diagnostics_that_call_for_action_warn(audit: Audit) -> None:
    acts = "update build.funnel_diagnostics set status = 'act', next_step = 'Act'"
    outcomes = audit(acts, *DIAGNOSTICS)
    assert {found.status for found in outcomes.values()} == {"warned"}
    assert {found.runbook for found in outcomes.values()} == {"Act"}
    recycling = outcomes["diagnostic_recycling"]
    assert recycling.keys == ({"segment": "all"},)
    found = "(not_recycled_share 0%, 0 of 1,800 leads that left in the last 90 days)"
    assert recycling.message.endswith(found)


@pytest.mark.parametrize(
    ("status", "judged"), [("watch", "passed"), ("not_applicable", "not_judged")]
)
def test_diagnostics_that_do_not_call_for_action_pass_or_are_not_judged(
    audit: Audit, status: str, judged: str
) -> None:
    outcomes = audit(f"update build.funnel_diagnostics set status = '{status}'", *DIAGNOSTICS)
    assert {found.status for found in outcomes.values()} == {judged}


def test_values_that_can_not_be_read_fail_the_check_of_their_column(audit: Audit) -> None:
    outcomes = audit("".join(unreadable(check, 5000) for check in READABLE), *READABLE)
    assert {found.failing for found in outcomes.values()} == {5000}
    assert {check for check, found in outcomes.items() if found.status == "warned"} == {
        "leads_employee_count_can_be_read",
        "leads_crm_score_can_be_read",
        "reps_weekly_capacity_can_be_read",
    }
    assert {found.status for found in outcomes.values()} == {"warned", "blocked"}
    named = outcomes["opportunities_amount_can_be_read"].keys[0]
    assert named == {
        "source_system": "files",
        "source_file": "opportunities.csv",
        "source_row": 4999,
    }


def test_few_values_that_can_not_be_read_warn(audit: Audit) -> None:
    outcomes = audit(
        # 4 of 4, 200 of 4,700, and 1 of 8: of 5 values or more, 5 % block.
        unreadable("leads_merged_into_lead_id_can_be_read", 4)
        + unreadable("leads_updated_at_can_be_read", 200)
        + unreadable("reps_is_active_can_be_read", 1)
        + unreadable(MERGED_DEALS, 2, listed_as="~merged_ids"),
        *READABLE,
    )
    failing = {check: found for check, found in outcomes.items() if found.passed is False}
    assert {check: (found.status, found.cases) for check, found in failing.items()} == {
        "leads_merged_into_lead_id_can_be_read": ("warned", 4),
        "leads_updated_at_can_be_read": ("warned", 4700),
        "reps_is_active_can_be_read": ("blocked", 8),
        MERGED_DEALS: ("warned", 2),
    }


def test_rules_broken_long_ago_fail_the_whole_history_only(audit: Audit) -> None:
    rules = checks_of_rules()
    names = [name + suffix for name in rules.values() for suffix in ("", TRAILING_SUFFIX)]
    outcomes = audit("".join(rule_case(rule, age="50 day") for rule in rules), *names)
    failing = {name for name, item in outcomes.items() if item.passed is False}
    assert failing == set(rules.values())


@pytest.mark.parametrize(
    ("share", "status"), [(0.0, "passed"), (0.15, "warned"), (0.25, "blocked")]
)
def test_share_of_missing_reasons_decides(audit: Audit, share: float, status: str) -> None:
    found = audit(
        f"update quality.rule_cases set is_broken = true where rule = '{REASON_RULE}' "
        f"and hash(lead_id) % 1000 < {1000 * share}",
        REASONS,
    )[REASONS]
    assert found.status == status
    assert found.observed == pytest.approx(share, abs=0.05)
    assert len(found.keys) == (0 if status == "passed" else 20)


def test_a_few_recent_cases_warn_but_do_not_block(audit: Audit) -> None:
    name = REASONS + TRAILING_SUFFIX
    recent = "".join(rule_case(REASON_RULE, lead=f"L{number}") for number in range(12))
    found = audit(
        f"{recent} delete from quality.rule_cases where rule = '{REASON_RULE}' and not is_broken",
        name,
    )[name]
    assert (found.observed, found.cases, found.status) == (1.0, 12, "warned")


@pytest.mark.parametrize(
    ("name", "sql", "message"),
    [
        (
            "leads_have_a_source",
            "delete from build.dim_leads where lead_id > 'L0048'; "
            "update build.dim_leads set lead_source = null where lead_id > 'L0003'",
            "Not judged: 49 cases, needs 50",
        ),
        (
            "leads_have_a_source",
            "update build.dim_leads set lead_source = null",
            "Not judged: no cases over the whole history",
        ),
        (
            "leads_are_fresh",
            "delete from quality.source_days where table_name = 'leads'",
            "Not judged: no cases over the whole history",
        ),
        (
            "leads_have_their_usual_volume",
            "delete from quality.source_days where source_date < '2026-06-10'",
            "Not judged: no cases over the whole history",
        ),
        (
            "leads_keep_their_columns",
            "delete from quality.column_history where build_number = 1",
            "Not judged: no cases over the whole history",
        ),
        (
            REASONS + TRAILING_SUFFIX,
            "delete from quality.rule_cases where judged_at > '2026-05-25'",
            "Not judged: no cases over the trailing 30 days",
        ),
    ],
)
def test_too_few_cases_are_not_judged(audit: Audit, name: str, sql: str, message: str) -> None:
    found = audit(sql, name)[name]
    assert (found.status, found.passed, found.message) == ("not_judged", None, message)


def test_a_case_without_a_verdict_is_no_pass(audit: Audit) -> None:
    names = (REASONS, REASONS + TRAILING_SUFFIX)
    outcomes = audit(rule_case(REASON_RULE, verdict="null"), *names)
    assert {outcomes[name].status for name in names} == {"errored"}


def test_without_the_clock_of_the_run_nothing_passes(audit: Audit) -> None:
    outcomes = audit("update raw.run_parameters set as_of = null", REASONS, "leads_are_fresh")
    assert {item.status for item in outcomes.values()} == {"errored"}


def test_an_emptied_table_holds_the_publication_back(audit: Audit) -> None:
    name = "activities_do_not_vanish"
    found = audit("delete from quality.row_counts where table_name = 'activities'", name)[name]
    assert found.status == "blocked"


@pytest.mark.parametrize("share", [1.9, 1.1, 0.1])
def test_a_table_may_shrink_by_half_and_grow(audit: Audit, share: float) -> None:
    name = "leads_do_not_vanish"
    found = audit(f"update quality.row_history set rows_read = rows_read * {share}", name)[name]
    assert found.status == "passed"


def test_a_source_that_is_no_longer_configured_has_not_vanished(audit: Audit) -> None:
    name = "leads_do_not_vanish"
    found = audit(
        f"insert into quality.row_history values ('before', {AS_OF_SQL}, 'old_crm', 'leads', 5000)",
        name,
    )[name]
    assert found.status == "passed"
