"""The deliberate bugs: one text replacement in one model each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DBT_PROJECT = Path(__file__).parents[2] / "dbt_project"


@dataclass(frozen=True)
class Mutant:
    """One bug: in `path` (below `dbt_project/`) the only `text` becomes `instead`."""

    name: str
    path: str
    text: str
    instead: str


def _model(name: str, model: str, text: str, instead: str) -> Mutant:
    (path,) = DBT_PROJECT.glob(f"models/**/{model}.sql")
    return Mutant(name, str(path.relative_to(DBT_PROJECT)), text, instead)


MUTANTS = (
    # Reading order and identity.
    _model(
        "as_of bound",
        "int_stage_changes",
        "chosen.changed_at > run_policy.as_of then 'late'",
        "chosen.changed_at >= run_policy.as_of then 'late'",
    ),
    Mutant(
        "version of a change",
        "macros/contract_rows.sql",
        "'usable.changed_at desc'",
        "'usable.changed_at'",
    ),
    Mutant(
        "end of a chain of merges",
        "macros/merges.sql",
        "where merge_steps.{{ id_column }} is null",
        "where true",
    ),
    _model(
        "merged deals",
        "int_opportunities",
        "survivors.opportunity_id is null",
        "true",
    ),
    _model(
        "deleted deals",
        "int_opportunities",
        "and not coalesce(known.is_deleted, false)",
        "",
    ),
    _model(
        "deals of leads that are not known yet",
        "int_opportunities",
        "and (versions.lead_id is null or first_leads.opportunity_id is not null)",
        "",
    ),
    _model(
        "lead that has the amount",
        "int_opportunities",
        "min(lead_place) as lead_place",
        "max(lead_place) as lead_place",
    ),
    _model(
        "deals of several leads in quarantine",
        "int_opportunity_leads",
        "where lead_id is null",
        "where false",
    ),
    _model(
        "version of a lead",
        "int_lead_versions",
        "'usable.updated_at desc nulls last'",
        "'usable.updated_at desc nulls first'",
    ),
    _model(
        "greatest row as text",
        "fct_engagements",
        "'usable.row_text desc'",
        "'usable.row_text'",
    ),
    _model(
        "merged creation date",
        "int_leads",
        "min(created_at) as created_at",
        "max(created_at) as created_at",
    ),
    _model(
        "deleted survivor",
        "int_lead_records",
        "not survivor.is_deleted and not survivor.is_excluded as is_in_marts",
        "not records.is_deleted and not records.is_excluded as is_in_marts",
    ),
    _model(
        "current stage in the future",
        "int_leads",
        "<= run_policy.as_of\n            as is_stage_known",
        "is not null\n            as is_stage_known",
    ),
    # Events and visits.
    _model(
        "tie order by stage",
        "int_stage_events",
        "occurred_at,\n                path_order,\n                change_id,",
        "occurred_at,\n                change_id,",
    ),
    _model(
        "tie order by change id",
        "int_stage_events",
        "path_order,\n                change_id,\n                record_lead_id,",
        "path_order,\n                record_lead_id,\n                change_id,",
    ),
    _model(
        "history that begins mid-way",
        "int_stage_events",
        "leads.created_at < earliest_changes.changed_at",
        "leads.created_at <= earliest_changes.changed_at",
    ),
    _model(
        "lost-deal rule, created by then",
        "int_opportunity_events",
        "lost.closed_at >= other.created_at",
        "lost.closed_at > other.created_at",
    ),
    _model(
        "lost-deal rule, still open",
        "int_opportunity_events",
        "lost.closed_at < other.closed_at",
        "lost.closed_at <= other.closed_at",
    ),
    _model(
        "lost-deal rule, won meanwhile",
        "int_opportunity_events",
        "lost.created_at <= other.closed_at",
        "lost.created_at < other.closed_at",
    ),
    _model(
        "first reason of a visit",
        "int_stage_visits",
        "first_by('reason', 'event_number', 'has_reason')",
        "first_by('reason', '-event_number', 'has_reason')",
    ),
    _model(
        "merge of two records",
        "int_stage_visits",
        "when cycled.comes_by_merge then 'merge'",
        "when cycled.comes_by_merge and not moves.is_valid then 'merge'",
    ),
    _model(
        "owner at one moment",
        "int_owner_periods",
        "max(owner_changes.owner_id)",
        "min(owner_changes.owner_id)",
    ),
    _model(
        "back after a lost deal",
        "int_stage_moves",
        "(from_exit_kind = 'lost' and to_rank = 6)",
        "(from_exit_kind = 'lost' and to_rank <= 6)",
    ),
    # Cycles, acceptance, outcome.
    _model(
        "cycle start after won",
        "int_stage_visits",
        "milestone_rank between 2 and 6 then 'expansion'",
        "milestone_rank between 2 and 7 then 'expansion'",
    ),
    _model(
        "cycle start after an exit",
        "int_stage_visits",
        "milestone_rank >= 2 then 'requalified'",
        "milestone_rank >= 1 then 'requalified'",
    ),
    _model(
        "exit reason order",
        "int_lead_cycles",
        "'reason_code', 'visit_number',",
        "'reason_code', '-visit_number',",
    ),
    _model(
        "window bound, exit",
        "int_cycle_outcomes",
        "exited_at > window_ends_at",
        "exited_at >= window_ends_at",
    ),
    _model(
        "window bound, as_of",
        "int_cycle_outcomes",
        "window_ends_at <= as_of",
        "window_ends_at < as_of",
    ),
    _model(
        "tie of acceptance",
        "int_cycle_outcomes",
        "when accepted_at = accepted_visit_at then 'explicit'\n"
        "            when accepted_at = sales_qualified_at then 'implied'",
        "when accepted_at = sales_qualified_at then 'implied'\n"
        "            when accepted_at = accepted_visit_at then 'explicit'",
    ),
    _model(
        "late rejection",
        "int_cycle_outcomes",
        "exit_kind = 'rejected' and acceptance_kind = 'default'",
        "exit_kind = 'rejected' and accepted_at is not null",
    ),
    _model(
        "requalified only after an exit",
        "int_cycle_outcomes",
        "case when exited_at is not null then cycle_ended_at end",
        "cycle_ended_at",
    ),
    _model(
        "deal created as the next cycle starts",
        "int_cycle_amounts",
        "opportunities.created_at < cycles.cycle_ended_at",
        "opportunities.created_at <= cycles.cycle_ended_at",
    ),
    # Intent, first touch, service level, score.
    _model(
        "intent look-back bound",
        "int_cycle_engagements",
        "engagements.tier_rank is not null\n        and engagements.occurred_at >=",
        "engagements.tier_rank is not null\n        and engagements.occurred_at >",
    ),
    _model(
        "score up to the moment",
        "int_cycle_engagements",
        "cycles.scored_at >= engagements.occurred_at",
        "cycles.scored_at > engagements.occurred_at",
    ),
    _model(
        "trigger of a handoff",
        "int_cycle_intent",
        "min(considered.occurred_at) as triggered_at",
        "max(considered.occurred_at) as triggered_at",
    ),
    _model(
        "decay",
        "int_cycle_intent",
        "floor(\n            {{ seconds_between('summed.last_interest_at'",
        "ceil(\n            {{ seconds_between('summed.last_interest_at'",
    ),
    _model(
        "decay since the last good sign",
        "int_cycle_intent",
        "counts_for_score and interest_points > 0",
        "counts_for_score",
    ),
    _model(
        "first-touch bound, from",
        "int_first_touches",
        "bounded.touch_from <= touches.occurred_at",
        "bounded.touch_from < touches.occurred_at",
    ),
    _model(
        "first-touch bound, until",
        "int_first_touches",
        "bounded.touch_until >= touches.occurred_at",
        "bounded.touch_until > touches.occurred_at",
    ),
    _model(
        "inbound is no touch",
        "fct_activities",
        "<> 'inbound'",
        "<> 'nobody'",
    ),
    _model(
        "working-day end",
        "int_service_levels",
        "clocks.handed_off_at >= working_periods.previous_closes_at",
        "clocks.handed_off_at > working_periods.previous_closes_at",
    ),
    _model(
        "business minutes",
        "int_service_levels",
        "0, {{ seconds_between('working_periods.opens_at', 'clocks.handed_off_at') }}",
        "0, 0",
    ),
    _model(
        "met at the due moment",
        "int_service_levels",
        "first_touches.first_touch_at <= dues.sla_due_at then 'met'",
        "first_touches.first_touch_at < dues.sla_due_at then 'met'",
    ),
    _model(
        "open at the due moment",
        "int_service_levels",
        "run_policy.as_of <= dues.sla_due_at then 'open'",
        "run_policy.as_of < dues.sla_due_at then 'open'",
    ),
    _model(
        "holidays",
        "int_working_periods",
        "where holidays.holiday_date is null",
        "where true",
    ),
    _model(
        "routed owner",
        "int_cycle_owners",
        "owner_periods.owned_from <= {{ add_seconds(",
        "owner_periods.owned_from < {{ add_seconds(",
    ),
    _model(
        "what the lead waited",
        "int_service_levels",
        "'intent.triggered_at', 'first_touches.first_touch_at'",
        "'cycles.handed_off_at', 'first_touches.first_touch_at'",
    ),
    _model(
        "unknown amounts",
        "int_cycle_amounts",
        "sum(opportunities.amount) as opportunity_amount",
        "coalesce(sum(opportunities.amount), 0) as opportunity_amount",
    ),
    # Broken rules.
    _model(
        "inferred moves",
        "int_stage_visits",
        "or cycled.history_quality = 'inferred'",
        "",
    ),
    _model(
        "tolerance of the creation",
        "int_stage_visits",
        "cycled.entered_at < {{ add_seconds(",
        "cycled.entered_at <= {{ add_seconds(",
    ),
    _model(
        "moves that an override allows",
        "int_visit_rule_cases",
        "and not visit_cases.is_valid_transition as is_broken",
        "as is_broken",
    ),
    _model(
        "coverage of loss reasons",
        "int_visit_rule_cases",
        "then coverage.has_loss_reasons",
        "then coverage.has_stage_reasons",
    ),
    _model(
        "coverage of the reasons of stages",
        "int_visit_rule_cases",
        "else coverage.has_stage_reasons",
        "else true",
    ),
    _model(
        "stages beside the last observed one",
        "int_lead_rule_cases",
        "leads.known_current_stage <> coalesce(last_events.observed_stage, '')",
        "true",
    ),
    _model(
        "deals beside the current stage",
        "int_lead_rule_cases",
        "where history_quality <> 'inferred'",
        "where history_quality = 'observed'",
    ),
    _model(
        "won deals of the other leads",
        "int_lead_rule_cases",
        "opportunities.is_primary_lead",
        "true",
    ),
    _model(
        "first spelling of an unmapped stage",
        "int_unmapped_stages",
        "order by occurred_at, change_id, lead_id, source_system",
        "order by occurred_at desc, change_id, lead_id, source_system",
    ),
    _model(
        "time to decide",
        "int_run_policy",
        "bool_or('not is_optional')",
        "bool_or('true')",
    ),
    _model(
        "decisions of inferred handoffs",
        "int_cycle_rule_cases",
        "and handed_off_basis <> 'inferred'",
        "",
    ),
    _model(
        "decisions by silence",
        "int_cycle_rule_cases",
        "acceptance_mode = 'explicit'",
        "true",
    ),
    _model(
        "inferred acceptance",
        "int_cycle_rule_cases",
        "acceptance_kind <> 'inferred' and qualification_due_at < as_of",
        "qualification_due_at < as_of",
    ),
    _model(
        "inferred qualification",
        "int_cycle_rule_cases",
        "and sales_qualified_basis <> 'inferred'",
        "",
    ),
    _model(
        "grace of routing",
        "int_cycle_rule_cases",
        "owner_id is null and owner_due_at < as_of",
        "owner_id is null",
    ),
    _model(
        "grace of an opportunity",
        "int_cycle_rule_cases",
        "opportunity_due_at < as_of",
        "opportunity_due_at <= as_of",
    ),
    _model(
        "grace of recycling",
        "int_cycle_rule_cases",
        "cycle_cases.recycle_due_at < cycle_cases.as_of",
        "cycle_cases.recycle_due_at <= cycle_cases.as_of",
    ),
    _model(
        "coverage of owners",
        "int_cycle_rule_cases",
        "handed_off_at is not null and has_owners",
        "handed_off_at is not null",
    ),
)
