"""The meeting's agenda: the scorecard against targets, what to decide, and what happened since."""

from dagster_project.reporting.agreement import anchor
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Column, Part, Points, Table, text
from dagster_project.reporting.pages.section import Section as PageSection
from dagster_project.reporting.pages.words import phrase, shown
from dagster_project.reporting.sync import NO_REASON, Agenda, Rate, Section, read_agenda

NEEDED = ("sync_scorecard", "calibration_sync", "what_stands_out", "capacity_thresholds")

# Ids that a line names; the mart has up to 50.
_IDS = 3
# Points to decide that the page lists.
_POINTS = 10


def section(marts: Marts, cubes: Cubes) -> PageSection | None:
    """The agenda of the period that is over; None where no lead has got that far yet."""
    del cubes  # A meeting is about all leads.
    agenda = read_agenda(marts.connection)
    if agenda is None:
        return None
    parts: list[Part] = []
    if agenda.scorecard:
        parts.append(_scorecard(agenda.scorecard))
    if points := agenda.to_decide[:_POINTS]:
        listed = [("decide", text(one.what), one.next_step or "") for one in points]
        parts.append(Points(tuple(listed)))
    if agenda.sections:
        parts.append(_overview(agenda.sections))
    if any(one.items for one in agenda.sections):
        parts.append(_lines(agenda.sections))
    return PageSection(
        anchor="agenda",
        title="Agenda",
        finding=text(_finding(agenda)),
        parts=tuple(parts),
        marts=("calibration_sync", "sync_scorecard"),
        definitions=(("metrics", "metrics"), ("reasons", "reasons")),
        note=_note(agenda),
    )


def _note(agenda: Agenda) -> str:
    more = max(0, len(agenda.to_decide) - _POINTS)
    left_out = f" It has {more:,} more point{'' if more == 1 else 's'} to decide." if more else ""
    so_far = ", so far" if agenda.is_running else ""
    return (
        f"For the meeting about {shown(agenda.period_start)} to {shown(agenda.period_end)}{so_far}."
        f" handoff sync prints the agenda and keeps what is decided.{left_out}"
    )


def _finding(agenda: Agenda) -> str:
    judged = [rate for rate in agenda.scorecard if rate.status in {"met", "missed"}]
    missed = sum(rate.status == "missed" for rate in judged)
    to_decide = len(agenda.to_decide)
    points = f"{to_decide:,} point{'' if to_decide == 1 else 's'} to decide"
    if not judged:
        return f"{points}; no target can be judged yet"
    verb = "misses" if missed == 1 else "miss"
    return f"{missed:,} of {len(judged):,} rates {verb} the target; {points}"


def _scorecard(rates: list[Rate]) -> Table:
    return Table(
        caption=text("Scorecard: now, at the meeting before, and the target"),
        columns=(
            Column("label", "Rate", link="anchor"),
            Column("value", "Now", "share", "cases"),
            Column("cases", "of", "count"),
            Column("previous", "Before", "share"),
            Column("target", "Target"),
            Column("state", "Status"),
            Column("team", "Team"),
        ),
        rows=tuple(
            {
                "label": rate.label,
                "anchor": anchor("metric", rate.metric),
                "value": None if rate.status == "too_few" else rate.value,
                "cases": rate.cases,
                "previous": rate.previous,
                "target": _target(rate),
                "state": phrase(rate.status),
                "team": rate.owner_team,
            }
            for rate in rates
        ),
    )


def _target(rate: Rate) -> str:
    if rate.target is None:
        return ""
    return f"{'≤' if rate.better == 'lower' else '≥'}\u00a0{shown(rate.target, 'share')}"


def _overview(sections: list[Section]) -> Table:
    return Table(
        caption=text("What happened since the last meeting"),
        columns=(
            Column("title", "What"),
            Column("leads", "Leads", "count"),
            Column("previous_leads", "The time before", "count"),
            Column("missing", "Without a reason", "count"),
        ),
        rows=tuple(
            {
                "title": f"{one.title} on {shown(one.told_on)}"
                if one.name == "overdue"
                else one.title,
                "leads": one.leads,
                "previous_leads": one.previous_leads,
                "missing": sum(item.leads for item in one.items if item.item == NO_REASON)
                if one.item_name == "reason"
                else None,
            }
            for one in sections
        ),
    )


def _lines(sections: list[Section]) -> Table:
    lines = tuple(
        {
            "title": one.title,
            "label": item.label,
            "leads": item.leads,
            "previous_leads": item.previous_leads,
            "grew": "grew" if item.has_grown else "",
            "ids": _ids(item.lead_ids, item.leads),
        }
        for one in sections
        for item in one.items
    )
    return Table(
        caption=text(f"The {len(lines):,} lines of the agenda, with leads to talk about"),
        columns=(
            Column("title", "What"),
            Column("label", "Source, reason or owner"),
            Column("leads", "Leads", "count"),
            Column("previous_leads", "The time before", "count"),
            Column("grew", "More than usual"),
            Column("ids", "Such as", is_long=True),
        ),
        rows=lines,
        is_folded=True,
    )


def _ids(ids: list[str], leads: int) -> str:
    named = ", ".join(ids[:_IDS])
    return f"{named} and {leads - _IDS:,} more" if leads > _IDS else named
