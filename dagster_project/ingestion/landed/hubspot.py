"""HubSpot tables that Fivetran, Airbyte or dlt keep: their names, and how they become raw.

Each tool has its own names for the same things (``contact.property_email``, ``contacts.properties``
as JSON, ``contacts.email``), so tables and columns are looked for without case and underscores.
What a tool adds of its own says which version of a row holds: a finished load, an active row, the
latest extraction. Times become ISO texts in UTC, whether a tool keeps them as text, time or number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster_project.config.errors import SourceError
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.hubspot.resources import (
    OBJECTS,
    HubSpotObject,
    add_history,
    configured_properties,
    ensure_hubspot_tables,
    history_properties,
    properties,
    replace_associations,
    replace_records,
    replace_table,
    write_property_roles,
)
from dagster_project.ingestion.result import IngestionResult, Note, Progress, TableResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.config.sources import LandedSource


@dataclass(frozen=True)
class Shape:
    """How one tool lays HubSpot out. Tables by what they hold; the first name that is there counts.

    ``prefix``: what stands before a property's name in a column. ``records``: all tables of an
    object (some tools keep archived records apart). ``contacts_of``: table, and its columns for
    the record and for the contact. ``not_provided``: what the tool has no table for at all.
    """

    prefix: str
    records: dict[str, tuple[str, ...]]
    history: dict[str, str]
    contacts_of: dict[str, tuple[str, str, str]]
    owners: tuple[str, ...]
    pipeline_stages: str
    merges: str = ""
    not_provided: frozenset[str] = field(default_factory=frozenset)


SHAPES: dict[str, Shape] = {
    "fivetran": Shape(
        prefix="property_",
        records={
            "contacts": ("contact",),
            "leads": ("lead",),
            "deals": ("deal",),
            "calls": ("engagement_call",),
            "emails": ("engagement_email",),
            "meetings": ("engagement_meeting",),
        },
        history={
            "contacts": "contact_property_history",
            "leads": "lead_property_history",
            "deals": "deal_property_history",
        },
        contacts_of={
            "leads": ("lead_contact", "lead_id", "contact_id"),
            "deals": ("deal_contact", "deal_id", "contact_id"),
            "calls": ("engagement_contact", "engagement_id", "contact_id"),
            "emails": ("engagement_contact", "engagement_id", "contact_id"),
            "meetings": ("engagement_contact", "engagement_id", "contact_id"),
        },
        owners=("owner",),
        pipeline_stages="deal_pipeline_stage",
        merges="contact_merge_audit",
    ),
    "airbyte": Shape(
        prefix="properties_",
        records={
            "contacts": ("contacts",),
            "leads": ("leads",),
            "deals": ("deals", "deals_archived"),
            "calls": ("engagements_calls",),
            "emails": ("engagements_emails",),
            "meetings": ("engagements_meetings",),
        },
        history={
            "contacts": "contacts_property_history",
            "deals": "deals_property_history",
        },
        contacts_of={
            name: (table, "id", "contacts")
            for name, table in (
                ("leads", "leads"),
                ("deals", "deals"),
                ("calls", "engagements_calls"),
                ("emails", "engagements_emails"),
                ("meetings", "engagements_meetings"),
            )
        },
        owners=("owners", "owners_archived"),
        pipeline_stages="deal_pipelines",
        merges="contacts_merged_audit",
        not_provided=frozenset({"leads history"}),
    ),
    "dlt": Shape(
        prefix="",
        records={"contacts": ("contacts",), "deals": ("deals",)},
        history={
            "contacts": "contacts_property_history",
            "deals": "deals_property_history",
        },
        contacts_of={"deals": ("contacts__deals", "deals_id", "value")},
        owners=("owners",),
        pipeline_stages="pipelines_deals__stages",
        not_provided=frozenset({"leads", "leads history", "calls", "emails", "meetings"}),
    ),
}

# Columns by which a tool orders the versions of a row, and those that say that it is deleted.
_VERSIONS = ("_airbyte_extracted_at", "_airbyte_emitted_at", "_dlt_load_id", "_fivetran_synced")
_DELETED = ("_fivetran_deleted", "archived", "is_deleted")
_OBJECT_IDS = {
    "contacts": ("object_id", "contact_id", "vid", "id"),
    "leads": ("object_id", "lead_id", "id"),
    "deals": ("object_id", "deal_id", "id"),
}
# Properties that tell when a stage was entered last, for objects whose history is not landed.
_ENTERED = re.compile(r"^hs(?:v2)?dateentered(.+)$|^hslifecyclestage(.+)date$")


@dataclass(frozen=True)
class LandedTable:
    """One table of the tool: its relation, and its columns and their types by folded name."""

    name: str
    relation: str
    columns: dict[str, tuple[str, str]]

    def column(self, *names: str) -> tuple[str, str] | None:
        """The first of these columns that is there, quoted, and its type."""
        for name in names:
            found = self.columns.get(folded(name))
            if found:
                return _quoted(found[0]), found[1]
        return None

    def text(self, *names: str) -> str | None:
        """SQL for the first of these columns as text, empty as null; ``None`` without one."""
        found = self.column(*names)
        return _as_text(*found) if found else None

    def time(self, *names: str) -> str | None:
        """SQL for the first of these columns as a time in ISO text; numbers are milliseconds."""
        found = self.column(*names)
        return _as_time(*found) if found else None

    def prop(self, prefix: str, name: str) -> str | None:
        """SQL for a property, in a column of its own or in the JSON of all of them."""
        own = self.text(f"{prefix}{name}") or self.text(name)
        whole = self.column("properties")
        if whole is None or own is not None:
            return own
        return f"nullif(json_extract_string({_as_json(*whole)}, '$.\"{name}\"'), '')"


def folded(name: str) -> str:
    """A table's or column's name without case and separators."""
    return name.replace("_", "").replace("-", "").lower()


def ingest(
    connection: "DuckDBPyConnection",
    source: "LandedSource",
    load_id: int,
    progress: Progress | None = None,
    *,
    database: str | None = None,
) -> IngestionResult:
    """Take a tool's HubSpot tables into the raw HubSpot tables, all in one transaction.

    ``database``: the name under which the tool's DuckDB file is attached; by default the
    warehouse itself. Raises ``SourceError`` when there are no contacts or a configured property is
    missing.
    """
    ensure_hubspot_tables(connection)
    load = _Load(connection, source, load_id, progress or (lambda _: None), database)
    with raw_schema.transaction(connection):
        load.take()
    return load.result


def check(
    connection: "DuckDBPyConnection", source: "LandedSource", database: str | None = None
) -> list[Finding]:
    """What is missing of a tool's tables; reads no row."""
    landed = Landed(connection, source, database)
    problems = [Finding("error", problem) for problem in landed.problems()]
    if problems:
        return problems
    return [Finding("warning", f"source {source.name}: {note.message}") for note in landed.notes()]


class Landed:
    """A tool's tables, as far as they are there."""

    def __init__(
        self, connection: "DuckDBPyConnection", source: "LandedSource", database: str | None
    ) -> None:
        self.source = source
        self.settings = source.hubspot
        self.shape = SHAPES[source.tool]
        self._renamed = {folded(own): folded(here) for own, here in source.tables.items()}
        self._tables: dict[str, LandedTable] = {}
        for in_database, table, column, kind in connection.execute(
            """
            select database_name, table_name, column_name, data_type
            from duckdb_columns()
            where database_name = coalesce(?, current_database()) and lower(schema_name) = lower(?)
            order by table_name, column_index
            """,
            [database, source.schema_name],
        ).fetchall():
            parts = (in_database, source.schema_name, table)
            relation = ".".join(_quoted(part) for part in parts)
            # Children of dlt are told from their parents by two underscores only.
            key = "__".join(folded(part) for part in table.split("__"))
            known = self._tables.setdefault(key, LandedTable(table, relation, {}))
            known.columns.setdefault(folded(column), (column, kind))

    def find(self, name: str) -> LandedTable | None:
        """A table by the name that the tool gives it."""
        key = "__".join(folded(part) for part in name.split("__"))
        return self._tables.get(self._renamed.get(folded(name), key))

    def records(self, name: str) -> list[LandedTable]:
        """The tables that hold an object's records."""
        found = (self.find(table) for table in self.shape.records.get(name, ()))
        return [table for table in found if table is not None]

    def objects(self) -> list[HubSpotObject]:
        """The objects that are to be read and that are there."""
        return [OBJECTS[name] for name in self.settings.objects if self.records(name)]

    def problems(self) -> Iterator[str]:
        """What makes the tables unusable."""
        source = self.source
        if not self.records("contacts"):
            wanted = self.shape.records["contacts"][0]
            yield (
                f"source {source.name}: no table {wanted} in schema {source.schema_name}, where "
                f"{source.tool} keeps contacts: check schema and tables"
            )
        for item in self.objects():
            for table in self.records(item.name):
                if self.identity(item, table) is None:
                    yield f"source {source.name}: {table.relation} has no column for the id"
            yield from self._missing_properties(item)

    def _missing_properties(self, item: HubSpotObject) -> Iterator[str]:
        """The configured properties that no table of an object has."""
        tables = self.records(item.name)
        for prop, place in configured_properties(item.name, self.settings).items():
            if not any(table.prop(self.shape.prefix, prop) for table in tables):
                yield (
                    f"source {self.source.name}: {tables[0].relation} has no column for {prop} "
                    f"(setting hubspot.{place}; is it selected in {self.source.tool}?)"
                )

    def identity(self, item: HubSpotObject, table: LandedTable) -> str | None:
        """SQL for the id of a record."""
        return table.text("id", f"{item.name[:-1]}_id", "engagement_id", "hs_object_id", "vid")

    def notes(self) -> Iterator[Note]:
        """What is missing and done without."""
        shape, tool = self.shape, self.source.tool
        for name in self.settings.objects:
            item = OBJECTS[name]
            tables = self.records(name)
            if not tables:
                why = f"{tool} does not provide it" if name in shape.not_provided else "no table"
                yield Note(f"{name} ({why}): done without", item.table)
                continue
            if name != "contacts" and name in shape.contacts_of and not self.pairs(name):
                yield Note(f"nothing says which contacts {name} belong to", item.table)
            if history_properties(name, self.settings) and self.history(name) is None:
                is_known = f"{name} history" in shape.not_provided
                why = f"{tool} does not provide it" if is_known else "no table"
                yield Note(
                    f"past values of {name} ({why}): only the moments that the records tell of",
                    "hubspot_property_history",
                )

    def history(self, name: str) -> LandedTable | None:
        """The table of an object's past values."""
        table = self.shape.history.get(name)
        return self.find(table) if table else None

    def pairs(self, name: str) -> tuple[LandedTable, str, str] | None:
        """The table that says which contacts an object's records belong to, and its columns."""
        wanted = self.shape.contacts_of.get(name)
        table = self.find(wanted[0]) if wanted else None
        if wanted is None or table is None:
            return None
        record, contact = table.text(wanted[1]), table.column(wanted[2])
        if record is None or contact is None:
            return None
        return table, record, contact[0]


class _Load:
    """One load of one set of landed tables."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        source: "LandedSource",
        load_id: int,
        report: Progress,
        database: str | None,
    ) -> None:
        self.result = IngestionResult(source_system=source.name, load_id=load_id)
        self._connection = connection
        self._source = source
        self._load_id = load_id
        self._report = report
        self._landed = Landed(connection, source, database)

    def take(self) -> None:
        """Everything, object by object."""
        problems = list(self._landed.problems())
        if problems:
            raise SourceError(problems)
        source = self._source
        write_property_roles(self._connection, source.name, source.hubspot)
        for note in self._landed.notes():
            raw_schema.record_note(
                self._connection, source.name, self._load_id, note.table_name, note.message
            )
            self.result.notes.append(note)
        for item in self._landed.objects():
            self._take_records(item)
            if history_properties(item.name, source.hubspot):
                self._take_history(item)
                self._take_entered(item)
            if item.has_contacts:
                self._take_contacts_of(item)
        self._take_owners()
        self._take_pipelines()
        self._take_options()

    def _take_records(self, item: HubSpotObject) -> None:
        """The present version of an object's records; those that are gone are gone."""
        tables = self._landed.records(item.name)
        query = " union all ".join(self._records_query(item, table) for table in tables)
        self._stage(
            "records",
            f"""
            select * exclude (version) from ({query})
            where id is not null
            qualify row_number() over (
                partition by id order by version desc nulls last, updated_at desc nulls last
            ) = 1
            """,
        )
        self._connection.execute(
            f"delete from {RAW_SCHEMA}.{item.table} where source_system = ? and object_type = ?",
            [self._source.name, item.name],
        )
        count = replace_records(
            self._connection, item.name, "landed_records", self._source.name, self._load_id
        )
        newest = self._connection.execute("select max(updated_at) from landed_records").fetchone()
        self._record(item.table, tables[0].relation, count, newest[0] if newest else None)

    def _records_query(self, item: HubSpotObject, table: LandedTable) -> str:
        """One table's rows in the shape of raw records, with what orders their versions."""
        prefix = self._landed.shape.prefix
        values = {
            prop: value
            for prop in properties(item.name, self._source.hubspot)
            if (value := self._property(table, prop)) is not None
        }
        created_by_name = "createdate" if item.name in {"contacts", "deals"} else "hs_createdate"
        if item.name == "contacts":
            values |= self._merged(table, values)
        pairs = ", ".join(f"'{prop}', {value}" for prop, value in values.items())
        deleted = [
            f"coalesce(try_cast({found[0]} as boolean), false)"
            for name in _DELETED
            if (found := table.column(name))
        ]
        version = table.text(*_VERSIONS) or "null"
        created = table.time("created_at", f"{prefix}{created_by_name}") or "null"
        updated = table.time("updated_at", f"{prefix}{item.modified}") or "null"
        return f"""
            select
                {self._landed.identity(item, table)} as id,
                case when {" or ".join(deleted) or "false"} then 'true' else 'false' end
                    as archived,
                {created} as created_at,
                {updated} as updated_at,
                cast(json_object({pairs}) as varchar) as properties,
                {version} as version
            from {table.relation} as landed
            where {self._finished(table)}
        """

    def _property(self, table: LandedTable, prop: str) -> str | None:
        """SQL for a property; those that hold times as ISO text."""
        prefix = self._landed.shape.prefix
        found = table.column(f"{prefix}{prop}", prop)
        if found and found[1].startswith(("TIMESTAMP", "DATE")):
            return _as_time(*found)
        return table.prop(prefix, prop)

    def _merged(self, table: LandedTable, values: dict[str, str]) -> dict[str, str]:
        """The contacts that a contact swallowed, from the table of merges of older versions."""
        name = self._landed.shape.merges
        audit = self._landed.find(name) if name else None
        if audit is None:
            return {}
        survivor, merged = audit.text("canonical_vid"), audit.text("vid_to_merge")
        if survivor is None or merged is None:
            return {}
        own = values.get("hs_merged_object_ids", "null")
        identity = self._landed.identity(OBJECTS["contacts"], table)
        return {
            "hs_merged_object_ids": f"""coalesce({own}, (
                select string_agg(audit.merged, ';') from (
                    select {survivor} as survivor, {merged} as merged from {audit.relation}
                ) as audit
                where audit.survivor = {identity}
            ))"""
        }

    def _take_history(self, item: HubSpotObject) -> None:
        """The past values that the tool has; it may repeat them, and lose them later."""
        table = self._landed.history(item.name)
        if table is None:
            return
        wanted = [
            table.text(*_OBJECT_IDS[item.name]),
            table.text("property", "property_name", "name"),
            table.time("timestamp"),
        ]
        if None in wanted:
            self._note(f"{table.relation} lacks the columns of past values", table.name)
            return
        identity, prop, moment = wanted
        chosen = ", ".join(
            f"'{name}'" for name in history_properties(item.name, self._source.hubspot)
        )
        self._stage(
            "history",
            f"""
            select distinct
                '{item.name}' as object_type,
                {identity} as object_id,
                {prop} as property,
                {table.text("value") or "null"} as value,
                {moment} as changed_at,
                {table.text("source_type", "source") or "null"} as source_type,
                {table.text("source_id") or "null"} as source_id,
                {table.text("updated_by_user_id") or "null"} as updated_by
            from {table.relation}
            where {self._finished(table)} and {prop} in ({chosen})
            """,
        )
        count = self._add_history()
        self._record("hubspot_property_history", table.relation, count, None)

    def _take_entered(self, item: HubSpotObject) -> None:
        """Where there is no history at all: when a record entered its stages, as it says itself."""
        for table in self._landed.records(item.name):
            moments = list(self._entered(item, table))
            if not moments:
                continue
            identity = self._landed.identity(item, table)
            query = " union all ".join(
                f"""
                select {identity} as object_id, '{prop}' as property, {value} as value,
                    {moment} as changed_at
                from {table.relation}
                where {self._finished(table)}
                """
                for prop, value, moment in moments
            )
            self._stage(
                "history",
                f"""
                select
                    '{item.name}' as object_type, object_id, property, value, changed_at,
                    'DATE_ENTERED' as source_type, cast(null as varchar) as source_id,
                    cast(null as varchar) as updated_by
                from ({query}) as entered
                where object_id is not null and value is not null and changed_at is not null
                    and not exists (
                        select 1 from {RAW_SCHEMA}.hubspot_property_history as known
                        where
                            known.source_system = '{_escaped(self._source.name)}'
                            and known.object_type = '{item.name}'
                            and known.object_id = entered.object_id
                            and known.property = entered.property
                            and known.source_type is distinct from 'DATE_ENTERED'
                    )
                """,
            )
            self._record("hubspot_property_history", f"{table.relation}", self._add_history(), None)

    def _entered(self, item: HubSpotObject, table: LandedTable) -> Iterator[tuple[str, str, str]]:
        """Property, value and moment of each stage that a table's columns tell of, as SQL."""
        prefix = self._landed.shape.prefix
        if item.name == "leads":
            stage = table.prop(prefix, "hs_pipeline_stage")
            found = table.column(f"{prefix}hs_v2_date_entered_current_stage")
            moment = _as_time(*found) if found else None
            moment = moment or table.prop(prefix, "hs_v2_date_entered_current_stage")
            if stage is None or moment is None:
                return
            yield "hs_pipeline_stage", stage, moment
            reason_name = self._source.hubspot.lead_reason_property
            if reason := table.prop(prefix, reason_name):
                yield reason_name, reason, moment
        elif item.name == "contacts":
            named = {stage.property for stage in self._source.hubspot.stages}
            start = len(folded(prefix))
            for key, column in table.columns.items():
                match = _ENTERED.match(key[start:] if key.startswith(folded(prefix)) else key)
                if match and "lifecyclestage" in named:
                    value = match.group(1) or match.group(2)
                    yield "lifecyclestage", f"'{_escaped(value)}'", _as_time(*_quoted_pair(column))

    def _take_contacts_of(self, item: HubSpotObject) -> None:
        """Which contacts an object's records belong to."""
        found = self._landed.pairs(item.name)
        if found is None:
            return
        table, record, contact = found
        primary = table.column("is_primary", "primary")
        kind = table.columns[folded(contact.strip('"'))][1]
        if self._source.tool == "airbyte":
            contacts = f"from_json({_as_json(contact, kind)}, '[\"VARCHAR\"]')"
            query = f"""
                select
                    {record} as from_id,
                    unnest({contacts}) as to_id,
                    generate_subscripts({contacts}, 1) as place,
                    false as is_primary
                from {table.relation} where {self._finished(table)}
            """
        else:
            query = f"""
                select
                    {record} as from_id,
                    {_as_text(contact, kind)} as to_id,
                    0 as place,
                    {f"coalesce(try_cast({primary[0]} as boolean), false)" if primary else "false"}
                        as is_primary
                from {table.relation} where {self._finished(table)}
            """
        self._stage(
            "associations",
            f"""
            select
                from_id, 'contacts' as to_type, to_id,
                case when is_primary then 'true' else 'false' end as is_primary,
                printf('%06d', place) as position
            from ({query})
            where from_id in (select id from landed_records)
            """,
        )
        count = replace_associations(
            self._connection,
            item.name,
            "landed_records",
            "landed_associations",
            self._source.name,
            self._load_id,
        )
        self._record("hubspot_associations", f"{table.relation} ({item.name})", count, None)

    def _take_owners(self) -> None:
        found = [self._landed.find(name) for name in self._landed.shape.owners]
        queries = []
        for table in (table for table in found if table is not None):
            active = table.column("is_active")
            deleted = table.column("archived", "is_deleted")
            archived = (
                f"coalesce(try_cast({deleted[0]} as boolean), false)"
                if deleted
                else f"not coalesce(try_cast({active[0]} as boolean), true)"
                if active
                else "false"
            )
            first, last = table.text("first_name") or "null", table.text("last_name") or "null"
            users = [
                value
                for name in ("user_id", "active_user_id", "user_id_including_inactive")
                if (value := table.text(name))
            ]
            queries.append(
                f"""
                select
                    {table.text("owner_id", "id") or "null"} as id,
                    {f"coalesce({', '.join(users)})" if users else "null"} as user_id,
                    nullif(concat_ws(' ', {first}, {last}), '') as name,
                    cast(null as varchar) as team,
                    case when {archived} then 'true' else 'false' end as archived,
                    {table.text(*_VERSIONS) or "null"} as version
                from {table.relation} where {self._finished(table)}
                """
            )
        if queries:
            self._replace(
                "hubspot_owners",
                f"""
                select * exclude (version) from ({" union all ".join(queries)})
                where id is not null
                qualify row_number() over (
                    partition by id order by version desc nulls last, archived
                ) = 1
                """,
            )

    def _take_pipelines(self) -> None:
        table = self._landed.find(self._landed.shape.pipeline_stages)
        if table is None:
            return
        stages = table.column("stages")
        if stages is not None:
            pipeline = table.text("pipeline_id", "id") or "null"
            query = f"""
                select
                    {pipeline} as pipeline_id,
                    unnest(from_json({_as_json(*stages)}, '["JSON"]')) as stage
                from {table.relation} where {self._finished(table)}
            """
            query = f"""
                select
                    'deals' as object_type, pipeline_id,
                    coalesce(stage ->> '$.stageId', stage ->> '$.id') as stage_id,
                    stage ->> '$.label' as stage_label,
                    stage ->> '$.metadata.isClosed' as is_closed,
                    stage ->> '$.metadata.probability' as probability
                from ({query})
            """
        else:
            query = f"""
                select
                    'deals' as object_type,
                    {self._pipeline_of(table)} as pipeline_id,
                    {table.text("stage_id", "id") or "null"} as stage_id,
                    {table.text("label") or "null"} as stage_label,
                    {table.text("is_closed", "metadata__is_closed") or "null"} as is_closed,
                    {table.text("probability", "metadata__probability") or "null"} as probability
                from {table.relation} as stages where {self._finished(table)}
            """
        self._replace("hubspot_pipelines", query)

    def _pipeline_of(self, table: LandedTable) -> str:
        """SQL for the pipeline of a stage: dlt says it in the parent's row only."""
        parent = self._landed.find("pipelines_deals")
        if own := table.text("pipeline_id"):
            return own
        if parent is None or not parent.column("_dlt_id") or not table.column("_dlt_parent_id"):
            return "null"
        return f"""(
            select max(parent.id) from {parent.relation} as parent
            where parent._dlt_id = stages._dlt_parent_id
        )"""

    def _take_options(self) -> None:
        """The labels of values, where the tool keeps them."""
        options, definitions = self._landed.find("property_option"), self._landed.find("property")
        if options is None or definitions is None:
            return
        wanted = (
            definitions.text("_fivetran_id", "id"),
            definitions.text("hubspot_object"),
            definitions.text("name"),
            options.text("property_id"),
            options.text("value"),
            options.text("label"),
        )
        if None in wanted:
            return
        identity, thing, name, property_id, value, label = wanted
        self._replace(
            "hubspot_property_options",
            f"""
            select definitions.object_type, definitions.property, options.value, options.label
            from (
                select {property_id} as property_id, {value} as value, {label} as label
                from {options.relation}
            ) as options
            inner join (
                select
                    {identity} as id,
                    rtrim(lower({thing}), 's') || 's' as object_type,
                    {name} as property
                from {definitions.relation}
            ) as definitions
                on options.property_id = definitions.id
            """,
        )

    def _finished(self, table: LandedTable) -> str:
        """The condition that leaves out what the tool itself would not count as present."""
        if active := table.column("_fivetran_active"):
            return active[0]
        loads, load = self._landed.find("_dlt_loads"), table.column("_dlt_load_id")
        if loads and load:
            return f"{load[0]} in (select load_id from {loads.relation} where status = 0)"
        return "true"

    def _stage(self, name: str, query: str) -> None:
        self._connection.execute(f"create or replace temp table landed_{name} as {query}")

    def _add_history(self) -> int:
        return add_history(self._connection, "landed_history", self._source.name, self._load_id)

    def _replace(self, table: str, query: str) -> None:
        self._stage("rows", query)
        count = replace_table(
            self._connection, table, "landed_rows", self._source.name, self._load_id
        )
        self._record(table, table.removeprefix("hubspot_"), count, None)

    def _note(self, message: str, table: str) -> None:
        self.result.notes.append(Note(message, table))
        raw_schema.record_note(self._connection, self._source.name, self._load_id, table, message)

    def _record(self, table: str, place: str, count: int, newest: str | None) -> None:
        """Count what landed, in the load's record and in the result."""
        present = self.result.tables.get(table, TableResult(table))
        self.result.tables[table] = TableResult(
            table,
            rows_read=present.rows_read + count,
            newest=max((text for text in (present.newest, newest) if text), default=None),
            files=tuple(dict.fromkeys((*present.files, place))),
        )
        raw_schema.record_load(
            self._connection,
            raw_schema.Load(
                load_id=self._load_id,
                source_system=self._source.name,
                table_name=table,
                source_file=place,
                mode="append" if table == "hubspot_property_history" else "snapshot",
                rows_read=count,
            ),
        )
        self._report(f"{self._source.name}: {place}: {count:,} rows")


def _as_json(column: str, kind: str) -> str:
    """A column that holds JSON as text, or a structure, as JSON."""
    return column if kind in {"VARCHAR", "JSON"} else f"to_json({column})"


def _as_text(column: str, kind: str) -> str:
    """A column as text; whole numbers without a decimal point, as ids are."""
    if kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL"):
        return (
            f"case when {column} = floor({column}) then cast(cast({column} as hugeint) as varchar) "
            f"else cast({column} as varchar) end"
        )
    if kind.startswith("TIMESTAMP"):
        return _as_time(column, kind)
    return f"nullif(trim(cast({column} as varchar)), '')"


def _as_time(column: str, kind: str) -> str:
    """A column as a time in ISO text (UTC); numbers, as text too, are milliseconds."""
    iso = "'%Y-%m-%dT%H:%M:%S.%gZ'"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), {iso})"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"strftime(cast({column} as timestamp), {iso})"
    if kind in {"BIGINT", "HUGEINT", "DOUBLE"}:
        return f"strftime(make_timestamp(cast({column} as bigint) * 1000), {iso})"
    text = f"nullif(trim(cast({column} as varchar)), '')"
    milliseconds = f"strftime(make_timestamp(try_cast({text} as bigint) * 1000), {iso})"
    is_number = f"regexp_matches({text}, '^[0-9]{{12,14}}$')"
    return f"case when {is_number} then {milliseconds} else {text} end"


def _quoted_pair(column: tuple[str, str]) -> tuple[str, str]:
    return _quoted(column[0]), column[1]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    return text.replace("'", "''")
