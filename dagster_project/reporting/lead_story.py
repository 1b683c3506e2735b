"""One lead's story, as the models computed it: what an analyst opens when a number looks wrong.

Everything is read from the warehouse of the last build; no rule is computed again here. How the
story is shown is in ``explanation_page.py``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.config.errors import ConfigError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.console import RenderableType

Row = dict[str, Any]


@dataclass
class Story:
    """What the warehouse holds about one lead; each list holds rows as the models made them.

    ``asked_for``: the id that was asked for; it differs from ``lead_id`` when its record was
    merged into another. ``bucket``: the lead's place in ``lead_accounting``.
    """

    asked_for: str
    lead_id: str
    source_system: str
    bucket: str
    build: Row
    lead: Row | None = None
    why_left_out: str | None = None
    records: list[Row] = field(default_factory=list)
    stage_events: list[Row] = field(default_factory=list)
    opportunities: list[Row] = field(default_factory=list)
    engagements: list[Row] = field(default_factory=list)
    activities: list[Row] = field(default_factory=list)
    quarantined: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)
    cycles: list[Row] = field(default_factory=list)
    fit_rules: list[Row] = field(default_factory=list)
    counted_engagements: list[Row] = field(default_factory=list)
    violations: list[Row] = field(default_factory=list)
    milestones: list[Row] = field(default_factory=list)

    @property
    def as_of(self) -> datetime:
        """The moment the build looks at the world, UTC."""
        moment: datetime = self.build["as_of"]
        return moment


def explain(warehouse: Path, lead_id: str, source_system: str | None = None) -> "RenderableType":
    """One lead's story for the console.

    Raises ``ConfigError`` when there was no build yet, when a run holds the warehouse, when nobody
    knows the lead, or when several sources do and none is named.
    """
    from dagster_project.reporting.lead_page import page

    return page(read_story(warehouse, lead_id, source_system))


def read_story(warehouse: Path, lead_id: str, source_system: str | None = None) -> Story:
    """Read one lead's story; raises ``ConfigError`` as ``explain`` does."""
    import duckdb

    from dagster_project.config.warehouse import connect

    if not warehouse.is_file():
        raise ConfigError(f"{warehouse}: no build to explain yet (handoff run first)")
    try:
        with connect(warehouse, read_only=True) as connection:
            return _read(connection, lead_id.strip(), source_system)
    except duckdb.CatalogException as error:
        problem = str(error).splitlines()[0]
        raise ConfigError(
            f"{warehouse}: no whole build to explain ({problem}); handoff run first"
        ) from error
    except duckdb.IOException as error:
        raise ConfigError(f"{warehouse} is held by a run; explain when it has ended") from error


def _rows(connection: "DuckDBPyConnection", query: str, *values: Any) -> list[Row]:
    result = connection.execute(query, list(values))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _read(connection: "DuckDBPyConnection", asked_for: str, source_system: str | None) -> Story:
    build = _rows(connection, _BUILD)[0]
    place = _find(connection, asked_for, source_system)
    source = place["survivor_source_system"] or place["source_system"]
    story = Story(
        asked_for=asked_for,
        lead_id=place["survivor_lead_id"] or place["lead_id"],
        source_system=source,
        bucket=str(place["bucket"]),
        build=build,
    )
    leads = _rows(connection, _LEAD, source, story.lead_id)
    story.records = _rows(connection, _RECORDS, source, story.lead_id)
    own = {"source_system": source, "lead_id": story.lead_id}
    records = story.records or [own]
    story.stage_events = _stage_events(connection, records)
    sources = [record["source_system"] for record in records]
    ids = [record["lead_id"] for record in records]
    story.quarantined = _rows(connection, _QUARANTINED, sources, ids)
    if leads:
        story.lead = leads[0]
        _read_what_was_computed(connection, story)
    else:
        story.why_left_out = _why_left_out(connection, story)
    return story


def _stage_events(connection: "DuckDBPyConnection", records: list[Row]) -> list[Row]:
    """What came of a lead's records, in the order in which the models read it.

    Asked for record by record: so the engine looks at their rows alone, however large the CRM.
    """
    events = [
        event
        for record in records
        for event in _rows(connection, _STAGE_EVENTS, record["source_system"], record["lead_id"])
    ]
    return sorted(events, key=_reading_order)


def _reading_order(event: Row) -> tuple[Any, ...]:
    """The order of events; what has no stage comes behind what has one."""
    return (
        event["occurred_at"],
        event["path_order"] is None,
        event["path_order"] or 0,
        event["change_id"],
        event["record_lead_id"],
        event["record_source_system"],
    )


def _find(connection: "DuckDBPyConnection", lead_id: str, source_system: str | None) -> Row:
    """The lead's row in the accounting; a lead that only quarantined rows name counts too."""
    places = _rows(connection, _ACCOUNTING, lead_id)
    places = places or _rows(connection, _ONLY_QUARANTINED, lead_id)
    sources = sorted({place["source_system"] for place in places})
    if source_system is not None:
        places = [place for place in places if place["source_system"] == source_system]
    if len(places) > 1:
        raise ConfigError(
            f"lead {lead_id!r} is in several sources: {', '.join(sources)} (name one with --source)"
        )
    if places:
        return places[0]
    if sources:
        raise ConfigError(
            f"lead {lead_id!r} is not in source {source_system!r}, but in {', '.join(sources)}"
        )
    near = [row["lead_id"] for row in _rows(connection, _NEAR, lead_id, lead_id)]
    hint = f"did you mean {' or '.join(near)}?" if near else "ids are compared exactly"
    raise ConfigError(f"no source knows a lead {lead_id!r} ({hint})")


def _read_what_was_computed(connection: "DuckDBPyConnection", story: Story) -> None:
    """Fill what only leads in the marts have."""
    assert story.lead is not None
    key = story.lead["lead_key"]
    ids = (story.source_system, story.lead_id)
    story.opportunities = _rows(connection, _OPPORTUNITIES, key)
    story.engagements = _rows(connection, _ENGAGEMENTS, key)
    story.activities = _rows(connection, _ACTIVITIES, key)
    story.visits = _rows(connection, _VISITS, *ids)
    story.cycles = _rows(connection, _CYCLES, key, *ids)
    story.fit_rules = _rows(connection, _FIT_RULES, key)
    story.counted_engagements = _rows(connection, _COUNTED_ENGAGEMENTS, key)
    story.violations = _rows(connection, _VIOLATIONS, *ids)
    story.milestones = _rows(connection, _MILESTONES)


def _why_left_out(connection: "DuckDBPyConnection", story: Story) -> str:
    """Why a lead is in no mart, in words, from what the models decided."""
    final = story.bucket
    if story.asked_for != story.lead_id:
        places = _rows(connection, _ACCOUNTING, story.lead_id)
        final = next(
            place["bucket"] for place in places if place["source_system"] == story.source_system
        )
    if final == "excluded":
        row = _rows(connection, _EXCLUSION, story.source_system, story.lead_id)[0]
        return f"excluded by policy: {row['why'] or 'no reason written down'}"
    if final == "deleted":
        return "deleted in the CRM"
    if final == "quarantined":
        return "in quarantine: no row of it can be used"
    created = _rows(connection, _CREATED, story.source_system, story.lead_id)[0]["created_at"]
    return f"not yet known: created at {created:%Y-%m-%d %H:%M}, after as_of"


_BUILD = """
select build_info.*, policy.requires_explicit_intent
from build.build_info as build_info
cross join build.int_run_policy as policy
"""

_ACCOUNTING = """
select
    accounting.lead_id,
    accounting.source_system,
    accounting.bucket,
    accounting.survivor_lead_id,
    records.survivor_source_system
from build.lead_accounting as accounting
left join build.int_lead_records as records
    on
        accounting.source_system = records.source_system
        and accounting.lead_id = records.lead_id
where accounting.lead_id = ?
"""

_ONLY_QUARANTINED = """
select distinct
    json_extract_string(row_json, '$.lead_id') as lead_id,
    source_system,
    'quarantined' as bucket,
    null as survivor_lead_id,
    null as survivor_source_system
from quality.quarantine
where json_extract_string(row_json, '$.lead_id') = ?
"""

_NEAR = """
select distinct lead_id, jaro_winkler_similarity(lower(lead_id), lower(?)) as likeness
from build.lead_accounting
where jaro_winkler_similarity(lower(lead_id), lower(?)) > 0.85
order by likeness desc, lead_id
limit 3
"""

_LEAD = "select * from build.int_leads where source_system = ? and lead_id = ?"

_CREATED = "select created_at from build.int_lead_versions where source_system = ? and lead_id = ?"

_EXCLUSION = "select why from build.int_lead_exclusions where source_system = ? and lead_id = ?"

_RECORDS = """
select lead_id, source_system, bucket, created_at
from build.int_lead_records
where survivor_source_system = ? and survivor_lead_id = ?
order by created_at, source_system, lead_id
"""

_STAGE_EVENTS = """
select *
from build.explain_stage_events
where record_source_system = ? and record_lead_id = ?
"""

_QUARANTINED = """
select table_name, source_file, source_row, column_name, reason
from quality.quarantine
where
    list_contains(?, source_system)
    and list_contains(?, json_extract_string(row_json, '$.lead_id'))
order by table_name, source_file, source_row
"""

_OPPORTUNITIES = """
select
    opportunities.*,
    (
        select string_agg(events.change_id, ' ')
        from build.int_stage_events as events
        where
            events.lead_key = opportunities.lead_key
            and events.change_id in (
                '~opp:' || opportunities.opportunity_id,
                '~won:' || opportunities.opportunity_id,
                '~lost:' || opportunities.opportunity_id
            )
    ) as proofs
from build.fct_opportunities as opportunities
where opportunities.lead_key = ?
order by opportunities.created_at, opportunities.opportunity_id
"""

_ENGAGEMENTS = """
select * from build.fct_engagements where lead_key = ? order by occurred_at, engagement_id
"""

_ACTIVITIES = """
select * from build.fct_activities where lead_key = ? order by occurred_at, activity_id
"""

_VISITS = """
select * from build.fct_lead_stages
where source_system = ? and lead_id = ?
order by visit_number
"""

_CYCLES = """
select
    cycles.*,
    intent.triggered_at,
    intent.has_explicit_intent,
    intent.interest_points_before_decay,
    intent.decay_points,
    intent.last_interest_at
from build.fct_lead_cycles as cycles
left join build.int_cycle_intent as intent
    on cycles.cycle_number = intent.cycle_number and intent.lead_key = ?
where cycles.source_system = ? and cycles.lead_id = ?
order by cycles.cycle_number
"""

_FIT_RULES = """
select * from build.int_lead_fit_matches
where lead_key = ?
order by fit_points desc, attribute, match_value
"""

_COUNTED_ENGAGEMENTS = """
select * from build.int_cycle_engagements
where lead_key = ?
order by cycle_number, occurred_at, engagement_id
"""

_VIOLATIONS = """
select * from build.lifecycle_violations
where source_system = ? and lead_id = ?
order by severity, occurred_at, rule
"""

_MILESTONES = "select * from build.dim_milestones order by milestone_rank"
