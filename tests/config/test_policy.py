"""Each thing that breaks a policy is named with its row, shown on a small policy of two traditions.

The small policy is in ``tests/config/policy``. The shipped one is only checked to be sound.
"""

import csv
import random
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from dagster_project.config import policy
from dagster_project.config.errors import ConfigError
from dagster_project.config.policy_tables import (
    LATER_PARAMETERS,
    OPTIONAL_TABLES,
    RULE_PARAMETERS,
    TABLES,
)

SMALL_POLICY = Path(__file__).parent / "policy"


class EditablePolicy:
    """A copy of the small policy that a test changes cell by cell."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read(self, table: str) -> tuple[list[str], list[list[str]]]:
        with (self.directory / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        return header, rows

    def write(self, table: str, header: list[str], rows: list[list[str]]) -> None:
        with (self.directory / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

    def set(self, table: str, key: str, column: str, value: str) -> None:
        """Change a cell of the first row that begins with these cells."""
        header, rows = self.read(table)
        row = next(row for row in rows if ",".join(row).startswith(f"{key},"))
        row[header.index(column)] = value
        self.write(table, header, rows)

    def add(self, table: str, *rows: str) -> None:
        """Append rows, written as they would stand in the file."""
        path = self.directory / f"{table}.csv"
        path.write_text(path.read_text(encoding="utf-8") + "\n".join(rows) + "\n", "utf-8")

    def drop(self, table: str, *cells: str) -> None:
        header, rows = self.read(table)
        rows = [row for row in rows if row[: len(cells)] != list(cells)]
        self.write(table, header, rows)

    def problems(self) -> list[str]:
        return [line.replace(f"{self.directory}/", "") for line in policy.validate(self.directory)]


@pytest.fixture
def edited(tmp_path: Path) -> EditablePolicy:
    policy_dir = EditablePolicy(Path(copytree(SMALL_POLICY, tmp_path / "policy")))
    known = {row[0] for row in policy_dir.read("rule_parameters")[1]}
    policy_dir.add(
        "rule_parameters",
        *(f"{name},1,{units[0]}," for name, units in RULE_PARAMETERS.items() if name not in known),
    )
    return policy_dir


def test_shipped_policy_is_sound() -> None:
    assert policy.validate() == []


def test_small_policy_is_sound(edited: EditablePolicy) -> None:
    assert edited.problems() == []
    assert policy.validate(edited.directory, "short") == []


def test_validation_is_fast_enough_for_the_start_of_every_run() -> None:
    started = time.process_time()
    policy.validate()
    assert time.process_time() - started < 0.1


def test_unknown_tradition_names_those_that_exist(edited: EditablePolicy) -> None:
    with pytest.raises(ConfigError) as raised:
        policy.validate(edited.directory, "shrot")
    assert raised.value.problems == [
        f"tradition 'shrot' is not in {edited.directory}/traditions.csv "
        "(known: plain, short; a new one is a row there)"
    ]


def test_a_shipped_file_is_named_from_the_root_of_the_project(
    monkeypatch: pytest.MonkeyPatch, edited: EditablePolicy
) -> None:
    monkeypatch.setattr(policy, "PROJECT_ROOT", edited.directory.resolve().parent)
    edited.set("stages", "plain,sal", "milestone", "agreed")
    assert policy.validate(edited.directory)[0].startswith("policy/stages.csv, row 4: ")


def test_a_parameter_that_no_rule_reads_is_refused(edited: EditablePolicy) -> None:
    edited.add("rule_parameters", "sync_perod,7,days,", "colour,3,points,")
    assert [line.partition(": ")[2] for line in edited.problems()] == [
        "no rule reads the parameter 'sync_perod' (write sync_period)",
        "no rule reads the parameter 'colour' (remove the row)",
    ]


MILESTONES = (
    "captured, marketing_qualified, handed_off, accepted, sales_qualified, opportunity, won"
)
ATTRIBUTES = (
    "company, country, crm_score, email_domain, employee_count, industry, lead_id, lead_source, "
    "owner_id, title"
)

# What is changed -> the whole of what validation says.
BROKEN: dict[str, tuple[Callable[[EditablePolicy], object], str]] = {
    "stage_with_unknown_milestone": (
        lambda p: p.set("stages", "plain,sal", "milestone", "agreed"),
        f"stages.csv, row 4: column 'milestone': 'agreed' is unknown (known: {MILESTONES})",
    ),
    "exit_with_unknown_kind": (
        lambda p: p.set("stages", "plain,nurture", "exit_kind", "parked"),
        "stages.csv, row 7: column 'exit_kind': 'parked' is unknown "
        "(known: rejected, disqualified, lost, recycled)",
    ),
    "stage_with_milestone_and_exit_kind": (
        lambda p: p.set("stages", "plain,sal", "exit_kind", "rejected"),
        "stages.csv, row 4: stage 'sal' has the milestone 'accepted' and the exit kind 'rejected' "
        "(a stage on the path has a milestone, an exit has an exit kind: empty one of them)",
    ),
    "stage_with_neither": (
        lambda p: p.set("stages", "plain,sal", "milestone", ""),
        "stages.csv, row 4: stage 'sal' has neither a milestone nor an exit kind "
        "(fill one of them)",
    ),
    "two_stages_of_one_name": (
        lambda p: p.add("stages", "plain,sal,SAL again,31,accepted,,,sales,true"),
        "stages.csv, row 12: tradition 'plain', stage 'sal' is already in row 4 (keep one)",
    ),
    "stage_in_capitals": (
        lambda p: p.set("stages", "plain,mql", "stage", "MQL"),
        "stages.csv, row 3: column 'stage': 'MQL' must be in lower case "
        "(write mql; the label is free)",
    ),
    "stage_called_ignored": (
        lambda p: p.set("stages", "short,fan", "stage", "ignored"),
        "stages.csv, row 11: column 'stage': 'ignored' is reserved for raw stages without a "
        "meaning (rename it)",
    ),
    "two_stages_with_one_evidence": (
        lambda p: p.set("stages", "short,fan", "evidence", "won"),
        "stages.csv, row 11: evidence 'won' belongs to stage 'fan' here and to 'customer' in "
        "row 10 (only one stage of a tradition can have it)",
    ),
    "evidence_that_cannot_prove_the_stage": (
        lambda p: p.set("stages", "plain,nurture", "evidence", "won"),
        "stages.csv, row 7: stage 'nurture' has the evidence 'won', which only a stage with "
        "milestone won can have (move or empty it)",
    ),
    "two_stages_with_one_label": (
        lambda p: p.set("stages", "plain,sal", "label", "mql"),
        "stages.csv, row 4: label 'mql' belongs to stage 'sal' here and to 'mql' in row 3 "
        "(only one stage of a tradition can have it)",
    ),
    "milestones_against_the_path": (
        lambda p: p.set("stages", "plain,mql", "path_order", "35"),
        "stages.csv, row 3: 'mql' (handed_off) has path order 35, after 'sal' (accepted) "
        "with 30 in row 4, but handed_off comes before accepted (reorder one of them)",
    ),
    "exit_before_the_end_of_the_path": (
        lambda p: p.set("stages", "plain,rejected", "path_order", "35"),
        "stages.csv, row 6: the exit 'rejected' has path order 35, not after the path, which "
        "ends with 'customer' (40, row 5) (give it more than 40)",
    ),
    "path_order_that_is_no_number": (
        lambda p: p.set("stages", "plain,sal", "path_order", "forty"),
        "stages.csv, row 4: column 'path_order': 'forty' must be a whole number",
    ),
    "boolean_that_is_neither": (
        lambda p: p.set("stages", "plain,sal", "is_optional", "maybe"),
        "stages.csv, row 4: column 'is_optional': 'maybe' must be true or false",
    ),
    "spaces_around_a_cell": (
        lambda p: p.set("stages", "plain,sal", "tradition", "plain "),
        "stages.csv, row 4: column 'tradition': 'plain ' has spaces around it (remove them)",
    ),
    "stage_of_an_unknown_tradition": (
        lambda p: p.add("stages", "ours,lead,Lead,20,captured,,,marketing,true"),
        "stages.csv, row 12: tradition 'ours' is not in traditions.csv "
        "(known: plain, short; add it to traditions.csv)",
    ),
    "tradition_without_stages": (
        lambda p: p.add("traditions", "ours,Our funnel,explicit,48,false,"),
        "traditions.csv, row 4: tradition 'ours' has no stage (add its stages to stages.csv)",
    ),
    "tradition_without_handoff": (
        lambda p: (
            p.add("traditions", "ours,Our funnel,explicit,48,false,"),
            p.add("stages", "ours,lead,Lead,20,captured,,,marketing,true"),
            p.add("milestone_labels", "ours,captured,Lead"),
        ),
        "traditions.csv, row 4: tradition 'ours' has no stage with the milestone handed_off, so "
        "nothing is ever handed to sales (give one in stages.csv that milestone)",
    ),
    "tradition_twice": (
        lambda p: p.add("traditions", "short,Short again,explicit,48,false,"),
        "traditions.csv, row 4: tradition 'short' is already in row 3 (keep one)",
    ),
    "unknown_acceptance_mode": (
        lambda p: p.set("traditions", "short", "acceptance_mode", "silent"),
        "traditions.csv, row 3: column 'acceptance_mode': 'silent' is unknown "
        "(known: explicit, default)",
    ),
    "negative_window": (
        lambda p: p.set("traditions", "short", "window_hours", "-1"),
        "traditions.csv, row 3: column 'window_hours': '-1' must be 0 or more",
    ),
    "milestone_without_label": (
        lambda p: p.drop("milestone_labels", "plain", "captured"),
        "stages.csv, row 2: milestone 'captured' of tradition 'plain' is not in "
        "milestone_labels.csv (add plain,captured,<label>)",
    ),
    "pair_milestone_without_label": (
        lambda p: p.add("conversion_pairs", "short,sql_to_sal,handed_off,accepted,9"),
        "conversion_pairs.csv, row 4: to_milestone 'accepted' of tradition 'short' is not in "
        "milestone_labels.csv (add short,accepted,<label>)",
    ),
    "label_twice": (
        lambda p: p.add("milestone_labels", "short,won,Client"),
        "milestone_labels.csv, row 9: tradition 'short', milestone 'won' is already in row 8 "
        "(keep one)",
    ),
    "alias_to_no_stage": (
        lambda p: p.add("stage_aliases", "Meeting Booked,meeting_booked"),
        "stage_aliases.csv, row 4: stage 'meeting_booked' is not in stages.csv "
        "(name a stage of any tradition)",
    ),
    "alias_to_a_stage_in_other_case": (
        lambda p: p.add("stage_aliases", "Qualified,SQL"),
        "stage_aliases.csv, row 4: stage 'SQL' is not in stages.csv (write sql)",
    ),
    "alias_with_two_meanings": (
        lambda p: p.add("stage_aliases", "CLOSED WON,fan"),
        "stage_aliases.csv, row 4: raw_stage 'CLOSED WON' belongs to stage 'fan' here and to "
        "'customer' in row 3 (case and outer spaces do not count; keep one)",
    ),
    "reason_alias_to_no_code": (
        lambda p: p.add("reason_aliases", "went dark,ghosted"),
        "reason_aliases.csv, row 3: reason_code 'ghosted' is not in reason_codes.csv (name a code)",
    ),
    "reason_alias_with_two_meanings": (
        lambda p: p.add("reason_aliases", "Too Soon,other"),
        "reason_aliases.csv, row 3: reason_raw 'Too Soon' belongs to reason_code 'other' here and "
        "to 'no_budget' in row 2 (case and outer spaces do not count; keep one)",
    ),
    "reason_code_twice": (
        lambda p: p.add("reason_codes", "no_budget,No money,timing,timing,90,rejection"),
        "reason_codes.csv, row 4: reason_code 'no_budget' is already in row 2 (keep one)",
    ),
    "reason_for_an_unknown_use": (
        lambda p: p.set("reason_codes", "no_budget", "applies_to", "rejections"),
        "reason_codes.csv, row 2: column 'applies_to': 'rejections' is unknown "
        "(known: rejection, disqualification, loss, recycling)",
    ),
    "no_code_other": (
        lambda p: p.drop("reason_codes", "other"),
        "reason_codes.csv: reason_code 'other' is missing: a lead without a reason counts as it "
        "(add it)",
    ),
    "override_of_a_move_that_does_not_exist": (
        lambda p: p.add("transition_overrides", "short,sql,live,true,"),
        "transition_overrides.csv, row 2: to_stage 'live' of tradition 'short' is not in "
        "stages.csv (stages of the tradition: customer, fan, lead, sql)",
    ),
    "override_that_decides_nothing": (
        lambda p: p.add("transition_overrides", "plain,mql,sal,,"),
        "transition_overrides.csv, row 2: the row decides nothing (fill is_valid or "
        "requires_reason)",
    ),
    "override_of_no_move": (
        lambda p: p.add("transition_overrides", "plain,mql,mql,true,"),
        "transition_overrides.csv, row 2: 'mql' to itself is no move (remove the row)",
    ),
    "override_twice": (
        lambda p: p.add("transition_overrides", "plain,mql,sal,true,", "plain,mql,sal,false,"),
        "transition_overrides.csv, row 3: tradition 'plain', from_stage 'mql', to_stage 'sal' "
        "is already in row 2 (keep one)",
    ),
    "tier_without_target": (
        lambda p: p.set("sla_policies", "high_intent", "target_minutes", ""),
        "sla_policies.csv, row 2: tier 'high_intent' has no target_minutes "
        "(fill it; only clock working_day does without)",
    ),
    "unknown_clock": (
        lambda p: p.set("sla_policies", "high_intent", "clock", "office"),
        "sla_policies.csv, row 2: column 'clock': 'office' is unknown "
        "(known: calendar, business, working_day)",
    ),
    "two_tiers_of_one_rank": (
        lambda p: p.set("sla_policies", "standard", "tier_rank", "1"),
        "sla_policies.csv, row 3: tier_rank '1' belongs to intent_tier 'standard' here and to "
        "'high_intent' in row 2 (it must be clear which is more urgent: change one)",
    ),
    "no_standard_tier": (
        lambda p: p.set("sla_policies", "standard", "intent_tier", "normal"),
        "sla_policies.csv: intent_tier 'standard' is missing: a handoff without engagements has it "
        "(add it)",
    ),
    "signal_of_an_unknown_tier": (
        lambda p: p.set("signals", "demo_request", "intent_tier", "urgent"),
        "signals.csv, row 2: intent_tier 'urgent' is not in sla_policies.csv "
        "(name a tier or leave empty)",
    ),
    "signal_twice": (
        lambda p: p.add("signals", "Page_View,low_intent,2,false,false"),
        "signals.csv, row 4: signal 'Page_View' is already in row 3 (keep one)",
    ),
    "points_that_are_no_number": (
        lambda p: p.set("signals", "demo_request", "interest_points", "nan"),
        "signals.csv, row 2: column 'interest_points': 'nan' must be a number",
    ),
    "target_of_a_rate_that_the_tradition_has_not": (
        lambda p: p.set("targets", "plain,mql_to_sal", "metric", "mql_to_won"),
        "targets.csv, row 3: metric 'mql_to_won' of tradition 'plain' is not in "
        "conversion_pairs.csv (use a rate of the tradition: below_mql_share, "
        "decided_in_time_rate, mql_to_sal, reasons_given_rate, recycled_in_time_rate, "
        "sla_met_rate)",
    ),
    "target_of_a_named_rate_for_every_tradition": (
        lambda p: p.set("targets", "plain,mql_to_sal", "tradition", ""),
        "targets.csv, row 3: metric 'mql_to_sal' is not in conversion_pairs.csv (use a rate of "
        "the tradition: below_mql_share, decided_in_time_rate, reasons_given_rate, "
        "recycled_in_time_rate, sla_met_rate)",
    ),
    "target_above_the_whole": (
        lambda p: p.set("targets", "plain,mql_to_sal", "target", "60"),
        "targets.csv, row 3: the target of 'mql_to_sal' is above the whole: 60 (60 percent?)",
    ),
    "target_twice_from_one_day": (
        lambda p: p.add("targets", ",sla_met_rate,85,percent,sales,2026-01-01"),
        "targets.csv, row 4: tradition '', metric 'sla_met_rate', valid_from '2026-01-01' is "
        "already in row 2 (keep one)",
    ),
    "meeting_on_half_a_day": (
        lambda p: p.add("rule_parameters", "sync_offset,1.5,days,"),
        "rule_parameters.csv, row 14: sync_offset must be a whole number of days (0 is Monday, "
        "2 Wednesday)",
    ),
    "activity_kind_twice": (
        lambda p: p.add("activity_kinds", "Call,false"),
        "activity_kinds.csv, row 4: kind 'Call' is already in row 2 (keep one)",
    ),
    "clock_without_working_hours": (
        lambda p: p.drop("working_hours", "monday"),
        "sla_policies.csv, row 4: clock 'working_day' of tier 'low_intent' needs working hours, "
        "and working_hours.csv has none (add the working days)",
    ),
    "day_that_closes_before_it_opens": (
        lambda p: p.set("working_hours", "monday", "closes_at", "08:00"),
        "working_hours.csv, row 2: monday closes at 08:00, not after it opens at 09:00 "
        "(swap them; leave a closed day out)",
    ),
    "hour_that_does_not_exist": (
        lambda p: p.set("working_hours", "monday", "closes_at", "25:00"),
        "working_hours.csv, row 2: column 'closes_at': '25:00' must be a time of day such as 09:00",
    ),
    "weekday_twice": (
        lambda p: p.add("working_hours", "monday,19:00,20:00"),
        "working_hours.csv, row 3: weekday 'monday' is already in row 2 (keep one)",
    ),
    "unknown_weekday": (
        lambda p: p.add("working_hours", "tue,09:00,18:00"),
        "working_hours.csv, row 3: column 'weekday': 'tue' is unknown (known: monday, tuesday, "
        "wednesday, thursday, friday, saturday, sunday)",
    ),
    "unreadable_holiday": (
        lambda p: p.add("holidays", "25.12.2026,Christmas"),
        "holidays.csv, row 2: column 'holiday_date': '25.12.2026' must be a date such as "
        "2026-12-25",
    ),
    "rule_on_an_unknown_attribute": (
        lambda p: p.set("fit_rules", "title", "attribute", "job"),
        f"fit_rules.csv, row 4: column 'attribute': 'job' is unknown (known: {ATTRIBUTES})",
    ),
    "rule_with_unknown_match": (
        lambda p: p.set("fit_rules", "title", "match", "like"),
        "fit_rules.csv, row 4: column 'match': 'like' is unknown (known: range, equals, contains)",
    ),
    "range_upside_down": (
        lambda p: p.set("fit_rules", "employee_count,range,50", "high", "5"),
        "fit_rules.csv, row 2: low 50 is above high 5 (swap them)",
    ),
    "range_without_bounds": (
        lambda p: p.set("fit_rules", "employee_count,range,1000", "low", ""),
        "fit_rules.csv, row 3: a range needs a bound (fill low, high or both)",
    ),
    "range_on_text": (
        lambda p: p.add("fit_rules", "title,range,1,5,,10"),
        "fit_rules.csv, row 5: a range needs a number, which 'title' is not "
        "(use crm_score or employee_count, or equals or contains)",
    ),
    "rule_without_value": (
        lambda p: p.set("fit_rules", "title", "value", ""),
        "fit_rules.csv, row 4: match 'contains' needs a value (fill it)",
    ),
    "exclusion_on_an_unknown_attribute": (
        lambda p: p.add("exclusions", "email,contains,@ourselves.com,own staff"),
        f"exclusions.csv, row 2: column 'attribute': 'email' is unknown (known: {ATTRIBUTES})",
    ),
    "exclusion_without_value": (
        lambda p: p.add("exclusions", "email_domain,equals,,own staff"),
        "exclusions.csv, row 2: column 'value' is empty (fill it)",
    ),
    "requirement_on_an_unknown_attribute": (
        lambda p: p.set("qualification_rules", "fit", "attribute", "email"),
        "qualification_rules.csv, row 2: column 'attribute': 'email' is unknown "
        f"(known: fit_score, interest_score, score, {ATTRIBUTES})",
    ),
    "requirement_on_what_its_kind_cannot_look_at": (
        lambda p: p.set("qualification_rules", "fit", "attribute", "title"),
        "qualification_rules.csv, row 2: kind 'score' can't look at attribute 'title' "
        "(use fit_score, interest_score, score)",
    ),
    "engagements_of_an_attribute": (
        lambda p: p.set("qualification_rules", "engaged", "attribute", "company"),
        "qualification_rules.csv, row 3: kind 'engagements' can't look at attribute 'company' "
        "(empty it)",
    ),
    "requirement_without_a_minimum": (
        lambda p: p.set("qualification_rules", "fit", "min_value", ""),
        "qualification_rules.csv, row 2: kind 'score' needs a min_value (fill it)",
    ),
    "requirement_with_a_minimum_of_text": (
        lambda p: p.add("qualification_rules", "title,attribute,title,,3,Title,true"),
        "qualification_rules.csv, row 4: 'title' is no number, so it has no min_value (empty it)",
    ),
    "requirement_with_an_unknown_tier": (
        lambda p: p.set("qualification_rules", "engaged", "intent_tier", "urgent"),
        "qualification_rules.csv, row 3: intent_tier 'urgent' is not in sla_policies.csv "
        "(name a tier or leave empty)",
    ),
    "requirement_with_a_tier_of_no_use": (
        lambda p: p.set("qualification_rules", "fit", "intent_tier", "standard"),
        "qualification_rules.csv, row 2: kind 'score' has no intent_tier (empty it)",
    ),
    "requirement_called_like_the_whole": (
        lambda p: p.add("qualification_rules", "All,score,score,,3,Score,true"),
        "qualification_rules.csv, row 4: column 'requirement': 'All' is what the whole definition "
        "is called (rename it)",
    ),
    "bands_that_overlap": (
        lambda p: p.set("score_bands", "B", "min_score", "70"),
        "score_bands.csv, row 3: min_score '70' belongs to score_band 'B' here and to 'A' in row 2 "
        "(they overlap: give each its own)",
    ),
    "two_lowest_bands": (
        lambda p: p.add("score_bands", "D,,cold"),
        "score_bands.csv, row 5: an empty min_score belongs to score_band 'D' here and to 'C' in "
        "row 4 (they overlap: give each its own)",
    ),
    "no_lowest_band": (
        lambda p: p.drop("score_bands", "C"),
        "score_bands.csv: no band is without a minimum, so low scores have none "
        "(empty min_score of the lowest)",
    ),
    "segments_that_overlap": (
        lambda p: p.set("segments", "middle", "min_employees", "99"),
        "segments.csv, row 3: segment 'middle' from 99 overlaps 'small' in row 2 (up to 99) "
        "(end it at 98)",
    ),
    "segment_without_end_before_another": (
        lambda p: p.set("segments", "middle", "max_employees", ""),
        "segments.csv, row 4: segment 'large' from 1000 overlaps 'middle' in row 3 "
        "(no maximum) (end it at 999)",
    ),
    "segments_with_a_gap": (
        lambda p: p.set("segments", "middle", "min_employees", "200"),
        "segments.csv, row 3: no segment holds 100 to 199 employees, between 'small' in row 2 and "
        "'middle' (close the gap)",
    ),
    "segment_upside_down": (
        lambda p: p.set("segments", "small", "min_employees", "100"),
        "segments.csv, row 2: min_employees 100 is above max_employees 99 (swap them)",
    ),
    "parameter_missing": (
        lambda p: p.drop("rule_parameters", "decay_points"),
        "rule_parameters.csv: parameter 'decay_points' is missing: a rule needs it "
        "(add it, in points)",
    ),
    "parameter_negative": (
        lambda p: p.set("rule_parameters", "recycle_grace", "value", "-7"),
        "rule_parameters.csv, row 5: column 'value': '-7' must be 0 or more",
    ),
    "decay_without_period": (
        lambda p: p.set("rule_parameters", "decay_period", "value", "0"),
        "rule_parameters.csv, row 2: decay_period must be above 0 "
        "(to switch decay off: decay_points 0)",
    ),
    "step_that_is_not_whole": (
        lambda p: p.add("rule_parameters", "threshold_step,2.5,points,"),
        "rule_parameters.csv, row 14: threshold_step must be a whole number of points, 1 or more",
    ),
    "more_than_the_whole_credit": (
        lambda p: p.set("rule_parameters", "end_touch_credit", "value", "51"),
        "rule_parameters.csv, row 6: end_touch_credit can't be above 50: the first and the last "
        "touch would have more than the whole (use 0 to 50)",
    ),
    "parameter_in_another_unit": (
        lambda p: p.set("rule_parameters", "score_lookback", "unit", "weeks"),
        "rule_parameters.csv, row 4: the unit of 'score_lookback' can't be 'weeks' "
        "(use minutes, hours, days)",
    ),
    "parameter_twice": (
        lambda p: (
            p.set("rule_parameters", "recycle_grace", "parameter", "score_lookback")
            or p.add("rule_parameters", "recycle_grace,9,days,")
        ),
        "rule_parameters.csv, row 5: parameter 'score_lookback' is already in row 4 (keep one)",
    ),
    "pair_of_an_unknown_milestone": (
        lambda p: p.set("conversion_pairs", "short", "to_milestone", "sold"),
        "conversion_pairs.csv, row 3: column 'to_milestone': 'sold' is unknown "
        f"(known: {MILESTONES})",
    ),
    "pair_in_the_wrong_order": (
        lambda p: p.set("conversion_pairs", "short", "to_milestone", "captured"),
        "conversion_pairs.csv, row 3: 'sql_to_won' goes from handed_off to captured, which is not "
        f"later (order: {MILESTONES.replace(', ', ' < ')})",
    ),
    "pair_twice": (
        lambda p: p.add("conversion_pairs", "short,sql_to_won,captured,won,9"),
        "conversion_pairs.csv, row 4: tradition 'short', metric 'sql_to_won' is already in row 3 "
        "(keep one)",
    ),
    "benchmark_upside_down": (
        lambda p: p.set("benchmarks", "acceptance", "low", "0.99"),
        "benchmarks.csv, row 2: low 0.99 is above high 0.95 (swap them)",
    ),
    "benchmark_in_percent": (
        lambda p: p.set("benchmarks", "acceptance", "high", "95"),
        "benchmarks.csv, row 2: 'acceptance' is a share: high 95 is above 1 (0.95 is 95 %)",
    ),
    "benchmark_without_words": (
        lambda p: p.set("benchmarks", "acceptance", "reading_low", ""),
        "benchmarks.csv, row 2: low 0.3 has no reading (fill reading_low)",
    ),
    "diagnostic_backwards": (
        lambda p: p.set("diagnostics", "1", "to_milestone", "captured"),
        "diagnostics.csv, row 2: 'acceptance' goes from handed_off to captured, which is not later "
        "(order: captured < marketing_qualified < handed_off < accepted < sales_qualified < "
        "opportunity < won)",
    ),
    "diagnostic_of_an_unknown_metric": (
        lambda p: p.set("diagnostics", "2", "metric", "weekly_laod"),
        "diagnostics.csv, row 3: column 'metric': 'weekly_laod' is unknown "
        "(known: reasons_missing_share, definition_version, high_intent_breached_share, "
        "not_recycled_share, psi, psi_to_history, auc, top_channel_share, weekly_load)",
    ),
    "window_that_is_not_whole": (
        lambda p: p.add("rule_parameters", "change_window,1.5,days,"),
        "rule_parameters.csv, row 14: change_window must be a whole number of days, 1 or more",
    ),
    "benchmark_of_an_unknown_segment": (
        lambda p: p.set("benchmarks", "acceptance", "segment", "huge"),
        "benchmarks.csv, row 2: segment 'huge' is not in segments.csv "
        "(known: all, large, middle, small, unknown)",
    ),
    "source_in_two_channels": (
        lambda p: p.add("channel_map", "direct,paid_search"),
        "channel_map.csv, row 3: lead_source 'direct' is already in row 2 (keep one)",
    ),
    "crm_value_twice": (
        lambda p: p.add("stage_maps", "hubspot,lifecyclestage,LEAD,lead"),
        "stage_maps.csv, row 3: crm 'hubspot', property 'lifecyclestage', raw_stage 'LEAD' "
        "is already in row 2 (keep one)",
    ),
    "campaign_type_twice": (
        lambda p: p.add("campaign_kinds", "salesforce,seminar,page_view"),
        "campaign_kinds.csv, row 3: crm 'salesforce', campaign_type 'seminar' is already in row 2 "
        "(keep one)",
    ),
    "currency_worth_nothing": (
        lambda p: p.add("currency_rates", "EUR,2026-01-01,0"),
        "currency_rates.csv, row 2: column 'rate': '0' must be above 0",
    ),
    "currency_with_two_rates_of_one_day": (
        lambda p: p.add("currency_rates", "EUR,2026-01-01,1.1", "eur,2026-01-01,1.2"),
        "currency_rates.csv, row 3: currency 'eur', valid_from '2026-01-01' is already in row 2 "
        "(keep one)",
    ),
    "version_without_date": (
        lambda p: p.set("definition_versions", "1", "valid_from", "soon"),
        "definition_versions.csv, row 2: column 'valid_from': 'soon' must be a date such as "
        "2026-12-25",
    ),
    "two_versions_of_one_day": (
        lambda p: p.add("definition_versions", "2,2025-01-01,both,tighter"),
        "definition_versions.csv, row 3: valid_from '2025-01-01' belongs to version '2' here and "
        "to '1' in row 2 (give each version its own day)",
    ),
    "empty_cell_that_is_needed": (
        lambda p: p.set("stages", "plain,sal", "label", ""),
        "stages.csv, row 4: column 'label' is empty (fill it)",
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
    "column_twice": (
        lambda p: (p.directory / "holidays.csv").write_text(
            "holiday_date,holiday_name,holiday_date\n"
        ),
        "holidays.csv, row 1: column 'holiday_date' appears twice "
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
        "holidays.csv: can't be read: it is not UTF-8 (save it as CSV UTF-8)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_thing_alone_gives_its_line(name: str, edited: EditablePolicy) -> None:
    break_it, expected = BROKEN[name]
    break_it(edited)
    assert edited.problems() == [expected]


def test_several_problems_come_in_the_order_of_the_files(edited: EditablePolicy) -> None:
    edited.add("stage_aliases", "Meeting Booked,meeting_booked")
    edited.set("stages", "plain,sal", "path_order", "55")
    edited.set("stages", "plain,mql", "is_optional", "")
    places = [problem.split(":")[0] for problem in edited.problems()]
    assert places == ["stages.csv, row 3", "stages.csv, row 4", "stage_aliases.csv, row 4"]


def test_no_policy_at_all_is_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert policy.validate(missing) == [
        f"{missing}: no policy tables here (set lifecycle.policy_dir in handoff.yml)"
    ]
    with pytest.raises(ConfigError):
        policy.fingerprint(missing)


def test_tables_with_defaults_may_be_left_out(edited: EditablePolicy) -> None:
    for name in OPTIONAL_TABLES:
        (edited.directory / f"{name}.csv").unlink()
    assert edited.problems() == []


def test_a_policy_from_before_is_sound(edited: EditablePolicy) -> None:
    """Without a column that came later, with one that nothing reads any more."""
    header, rows = edited.read("signals")
    at = header.index("counts_as_touch")
    edited.write("signals", header[:at] + header[at + 1 :], [r[:at] + r[at + 1 :] for r in rows])
    header, rows = edited.read("benchmarks")
    edited.write("benchmarks", [*header, "metric"], [[*row, "mql_to_sal"] for row in rows])
    for parameter in LATER_PARAMETERS:
        edited.drop("rule_parameters", parameter)
    assert edited.problems() == []


def test_harmless_repetition_is_allowed(edited: EditablePolicy) -> None:
    edited.add("stage_aliases", "PROSPECT,lead")
    edited.add("holidays", "2026-12-25,Christmas (north)", "2026-12-25,Christmas (south)")
    edited.add("transition_overrides", "plain,,nurture,true,false")
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


def test_a_policy_without_targets_has_none_and_the_other_tables_that_ship(
    edited: EditablePolicy, tmp_path: Path
) -> None:
    for name in OPTIONAL_TABLES:
        (edited.directory / f"{name}.csv").unlink()
    whole = tmp_path / "whole"
    whole.mkdir()
    policy.write_whole(edited.directory, whole)
    assert {path.stem for path in whole.iterdir()} == set(TABLES)
    assert policy.cells(whole, "targets") == []
    assert policy.cells(whole, "diagnostics") == policy.cells(policy.POLICY_DIR, "diagnostics")
    assert policy.cells(whole, "stages") == policy.cells(edited.directory, "stages")
    assert policy.cells(policy.POLICY_DIR, "targets"), "there is something to leave out"


@pytest.mark.parametrize(
    ("table", "key", "column", "value"),
    [
        ("rule_parameters", "decay_points", "value", "11"),
        ("stages", "plain,sal", "is_optional", "true"),
        ("stages", "plain,sal", "label", "Sal"),
    ],
)
def test_fingerprint_changes_with_any_cell(
    edited: EditablePolicy, table: str, key: str, column: str, value: str
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


def test_traditions_and_their_stages_can_be_listed(edited: EditablePolicy) -> None:
    assert policy.traditions(edited.directory) == ["plain", "short"]
    assert policy.stages(edited.directory, "short") == ["lead", "sql", "customer", "fan"]
    assert policy.stages(edited.directory, "nobody") == []
