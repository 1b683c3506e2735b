"""The policy that ships is sound, and each thing that breaks it is named with its row."""

import csv
import random
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from dagster_project.config import policy
from dagster_project.config.errors import ConfigError
from dagster_project.config.policy_tables import OPTIONAL_TABLES, TABLES
from dagster_project.config.warehouse import POLICY_DIR


class EditablePolicy:
    """A copy of the shipped policy that a test changes cell by cell."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, table: str) -> tuple[list[str], list[list[str]]]:
        with (self.directory / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        return header, rows

    def write(self, table: str, header: list[str], rows: list[list[str]]) -> None:
        with (self.directory / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def row(self, table: str, *cells: str) -> int:
        """The number of the first row that begins with these cells; the header is row 1."""
        _, rows = self.read(table)
        return next(at for at, row in enumerate(rows, 2) if row[: len(cells)] == list(cells))

    def set(self, table: str, key: tuple[str, ...], column: str, value: str) -> None:
        header, rows = self.read(table)
        rows[self.row(table, *key) - 2][header.index(column)] = value
        self.write(table, header, rows)

    def add(self, table: str, *rows: str) -> None:
        """Append rows, written as they would stand in the file."""
        path = self.directory / f"{table}.csv"
        path.write_text(path.read_text(encoding="utf-8") + "\n".join(rows) + "\n", "utf-8")

    def drop(self, table: str, *cells: str) -> None:
        header, rows = self.read(table)
        rows = [row for row in rows if row[: len(cells)] != list(cells)]
        self.write(table, header, rows)

    def last(self, table: str) -> int:
        return len(self.read(table)[1]) + 1

    def problems(self) -> list[str]:
        return [line.replace(f"{self.directory}/", "") for line in policy.validate(self.directory)]


@pytest.fixture
def edited(tmp_path: Path) -> EditablePolicy:
    return EditablePolicy(Path(copytree(POLICY_DIR, tmp_path / "policy")))


def test_shipped_policy_is_sound() -> None:
    assert policy.validate() == []
    assert policy.validate(POLICY_DIR, "hubspot") == []


def test_validation_is_fast_enough_for_the_start_of_every_run() -> None:
    started = time.process_time()
    policy.validate()
    assert time.process_time() - started < 0.1


def test_unknown_tradition_names_those_that_exist() -> None:
    with pytest.raises(ConfigError) as raised:
        policy.validate(POLICY_DIR, "hubpsot")
    assert raised.value.problems == [
        "tradition 'hubpsot' is not in seeds/policy/traditions.csv (known: four_stage, hubspot, "
        "winning_by_design, salesforce, handoff_first; a new one is a row there)"
    ]


def test_a_shipped_file_is_named_from_the_root_of_the_project(
    monkeypatch: pytest.MonkeyPatch, edited: EditablePolicy
) -> None:
    monkeypatch.setattr(policy, "PROJECT_ROOT", edited.directory.resolve().parent)
    edited.set("stages", ("four_stage", "sal"), "milestone", "agreed")
    assert policy.validate(edited.directory)[0].startswith("policy/stages.csv, row 6: ")


# What is changed -> the whole of what validation says. {row} and {last} stand for row numbers.
BROKEN: dict[str, tuple[Callable[[EditablePolicy], object], str]] = {
    "stage_with_unknown_milestone": (
        lambda p: p.set("stages", ("four_stage", "sal"), "milestone", "agreed"),
        "stages.csv, row 6: column 'milestone': 'agreed' is unknown (known: captured, "
        "marketing_qualified, handed_off, accepted, sales_qualified, opportunity, won)",
    ),
    "exit_with_unknown_kind": (
        lambda p: p.set("stages", ("four_stage", "nurture"), "exit_kind", "parked"),
        "stages.csv, row 13: column 'exit_kind': 'parked' is unknown "
        "(known: rejected, disqualified, lost, recycled)",
    ),
    "stage_with_milestone_and_exit_kind": (
        lambda p: p.set("stages", ("four_stage", "sal"), "exit_kind", "rejected"),
        "stages.csv, row 6: stage 'sal' has the milestone 'accepted' and the exit kind 'rejected' "
        "(a stage on the path has a milestone, an exit an exit kind: empty one of them)",
    ),
    "stage_with_neither": (
        lambda p: p.set("stages", ("four_stage", "sal"), "milestone", ""),
        "stages.csv, row 6: stage 'sal' has neither a milestone nor an exit kind "
        "(fill one of them)",
    ),
    "two_stages_of_one_name": (
        lambda p: p.add("stages", "salesforce,sal,SAL again,41,accepted,,,sales,true"),
        "stages.csv, row {last}: tradition 'salesforce', stage 'sal' stands in row 18 already "
        "(keep one)",
    ),
    "stage_in_capitals": (
        lambda p: p.set("stages", ("winning_by_design", "mqa"), "stage", "MQA"),
        "stages.csv, row 42: column 'stage': 'MQA' must be in lower case "
        "(write mqa; the label is free)",
    ),
    "stage_called_ignored": (
        lambda p: p.set("stages", ("hubspot", "evangelist"), "stage", "ignored"),
        "stages.csv, row 34: column 'stage': 'ignored' is what a stage map calls raw stages that "
        "mean nothing (rename it)",
    ),
    "two_stages_with_one_evidence": (
        lambda p: p.set("stages", ("hubspot", "evangelist"), "evidence", "won"),
        "stages.csv, row 34: evidence 'won' of 'evangelist' is also that of 'customer' in row 33 "
        "of tradition 'hubspot' (only one stage can have it)",
    ),
    "evidence_that_cannot_prove_the_stage": (
        lambda p: p.set("stages", ("four_stage", "nurture"), "evidence", "won"),
        "stages.csv, row 13: stage 'nurture' has the evidence 'won', which only a stage with "
        "milestone won can have (move or empty it)",
    ),
    "two_stages_with_one_label": (
        lambda p: p.set("stages", ("four_stage", "pql"), "label", "mql"),
        "stages.csv, row 5: label 'mql' of 'pql' is also that of 'mql' in row 4 of tradition "
        "'four_stage' (only one stage can have it)",
    ),
    "milestones_against_the_path": (
        lambda p: p.set("stages", ("four_stage", "sal"), "path_order", "55"),
        "stages.csv, row 6: 'sal' (accepted) has path order 55, after 'sql' (sales_qualified) "
        "with 50 in row 7, but accepted comes before sales_qualified (reorder one of them)",
    ),
    "exit_before_the_end_of_the_path": (
        lambda p: p.set("stages", ("four_stage", "rejected"), "path_order", "65"),
        "stages.csv, row 10: the exit 'rejected' has path order 65, not after the path, which "
        "ends with 'customer' (70, row 9) (give it more than 70)",
    ),
    "path_order_that_is_no_number": (
        lambda p: p.set("stages", ("four_stage", "sal"), "path_order", "forty"),
        "stages.csv, row 6: column 'path_order': 'forty' must be a whole number",
    ),
    "boolean_that_is_neither": (
        lambda p: p.set("stages", ("four_stage", "sal"), "is_optional", "maybe"),
        "stages.csv, row 6: column 'is_optional': 'maybe' must be true or false",
    ),
    "spaces_around_a_cell": (
        lambda p: p.set("stages", ("four_stage", "sal"), "tradition", "four_stage "),
        "stages.csv, row 6: column 'tradition': 'four_stage ' has spaces around it (remove them)",
    ),
    "stage_of_an_unknown_tradition": (
        lambda p: p.add("stages", "ours,lead,Lead,20,captured,,,marketing,true"),
        "stages.csv, row {last}: tradition 'ours' is unknown (known: four_stage, handoff_first, "
        "hubspot, salesforce, winning_by_design; add it to traditions.csv)",
    ),
    "tradition_without_stages": (
        lambda p: p.add("traditions", "ours,Our funnel,explicit,48,false,"),
        "traditions.csv, row 7: tradition 'ours' has no stages (add them to stages.csv)",
    ),
    "tradition_without_handoff": (
        lambda p: (
            p.add("traditions", "ours,Our funnel,explicit,48,false,"),
            p.add("stages", "ours,lead,Lead,20,captured,,,marketing,true"),
            p.add("milestone_labels", "ours,captured,Lead"),
        ),
        "traditions.csv, row 7: tradition 'ours' has no stage with the milestone handed_off, so "
        "nothing is ever handed to sales (give one in stages.csv that milestone)",
    ),
    "tradition_twice": (
        lambda p: p.add("traditions", "hubspot,HubSpot again,explicit,48,false,"),
        "traditions.csv, row 7: tradition 'hubspot' stands in row 3 already (keep one)",
    ),
    "unknown_acceptance_mode": (
        lambda p: p.set("traditions", ("hubspot",), "acceptance_mode", "silent"),
        "traditions.csv, row 3: column 'acceptance_mode': 'silent' is unknown "
        "(known: explicit, default)",
    ),
    "negative_window": (
        lambda p: p.set("traditions", ("hubspot",), "window_hours", "-1"),
        "traditions.csv, row 3: column 'window_hours': '-1' must be 0 or more",
    ),
    "milestone_without_label": (
        lambda p: p.drop("milestone_labels", "four_stage", "accepted"),
        "stages.csv, row 6: milestone 'accepted' has no label in tradition 'four_stage' "
        "(add four_stage,accepted,<label> to milestone_labels.csv)",
    ),
    "pair_milestone_without_label": (
        lambda p: (
            p.drop("milestone_labels", "hubspot", "sales_qualified"),
            p.add("conversion_pairs", "hubspot,sal_to_next,accepted,sales_qualified,9"),
        ),
        "conversion_pairs.csv, row {last}: milestone 'sales_qualified' has no label in tradition "
        "'hubspot' (add hubspot,sales_qualified,<label> to milestone_labels.csv)",
    ),
    "label_twice": (
        lambda p: p.add("milestone_labels", "hubspot,won,Client"),
        "milestone_labels.csv, row {last}: tradition 'hubspot', milestone 'won' stands in row 22 "
        "already (keep one)",
    ),
    "alias_to_no_stage": (
        lambda p: p.add("stage_aliases", "Meeting Booked,meeting_booked"),
        "stage_aliases.csv, row {last}: stage 'meeting_booked' is not in stages.csv "
        "(name a stage of any tradition)",
    ),
    "alias_to_a_stage_in_other_case": (
        lambda p: p.add("stage_aliases", "Qualified,SQL"),
        "stage_aliases.csv, row {last}: stage 'SQL' is not in stages.csv (write sql)",
    ),
    "alias_with_two_meanings": (
        lambda p: p.add("stage_aliases", "CLOSED WON,opportunity"),
        "stage_aliases.csv, row {last}: 'CLOSED WON' means 'opportunity' here and 'customer' in "
        "row 12 (case and outer spaces do not count; keep one)",
    ),
    "reason_alias_to_no_code": (
        lambda p: p.add("reason_aliases", "went dark,ghosted"),
        "reason_aliases.csv, row {last}: reason_code 'ghosted' is not in reason_codes.csv "
        "(name a code)",
    ),
    "reason_alias_with_two_meanings": (
        lambda p: p.add("reason_aliases", "Too Soon,no_budget"),
        "reason_aliases.csv, row {last}: 'Too Soon' means 'no_budget' here and "
        "'not_in_buying_cycle' in row 18 (case and outer spaces do not count; keep one)",
    ),
    "reason_code_twice": (
        lambda p: p.add("reason_codes", "no_budget,No money,timing,timing,90,rejection"),
        "reason_codes.csv, row {last}: reason_code 'no_budget' stands in row 9 already (keep one)",
    ),
    "reason_for_an_unknown_use": (
        lambda p: p.set("reason_codes", ("bad_data",), "applies_to", "rejections"),
        "reason_codes.csv, row 11: applies_to: 'rejections' is unknown (use, with spaces between: "
        "disqualification, loss, recycling, rejection)",
    ),
    "no_code_other": (
        lambda p: (
            p.drop("reason_codes", "other"),
            p.drop("reason_aliases", "other"),
        ),
        "reason_codes.csv: code 'other' is missing: a lead without a reason counts as it (add it)",
    ),
    "override_of_a_move_that_does_not_exist": (
        lambda p: p.add("transition_overrides", "four_stage,sql,live,true,"),
        "transition_overrides.csv, row 2: to_stage 'live' is no stage of tradition 'four_stage' "
        "(its stages: closed_lost, customer, disqualified, lead, mql, nurture, opportunity, pql, "
        "rejected, sal, sql, subscriber)",
    ),
    "override_that_decides_nothing": (
        lambda p: p.add("transition_overrides", "four_stage,sql,sal,,"),
        "transition_overrides.csv, row 2: the row decides nothing (fill is_valid or "
        "requires_reason)",
    ),
    "override_of_no_move": (
        lambda p: p.add("transition_overrides", "four_stage,sql,sql,true,"),
        "transition_overrides.csv, row 2: 'sql' to itself is no move (remove the row)",
    ),
    "override_twice": (
        lambda p: p.add(
            "transition_overrides", "four_stage,sql,sal,true,", "four_stage,sql,sal,false,"
        ),
        "transition_overrides.csv, row 3: tradition 'four_stage', from_stage 'sql', to_stage 'sal' "
        "stands in row 2 already (keep one)",
    ),
    "tier_without_target": (
        lambda p: p.set("sla_policies", ("high_intent",), "target_minutes", ""),
        "sla_policies.csv, row 3: tier 'high_intent' has no target_minutes "
        "(fill it; only clock working_day does without)",
    ),
    "unknown_clock": (
        lambda p: p.set("sla_policies", ("high_intent",), "clock", "office"),
        "sla_policies.csv, row 3: column 'clock': 'office' is unknown "
        "(known: calendar, business, working_day)",
    ),
    "two_tiers_of_one_rank": (
        lambda p: p.set("sla_policies", ("high_intent",), "tier_rank", "1"),
        "sla_policies.csv, row 3: tier 'high_intent' has rank 1, as 'hand_raise' in row 2 has "
        "(the most urgent tier must be clear: give each its own)",
    ),
    "no_standard_tier": (
        lambda p: (
            p.set("sla_policies", ("standard",), "intent_tier", "normal"),
            p.drop("signals", "purchase"),
            p.drop("signals", "webinar_attended"),
            p.drop("signals", "account_created"),
        ),
        "sla_policies.csv: tier 'standard' is missing: a handoff without engagements has it "
        "(add it)",
    ),
    "signal_of_an_unknown_tier": (
        lambda p: p.set("signals", ("demo_request",), "intent_tier", "urgent"),
        "signals.csv, row 2: intent_tier 'urgent' is not in sla_policies.csv "
        "(name a tier or leave empty)",
    ),
    "signal_twice": (
        lambda p: p.add("signals", "Page_View,low_intent,2,false"),
        "signals.csv, row {last}: signal 'Page_View' stands in row 21 already (keep one)",
    ),
    "points_that_are_no_number": (
        lambda p: p.set("signals", ("demo_request",), "interest_points", "nan"),
        "signals.csv, row 2: column 'interest_points': 'nan' must be a number",
    ),
    "activity_kind_twice": (
        lambda p: p.add("activity_kinds", "Call,false"),
        "activity_kinds.csv, row {last}: kind 'Call' stands in row 2 already (keep one)",
    ),
    "clock_without_working_hours": (
        lambda p: [
            p.drop("working_hours", day)
            for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
        ],
        "sla_policies.csv, row 5: clock 'working_day' of tier 'low_intent' needs working hours, "
        "and working_hours.csv has none (add the days that are worked)",
    ),
    "day_that_closes_before_it_opens": (
        lambda p: p.set("working_hours", ("monday",), "closes_at", "08:00"),
        "working_hours.csv, row 2: monday closes at 08:00, not after it opens at 09:00 "
        "(swap them; leave a closed day out)",
    ),
    "hour_that_does_not_exist": (
        lambda p: p.set("working_hours", ("monday",), "closes_at", "25:00"),
        "working_hours.csv, row 2: column 'closes_at': '25:00' must be a time of day such as 09:00",
    ),
    "weekday_twice": (
        lambda p: p.add("working_hours", "monday,19:00,20:00"),
        "working_hours.csv, row 7: weekday 'monday' stands in row 2 already (keep one)",
    ),
    "unknown_weekday": (
        lambda p: p.set("working_hours", ("monday",), "weekday", "mon"),
        "working_hours.csv, row 2: column 'weekday': 'mon' is unknown (known: monday, tuesday, "
        "wednesday, thursday, friday, saturday, sunday)",
    ),
    "unreadable_holiday": (
        lambda p: p.add("holidays", "25.12.2026,Christmas"),
        "holidays.csv, row 2: column 'holiday_date': '25.12.2026' must be a date such as "
        "2026-12-25",
    ),
    "rule_on_an_unknown_attribute": (
        lambda p: p.set("fit_rules", ("title",), "attribute", "job"),
        "fit_rules.csv, row 5: column 'attribute': 'job' is unknown (known: company, country, "
        "crm_score, email_domain, employee_count, industry, lead_id, lead_source, owner_id, title)",
    ),
    "rule_with_unknown_match": (
        lambda p: p.set("fit_rules", ("title",), "match", "like"),
        "fit_rules.csv, row 5: column 'match': 'like' is unknown (known: range, equals, contains)",
    ),
    "range_upside_down": (
        lambda p: p.set("fit_rules", ("employee_count", "range", "50"), "high", "5"),
        "fit_rules.csv, row 2: low 50 is above high 5 (swap them)",
    ),
    "range_without_bounds": (
        lambda p: p.set("fit_rules", ("employee_count", "range", "1000"), "low", ""),
        "fit_rules.csv, row 3: a range needs a bound (fill low, high or both)",
    ),
    "range_on_text": (
        lambda p: p.add("fit_rules", "title,range,1,5,,10"),
        "fit_rules.csv, row {last}: a range needs a number, and 'title' is none "
        "(use crm_score or employee_count, or equals or contains)",
    ),
    "rule_without_value": (
        lambda p: p.set("fit_rules", ("title",), "value", ""),
        "fit_rules.csv, row 5: match 'contains' needs a value (fill it)",
    ),
    "exclusion_on_an_unknown_attribute": (
        lambda p: p.add("exclusions", "email,contains,@ourselves.com,own staff"),
        "exclusions.csv, row 2: column 'attribute': 'email' is unknown (known: company, country, "
        "crm_score, email_domain, employee_count, industry, lead_id, lead_source, owner_id, title)",
    ),
    "exclusion_without_value": (
        lambda p: p.add("exclusions", "email_domain,equals,,own staff"),
        "exclusions.csv, row 2: match 'equals' needs a value (fill it)",
    ),
    "bands_that_overlap": (
        lambda p: p.set("score_bands", ("B",), "min_score", "70"),
        "score_bands.csv, row 3: band 'B' has the minimum 70, as 'A' in row 2 has: they overlap "
        "(give each its own)",
    ),
    "two_lowest_bands": (
        lambda p: p.add("score_bands", "E,,cold"),
        "score_bands.csv, row 6: band 'E' has no minimum, as 'D' in row 5 has: they overlap "
        "(give each its own)",
    ),
    "no_lowest_band": (
        lambda p: p.drop("score_bands", "D"),
        "score_bands.csv: no band is without a minimum, so low scores have none "
        "(empty min_score of the lowest)",
    ),
    "segments_that_overlap": (
        lambda p: p.set("segments", ("mid_market",), "min_employees", "99"),
        "segments.csv, row 3: segment 'mid_market' from 99 overlaps 'smb' in row 2 (up to 99) "
        "(end it at 98)",
    ),
    "segment_without_end_before_another": (
        lambda p: p.set("segments", ("mid_market",), "max_employees", ""),
        "segments.csv, row 4: segment 'enterprise' from 1000 overlaps 'mid_market' in row 3 "
        "(no maximum) (end it at 999)",
    ),
    "segments_with_a_gap": (
        lambda p: p.set("segments", ("mid_market",), "min_employees", "200"),
        "segments.csv, row 3: no segment holds 100 to 199 employees, between 'smb' in row 2 and "
        "'mid_market' (close the gap)",
    ),
    "segment_upside_down": (
        lambda p: p.set("segments", ("smb",), "min_employees", "100"),
        "segments.csv, row 2: min_employees 100 is above max_employees 99 (swap them)",
    ),
    "parameter_missing": (
        lambda p: p.drop("rule_parameters", "decay_points"),
        "rule_parameters.csv: parameter 'decay_points' is missing (add it, in points)",
    ),
    "parameter_negative": (
        lambda p: p.set("rule_parameters", ("recycle_grace",), "value", "-7"),
        "rule_parameters.csv, row 7: column 'value': '-7' must be 0 or more",
    ),
    "decay_without_period": (
        lambda p: p.set("rule_parameters", ("decay_period",), "value", "0"),
        "rule_parameters.csv, row 5: decay_period must be above 0 "
        "(to switch decay off: decay_points 0)",
    ),
    "parameter_in_another_unit": (
        lambda p: p.set("rule_parameters", ("score_lookback",), "unit", "weeks"),
        "rule_parameters.csv, row 4: the unit of 'score_lookback' cannot be 'weeks' "
        "(use hours or days)",
    ),
    "parameter_twice": (
        lambda p: p.add("rule_parameters", "recycle_grace,9,days,"),
        "rule_parameters.csv, row {last}: parameter 'recycle_grace' stands in row 7 already "
        "(keep one)",
    ),
    "pair_of_an_unknown_milestone": (
        lambda p: p.set("conversion_pairs", ("hubspot",), "to_milestone", "sold"),
        "conversion_pairs.csv, row 14: column 'to_milestone': 'sold' is unknown (known: captured, "
        "marketing_qualified, handed_off, accepted, sales_qualified, opportunity, won)",
    ),
    "pair_in_the_wrong_order": (
        lambda p: p.set("conversion_pairs", ("hubspot",), "to_milestone", "captured"),
        "conversion_pairs.csv, row 14: 'mql_to_sql' goes from marketing_qualified to captured, "
        "which is not later (order: captured < marketing_qualified < handed_off < accepted < "
        "sales_qualified < opportunity < won)",
    ),
    "pair_twice": (
        lambda p: p.add("conversion_pairs", "hubspot,mql_to_sql,handed_off,won,9"),
        "conversion_pairs.csv, row {last}: tradition 'hubspot', metric 'mql_to_sql' stands in "
        "row 14 already (keep one)",
    ),
    "benchmark_upside_down": (
        lambda p: p.set("benchmarks", ("acceptance",), "low", "0.99"),
        "benchmarks.csv, row 2: low 0.99 is above high 0.95 (swap them)",
    ),
    "benchmark_of_an_unknown_segment": (
        lambda p: p.set("benchmarks", ("acceptance",), "segment", "huge"),
        "benchmarks.csv, row 2: segment 'huge' is unknown "
        "(known: all, enterprise, mid_market, smb, unknown)",
    ),
    "source_in_two_channels": (
        lambda p: p.add("channel_map", "direct,paid_search"),
        "channel_map.csv, row {last}: lead_source 'direct' stands in row 3 already (keep one)",
    ),
    "crm_value_twice": (
        lambda p: p.add("stage_maps", "hubspot,lifecyclestage,LEAD,lead"),
        "stage_maps.csv, row {last}: crm 'hubspot', property 'lifecyclestage', raw_stage 'LEAD' "
        "stands in row 3 already (keep one)",
    ),
    "campaign_type_twice": (
        lambda p: p.add("campaign_kinds", "salesforce,seminar,webinar_attended"),
        "campaign_kinds.csv, row {last}: crm 'salesforce', campaign_type 'seminar' stands in row 4 "
        "already (keep one)",
    ),
    "currency_worth_nothing": (
        lambda p: p.add("currency_rates", "EUR,2026-01-01,0"),
        "currency_rates.csv, row {last}: column 'rate': '0' must be above 0",
    ),
    "currency_with_two_rates_of_one_day": (
        lambda p: p.add("currency_rates", "EUR,2026-01-01,1.1", "eur,2026-01-01,1.2"),
        "currency_rates.csv, row {last}: currency 'eur', valid_from '2026-01-01' stands in row 2 "
        "already (keep one)",
    ),
    "version_without_date": (
        lambda p: p.set("definition_versions", ("1",), "valid_from", "soon"),
        "definition_versions.csv, row 2: column 'valid_from': 'soon' must be a date such as "
        "2026-12-25",
    ),
    "two_versions_of_one_day": (
        lambda p: p.add("definition_versions", "2,2025-01-01,both,tighter"),
        "definition_versions.csv, row 3: version '2' is valid from 2025-01-01, as version '1' in "
        "row 2 is (give each its own day)",
    ),
    "empty_cell_that_is_needed": (
        lambda p: p.set("stages", ("four_stage", "sal"), "label", ""),
        "stages.csv, row 6: column 'label' is empty (fill it)",
    ),
    "unknown_column": (
        lambda p: (p.directory / "holidays.csv").write_text("holiday_date,holiday_name,note\n"),
        "holidays.csv, row 1: column 'note' is unknown (expected: holiday_date,holiday_name)",
    ),
    "missing_column": (
        lambda p: (p.directory / "holidays.csv").write_text("holiday_date\n"),
        "holidays.csv, row 1: column 'holiday_name' is missing "
        "(expected: holiday_date,holiday_name)",
    ),
    "missing_table": (
        lambda p: (p.directory / "stages.csv").unlink(),
        "stages.csv: missing (create it with the header tradition,stage,label,path_order,"
        "milestone,exit_kind,evidence,owner_team,is_optional)",
    ),
    "cells_without_a_column": (
        lambda p: p.add("holidays", "2026-12-25,Christmas, first day"),
        "holidays.csv, row 2: has 3 cells, the header 2 (quote cells with commas)",
    ),
    "not_utf_8": (
        lambda p: (p.directory / "holidays.csv").write_bytes(b"holiday_date,holiday_name\n\xff"),
        "holidays.csv: cannot be read: it is not UTF-8 (save it as CSV UTF-8)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_thing_alone_gives_its_line(name: str, edited: EditablePolicy) -> None:
    break_it, expected = BROKEN[name]
    break_it(edited)
    table = expected.split(".csv")[0]
    last = edited.last(table) if "{last}" in expected else 0
    assert edited.problems() == [expected.format(last=last)]


def test_several_problems_come_in_the_order_of_the_files(edited: EditablePolicy) -> None:
    edited.add("stage_aliases", "Meeting Booked,meeting_booked")
    edited.set("stages", ("four_stage", "sal"), "path_order", "55")
    edited.set("stages", ("four_stage", "mql"), "is_optional", "")
    places = [problem.split(":")[0] for problem in edited.problems()]
    assert places == ["stages.csv, row 4", "stages.csv, row 6", "stage_aliases.csv, row 21"]


def test_no_policy_at_all_is_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert policy.validate(missing) == [
        f"{missing}: no policy tables here (set lifecycle.policy_dir in handoff.yml)"
    ]
    with pytest.raises(ConfigError):
        policy.fingerprint(missing)


def test_crm_defaults_may_be_left_out(edited: EditablePolicy) -> None:
    for name in OPTIONAL_TABLES:
        (edited.directory / f"{name}.csv").unlink()
    assert edited.problems() == []


def test_harmless_repetition_is_allowed(edited: EditablePolicy) -> None:
    edited.add("stage_aliases", "PROSPECT,lead")
    edited.add("holidays", "2026-12-25,Christmas (north)", "2026-12-25,Christmas (south)")
    edited.add("transition_overrides", "four_stage,,nurture,true,false")
    edited.add("exclusions", "email_domain,equals,ourselves.com,own staff")
    assert edited.problems() == []


def test_fingerprint_reads_meaning_not_layout(edited: EditablePolicy) -> None:
    before = policy.fingerprint(edited.directory)
    shuffled = random.Random(7)
    for name in TABLES:
        header, rows = edited.read(name)
        shuffled.shuffle(rows)
        lines = [",".join(f'"{cell}"' for cell in row) for row in [header, *rows]]
        path = edited.directory / f"{name}.csv"
        path.write_bytes(b"\xef\xbb\xbf" + ("\r\n".join(lines) + "\r\n\r\n").encode())
    assert policy.fingerprint(edited.directory) == before
    assert edited.problems() == []


def test_tables_that_people_edited_are_copied_plainly(tmp_path: Path) -> None:
    edited = tmp_path / "holidays.csv"
    edited.write_bytes(
        b'\xef\xbb\xbfholiday_date, holiday_name\r\n2026-12-25,"Christmas, first"\n\n'
        b"2026-12-26, Christmas\r\n,\n"
    )
    policy.write_plainly(edited, tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_bytes() == (
        b'holiday_date,holiday_name\n2026-12-25,"Christmas, first"\n2026-12-26,Christmas\n'
    )


@pytest.mark.parametrize(
    ("table", "key", "column", "value"),
    [
        ("rule_parameters", ("decay_points",), "value", "11"),
        ("stages", ("hubspot", "sal"), "is_optional", "false"),
        ("stages", ("hubspot", "sal"), "label", "Sal"),
    ],
)
def test_fingerprint_changes_with_any_cell(
    edited: EditablePolicy, table: str, key: tuple[str, ...], column: str, value: str
) -> None:
    before = policy.fingerprint(edited.directory)
    edited.set(table, key, column, value)
    assert policy.fingerprint(edited.directory) != before


def test_fingerprint_changes_with_an_added_row_and_an_added_table(edited: EditablePolicy) -> None:
    seen = {policy.fingerprint(edited.directory)}
    edited.add("holidays", "2026-12-25,Christmas")
    seen.add(policy.fingerprint(edited.directory))
    edited.add("holidays", "2026-12-25,Christmas")
    seen.add(policy.fingerprint(edited.directory))
    (edited.directory / "own_table.csv").write_text("name,value\na,1\n")
    seen.add(policy.fingerprint(edited.directory))
    assert len(seen) == 4


def test_traditions_and_their_stages_can_be_listed() -> None:
    assert policy.traditions()[0] == "four_stage"
    assert policy.stages(POLICY_DIR, "salesforce")[:4] == ["subscriber", "lead", "mql", "pql"]
    assert policy.stages(POLICY_DIR, "nobody") == []
