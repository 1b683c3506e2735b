"""Break the data in one way: exactly the check on it fails, with the rows that were broken."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.config.contract import CONTRACT_TABLES
from expectations.catalogue import known_checks, suites
from expectations.check import TRAILING_SUFFIX, WHOLE_HISTORY
from expectations.observation import Observation
from expectations.validation import validate
from tests.expectations.clean_warehouse import AS_OF, RULES

Failing = Callable[..., dict[str, Observation]]

# Which check asks for which rule of the lifecycle.
CHECK_OF_RULE = {
    "rejection_reason_missing": "rejected_leads_have_a_reason",
    "disqualification_reason_missing": "disqualified_leads_have_a_reason",
    "loss_reason_missing": "lost_leads_have_a_reason",
    "recycle_reason_missing": "recycled_leads_have_a_reason",
    "unknown_reason": "reasons_are_known",
    "backward_transition": "stages_do_not_move_backward",
    "skipped_stage": "stages_are_not_skipped",
    "invalid_transition": "stage_transitions_are_valid",
    "unmapped_stage": "stages_are_mapped",
    "current_stage_differs": "current_stages_match_the_history",
    "stage_before_creation": "stages_begin_after_creation",
    "not_recycled": "rejected_leads_are_recycled",
    "handoff_without_owner": "handed_off_leads_have_an_owner",
    "untouched_past_sla": "handed_off_leads_are_touched_in_time",
    "sales_qualified_without_opportunity": "sales_qualified_leads_have_an_opportunity",
    "handoff_without_explicit_intent": "handed_off_leads_show_explicit_intent",
}

LAST_DAY = f"timestamp '{AS_OF}' - interval 1 day"
# Table of the sources -> where its usable rows are, and what dates them.
DATED = {
    "leads": ("build.dim_leads", "created_at"),
    "stage_changes": ("build.int_stage_changes", "changed_at"),
    "activities": ("build.fct_activities", "occurred_at"),
    "engagements": ("build.fct_engagements", "occurred_at"),
    "opportunities": ("build.fct_opportunities", "created_at"),
    "owner_changes": ("build.int_contract__owner_changes", "changed_at"),
    "channel_spend": ("build.int_contract__channel_spend", "spend_date"),
}
WITH_VOLUME = ("leads", "stage_changes", "activities", "engagements")


@dataclass(frozen=True)
class Break:
    """One way to break the data. ``keys``: those that the check must name (the first of many)."""

    check: str
    sql: str
    keys: list[dict[str, Any]]
    failing: int = 1


def _visit(lead: str, number: int) -> dict[str, Any]:
    return {"source_system": "crm", "lead_id": lead, "visit_number": number}


def _lead(lead: str) -> dict[str, Any]:
    return {"source_system": "crm", "lead_id": lead}


def _cycle(lead: str, number: int = 1) -> dict[str, Any]:
    return {"source_system": "crm", "lead_id": lead, "cycle_number": number}


BREAKS = [
    Break(
        "visits_tile_time",
        "update build.fct_lead_stages set exited_at = exited_at + interval 1 minute "
        "where lead_id = 'L0003' and visit_number = 2",
        [_visit("L0003", 2)],
    ),
    Break(
        "visits_tile_time",
        "update build.fct_lead_stages set visit_number = 6 "
        "where lead_id = 'L0003' and visit_number = 5",
        [_visit("L0003", 6)],
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = true "
        "where lead_id = 'L0003' and visit_number = 2",
        [_lead("L0003")],
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = (visit_number = 1) where lead_id = 'L0003'",
        [_lead("L0003")],
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = false where lead_id = 'L0003'",
        [_lead("L0003")],
    ),
    Break(
        "milestones_are_in_order",
        "update build.fct_lead_cycles set accepted_at = null where lead_id = 'L0003'",
        [_cycle("L0003")],
    ),
    Break(
        "milestones_are_in_order",
        "update build.fct_lead_cycles set handed_off_at = opportunity_at + interval 1 day "
        "where lead_id = 'L0003'",
        [_cycle("L0003")],
    ),
    Break(
        "cycles_are_numbered_without_gaps",
        "update build.fct_lead_cycles set cycle_number = 2 where lead_id = 'L0003'",
        [_cycle("L0003", 2)],
    ),
    Break(
        "cycles_are_numbered_without_gaps",
        f"update build.fct_lead_cycles set cycle_ended_at = '{AS_OF}' where lead_id = 'L0003'",
        [_cycle("L0003")],
    ),
    Break(
        "surviving_leads_are_in_the_marts",
        "delete from build.dim_leads where lead_id = 'L0003'",
        [_lead("L0003")],
    ),
    Break(
        "surviving_leads_are_in_the_marts",
        "insert into build.dim_leads by name (select 'crm' as source_system, 'merged1' as lead_id, "
        "'organic' as lead_source, 'rep1' as owner_id, 'smb' as segment)",
        [_lead("merged1")],
    ),
    Break(
        "facts_know_only_leads_in_the_marts",
        "insert into build.fct_lead_cycles by name (select 'crm' as source_system, "
        "'merged1' as lead_id, 1 as cycle_number)",
        [_lead("merged1")],
    ),
    Break(
        "rows_read_are_accounted_for",
        "update quality.row_counts set rows_staged = rows_staged - 1 where table_name = 'leads'",
        [{"source_system": "crm", "table_name": "leads"}],
    ),
    Break(
        "loads_are_counted",
        "update raw.loads set rows_read = 599 where table_name = 'reps' and rows_read = 600",
        [{"source_system": "crm", "table_name": "reps"}],
    ),
    Break(
        "leads_have_a_source",
        "update build.dim_leads set lead_source = null where number % 4 = 0",
        [_lead("L4496"), _lead("L4492")],
        failing=1125,
    ),
    Break(
        "leads_have_an_owner",
        "update build.dim_leads set owner_id = null where number % 5 > 1",
        [_lead("L4499"), _lead("L4498")],
        failing=2700,
    ),
    Break(
        "leads_have_a_segment",
        "update build.dim_leads set segment = 'unknown' where number % 5 > 1",
        [_lead("L4499"), _lead("L4498")],
        failing=2700,
    ),
    Break(
        "reasons_are_seldom_other",
        "update build.fct_lead_stages set reason_code = 'other' "
        "where reason_code is not null and entered_at < '2026-05-20'",
        [_visit("L4495", 3)],
        failing=1200,
    ),
    Break(
        "at_most_seven_reasons_are_in_use",
        "update build.fct_lead_stages set reason_code = 'code' || right(lead_id, 2)[1] "
        "where exit_kind = 'rejected'",
        [{"exit_kind": "rejected", "measure": 10}],
    ),
    Break(
        "reasons_are_given_one_by_one",
        "update build.fct_lead_stages set entered_at = '2026-06-29 10:00:01', changed_by = 'admin' "
        "where exit_kind = 'rejected' and lead_id < 'L0600'; "
        "update build.fct_lead_stages set exited_at = '2026-06-29 10:00:01' "
        "where exited_at is not null and lead_id < 'L0600' and lead_id in ("
        "select lead_id from build.fct_lead_stages where exit_kind = 'rejected')",
        [_visit("L0592", 2), _visit("L0591", 2), _visit("L0582", 2)],
        failing=120,
    ),
    Break(
        "stages_in_use_are_still_entered",
        "update build.fct_lead_stages set stage = 'renamed' "
        f"where stage = 'sal' and entered_at > timestamp '{AS_OF}' - interval 30 day",
        [{"stage": "sal"}],
    ),
    Break(
        "policy_changes_are_signed",
        "update raw.run_parameters set policy_fingerprint = 'not as signed'",
        [{"signed_version": 2, "first_build": "b1"}],
    ),
    Break(
        "sources_hold_owners_activities_and_engagements",
        "update build.int_source_coverage set has_activities = false",
        [{"source_system": "crm", "missing": "activities"}],
    ),
    *(
        Break(
            f"{table}_rows_are_usable",
            f"insert into quality.quarantine values ('crm', 7, '{table}', '{table}.csv', 12, "
            "'lead_id', 'unknown lead', '{}'); "
            "update quality.row_counts set rows_quarantined = 1, rows_staged = rows_staged - 1 "
            f"where table_name = '{table}'",
            [{"source_system": "crm", "source_file": f"{table}.csv", "source_row": 12}],
        )
        for table in CONTRACT_TABLES
    ),
    *(
        Break(
            f"{table}_do_not_vanish",
            "insert into quality.row_history "
            f"values ('b2', timestamp '{AS_OF}', 'crm', '{table}', 2001)",
            [{"source_system": "crm"}],
        )
        for table in CONTRACT_TABLES
    ),
    *(
        Break(
            f"{table}_keep_their_columns",
            f"delete from quality.column_history where table_name = '{table}' "
            f"and column_name = '{contract.columns[-1]}' and build_number = 2; "
            "insert into quality.column_history "
            f"values (2, 'b2', 'crm', '{table}', 'utm_source', 3)",
            [
                {"source_system": "crm", "column_name": column}
                for column in ("utm_source", contract.columns[-1])
            ],
            failing=2,
        )
        for table, contract in CONTRACT_TABLES.items()
    ),
    *(
        Break(
            f"{table}_are_fresh",
            f"update {model} set {moment} = {moment} - interval 20 day",
            [{"source_system": "crm"}],
        )
        for table, (model, moment) in DATED.items()
    ),
    *(
        Break(
            f"{table}_have_their_usual_volume",
            f"update {model} set {moment} = {moment} - interval 1 day "
            f"where {moment} >= {LAST_DAY} and cast(right(lead_id, 1) as int) < 6",
            [{"source_system": "crm"}],
        )
        for table, (model, moment) in DATED.items()
        if table in WITH_VOLUME
    ),
    Break(
        "activities_have_their_usual_volume",
        "insert into build.fct_activities select 'crm', lead_id, occurred_at "
        f"from build.fct_activities where occurred_at >= {LAST_DAY}",
        [{"source_system": "crm"}],
    ),
]


def test_clean_data_passes_every_check(failing: Failing) -> None:
    assert failing("select 1") == {}


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_fails_its_check_in_both_windows(failing: Failing, rule: str) -> None:
    name = CHECK_OF_RULE[rule]
    found = failing(
        f"""
        update quality.rule_cases set is_broken = true where rule = '{rule}' and lead_id = (
            select max(lead_id) from quality.rule_cases where rule = '{rule}'
        ) and coalesce(visit_number, 0) = (
            select coalesce(max(visit_number), 0) from quality.rule_cases
            where rule = '{rule}' and lead_id = (
                select max(lead_id) from quality.rule_cases where rule = '{rule}'
            )
        )
        """,
        of=name,
    )
    assert set(found) == {name, name + TRAILING_SUFFIX}
    for item in found.values():
        assert (item.status, item.failing) == ("warned", 1)
        assert item.keys[0]["lead_id"] > "L4480"
        assert len(item.keys) == 1


def test_rules_broken_long_ago_fail_the_whole_history_only(failing: Failing) -> None:
    found = failing(
        "update quality.rule_cases set is_broken = true where lead_id between 'L0001' and 'L0005'"
    )
    assert set(found) == set(CHECK_OF_RULE.values())
    assert all(item.check.window == WHOLE_HISTORY for item in found.values())


@pytest.mark.parametrize("broken", BREAKS, ids=lambda item: item.check)
def test_a_break_fails_exactly_its_check(failing: Failing, broken: Break) -> None:
    found = failing(broken.sql, of=broken.check)
    assert set(found) == {broken.check}
    item = found[broken.check]
    expected = "blocked" if item.check.block == 0 else "warned"
    assert (item.status, item.failing) == (expected, broken.failing)
    named = [{name: row[name] for name in broken.keys[0]} for row in item.keys]
    assert named[: len(broken.keys)] == broken.keys
    assert len(named) == min(broken.failing, 20)


def test_every_check_has_a_break() -> None:
    of_rules = {
        name + suffix for name in CHECK_OF_RULE.values() for suffix in ("", TRAILING_SUFFIX)
    }
    covered = {broken.check for broken in BREAKS} | of_rules
    assert covered | {"reasons_are_seldom_other" + TRAILING_SUFFIX} == set(known_checks())


def test_recent_reasons_other_fail_both_windows(failing: Failing) -> None:
    found = failing(
        "update build.fct_lead_stages set reason_code = 'other' "
        "where reason_code is not null and entered_at > '2026-06-01'",
        of="reasons_are_seldom_other",
    )
    name = "reasons_are_seldom_other"
    assert set(found) == {name, name + TRAILING_SUFFIX}


@pytest.mark.parametrize(
    ("share", "status"), [(0.0, "passed"), (0.15, "warned"), (0.25, "blocked")]
)
def test_share_of_missing_reasons_decides(failing: Failing, share: float, status: str) -> None:
    found = failing(
        "update quality.rule_cases set is_broken = true where rule = 'rejection_reason_missing' "
        f"and hash(lead_id) % 1000 < {1000 * share}",
        of="rejected_leads_have_a_reason",
    )
    item = found.get("rejected_leads_have_a_reason")
    assert (item.status if item else "passed") == status
    if item:
        assert item.observed == pytest.approx(share, abs=0.05)
        assert len(item.keys) == 20


def test_a_few_recent_cases_warn_but_do_not_block(failing: Failing) -> None:
    found = failing(
        "delete from quality.rule_cases where rule = 'loss_reason_missing' "
        "and occurred_at > '2026-06-02'; "
        "update quality.rule_cases set is_broken = true where rule = 'loss_reason_missing' "
        "and occurred_at > '2026-05-31'",
        of="lost_leads_have_a_reason",
    )
    trailing = found["lost_leads_have_a_reason" + TRAILING_SUFFIX]
    assert (trailing.observed, trailing.cases, trailing.status) == (1.0, 12, "warned")


def test_an_export_of_few_rows_fails_no_check_of_the_source(failing: Failing) -> None:
    found = failing(
        """
        delete from build.fct_lead_stages where lead_id > 'L0040';
        delete from build.fct_lead_cycles where lead_id > 'L0040';
        delete from build.dim_leads where lead_id > 'L0040';
        delete from build.lead_accounting where lead_id > 'L0040';
        delete from build.int_stage_changes where lead_id > 'L0040';
        delete from build.fct_activities where lead_id > 'L0040';
        delete from build.fct_engagements where lead_id > 'L0040';
        delete from build.fct_opportunities where lead_id > 'L0040';
        delete from build.int_contract__owner_changes where lead_id > 'L0040';
        delete from build.int_contract__channel_spend where spend_date > '2026-04-20';
        delete from quality.column_history where build_number = 1;
        update build.dim_leads set lead_source = null, segment = 'unknown' where lead_id > 'L0003';
        update build.fct_lead_stages set reason_code = 'other' where reason_code is not null;
        update build.int_source_coverage set has_owners = false, has_engagements = false;
        """
    )
    assert found == {}


def test_sources_that_never_fill_an_attribute_are_not_asked(failing: Failing) -> None:
    found = failing(
        "update build.dim_leads set lead_source = null, owner_id = null, segment = 'unknown'",
        of="leads_have_a_source",
    )
    assert found == {}


def test_no_cases_pass_with_nothing_observed(clean_warehouse: Path) -> None:
    check_name = "handed_off_leads_show_explicit_intent"
    suite = next(suite for suite in suites() if suite.name == "fct_lead_cycles")
    only = suite.restricted_to(frozenset({check_name}))
    check = only.checks[0]
    nothing = check.with_thresholds(None, None, None)
    empty = type(suite)(
        suite.name,
        suite.table,
        (type(check)(**{**vars(nothing), "cases": f"select * from ({check.cases}) where false"}),),
    )
    (item,) = validate((empty,), clean_warehouse)
    assert (item.status, item.observed, item.cases) == ("passed", None, 0)


def test_a_case_without_a_verdict_is_no_pass(failing: Failing) -> None:
    found = failing(
        "update quality.rule_cases set is_broken = null "
        "where rule = 'rejection_reason_missing' and lead_id = ("
        "select max(lead_id) from quality.rule_cases where rule = 'rejection_reason_missing')"
    )
    name = "rejected_leads_have_a_reason"
    assert {item.check.name: item.status for item in found.values()} == {
        name: "errored",
        name + TRAILING_SUFFIX: "errored",
    }


def test_without_the_clock_of_the_run_nothing_passes(failing: Failing) -> None:
    found = failing("update raw.run_parameters set as_of = null")
    assert found["rejected_leads_have_a_reason"].status == "errored"
    assert found["leads_are_fresh"].status == "errored"


def test_an_emptied_table_holds_the_publication_back(failing: Failing) -> None:
    found = failing("delete from quality.row_counts where table_name = 'activities'")
    assert found["activities_do_not_vanish"].status == "blocked"


@pytest.mark.parametrize("rows", [2000, 1100, 10])
def test_a_table_may_shrink_by_half_and_grow(failing: Failing, rows: int) -> None:
    found = failing(
        "insert into quality.row_history "
        f"values ('b2', timestamp '{AS_OF}', 'crm', 'leads', {rows})"
    )
    assert found == {}


def test_a_source_that_is_configured_no_more_has_not_vanished(failing: Failing) -> None:
    found = failing(
        "insert into quality.row_history "
        f"values ('b2', timestamp '{AS_OF}', 'old_crm', 'leads', 5000)"
    )
    assert found == {}
