"""How one lead's story is shown on the console: in order, with the reason for every number."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from dagster_project.config.plain_text import on_one_line
from dagster_project.reporting.console import facts, grid, titled
from dagster_project.reporting.lead_story import Row, Story, read_story

# What became of a stage change, in words; a kept one says which stage it is.
_FATES = {
    "clear": "dropped: a clear, no stage",
    "ignored": "dropped: the source's map says it is no stage",
    "unmapped": "not an event: no map knows this stage",
    "late": "dropped: later than as_of",
    "superseded": "dropped: another version of this change is used",
    "repeated": "dropped: repeats a row",
    "left_out": "not read: the lead is in no mart",
}

_QUALITIES = {"inferred": "inferred", "opportunity": "proven by an opportunity"}

_OUTCOMES = {
    "won": "won",
    "open": "still open",
    "lost": "lost (it reached the opportunity)",
    "disqualified": "disqualified (sales had accepted it)",
    "rejected": "rejected (handed off, never accepted)",
    "screened_out": "screened out (never handed off)",
}

_SLA = {
    "met": "met: the first touch came in time",
    "breached": "breached",
    "open": "open: not due yet",
    "not_applicable": "not applicable: it left or was won before it was due",
    "unknown": "unknown: no activities in the source, or the handoff is not explicit",
}

_EXIT_MEANS = {"enter": "first visit", "merge": "other merged record"}

# A lead with thousands of page views still has a page.
_LONGEST_TIMELINE = 200


def explain(warehouse: Path, lead_id: str, source_system: str | None = None) -> RenderableType:
    """One lead's story for the console; raises ``ConfigError`` as ``read_story`` does."""
    story = read_story(warehouse, lead_id, source_system)
    sections = [
        ("What came, in order", _timeline(story)),
        ("Rows in quarantine", _quarantine(story)),
    ]
    parts = [_headline(story)]
    if story.lead is not None:
        parts.append(_attributes(story, story.lead))
        sections += [
            ("Stage visits", _visits(story)),
            *((_cycle_title(cycle), _cycle(story, cycle)) for cycle in story.cycles),
            ("Broken rules", _violations(story)),
        ]
    return Group(*parts, titled((title, body) for title, body in sections if body))


def as_data(story: Story) -> Row:
    """The same as plain data, with the rows of the marts as they are; docs/contracts.md has it."""
    lead, build = story.lead or {}, story.build
    return {
        "lead_id": story.lead_id,
        "source_system": story.source_system,
        "asked_for": story.asked_for,
        "why_left_out": story.why_left_out,
        "build": {name: build[name] for name in _BUILD_DATA},
        "lead": {name: lead[name] for name in _LEAD_DATA} if lead else None,
        "records": [{name: row[name] for name in _RECORD_DATA} for row in story.records],
        "events": [dict(zip(_EVENT_DATA, entry, strict=True)) for entry in _entries(story)],
        "quarantine": story.quarantined,
        "visits": story.visits,
        "cycles": [
            published
            | {
                "why": {name: why for name, _, _, why in _reached(story, cycle)},
                "in_words": {
                    name.strip().replace(" ", "_"): text
                    for name, text in _cycle_facts(story, cycle)
                    if name.strip() in _WORDED
                },
            }
            for published, cycle in zip(story.published_cycles, story.cycles, strict=True)
        ],
        "broken_rules": story.violations,
    }


_BUILD_DATA = ("build_id", "as_of", "tradition", "acceptance_mode", "acceptance_window_hours")
_LEAD_DATA = ("created_at", "lead_source", "segment", "employee_count", "country", "owner_id")
_RECORD_DATA = ("lead_id", "source_system", "created_at")
# What the columns of the mart alone do not say.
_WORDED = ("intent", "first touch", "service level", "score", "fit", "interest", "exit")
_EVENT_DATA = ("occurred_at", "what", "by", "became")


def _moment(value: datetime | None) -> str:
    if value is None:
        return ""
    precision = "microseconds" if value.microsecond else "seconds" if value.second else "minutes"
    return value.replace(tzinfo=None).isoformat(" ", precision)


def _number(value: float | Decimal | None) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{_number(abs(value))}"


def _headline(story: Story) -> RenderableType:
    build = story.build
    named = (f"Lead {on_one_line(story.lead_id)}", "bold")
    lines = [Text.assemble(named, f" of {on_one_line(story.source_system)}")]
    if story.asked_for != story.lead_id:
        asked_for = on_one_line(story.asked_for)
        lines.append(Text(f"{asked_for} was merged into it: all its rows belong to this lead"))
    if story.why_left_out:
        lines.append(Text(f"In no mart: {on_one_line(story.why_left_out)}", style="yellow"))
    lines.append(
        Text(
            f"as of {_moment(build['as_of'])} UTC · tradition {build['tradition']} · acceptance "
            f"{build['acceptance_mode']}, window {_number(build['acceptance_window_hours'])} h · "
            f"build {build['build_id']} · all times UTC",
            style="dim",
        )
    )
    return Text("\n").join(lines)


def _attributes(story: Story, lead: Row) -> RenderableType:
    records = {
        _record_name(story, row["lead_id"], row["source_system"]): row["created_at"]
        for row in story.records
    }
    # The record that the lead is named after; the others were merged into it.
    own = records.pop(story.lead_id, None)
    created = _moment(lead["created_at"])
    if own and own != lead["created_at"]:
        created += f", when the first of its records was (its own record: {_moment(own)})"
    return facts(
        [
            ("created", created),
            ("source", lead["lead_source"] or "unknown"),
            ("company", f"{_number(lead['employee_count']) or '?'} employees: {lead['segment']}"),
            ("country", lead["country"]),
            ("owner", lead["owner_id"] or "nobody"),
            ("current stage", lead["known_current_stage_raw"]),
            ("merged into it", ", ".join(records)),
        ]
    )


def _record_name(story: Story, lead_id: str, source: str) -> str:
    """A record's id, with its source where that is another one."""
    return lead_id if source == story.source_system else f"{lead_id} of {source}"


_Entry = tuple[datetime, str, str | None, str]


def _entries(story: Story) -> list[_Entry]:
    """Everything that came, in order of time; same moments in the order they are read in."""
    entries = [
        *_stage_entries(story),
        *_opportunity_entries(story),
        *_engagement_entries(story),
        *_activity_entries(story),
    ]
    return sorted(entries, key=itemgetter(0))


def _timeline(story: Story) -> RenderableType | None:
    entries = _entries(story)
    rows = [(_moment(when), *others) for when, *others in entries[:_LONGEST_TIMELINE]]
    if len(entries) > len(rows):
        rows.append(("", f"... and {len(entries) - len(rows)} more", "", ""))
    return grid(["when", "what", "by", "what became of it"], rows) if rows else None


def _stage_entries(story: Story) -> Iterator[_Entry]:
    for event in story.stage_events:
        record = _record_name(story, event["record_lead_id"], event["record_source_system"])
        on = "" if record == story.lead_id else f" (record {record})"
        if event["fate"] == "inferred":
            known_by = (
                "only its current stage is known"
                if event["change_id"] == "~current"
                else "the first change says it was in this stage before"
            )
            yield event["occurred_at"], f"no change{on}", "", f"{event['stage']}: {known_by}"
        elif event["fate"] != "opportunity":
            reason = f", reason {event['reason']!r}" if event["reason"] else ""
            move = f"{event['from_stage_raw'] or ''} > {event['to_stage_raw'] or '(empty)'}".strip()
            fate = _FATES.get(event["fate"], event["stage"] or "")
            yield event["occurred_at"], f"stage {move}{reason}{on}", event["changed_by"], fate


def _opportunity_entries(story: Story) -> Iterator[_Entry]:
    proven = {event["change_id"]: event["stage"] for event in story.stage_events}
    for row in story.opportunities:
        name, owner, status = row["opportunity_id"], row["owner_id"], row["status"]
        amount = f", {_number(row['amount'])}" if row["amount"] is not None else ""
        proof = _proof(proven.get(f"~opp:{name}"))
        yield row["created_at"], f"opportunity {name} created{amount}", owner, proof
        if status != "open" and row["closed_at"]:
            reason = f", reason {row['loss_reason']!r}" if status == "lost" else ""
            proof = _proof(proven.get(f"~{status}:{name}"), status)
            yield row["closed_at"], f"opportunity {name} {status}{reason}", owner, proof


def _proof(stage: str | None, status: str = "open") -> str:
    """What an opportunity's moment proves: the stage of the event that was made from it."""
    if stage:
        return f"{stage}: proven by the opportunity"
    if status == "lost":
        return "proves nothing: another opportunity lived on or was won meanwhile"
    return "proves nothing: the tradition has no stage for it"


def _engagement_entries(story: Story) -> Iterator[_Entry]:
    for row in story.engagements:
        channel = f" ({row['channel']})" if row["channel"] else ""
        parts = [
            f"tier {row['intent_tier']}" if row["intent_tier"] else "",
            f"{_signed(row['interest_points'])} points" if row["interest_points"] else "",
            "explicit intent" if row["is_explicit_intent"] else "",
        ]
        meaning = ", ".join(part for part in parts if part) or "means nothing to the policy"
        yield row["occurred_at"], f"engagement {row['kind']}{channel}", "", meaning


def _activity_entries(story: Story) -> Iterator[_Entry]:
    for row in story.activities:
        direction = f" ({row['direction']})" if row["direction"] else ""
        kind = row["kind"] or "of no kind"
        touch = "a touch" if row["is_touch"] else "no touch"
        yield row["occurred_at"], f"activity {kind}{direction}", row["rep_id"] or "", touch


def _quarantine(story: Story) -> RenderableType | None:
    read = itemgetter("table_name", "source_file", "source_row", "column_name", "reason")
    rows = [read(row) for row in story.quarantined]
    return grid(["table", "file", "row", "column", "why"], rows) if rows else None


def _visits(story: Story) -> RenderableType | None:
    if not story.visits:
        return None
    return grid(
        ["#", "cycle", "stage", "entered", "left", "hours", "move", "reason", "owner", "note"],
        [
            (
                row["visit_number"],
                row["cycle_number"],
                row["stage"],
                _moment(row["entered_at"]),
                _moment(row["exited_at"]) or "still there",
                _number(row["duration_hours"]),
                _move(row),
                _reason(row),
                row["owner_id"],
                _QUALITIES.get(row["history_quality"]),
            )
            for row in story.visits
        ],
    )


def _move(visit: Row) -> str:
    kind = _EXIT_MEANS.get(visit["transition_kind"], visit["transition_kind"] or "")
    return kind if visit["is_valid_transition"] else f"{kind}, not valid"


def _reason(visit: Row) -> str:
    if visit["reason_raw"] is None:
        return "missing" if visit["reason_required"] else ""
    if visit["reason_raw"] == visit["reason_code"]:
        return str(visit["reason_raw"])
    return f"{visit['reason_raw']!r}: {visit['reason_code']}"


def _cycle_title(cycle: Row) -> str:
    end = f" to {_moment(cycle['cycle_ended_at'])}" if cycle["cycle_ended_at"] else ""
    return (
        f"Cycle {cycle['cycle_number']} ({cycle['start_kind']}), from "
        f"{_moment(cycle['cycle_started_at'])}{end}: {_OUTCOMES[cycle['outcome']]}"
    )


def _cycle(story: Story, cycle: Row) -> RenderableType:
    reached = _reached(story, cycle)
    milestones = [grid(["milestone", "called", "when", "why"], reached)] if reached else []
    return Group(*milestones, facts(_cycle_facts(story, cycle)))


def _reached(story: Story, cycle: Row) -> list[tuple[str, str, str, str]]:
    """The milestones of a cycle: name, label, when and why."""
    return [
        (
            milestone["milestone"],
            milestone["milestone_label"],
            _moment(cycle[f"{milestone['milestone']}_at"]),
            _why_reached(story, cycle, milestone["milestone"]),
        )
        for milestone in story.milestones
        if cycle.get(f"{milestone['milestone']}_at")
    ]


def _why_reached(story: Story, cycle: Row, milestone: str) -> str:
    basis = cycle["acceptance_kind" if milestone == "accepted" else f"{milestone}_basis"]
    if milestone == "accepted" and basis == "default":
        hours = _number(story.build["acceptance_window_hours"])
        return f"default: {hours} h after the handoff and sales had not rejected it"
    if milestone == "accepted" and basis == "implied":
        return "implied: whoever is sales qualified was accepted"
    is_implied = basis == "implied"
    for visit in story.visits:
        begins = visit["entered_at"] == cycle[f"{milestone}_at"]
        is_own = begins and visit["cycle_number"] == cycle["cycle_number"]
        if is_own and visit["milestone"] and is_implied == (visit["milestone"] != milestone):
            means = f", means {visit['milestone']}" if is_implied else ""
            return f"{basis}: visit {visit['visit_number']}, {visit['stage']}{means}"
    return str(basis)


def _cycle_facts(story: Story, cycle: Row) -> Iterator[tuple[str, str]]:
    yield "acceptance", _acceptance(cycle)
    yield "owner", cycle["owner_id"]
    if cycle["handed_off_at"]:
        yield "intent", _intent(story, cycle)
        yield "first touch", _first_touch(story, cycle)
        yield "service level", _service_level(cycle)
    yield from _score(story, cycle)
    if cycle["exited_at"]:
        yield "exit", _exit(cycle)
    yield "recycled", _moment(cycle["recycled_at"])
    yield "requalified", _moment(cycle["requalified_at"])
    if cycle["opportunity_amount"] != 0:
        yield "opportunities", _amount(cycle["opportunity_amount"])
        yield "won amount", _amount(cycle["won_amount"])


def _amount(amount: Decimal | None) -> str:
    return "unknown" if amount is None else _number(amount)


def _acceptance(cycle: Row) -> str:
    status = cycle["acceptance_status"] or ""
    if status == "pending" and cycle["acceptance_due_at"]:
        return f"pending, by default at {_moment(cycle['acceptance_due_at'])}"
    if status == "rejected":
        return f"rejected: it left at {_moment(cycle['exited_at'])} without acceptance"
    return status


def _intent(story: Story, cycle: Row) -> str:
    text = f"{cycle['intent_tier']}: "
    same = itemgetter("cycle_number", "intent_tier")
    for row in story.counted_engagements:
        is_trigger = row["counts_for_intent"] and row["occurred_at"] == cycle.get("triggered_at")
        if is_trigger and same(row) == same(cycle):
            text += f"triggered by {row['kind']} at {_moment(row['occurred_at'])}"
            break
    else:
        text += "no engagement sets it, the handoff is the trigger"
    if story.build["requires_explicit_intent"]:
        text += "; explicit intent: " + ("yes" if cycle.get("has_explicit_intent") else "none")
    return text


def _first_touch(story: Story, cycle: Row) -> str:
    at = cycle["first_touch_at"]
    if at is None:
        return "none"
    activity = next(
        (row for row in story.activities if row["is_touch"] and row["occurred_at"] == at), None
    )
    what = f"{activity['kind']} by {activity['rep_id'] or 'nobody'}, " if activity else ""
    if cycle["touched_before_handoff"]:
        return f"{what}{_moment(at)}, before the handoff (0 minutes)"
    waited = ""
    if cycle["intent_trigger_at"] != cycle["handed_off_at"]:
        waited = f" ({_number(cycle['request_to_touch_minutes'])} after what the lead asked for)"
    minutes = _number(cycle["speed_to_lead_minutes"])
    return f"{what}{_moment(at)}, {minutes} minutes after it{waited}"


def _service_level(cycle: Row) -> str:
    due = f", due {_moment(cycle['sla_due_at'])}" if cycle["sla_due_at"] else ""
    return f"{_SLA.get(cycle['sla_status'], cycle['sla_status'] or '')}{due}"


def _score(story: Story, cycle: Row) -> Iterator[tuple[str, str]]:
    """The score with its parts: each fit rule that applied, each engagement, the decay."""
    if cycle["scored_at"] is None:
        yield "score", "none: neither handed off nor marketing qualified"
        return
    yield (
        "score",
        f"{_number(cycle['score'])}, band {cycle['score_band']}, frozen at "
        f"{_moment(cycle['scored_at'])}",
    )
    yield "  fit", f"{_number(cycle['fit_score'])}{_parts(map(_fit_rule, story.fit_rules))}"
    counted = [
        f"{row['kind']} {_moment(row['occurred_at'])} {_signed(row['interest_points'])}"
        for row in story.counted_engagements
        if row["cycle_number"] == cycle["cycle_number"]
        and row["counts_for_score"]
        and row["interest_points"]
    ]
    if counted and cycle.get("last_interest_at") is None:
        counted.append("no engagement with positive points, so 0")
    elif cycle.get("decay_points"):
        counted.append(
            f"decay {_signed(-cycle['decay_points'])}, idle since "
            f"{_moment(cycle['last_interest_at'])}"
        )
    yield "  interest", f"{_number(cycle['interest_score'])}{_parts(counted)}"


def _parts(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return f" = {text}" if text else " (nothing counts)"


def _fit_rule(rule: Row) -> str:
    points = _signed(rule["fit_points"])
    if rule["match_kind"] == "range":
        low, high = _number(rule["low"]), _number(rule["high"])
        bounds = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"
        value = _number(float(rule["attribute_value"]))
        return f"{rule['attribute']} {value} is {bounds} {points}"
    verb = "contains" if rule["match_kind"] == "contains" else "is"
    return f"{rule['attribute']} {verb} {rule['match_value']!r} {points}"


def _exit(cycle: Row) -> str:
    reason = cycle["reason_code"] or "no reason"
    late = ", a late rejection" if cycle["is_late_rejection"] else ""
    return f"{cycle['exit_stage']} at {_moment(cycle['exited_at'])}: {reason}{late}"


def _violations(story: Story) -> RenderableType:
    rows = [
        (row["severity"], row["rule"], _where(row), _moment(row["occurred_at"]), row["detail"])
        for row in story.violations
    ]
    return grid(["severity", "rule", "where", "when", "detail"], rows) if rows else Text("none")


def _where(row: Row) -> str:
    if row["visit_number"] is not None:
        return f"visit {row['visit_number']}"
    if row["cycle_number"] is not None:
        return f"cycle {row['cycle_number']}"
    return "lead"
