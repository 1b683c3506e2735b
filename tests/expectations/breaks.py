"""One way or more to break the clean warehouse for each check, as SQL."""

import re
from dataclasses import dataclass
from typing import Any

from dagster_project.config.contract import CONTRACT_TABLES
from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX
from tests.expectations.clean_export import AS_OF

AS_OF_SQL = f"timestamp '{AS_OF:%Y-%m-%d %H:%M:%S}'"


@dataclass(frozen=True)
class Break:
    """``keys``: the first cases that the check must name. ``failing``: how many fail."""

    check: str
    sql: str
    keys: tuple[dict[str, Any], ...]
    failing: int = 1


def checks_of_rules() -> dict[str, str]:
    """The check over the whole history that asks for each rule of the lifecycle."""
    rules = {
        name: re.search(r"quality\.rule_cases where rule = '(\w+)'", check.cases)
        for name, check in known_checks().items()
        if not name.endswith(TRAILING_SUFFIX)
    }
    return {found[1]: name for name, found in rules.items() if found}


def rule_case(rule: str, lead: str = "broken", verdict: str = "true", age: str = "1 hour") -> str:
    """SQL that adds a case of a rule, judged so long before ``as_of``."""
    return f"""
        insert into quality.rule_cases
        select * replace (
            '{rule}' as rule, '{lead}' as lead_id, {verdict} as is_broken,
            {AS_OF_SQL} - interval {age} as judged_at
        )
        from quality.rule_cases limit 1;
    """


# The checks of the columns whose values may be unreadable, with their table and column.
READABLE = {
    f"{table}_{column}_can_be_read": (table, column)
    for table, contract in CONTRACT_TABLES.items()
    for column in contract.kinds
    if column not in contract.required
}

# The checks that pass on what the runbook calls for action on.
DIAGNOSTICS = tuple(
    name for name, check in known_checks().items() if check.table == "build.funnel_diagnostics"
)


def unreadable(check: str, values: int, listed_as: str = "") -> str:
    """SQL that adds so many values that can't be read to a check's column, or to its list."""
    table, column = READABLE[check]
    return f"""
        insert into quality.unreadable_values by name
        select
            'files' as source_system, 7 as load_id, '{table}' as table_name,
            '{table}.csv' as source_file, range as source_row,
            '{listed_as or column}' as column_name,
            '?' as value_text
        from range({values});
    """


def _lead(lead: str, **more: Any) -> dict[str, Any]:
    return {"source_system": "files", "lead_id": lead, **more}


def _below(lead: str) -> dict[str, Any]:
    return _lead(lead, cycle_number=1, below="email, fit")


def _number(column: str = "lead_id") -> str:
    return f"cast({column}[2:] as integer)"


_LATEST = "select max(opportunity_id) from build.int_contract__opportunities"
AMOUNTS = (
    Break(
        "amounts_are_in_a_known_currency",
        "update build.int_contract__opportunities set amount = null "
        f"where opportunity_id = ({_LATEST})",
        ({"source_system": "files"},),
    ),
)

# L0003 was lost: lead, MQL, SQL, SAL, opportunity, closed lost.
TRUTH = (
    Break(
        "visits_tile_time",
        "update build.fct_lead_stages set exited_at = exited_at + interval 1 minute "
        "where lead_id = 'L0003' and visit_number = 2",
        (_lead("L0003", visit_number=2),),
    ),
    Break(
        "visits_tile_time",
        "update build.fct_lead_stages set visit_number = 7 "
        "where lead_id = 'L0003' and visit_number = 6",
        (_lead("L0003", visit_number=7),),
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = true "
        "where lead_id = 'L0003' and visit_number = 2",
        (_lead("L0003"),),
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = (visit_number = 1) where lead_id = 'L0003'",
        (_lead("L0003"),),
    ),
    Break(
        "leads_have_one_current_visit",
        "update build.fct_lead_stages set is_current = false where lead_id = 'L0003'",
        (_lead("L0003"),),
    ),
    Break(
        "milestones_are_in_order",
        "update build.fct_lead_cycles set accepted_at = null where lead_id = 'L0003'",
        (_lead("L0003", cycle_number=1),),
    ),
    Break(
        "milestones_are_in_order",
        "update build.fct_lead_cycles set handed_off_at = opportunity_at + interval 1 day "
        "where lead_id = 'L0003'",
        (_lead("L0003", cycle_number=1),),
    ),
    Break(
        "cycles_are_numbered_without_gaps",
        "update build.fct_lead_cycles set cycle_number = 2 where lead_id = 'L0008'",
        (_lead("L0008", cycle_number=2),),
    ),
    Break(
        "cycles_are_numbered_without_gaps",
        f"update build.fct_lead_cycles set cycle_ended_at = {AS_OF_SQL} where lead_id = 'L0008'",
        (_lead("L0008", cycle_number=1),),
    ),
    Break(
        "surviving_leads_are_in_the_marts",
        "delete from build.dim_leads where lead_id = 'L0003'",
        (_lead("L0003"),),
    ),
    Break(
        "surviving_leads_are_in_the_marts",
        "insert into build.dim_leads "
        "select * replace ('merged' as lead_id) from build.dim_leads limit 1",
        (_lead("merged"),),
    ),
    Break(
        "facts_know_only_leads_in_the_marts",
        "insert into build.fct_lead_cycles "
        "select * replace ('merged' as lead_id, 1 as cycle_number) "
        "from build.fct_lead_cycles limit 1",
        (_lead("merged"),),
    ),
    Break(
        "rows_read_are_accounted_for",
        "update quality.row_counts set rows_staged = rows_staged - 1 where table_name = 'leads'",
        ({"source_system": "files", "table_name": "leads"},),
    ),
    Break(
        "loads_are_counted",
        "update raw.loads set rows_read = rows_read - 1 where table_name = 'reps'",
        ({"source_system": "files", "table_name": "reps"},),
    ),
)

BUSINESS = (
    Break(
        "handed_off_leads_are_touched_in_time",
        f"update build.fct_lead_cycles set sla_status = 'breached' where {_number()} % 3 = 0",
        (_lead("L4497", cycle_number=1), _lead("L4494", cycle_number=1)),
        failing=1500,
    ),
    Break(
        "handed_off_leads_are_touched_in_time" + TRAILING_SUFFIX,
        "update build.fct_lead_cycles set sla_status = 'breached' "
        f"where {_number()} % 3 = 0 and handed_off_at > {AS_OF_SQL} - interval 30 day",
        (_lead("L4497", cycle_number=1),),
        failing=600,
    ),
    Break(
        "handed_off_leads_meet_the_mql_definition",
        "update build.int_qualification_cases set is_met = false "
        f"where requirement in ('fit', 'email') and {_number()} % 3 = 0",
        (_below("L4497"), _below("L4494")),
        failing=1500,
    ),
    Break(
        "handed_off_leads_meet_the_mql_definition" + TRAILING_SUFFIX,
        "update build.int_qualification_cases set is_met = false "
        f"where requirement in ('fit', 'email') and {_number()} % 3 = 0 "
        f"and handed_off_at > {AS_OF_SQL} - interval 30 day",
        (_below("L4497"),),
        failing=600,
    ),
    Break(
        "leads_have_a_source",
        f"update build.dim_leads set lead_source = null where {_number()} % 4 = 0",
        (_lead("L4496"), _lead("L4492")),
        failing=1125,
    ),
    Break(
        "leads_have_an_owner",
        f"update build.dim_leads set owner_id = null where {_number()} % 5 > 1",
        (_lead("L4499"), _lead("L4498")),
        failing=2700,
    ),
    Break(
        "leads_have_a_segment",
        f"update build.dim_leads set segment = 'unknown' where {_number()} % 5 > 1",
        (_lead("L4499"), _lead("L4498")),
        failing=2700,
    ),
    Break(
        "reasons_are_seldom_other",
        "update build.fct_lead_cycles set reason_code = 'other' where exit_kind = 'rejected'",
        (_lead("L4491", cycle_number=1),),
        failing=900,
    ),
    Break(
        "reasons_are_seldom_other" + TRAILING_SUFFIX,
        "update build.fct_lead_cycles set reason_code = 'other' "
        f"where exit_kind = 'rejected' and exited_at > {AS_OF_SQL} - interval 30 day",
        (_lead("L4491", cycle_number=1),),
        failing=360,
    ),
    Break(
        "few_reasons_are_in_use",
        "update build.fct_lead_stages set reason_code = 'code' || right(lead_id, 2)[1] "
        "where exit_kind = 'rejected'",
        ({"exit_kind": "rejected", "measure": 10},),
    ),
    Break(
        "reasons_are_given_one_by_one",
        "update build.fct_lead_stages set entered_at = '2026-06-29 10:00:01', changed_by = 'admin' "
        "where exit_kind = 'rejected' and lead_id < 'L0900'",
        (_lead("L0891", visit_number=4),),
        failing=180,
    ),
    Break(
        "stages_in_use_are_still_entered",
        "update build.fct_lead_stages set stage = 'renamed' "
        f"where stage = 'sal' and entered_at > {AS_OF_SQL} - interval 30 day",
        ({"stage": "sal"},),
    ),
    Break(
        "policy_changes_are_signed",
        "update raw.run_parameters set policy_fingerprint = 'not as signed'",
        ({"signed_version": 1},),
    ),
    Break(
        "sources_hold_owners_activities_and_engagements",
        "update build.int_source_coverage set has_activities = false",
        ({"source_system": "files", "missing": "activities"},),
    ),
    Break(
        "sources_give_reasons",
        "update build.int_source_coverage set has_stage_reasons = false",
        ({"source_system": "files", "missing": "reasons of stage changes"},),
    ),
)

SOURCES = tuple(
    broken
    for table, contract in CONTRACT_TABLES.items()
    for broken in (
        Break(
            f"{table}_rows_are_usable",
            "insert into quality.quarantine by name select 'files' as source_system, "
            f"7 as load_id, '{table}' as table_name, '{table}.csv' as source_file, "
            "12 as source_row, 'lead_id' as column_name, 'unknown lead' as reason; "
            "update quality.row_counts set rows_read = 1000, rows_quarantined = 1 "
            f"where table_name = '{table}'",
            ({"source_system": "files", "source_file": f"{table}.csv", "source_row": 12},),
        ),
        Break(
            f"{table}_do_not_vanish",
            f"update quality.row_history set rows_read = 1000 where table_name = '{table}'; "
            f"update quality.row_counts set rows_read = 300 where table_name = '{table}'",
            ({"source_system": "files"},),
        ),
        Break(
            f"{table}_keep_their_columns",
            "update quality.column_history set filled_rows = 50 where build_number = 1; "
            f"delete from quality.column_history where table_name = '{table}' "
            f"and column_name = '{contract.columns[0]}' and build_number = 2; "
            "insert into quality.column_history "
            f"values (2, 'now', 'files', '{table}', 'utm_source', 3)",
            tuple(
                {"source_system": "files", "column_name": column}
                for column in sorted(("utm_source", contract.columns[0]), reverse=True)
            ),
            failing=2,
        ),
        Break(
            f"{table}_are_fresh",
            f"delete from quality.source_days where table_name = '{table}' "
            f"and source_date > {AS_OF_SQL} - interval 20 day",
            ({"source_system": "files"},),
        ),
        Break(
            f"{table}_have_their_usual_volume",
            "update quality.source_days set row_count = row_count * 0.4 "
            f"where table_name = '{table}' and source_date = {AS_OF_SQL} - interval 1 day",
            ({"source_system": "files"},),
        ),
        Break(
            f"{table}_have_their_usual_volume",
            "update quality.source_days set row_count = row_count * 2 "
            f"where table_name = '{table}' and source_date = {AS_OF_SQL} - interval 1 day",
            ({"source_system": "files"},),
        ),
    )
    if broken.check in known_checks()
)

RULES = tuple(
    Break(name, rule_case(rule), (_lead("broken"),))
    for rule, whole_history in checks_of_rules().items()
    for name in (whole_history, whole_history + TRAILING_SUFFIX)
)

OLD_EXPORT = Break(
    "sources_are_fresh",
    f"delete from quality.source_days where source_date > {AS_OF_SQL} - interval 20 day",
    ({"source_system": "files"},),
)

BREAKS = (OLD_EXPORT, *RULES, *TRUTH, *AMOUNTS, *BUSINESS, *SOURCES)
