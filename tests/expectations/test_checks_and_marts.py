"""A check says what the mart says: each is compared with what a published table shows of the same.

On the sample and on the golden export, each in a tradition of its own.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.alerting.cases import failing_rows
from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.running.audit import ensure_tables
from expectations.case_counts import count_cases
from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX, Outcome
from tests.conftest import GOLDEN_EXPORT
from tests.expectations.breaks import DIAGNOSTICS, READABLE, checks_of_rules
from tests.lifecycle import golden
from tests.warehouse import Project, Warehouse

EXPORTS = {
    "sample": (PROJECT_ROOT / "seeds" / "sample_crm", datetime(2026, 7, 1), "four_stage"),
    # It asks for explicit intent.
    "golden": (GOLDEN_EXPORT, golden.AS_OF, "handoff_first"),
}


def findings(rule: str) -> str:
    """SQL for the number of findings of a rule, as the mart lists them."""
    return f"(select count(*) from lifecycle_violations where rule = '{rule}')"


def visits(rule: str, exit_kind: str) -> str:
    """What the facts show of the visits of an exit that require a reason."""
    return (
        f"select {findings(rule)}, count(*) from fct_lead_stages "
        f"where reason_required and exit_kind = '{exit_kind}'"
    )


def moves(rule: str) -> str:
    """What the facts show of all moves."""
    return f"select {findings(rule)}, count(*) from fct_lead_stages"


def noted(kind: str) -> str:
    """SQL for the number of rows that a kind of note counts."""
    return f"(select coalesce(sum(row_count), 0) from quality.notes where kind = '{kind}')"


# What a published table shows of the failing cases of a check, and of its cases; null of what no
# table counts.
SHOWN: Mapping[str, str] = {
    "handed_off_leads_are_touched_in_time": "select sum(breached), sum(judged) from handoff_sla",
    "handed_off_leads_are_touched": (
        f"select {findings('untouched_past_sla')}, sum(judged) from handoff_sla"
    ),
    "handed_off_leads_have_an_owner": """
        select
            sum(handed_off + handed_off_implied) filter (where owner_id = '(none)'),
            sum(handed_off + handed_off_implied)
        from handoff_sla
    """,
    "handed_off_leads_show_explicit_intent": f"""
        select
            {findings("handoff_without_explicit_intent")},
            case when (select requires_explicit_intent from int_run_policy)
                then sum(handed_off + handed_off_implied) else 0
            end
        from handoff_sla
    """,
    # rep_acceptance has every pending handoff, those that still have time, too.
    "handed_off_leads_are_accepted_or_rejected": (
        f"select {findings('handoff_without_decision')}, null"
    ),
    "accepted_leads_are_qualified_or_out": (
        f"select {findings('accepted_without_qualification')}, null"
    ),
    "sales_qualified_leads_have_an_opportunity": (
        f"select {findings('sales_qualified_without_opportunity')}, count(sales_qualified_at) "
        "from fct_lead_cycles"
    ),
    "rejected_and_disqualified_leads_are_recycled": (
        f"select {findings('not_recycled')}, sum(exited) from rejection_reasons "
        "where outcome in ('rejected', 'disqualified')"
    ),
    "handed_off_leads_meet_the_mql_definition": (
        "select sum(below), sum(judged) from mql_quality where requirement = 'all'"
    ),
    "reasons_are_seldom_other": """
        select sum(exited) filter (where reason_code = 'other'), sum(exited)
        from rejection_reasons where reason_code <> '(none)'
    """,
    "rejected_leads_have_a_reason": visits("rejection_reason_missing", "rejected"),
    "disqualified_leads_have_a_reason": visits("disqualification_reason_missing", "disqualified"),
    "lost_leads_have_a_reason": visits("loss_reason_missing", "lost"),
    "recycled_leads_have_a_reason": visits("recycle_reason_missing", "recycled"),
    "reasons_are_known": (
        f"select {findings('unknown_reason')}, count(reason_raw) from fct_lead_stages"
    ),
    "stages_do_not_move_backward": moves("backward_transition"),
    "stage_transitions_are_valid": moves("invalid_transition"),
    "stages_are_not_skipped": moves("skipped_stage"),
    "stages_begin_after_creation": moves("stage_before_creation"),
    "current_stages_match_the_history": f"select {findings('current_stage_differs')}, null",
    "won_opportunities_have_a_closing_date": (
        f"select {findings('won_without_closing_date')}, null"
    ),
    "stages_are_mapped": f"select {noted('unmapped_stages')}, null",
    "amounts_are_in_a_known_currency": f"select {noted('currency_without_rate')}, null",
    "leads_have_a_source": "select count(*) - count(lead_source), count(*) from dim_leads",
    "leads_have_an_owner": "select count(*) - count(owner_id), count(*) from dim_leads",
    "leads_have_a_segment": (
        "select count(*) filter (where segment = 'unknown'), count(*) from dim_leads"
    ),
    **{
        f"{table}_rows_are_usable": f"""
            select
                (select count(*) from quality.quarantine where table_name = '{table}'),
                coalesce(sum(rows_read), 0)
            from quality.row_counts where table_name = '{table}'
        """
        for table in CONTRACT_TABLES
    },
    **{
        check: f"""
            select count(*), null from quality.unreadable_values
            where table_name = '{table}' and column_name = '{column}'
        """
        for check, (table, column) in READABLE.items()
    },
}
# Of these the exports hold cases, and none that fails.
RARE = {
    "amounts_are_in_a_known_currency",
    "stage_transitions_are_valid",
    *READABLE,
    *(f"{table}_rows_are_usable" for table in CONTRACT_TABLES),
}

_PROMISE = "what the models promise: where it is broken, the marts are wrong"
_BEFORE = "compares with the build before or with usual days; marts show one build, no usual day"
WITHOUT_A_MART: Mapping[str, str] = {
    "visits_tile_time": _PROMISE,
    "leads_have_one_current_visit": _PROMISE,
    "milestones_are_in_order": _PROMISE,
    "cycles_are_numbered_without_gaps": _PROMISE,
    "surviving_leads_are_in_the_marts": _PROMISE,
    "facts_know_only_leads_in_the_marts": _PROMISE,
    "rows_read_are_accounted_for": _PROMISE,
    "loads_are_counted": _PROMISE,
    "policy_changes_are_signed": _BEFORE,
    "few_reasons_are_in_use": "by kind of exit, the CRM's pick list; marts group by outcome",
    "reasons_fit_their_exit": "by kind of exit, as the policy lists them; marts group by outcome",
    "reasons_are_given_one_by_one": "how a reason was written; marts count reasons however given",
    "stages_in_use_are_still_entered": "how often a stage is entered; marts count leads in cycles",
    "sources_hold_owners_activities_and_engagements": "a source as a whole; quality.notes says it",
    "sources_give_reasons": "a source as a whole; the run's summary says it",
    **{
        name: _BEFORE
        for name in known_checks()
        if name.endswith(("_do_not_vanish", "_keep_their_columns", "_have_their_usual_volume"))
    },
    **{name: "a source's age" for name in known_checks() if name.endswith("_are_fresh")},
    **dict.fromkeys(DIAGNOSTICS, "the mart's own verdict"),
}


def asked() -> list[str]:
    """The checks over the whole history; those over 30 days ask the same of a part of it."""
    return [name for name in known_checks() if not name.endswith(TRAILING_SUFFIX)]


@pytest.fixture(scope="module")
def warehouses(project: Project) -> dict[str, Warehouse]:
    """Each export with everything that the checks and their pairs read."""
    texts = [*SHOWN.values(), *(f"{item.cases} {item.counts}" for item in known_checks().values())]
    wanted = {"funnel_diagnostics", *re.findall(r"\w+", " ".join(texts))} & project.models.keys()
    made = {}
    for name, (path, as_of, tradition) in EXPORTS.items():
        made[name] = Warehouse(project)
        made[name].read_export(FilesSource(kind="files", path=path))
        made[name].decide(as_of, tradition)
        made[name].build(wanted)
        ensure_tables(made[name].connection)
    return made


@pytest.fixture(scope="module")
def outcomes(warehouses: dict[str, Warehouse]) -> dict[str, dict[str, Outcome]]:
    """What each check counts in each export."""
    checks = [known_checks()[name] for name in asked()]
    return {
        export: {item.check.name: item for item in count_cases(warehouse.connection, checks)}
        for export, warehouse in warehouses.items()
    }


def test_a_check_counts_what_the_mart_shows(
    warehouses: dict[str, Warehouse], outcomes: dict[str, dict[str, Outcome]]
) -> None:
    different = {}
    for export, warehouse in warehouses.items():
        for name, query in SHOWN.items():
            found = outcomes[export][name]
            failing, cases = warehouse.execute(query).fetchone() or (None, None)
            shown = (failing or 0, found.cases if cases is None else cases)
            if (found.failing, found.cases) != shown or found.problem:
                different[export, name] = (found.failing, found.cases, shown, found.problem)
    assert not different


def test_the_rows_that_can_be_had_are_those_that_a_check_counts(
    warehouses: dict[str, Warehouse], outcomes: dict[str, dict[str, Outcome]]
) -> None:
    for export, warehouse in warehouses.items():
        for name, found in outcomes[export].items():
            rows = warehouse.execute(failing_rows(found.check)).fetchall()
            assert len(rows) == found.failing, name


def test_each_pair_has_something_to_compare(outcomes: dict[str, dict[str, Outcome]]) -> None:
    seen = {name for found in outcomes.values() for name, item in found.items() if item.failing}
    assert SHOWN.keys() - RARE - seen == set()


def test_every_check_has_a_pair_or_a_reason() -> None:
    listed = SHOWN.keys() | WITHOUT_A_MART.keys()
    assert listed <= set(asked())
    assert not SHOWN.keys() & WITHOUT_A_MART.keys()
    if missing := set(asked()) - listed:
        # Not red: a new check works without one.
        pytest.xfail(f"say in {Path(__file__).name} which mart shows the same as {sorted(missing)}")


def test_the_reasons_that_ship_are_few_and_fit_where_they_are_used(
    warehouses: dict[str, Warehouse], outcomes: dict[str, dict[str, Outcome]]
) -> None:
    used = warehouses["sample"].rows("select distinct reason_code from fct_lead_stages")
    shipped = warehouses["sample"].rows("select reason_code from dim_reasons")
    assert len(used) == len(shipped) + 1, "all of them, and none"
    found = outcomes["sample"]
    assert {
        found[name].status for name in ("few_reasons_are_in_use", "reasons_fit_their_exit")
    } == {"passed"}


def test_a_check_of_the_last_30_days_asks_the_same_of_a_part() -> None:
    for name, check in known_checks().items():
        if name.endswith(TRAILING_SUFFIX):
            whole = known_checks()[name.removesuffix(TRAILING_SUFFIX)]
            assert (check.cases, check.moment) == (whole.cases, whole.moment), name


def test_shares_of_the_runbook_are_those_of_the_checks(warehouses: dict[str, Warehouse]) -> None:
    since = "(select as_of - interval 90 day from raw.run_parameters)"
    reasons = [name for name in SHOWN if name.endswith("ed_leads_have_a_reason")]
    assert len(reasons) == len(["rejected", "disqualified", "recycled"])
    reasons.append("lost_leads_have_a_reason")
    for export, warehouse in warehouses.items():
        every = " union all by name ".join(known_checks()[name].cases for name in reasons)
        of_checks = warehouse.execute(
            f"select count(*) filter (where is_broken), count(*) from ({every}) "
            f"where judged_at >= {since}"
        ).fetchone()
        late = known_checks()["handed_off_leads_are_touched_in_time"].cases
        of_tiers = warehouse.execute(
            f"""
            select count(*) filter (where late.is_broken), count(*)
            from ({late}) as late
            inner join fct_lead_cycles using (source_system, lead_id, cycle_number)
            where
                handed_off_at >= {since}
                and late.intent_tier in (
                    select intent_tier from policy.sla_policies
                    where tier_rank < (
                        select tier_rank from policy.sla_policies where intent_tier = 'standard'
                    )
                )
            """
        ).fetchone()
        of_runbook = {
            diagnostic: (numerator or 0, cases)
            for diagnostic, numerator, cases in warehouse.execute(
                "select diagnostic, numerator, sample_size from funnel_diagnostics "
                "where diagnostic in ('outcomes', 'first_touch')"
            ).fetchall()
        }
        assert of_runbook == {"outcomes": of_checks, "first_touch": of_tiers}, export


def test_each_diagnostic_has_a_check_that_passes_its_verdict_on(
    warehouses: dict[str, Warehouse], outcomes: dict[str, dict[str, Outcome]]
) -> None:
    judged_by = set()
    for export, warehouse in warehouses.items():
        for diagnostic, acts, judged, next_step, reading in warehouse.execute(
            """
            select
                diagnostic, count(*) filter (where status = 'act'),
                count(*) filter (where status not in ('too_few', 'not_applicable')),
                max(next_step) filter (where status = 'act'),
                max(reading) filter (where status = 'act')
            from funnel_diagnostics
            -- It can only be watched.
            where diagnostic <> 'definitions'
            group by diagnostic
            """
        ).fetchall():
            found = outcomes[export][f"diagnostic_{diagnostic}"]
            expected = (acts, judged, next_step)
            assert (found.failing, found.cases, found.next_step) == expected, found.problem
            assert (found.said or "").startswith(reading or ""), found.said
            assert found.check.blocks_above is None
            judged_by.add(found.check.name)
    assert judged_by == {*DIAGNOSTICS}
    assert outcomes["sample"]["diagnostic_first_touch"].failing


def test_the_share_of_late_handoffs_is_told_by_tier(
    warehouses: dict[str, Warehouse], outcomes: dict[str, dict[str, Outcome]]
) -> None:
    for export, warehouse in warehouses.items():
        of_mart = warehouse.execute(
            "select intent_tier, sum(breached), sum(judged) from handoff_sla "
            "group by intent_tier having sum(judged) > 0"
        ).fetchall()
        found = outcomes[export]["handed_off_leads_are_touched_in_time"]
        assert sorted((part.value, part.failing, part.cases) for part in found.parts) == sorted(
            of_mart
        )
        assert [part.share for part in found.parts] == sorted(
            (part.share for part in found.parts), reverse=True
        )


def test_every_rule_has_a_check_of_its_severity(warehouses: dict[str, Warehouse]) -> None:
    rules = {row["rule"]: row["severity"] for row in warehouses["golden"].rows("int_rules")}
    checks = {rule: known_checks()[name].severity for rule, name in checks_of_rules().items()}
    assert checks == rules
    page = (PROJECT_ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    table = page.split("| rule | when | severity |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [row.strip("| ").split(" | ") for row in table]
    assert {rule: cell[-1] for cell in cells for rule in cell[0].split(", ")} == rules
