"""HubSpot tables that a tool keeps, and how they become raw rows.

Times become ISO texts in UTC, whether a tool keeps them as text, time or number.
"""

import re
from collections.abc import Iterator

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.hubspot import resources
from dagster_project.ingestion.hubspot.resources import HISTORY_TABLE, OBJECTS, HubSpotObject
from dagster_project.ingestion.landed.client import (
    VERSIONS,
    LandedTable,
    LandedTables,
    folded,
)
from dagster_project.ingestion.landed.resources import HUBSPOT
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.result import Note

# Properties that tell when a stage was entered last, for objects whose history is not landed.
_ENTERED = re.compile(r"^hs(?:v2)?dateentered(.+)$|^hslifecyclestage(.+)date$")


class HubSpotTables:
    """The tables of HubSpot's objects, as far as the tool has them."""

    def __init__(self, source: LandedSource, tables: LandedTables) -> None:
        self._source = source
        self._settings = source.hubspot
        self._tables = tables
        self._layout = HUBSPOT[source.tool]

    def is_there(self) -> bool:
        """Whether the tool keeps this CRM at all."""
        return bool(self._records("contacts"))

    def problems(self) -> Iterator[str]:
        """What makes the tables unusable."""
        source = self._source
        if not self.is_there():
            wanted = self._layout.records["contacts"][0]
            yield (
                f"source {source.name}: no table {wanted} in schema {source.schema_name}, where "
                f"{source.tool} keeps contacts: check schema and tables"
            )
        for item in self._objects():
            tables = self._records(item.name)
            for table in tables:
                if _identity(item, table) is None:
                    yield f"source {source.name}: {table.relation} has no column for the id"
            configured = resources.configured_properties(item.name, self._settings)
            for prop, setting in configured.items():
                if not any(self._value(table, prop) for table in tables):
                    yield (
                        f"source {source.name}: {tables[0].relation} has no column for {prop} "
                        f"(setting hubspot.{setting}; is it selected in {source.tool}?)"
                    )

    def notes(self) -> Iterator[Note]:
        """What is missing, and what that costs."""
        for name in self._settings.objects:
            item = OBJECTS[name]
            if not self._records(name):
                yield Note(f"{name} ({self._why_missing(name)}): left out", item.table)
                continue
            if item.has_contacts and name in self._layout.contacts_of and not self._pairs(name):
                yield Note(f"no table says which contacts {name} belong to", item.table)
            if resources.history_properties(name, self._settings) and self._history(name) is None:
                why = self._why_missing(f"{name} history")
                yield Note(
                    f"history of {name} ({why}): only the stage dates on the records are known",
                    HISTORY_TABLE,
                )

    def take(self, load: RawLoad) -> None:
        """Everything, object by object."""
        resources.write_property_roles(load, self._settings)
        for item in self._objects():
            self._take_records(load, item)
            if resources.history_properties(item.name, self._settings):
                self._take_history(load, item)
                self._take_entered(load, item)
            if item.has_contacts:
                self._take_contacts_of(load, item)
        for table, query in (
            ("hubspot_owners", self._owners()),
            ("hubspot_pipelines", self._pipelines()),
            ("hubspot_property_options", self._options()),
        ):
            if query:
                _stage(load, "rows", query)
                count = resources.replace_table(load, table, "landed_rows")
                _record(load, table, table.removeprefix("hubspot_"), count)

    # What is there

    def _objects(self) -> list[HubSpotObject]:
        """The objects that are to be read and that are there."""
        return [OBJECTS[name] for name in self._settings.objects if self._records(name)]

    def _records(self, name: str) -> list[LandedTable]:
        """The tables that hold an object's records."""
        found = (self._tables.find(table) for table in self._layout.records.get(name, ()))
        return [table for table in found if table is not None]

    def _history(self, name: str) -> LandedTable | None:
        """The table of an object's past values."""
        return self._tables.find(self._layout.history.get(name, ""))

    def _pairs(self, name: str) -> tuple[LandedTable, str, str] | None:
        """The table that says which contacts an object's records belong to.

        With SQL for the record's id, and the name of the column of the contacts.
        """
        wanted, from_column, contacts = self._layout.contacts_of.get(name, ("", "", ""))
        table = self._tables.find(wanted)
        record = table.text(from_column) if table else None
        return (table, record, contacts) if table and record and table.column(contacts) else None

    def _why_missing(self, what: str) -> str:
        is_known = what in self._layout.not_provided
        return f"{self._source.tool} does not provide it" if is_known else "no table"

    def _value(self, table: LandedTable, prop: str) -> str | None:
        """SQL for a property as text."""
        return table.value(prop, self._layout.prefix)

    # Records and what belongs to them

    def _take_records(self, load: RawLoad, item: HubSpotObject) -> None:
        """The current version of an object's records; those that are gone are gone."""
        tables = self._records(item.name)
        query = " union all ".join(self._records_query(item, table) for table in tables)
        _stage(
            load,
            "records",
            f"""
            select * exclude (version) from ({query})
            where id is not null
            qualify row_number() over (
                partition by id order by version desc nulls last, updated_at desc nulls last
            ) = 1
            """,
        )
        load.remove(item.table, "object_type = ?", item.name)
        count = resources.replace_records(load, item.name, "landed_records")
        newest = load.connection.execute("select max(updated_at) from landed_records").fetchall()
        _record(load, item.table, tables[0].relation, count, newest[0][0])

    def _records_query(self, item: HubSpotObject, table: LandedTable) -> str:
        """One table's rows in the shape of raw records, with what orders their versions."""
        prefix = self._layout.prefix
        names = resources.properties(item.name, self._settings)
        values = {name: value for name in names if (value := self._value(table, name))}
        if item.name == "contacts":
            values |= self._merged(table, values)
        pairs = ", ".join(f"{literal(name)}, {value}" for name, value in values.items())
        created = "createdate" if item.name in {"contacts", "deals"} else "hs_createdate"
        return table.select(
            id=_identity(item, table),
            archived=table.any_true("_fivetran_deleted", "archived", "is_deleted"),
            created_at=table.time("created_at", f"{prefix}{created}"),
            updated_at=table.time("updated_at", f"{prefix}{item.modified}"),
            properties=f"cast(json_object({pairs}) as varchar)",
            version=table.text(*VERSIONS),
        )

    def _merged(self, table: LandedTable, values: dict[str, str]) -> dict[str, str]:
        """The contacts that a contact swallowed, from the table of merges of older versions."""
        audit = self._tables.find(self._layout.merges)
        if audit is None or not audit.column("canonical_vid"):
            return {}
        merges = audit.select(
            survivor=audit.text("canonical_vid"), merged=audit.text("vid_to_merge")
        )
        own = values.get("hs_merged_object_ids", "null")
        return {
            "hs_merged_object_ids": f"""coalesce({own}, (
                select string_agg(audit.merged, ';') from ({merges}) as audit
                where audit.survivor = {_identity(OBJECTS["contacts"], table)}
            ))"""
        }

    def _take_history(self, load: RawLoad, item: HubSpotObject) -> None:
        """The past values that the tool has; it may repeat them, and lose them later."""
        table = self._history(item.name)
        if table is None:
            return
        identity = table.text("object_id", f"{item.name[:-1]}_id", "vid", "id")
        prop = table.text("property", "property_name", "name")
        moment = table.time("timestamp")
        if identity is None or prop is None or moment is None:
            load.note(f"{table.relation} lacks the columns of a history", table.name)
            return
        names = resources.history_properties(item.name, self._settings)
        chosen = ", ".join(literal(name) for name in names)
        changes = table.select(
            object_type=f"'{item.name}'",
            object_id=identity,
            property=prop,
            value=table.text("value"),
            changed_at=moment,
            source_type=table.text("source_type", "source"),
            source_id=table.text("source_id"),
            updated_by=table.text("updated_by_user_id"),
        )
        query = f"select distinct * from ({changes}) where property in ({chosen})"
        _stage(load, "history", query)
        _record(load, HISTORY_TABLE, table.relation, resources.add_history(load, "landed_history"))

    def _take_entered(self, load: RawLoad, item: HubSpotObject) -> None:
        """Where there is no history at all: when a record entered its stages, as it says itself."""
        for table in self._records(item.name):
            identity = _identity(item, table)
            query = " union all ".join(
                table.select(
                    object_id=identity, property=literal(prop), value=value, changed_at=moment
                )
                for prop, value, moment in self._entered(item, table)
            )
            if not query:
                continue
            _stage(
                load,
                "history",
                f"""
                select
                    '{item.name}' as object_type, object_id, property, value, changed_at,
                    'DATE_ENTERED' as source_type, cast(null as varchar) as source_id,
                    cast(null as varchar) as updated_by
                from ({query}) as entered
                where object_id is not null and value is not null and changed_at is not null
                    and not exists (
                        select 1 from {RAW_SCHEMA}.{HISTORY_TABLE} as known
                        where
                            known.source_system = {literal(load.source_system)}
                            and known.object_type = '{item.name}'
                            and known.object_id = entered.object_id
                            and known.property = entered.property
                            and known.source_type is distinct from 'DATE_ENTERED'
                    )
                """,
            )
            count = resources.add_history(load, "landed_history")
            _record(load, HISTORY_TABLE, table.relation, count)

    def _entered(self, item: HubSpotObject, table: LandedTable) -> Iterator[tuple[str, str, str]]:
        """Property, value and moment of each stage that a table's columns tell of, as SQL."""
        if item.name == "leads":
            stage = self._value(table, "hs_pipeline_stage")
            entered = "hs_v2_date_entered_current_stage"
            moment = table.time(f"{self._layout.prefix}{entered}") or self._value(table, entered)
            if stage is None or moment is None:
                return
            yield "hs_pipeline_stage", stage, moment
            name = self._settings.lead_reason_property
            if reason := self._value(table, name):
                yield name, reason, moment
        elif item.name == "contacts":
            named = {stage.property for stage in self._settings.stages}
            prefix = folded(self._layout.prefix)
            for key, (column, _) in table.columns.items():
                match = _ENTERED.match(key.removeprefix(prefix))
                moment = table.time(column)
                if match and moment and "lifecyclestage" in named:
                    value = match.group(1) or match.group(2)
                    yield "lifecyclestage", literal(value), moment

    def _take_contacts_of(self, load: RawLoad, item: HubSpotObject) -> None:
        """Which contacts an object's records belong to."""
        found = self._pairs(item.name)
        if found is None:
            return
        table, record, column = found
        to_id, place = table.text(column), "0"
        if self._source.tool == "airbyte":
            contacts = f"from_json({table.json(column)}, '[\"VARCHAR\"]')"
            to_id, place = f"unnest({contacts})", f"generate_subscripts({contacts}, 1)"
        pairs = table.select(
            from_id=record,
            to_id=to_id,
            place=place,
            is_primary=table.any_true("is_primary", "primary"),
        )
        _stage(
            load,
            "associations",
            f"""
            select
                from_id, 'contacts' as to_type, to_id, is_primary,
                printf('%06d', place) as position
            from ({pairs})
            where from_id in (select id from landed_records)
            """,
        )
        touched, staged = "landed_records", "landed_associations"
        count = resources.replace_associations(load, item.name, touched, staged)
        _record(load, resources.ASSOCIATIONS_TABLE, f"{table.relation} ({item.name})", count)

    # Small tables

    def _owners(self) -> str:
        """The query for the owners; empty without a table of them."""
        found = (self._tables.find(name) for name in self._layout.owners)
        queries = [_owners_of(table) for table in found if table]
        if not queries:
            return ""
        return f"""
            select * exclude (version) from ({" union all ".join(queries)})
            where id is not null
            qualify row_number() over (
                partition by id order by version desc nulls last, archived
            ) = 1
        """

    def _pipelines(self) -> str:
        """The query for the stages of deals: in rows of their own, or within the pipelines'."""
        table = self._tables.find(self._layout.pipeline_stages)
        if table is None:
            return ""
        if stages := table.json("stages"):
            rows = table.select(
                pipeline_id=table.text("pipeline_id", "id"),
                stage=f"unnest(from_json({stages}, '[\"JSON\"]'))",
            )
            return f"""
                select
                    'deals' as object_type,
                    pipeline_id,
                    coalesce(stage ->> '$.stageId', stage ->> '$.id') as stage_id,
                    stage ->> '$.label' as stage_label,
                    stage ->> '$.metadata.isClosed' as is_closed,
                    stage ->> '$.metadata.probability' as probability
                from ({rows})
            """
        return table.select(
            object_type="'deals'",
            pipeline_id=table.text("pipeline_id") or self._pipeline_of(table),
            stage_id=table.text("stage_id", "id"),
            stage_label=table.text("label"),
            is_closed=table.text("is_closed", "metadata__is_closed"),
            probability=table.text("probability", "metadata__probability"),
        )

    def _pipeline_of(self, table: LandedTable) -> str:
        """SQL for the pipeline of a stage, which dlt keeps in the parent's row only."""
        parent = self._tables.find("pipelines_deals")
        if parent is None or not parent.column("_dlt_id") or not table.column("_dlt_parent_id"):
            return "null"
        return f"""(
            select max(parent.id) from {parent.relation} as parent
            where parent._dlt_id = landed._dlt_parent_id
        )"""

    def _options(self) -> str:
        """The query for the labels of values, where the tool keeps them."""
        options, definitions = self._tables.find("property_option"), self._tables.find("property")
        if options is None or definitions is None:
            return ""
        labels = {name: options.text(name) for name in ("property_id", "value", "label")}
        names = {
            "property_id": definitions.text("_fivetran_id", "id"),
            "object_type": definitions.text("hubspot_object"),
            "property": definitions.text("name"),
        }
        if None in (*labels.values(), *names.values()):
            return ""
        return f"""
            select rtrim(lower(object_type), 's') || 's' as object_type, property, value, label
            from ({options.select(**labels)})
            inner join ({definitions.select(**names)}) using (property_id)
        """


def _identity(item: HubSpotObject, table: LandedTable) -> str | None:
    """SQL for the id of a record."""
    return table.text("id", f"{item.name[:-1]}_id", "engagement_id", "hs_object_id", "vid")


def _owners_of(table: LandedTable) -> str:
    """One table's owners, with what orders their versions."""
    first, last = table.text("first_name") or "null", table.text("last_name") or "null"
    users = (
        table.text(name) for name in ("user_id", "active_user_id", "user_id_including_inactive")
    )
    is_archived = table.any_true("archived", "is_deleted")
    active = table.column("is_active")
    if active and not table.column("archived", "is_deleted"):
        is_archived = f"cast(not coalesce(try_cast({active[0]} as boolean), true) as varchar)"
    return table.select(
        id=table.text("owner_id", "id"),
        user_id=f"coalesce({', '.join([*filter(None, users), 'null'])})",
        name=f"nullif(concat_ws(' ', {first}, {last}), '')",
        team="cast(null as varchar)",
        archived=is_archived,
        version=table.text(*VERSIONS),
    )


def _stage(load: RawLoad, name: str, query: str) -> None:
    load.connection.execute(f"create or replace temp table landed_{name} as {query}")


def _record(load: RawLoad, table: str, place: str, count: int, newest: str | None = None) -> None:
    """Count what landed, and report it."""
    mode = "append" if table == HISTORY_TABLE else "snapshot"
    load.record(table, place, count, mode=mode, newest=newest)
    load.say(f"{place}: {count:,} rows")
