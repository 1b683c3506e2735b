"""The agenda of the calibration meeting of marketing and sales, from a build's marts.

``read_agenda`` reads what the marts say of one period between two meetings; ``render`` shows it
on the console. What was decided is no part of a build (``decisions``).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from duckdb import DuckDBPyConnection
from rich.console import Group, RenderableType
from rich.text import Text

from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import MARTS_SCHEMA, records
from dagster_project.reporting.console import grid, titled
from dagster_project.reporting.decisions import Decision

# The sections of calibration_sync as a meeting calls them, in their order; what a line of each is.
SECTIONS = {
    "passed": ("Passed to sales", "source"),
    "rejected": ("Rejected or disqualified", "reason"),
    "overdue": ("Handoffs whose decision is overdue", "owner"),
    "untouched": ("Never touched, past the service level", "owner"),
    "converted": ("Became sales qualified", "source"),
    "late_rejection": ("Rejected after silence had accepted them", "reason"),
}
NO_REASON = "(no reason)"

_PERIODS = f"""
    select period_start, period_end, is_running from {MARTS_SCHEMA}.sync_scorecard
    union
    select period_start, period_end, is_running from {MARTS_SCHEMA}.calibration_sync
    order by period_start
"""
_BUILD = f"select build_id, tradition_label, timezone, as_of from {MARTS_SCHEMA}.build_info"
_RATES = f"""
    select
        metric, metric_label as label, kind, better, cases, numerator, value,
        previous_value as previous, target_value as target, owner_team, status,
        cases_from, cases_until
    from {MARTS_SCHEMA}.sync_scorecard where period_start = ? order by sort_order, metric
"""
_ITEMS = f"""
    select
        section, item, item_label as label, leads, previous_leads, usual_leads,
        coalesce(has_grown, false) as has_grown, first_at, string_split(lead_ids, ', ') as lead_ids
    from {MARTS_SCHEMA}.calibration_sync where period_start = ?
    order by section_order, case section when 'overdue' then first_at end, leads desc, item
"""
_TOTALS = f"""
    select section, sum(leads)::bigint as leads
    from {MARTS_SCHEMA}.calibration_sync where period_end = ?::date - 1 group by section
"""
_TO_ACT_ON = f"""
    select diagnostic as about, sentence as what, next_step
    from {MARTS_SCHEMA}.what_stands_out where status = 'act' order by place
"""
# Of the last whole week, where the capacity stands out.
_THRESHOLD = f"""
    select threshold, leads_at_or_above, scored_leads, weekly_capacity, period_start
    from {MARTS_SCHEMA}.capacity_thresholds, {MARTS_SCHEMA}.build_info
    where
        team = 'all' and is_filling_threshold and period_start + 7 <= as_of
        and exists (from {MARTS_SCHEMA}.what_stands_out where diagnostic = 'capacity')
    order by period_start desc limit 1
"""

# Which cases the rates of a kind are of.
_CASES = {
    "conversion": "conversions: mature cohorts, entered",
    "promise": "the rest: due, or happened,",
}
# Lines of a section on the console; the rest is counted.
_LINES = 8
# Characters of a name, and of the ids of leads, in a line of 80.
_NAME, _IDS = 26, 22


@dataclass(frozen=True)
class Rate:
    """A row of the scorecard; shares, not percents.

    ``kind``: conversion or promise. ``previous``: the value at the meeting before. ``better``:
    higher or lower. ``status``: met, missed, no_target or too_few.
    """

    metric: str
    label: str
    kind: str
    better: str
    cases: int
    numerator: int
    value: float | None
    previous: float | None
    target: float | None
    owner_team: str | None
    status: str
    cases_from: date
    cases_until: date


@dataclass(frozen=True)
class Item:
    """A line of a section: a source, a reason or an owner, and its leads (ids: 50 at most).

    ``first_at`` is UTC: when the first of them happened; of overdue ones, when it was due.
    """

    item: str
    label: str
    leads: int
    previous_leads: int | None
    usual_leads: float | None
    has_grown: bool
    first_at: datetime
    lead_ids: list[str]


@dataclass(frozen=True)
class Section:
    """A section of the agenda: ``leads`` by ``told_on``, ``previous_leads`` the time before."""

    name: str
    title: str
    item_name: str
    leads: int
    previous_leads: int
    told_on: date
    items: list[Item]


@dataclass(frozen=True)
class Point:
    """Something to decide on; ``about`` is a metric, a section or a diagnostic."""

    about: str
    what: str
    next_step: str | None = None


@dataclass(frozen=True)
class Agenda:
    """What a meeting talks about: the period from ``period_start`` to ``period_end``."""

    build_id: str
    as_of: datetime
    tradition: str
    period_start: date
    period_end: date
    is_running: bool
    scorecard: list[Rate]
    sections: list[Section]
    to_decide: list[Point]

    @property
    def subjects(self) -> dict[str, str]:
        """What a decision can be about, and what the agenda calls it."""
        return {
            **{point.about: point.about for point in self.to_decide},
            **{name: title for name, (title, _) in SECTIONS.items()},
            **{rate.metric: rate.label for rate in self.scorecard},
        }


def read_agenda(connection: DuckDBPyConnection, day: date | None = None) -> Agenda | None:
    """The agenda of the period that a day lies in, from the marts of a published file.

    Without a day that is the last period that is over, else the running one, with what is overdue
    as of the build and what its diagnostics say. None where no lead has got that far yet. Raises
    ``ConfigError`` for a day without an agenda, and for a build of an earlier release.
    """
    try:
        periods = records(connection, _PERIODS)
    except duckdb.CatalogException as error:
        raise ConfigError(
            "the published build has no agenda: an earlier release made it (handoff run)"
        ) from error
    if not periods:
        return None
    period = _period(periods, day)
    (build,) = records(connection, _BUILD)
    as_of = build["as_of"].replace(tzinfo=UTC)
    today = as_of.astimezone(ZoneInfo(build["timezone"])).date()
    items = _items(connection, period)
    sections = _sections(connection, period, items, today)
    points = list(_noticed(items))
    if day is None:
        newest = periods[-1]
        waiting = _sections(connection, newest, _items(connection, newest), today)
        sections["overdue"] = waiting["overdue"]
        acting = [Point(**row) for row in records(connection, _TO_ACT_ON)]
        points = [*acting, *points, *map(_threshold, records(connection, _THRESHOLD))]
    rates = [Rate(**row) for row in records(connection, _RATES, [period["period_start"]])]
    return Agenda(
        build_id=build["build_id"],
        as_of=as_of,
        tradition=build["tradition_label"],
        **period,
        scorecard=rates,
        sections=[one for one in sections.values() if one.leads or one.previous_leads],
        to_decide=[*_missed(rates), *points],
    )


def _period(periods: Sequence[dict[str, Any]], day: date | None) -> dict[str, Any]:
    """The period that a day lies in; by default the last one that is over."""
    if day is None:
        return next((one for one in reversed(periods) if not one["is_running"]), periods[-1])
    for period in periods:
        if period["period_start"] <= day <= period["period_end"]:
            return period
    raise ConfigError(
        f"--period {day}: no agenda of that day; there are those of "
        f"{periods[0]['period_start']} to {periods[-1]['period_end']} "
        "(sync_history in rule_parameters.csv says how far back)"
    )


def _items(connection: DuckDBPyConnection, period: Mapping[str, Any]) -> Mapping[str, list[Item]]:
    """The lines of the agenda of a period, by section."""
    found = defaultdict[str, list[Item]](list)
    for row in records(connection, _ITEMS, [period["period_start"]]):
        found[row.pop("section")].append(Item(**row))
    return found


def _sections(
    connection: DuckDBPyConnection,
    period: Mapping[str, Any],
    items: Mapping[str, list[Item]],
    today: date,
) -> dict[str, Section]:
    before = {
        row["section"]: row["leads"]
        for row in records(connection, _TOTALS, [period["period_start"]])
    }
    return {
        name: Section(
            name=name,
            title=title,
            item_name=item_name,
            leads=sum(item.leads for item in items[name]),
            previous_leads=before.get(name, 0),
            told_on=min(today, period["period_end"]),
            items=items[name],
        )
        for name, (title, item_name) in SECTIONS.items()
    }


def _missed(rates: Iterable[Rate]) -> Iterator[Point]:
    """The targets that are missed."""
    for rate in rates:
        if rate.status == "missed":
            whose = f" ({rate.owner_team})" if rate.owner_team else ""
            yield Point(
                rate.metric,
                f"{rate.label}: {percent(rate.value)} of {rate.cases:,}, "
                f"target {_target(rate)}{whose}",
            )


def _noticed(items: Mapping[str, list[Item]]) -> Iterator[Point]:
    """Reasons that grew, and texts that the policy does not know."""
    for name in ("rejected", "late_rejection"):
        for item in items[name]:
            if item.has_grown:
                grown = f"{item.label}: {_leads(item.leads)}, usually {item.usual_leads:.1f}"
                yield Point(name, grown, f"Go through them together: {_ids(item.lead_ids)}")
    for item in items["unmapped_stage"]:
        yield Point(
            "unmapped_stage",
            f"Stage {item.label} is in no map: {_leads(item.leads)}",
            "Map it: handoff doctor --write-stage-map lists the unmapped",
        )
    for item in items["unknown_reason"]:
        yield Point(
            "unknown_reason",
            f"Reason {item.label} is not in the policy: {_leads(item.leads)}",
            "Say in reason_aliases.csv which code it means",
        )


def _threshold(row: Mapping[str, Any]) -> Point:
    return Point(
        "capacity",
        f"A score of {row['threshold']} or more fills the capacity of "
        f"{row['weekly_capacity']:,.0f}: {row['leads_at_or_above']:,} of "
        f"{row['scored_leads']:,} leads in the week of {row['period_start']}",
        "Decide on a threshold, where the score tells who wins (capacity_thresholds)",
    )


def percent(share: float | None) -> str:
    """A share in percent; nothing where there is none."""
    return "" if share is None else f"{100 * share:.1f} %"


def _target(rate: Rate) -> str:
    if rate.target is None:
        return ""
    return f"{'at most ' if rate.better == 'lower' else ''}{100 * rate.target:g} %"


def _leads(number: int) -> str:
    return f"{number:,} lead{'' if number == 1 else 's'}"


# The console


def render(agenda: Agenda, decisions: Sequence[Decision], today: date) -> RenderableType:
    """The agenda for the console, readable at 80 columns.

    ``decisions``: those to go through; ``today`` tells which of them are late.
    """
    so_far = ", so far" if agenda.is_running else ""
    head = Text(
        f"Calibration meeting: {agenda.period_start} to {agenda.period_end}{so_far}\n"
        f"build {agenda.build_id}, as of {agenda.as_of:%Y-%m-%d %H:%M} UTC"
    )
    still_open = sum(one.done_on is None for one in decisions)
    sections: list[tuple[str, RenderableType]] = [
        *([("Scorecard", _scorecard(agenda.scorecard))] if agenda.scorecard else []),
        *((_heading(section), _lines(section)) for section in agenda.sections),
        ("To decide", _points(agenda.to_decide)),
        (f"Decisions: {still_open} open", _decisions(decisions, today)),
    ]
    return Group(head, titled(sections))


def _scorecard(rates: Sequence[Rate]) -> RenderableType:
    rows = [
        (
            _cut(rate.label, _NAME),
            "" if rate.status == "too_few" else percent(rate.value),
            percent(rate.previous),
            _target(rate),
            f"{rate.cases:,}",
            "" if rate.status == "no_target" else rate.status.replace("_", " "),
        )
        for rate in rates
    ]
    kinds = {rate.kind: rate for rate in rates}
    notes = [
        f"{_CASES[kind]} {rate.cases_from} to {rate.cases_until}" for kind, rate in kinds.items()
    ]
    return Group(
        grid(["rate", ">now", ">before", ">target", ">n", ""], rows),
        *(Text(note, style="dim") for note in notes),
    )


def _heading(section: Section) -> str:
    on = f" on {section.told_on}" if section.name == "overdue" else ""
    missing = sum(item.leads for item in section.items if item.item == NO_REASON)
    without = f", {missing:,} without a reason" if missing else ""
    before = f"({section.previous_leads:,} the time before)"
    return f"{section.title}{on}: {section.leads:,}{without} {before}"


def _lines(section: Section) -> RenderableType:
    shown, rest = section.items[:_LINES], section.items[_LINES:]
    rows = [
        (
            _cut(item.label, _NAME),
            f"{item.leads:,}",
            "" if item.previous_leads is None else f"{item.previous_leads:,}",
            f"{item.first_at:%Y-%m-%d}" if section.name == "overdue" else "",
            "grew" if item.has_grown else "",
            _ids(item.lead_ids, item.leads),
        )
        for item in shown
    ]
    table = grid([section.item_name, ">leads", ">before", "oldest due", "", "lead ids"], rows)
    if not rest:
        return table
    more = f"and {len(rest)} more: {_leads(sum(item.leads for item in rest))}"
    return Group(table, Text(more, style="dim"))


def _points(points: Sequence[Point]) -> RenderableType:
    if not points:
        return Text("nothing that the marts tell of")
    rows = [
        (f"{number}", f"{point.what}\nnext: {point.next_step}" if point.next_step else point.what)
        for number, point in enumerate(points[:_LINES], start=1)
    ]
    more = [Text(f"and {len(points) - _LINES} more", style="dim")] * (len(points) > _LINES)
    return Group(grid(["", ""], rows), *more)


def _decisions(decisions: Sequence[Decision], today: date) -> RenderableType:
    if not decisions:
        return Text('none is kept (handoff sync --decide "..." keeps one)')
    rows = [
        (
            f"{one.number}",
            one.what + (f" [{one.about}]" if one.about else ""),
            one.owner,
            f"{one.decided_on}",
            one.due and f"{one.due}",
            f"done {one.done_on}" if one.done_on else "late" if one.is_late(today) else "open",
        )
        for one in decisions
    ]
    return grid([">no", "decision", "owner", "decided", "due", ""], rows)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _ids(ids: Sequence[str], leads: int | None = None) -> str:
    """As many ids as fit into a line, at least one, and how many more there are."""
    shown = list(ids[:1])
    for one in ids[1:]:
        if len(", ".join([*shown, one])) > _IDS - 4:
            break
        shown.append(one)
    more = (leads or len(ids)) - len(shown)
    return ", ".join(shown) + (f" +{more:,}" if more else "")
