"""One lead's story, as the models computed it: what an analyst opens when a number looks wrong.

Everything is read from the warehouse of the last build; no rule is computed again here. How the
story is shown is in ``lead_page.py``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import BUILD_SCHEMA, QUALITY_SCHEMA, connect, records

Row = dict[str, Any]


@dataclass
class Story:
    """What the warehouse holds about one lead; each list holds rows as the models made them.

    ``asked_for`` differs from ``lead_id`` when its record was merged into another. ``cycles`` are
    those of the mart, with what set their intent.
    """

    asked_for: str
    lead_id: str
    source_system: str
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
    published_cycles: list[Row] = field(default_factory=list)
    fit_rules: list[Row] = field(default_factory=list)
    counted_engagements: list[Row] = field(default_factory=list)
    violations: list[Row] = field(default_factory=list)
    milestones: list[Row] = field(default_factory=list)


def read_story(warehouse: Path, lead_id: str, source_system: str | None = None) -> Story:
    """Read one lead's story.

    Raises ``ConfigError`` when there was no build yet, when a run holds the warehouse, when no
    source knows the lead, or when several do and none is named.
    """
    if not warehouse.is_file():
        raise ConfigError(f"{warehouse}: no build to explain yet (handoff run first)")
    try:
        with connect(warehouse, read_only=True) as connection:
            return _read(connection, lead_id.strip(), source_system)
    except duckdb.CatalogException as error:
        problem = str(error).splitlines()[0]
        raise ConfigError(
            f"{warehouse}: no complete build to explain ({problem}); handoff run first"
        ) from error
    except duckdb.IOException as error:
        raise ConfigError(f"{warehouse} is held by a run; explain when it has ended") from error


def _rows(
    connection: DuckDBPyConnection, model: str, order_by: str = "all", **where: Any
) -> list[Row]:
    """The rows of a model whose columns have these values."""
    conditions = " and ".join(["true", *(f"{column} = ?" for column in where)])
    query = f"from {BUILD_SCHEMA}.{model} where {conditions} order by {order_by}"
    return records(connection, query, [*where.values()])


def _quarantined(connection: DuckDBPyConnection, lead_id: str) -> list[Row]:
    """The rows in quarantine that name a lead, whatever their source."""
    return records(
        connection,
        f"""
        select source_system, table_name, source_file, source_row, column_name, reason
        from {QUALITY_SCHEMA}.quarantine
        where ? in (
            json_extract_string(row_json, '$."~lead_id"'),
            json_extract_string(row_json, '$.lead_id')
        )
        order by table_name, source_file, source_row
        """,
        [lead_id],
    )


def _read(connection: DuckDBPyConnection, asked_for: str, source_system: str | None) -> Story:
    source = _source_of(connection, asked_for, source_system)
    record = _rows(connection, "int_lead_records", lead_id=asked_for, source_system=source)
    survivor = record[0] if record else {}
    story = Story(
        asked_for=asked_for,
        lead_id=survivor.get("survivor_lead_id") or asked_for,
        source_system=survivor.get("survivor_source_system") or source,
        build=_rows(connection, "int_run_policy")[0] | _rows(connection, "build_info")[0],
    )
    own = {"source_system": story.source_system, "lead_id": story.lead_id}
    story.records = _rows(
        connection,
        "int_lead_records",
        "created_at, source_system, lead_id",
        survivor_source_system=story.source_system,
        survivor_lead_id=story.lead_id,
    )
    records = story.records or [own]
    story.stage_events = _stage_events(connection, records)
    story.quarantined = [
        row
        for record in records
        for row in _quarantined(connection, record["lead_id"])
        if row["source_system"] == record["source_system"]
    ]
    leads = _rows(connection, "int_leads", **own)
    if leads:
        story.lead = leads[0]
        _read_what_was_computed(connection, story, leads[0]["lead_key"], own)
    else:
        story.why_left_out = _why_left_out(connection, own)
    return story


def _stage_events(connection: DuckDBPyConnection, records: list[Row]) -> list[Row]:
    """The stage events of a lead's records, in the order in which the models read them.

    Queried record by record, so that the engine reads their rows alone, however large the CRM.
    What has no stage comes behind what has one.
    """
    events = [
        event
        for record in records
        for event in _rows(
            connection,
            "explain_stage_events",
            record_source_system=record["source_system"],
            record_lead_id=record["lead_id"],
        )
    ]
    order = ("occurred_at", "path_order", "change_id", "record_lead_id", "record_source_system")
    return sorted(events, key=lambda event: [(event[name] is None, event[name]) for name in order])


def _source_of(connection: DuckDBPyConnection, lead_id: str, source_system: str | None) -> str:
    """The source that knows the lead; one that only has rows in quarantine counts too."""
    rows = _rows(connection, "lead_accounting", lead_id=lead_id)
    sources = {row["source_system"] for row in rows or _quarantined(connection, lead_id)}
    listed = ", ".join(sorted(sources))
    if source_system in sources:
        return str(source_system)
    if sources and source_system:
        raise ConfigError(f"lead {lead_id!r} is not in source {source_system!r}, but in {listed}")
    if len(sources) > 1:
        raise ConfigError(
            f"lead {lead_id!r} is in several sources: {listed} (name one with --source)"
        )
    if sources:
        return listed
    near = records(
        connection,
        f"""
        select distinct lead_id, jaro_winkler_similarity(lower(lead_id), lower(?)) as likeness
        from {BUILD_SCHEMA}.lead_accounting
        where likeness > 0.85
        order by likeness desc, lead_id
        limit 3
        """,
        [lead_id],
    )
    names = " or ".join(row["lead_id"] for row in near)
    hint = f"did you mean {names}?" if names else "ids are compared exactly"
    raise ConfigError(f"no source knows a lead {lead_id!r} ({hint})")


def _read_what_was_computed(
    connection: DuckDBPyConnection, story: Story, key: str, own: Row
) -> None:
    """Fill what only leads in the marts have."""

    def of_lead(model: str, order_by: str) -> list[Row]:
        return _rows(connection, model, order_by, lead_key=key)

    story.opportunities = of_lead("fct_opportunities", "created_at, opportunity_id")
    story.engagements = of_lead("fct_engagements", "occurred_at, engagement_id")
    story.activities = of_lead("fct_activities", "occurred_at, activity_id")
    story.fit_rules = of_lead("int_lead_fit_matches", "fit_points desc, attribute, match_value")
    story.counted_engagements = of_lead(
        "int_cycle_engagements", "cycle_number, occurred_at, engagement_id"
    )
    intents = {row["cycle_number"]: row for row in of_lead("int_cycle_intent", "cycle_number")}
    story.published_cycles = _rows(connection, "fct_lead_cycles", "cycle_number", **own)
    story.cycles = [
        intents.get(cycle["cycle_number"], {}) | cycle for cycle in story.published_cycles
    ]
    story.visits = _rows(connection, "fct_lead_stages", "visit_number", **own)
    story.violations = _rows(
        connection, "lifecycle_violations", "severity, occurred_at, rule", **own
    )
    story.milestones = _rows(connection, "dim_milestones", "milestone_rank")


def _why_left_out(connection: DuckDBPyConnection, own: Row) -> str:
    """Why a lead is in no mart, in words, from what the models decided."""
    places = _rows(connection, "lead_accounting", **own)
    bucket = places[0]["bucket"] if places else "quarantined"
    if bucket == "excluded":
        (row, *_) = _rows(connection, "int_lead_exclusions", **own)
        return f"excluded by policy: {row['why'] or 'no reason written down'}"
    if bucket == "deleted":
        return "deleted in the CRM"
    if bucket == "quarantined":
        return "in quarantine: no row of it can be used"
    (row, *_) = _rows(connection, "int_lead_versions", **own)
    return f"not yet known: created at {row['created_at']:%Y-%m-%d %H:%M}, after as_of"
