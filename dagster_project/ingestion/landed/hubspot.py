"""HubSpot tables that a tool keeps, and how they become raw rows.

Times become ISO texts in UTC, whether a tool keeps them as text, time or number.
"""

import re
from collections.abc import Iterator

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.hubspot import resources
from dagster_project.ingestion.hubspot.resources import HISTORY_TABLE, OBJECTS, HubSpotObject
from dagster_project.ingestion.landed.client import VERSIONS, LandedTable, LandedTables
from dagster_project.ingestion.landed.resources import HUBSPOT, HUBSPOT_NEEDED
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.result import Note

# Properties that tell when a stage was entered last, for objects whose history is not landed: the
# present ones, those before them, and the first of all. ``current_stage`` is the stage of now.
_ENTERED = (
    re.compile(r"hs_v2_date_entered_(?!current_stage$)(.+)"),
    re.compile(r"hs_date_entered_(.+)"),
    re.compile(r"hs_lifecyclestage_(.+)_date"),
    re.compile(r"hs_v2_date_entered_(current_stage)"),
)
# The property that these are about.
_STAGES = {"contacts": "lifecyclestage", "leads": "hs_pipeline_stage", "deals": "dealstage"}
# Rows in which the keys of JSON are looked for; every row has them all.
_SAMPLED = 1_000


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
                if not any(self._value(item.name, table, prop) for table in tables):
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
            if resources.history_properties(name, self._settings) and not self._history(name):
                why = self._why_missing(f"{name} history")
                yield Note(
                    f"history of {name} ({why}): only the stage dates on the records are known",
                    HISTORY_TABLE,
                )
            yield from self._notes_about_columns(item)

    def _notes_about_columns(self, item: HubSpotObject) -> Iterator[Note]:
        """Which properties an object's records lack, and whether it is known what is closed."""
        for table in self._records(item.name):
            needed = HUBSPOT_NEEDED[item.name]
            missing = [prop for prop in needed if not self._value(item.name, table, prop)]
            if missing:
                message = f"{table.name} has no column for {', '.join(missing)}"
                yield Note(message, item.table)
            is_flagged = self._value(item.name, table, "hs_is_closed")
            if item.name == "deals" and not is_flagged and not self._pipelines():
                yield Note(
                    f"{table.name} has no column for hs_is_closed, and no table "
                    f"{self._layout.pipeline_stages} says which stages are closed: only deals in "
                    "closedwon and closedlost count as closed",
                    item.table,
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

    def _history(self, name: str) -> list[LandedTable]:
        """The tables of an object's past values."""
        found = (self._tables.find(table) for table in self._layout.history.get(name, ()))
        return [table for table in found if table is not None]

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

    def _value(self, name: str, table: LandedTable, prop: str) -> str | None:
        """SQL for a property of an object as text."""
        renamed = self._layout.renamed.get(name, {}).get(prop)
        return table.value(prop, self._layout.prefix, *([renamed] if renamed else ()))

    # Records and what belongs to them

    def _take_records(self, load: RawLoad, item: HubSpotObject) -> None:
        """The current version of an object's records; those that are gone are gone."""
        tables = self._records(item.name)
        query = " union all ".join(self._records_query(item, table) for table in tables)
        _stage(
            load,
            "records",
            f"""
            select * exclude (version, is_active) from ({query})
            where id is not null
            qualify row_number() over (
                partition by id
                order by is_active desc, version desc nulls last, updated_at desc nulls last
            ) = 1
            """,
        )
        load.remove(item.table, "object_type = ?", item.name)
        count = resources.replace_records(load, item.name, "landed_records")
        _record(load, item.table, tables[0].relation, count)

    def _records_query(self, item: HubSpotObject, table: LandedTable) -> str:
        """One table's rows in the shape of raw records, with what orders their versions."""
        prefix = self._layout.prefix
        names = resources.properties(item.name, self._settings)
        values = {name: value for name in names if (value := self._value(item.name, table, name))}
        values |= self._merged(item, table, values)
        pairs = ", ".join(f"{literal(name)}, {value}" for name, value in values.items())
        created = "createdate" if item.name in {"contacts", "deals"} else "hs_createdate"
        is_gone = table.any_true("_fivetran_deleted", "archived", "is_deleted")
        return table.versions(
            id=_identity(item, table),
            # A record that has no version any more was deleted in HubSpot.
            archived=f"cast({is_gone} or not {table.is_active} as varchar)",
            created_at=table.time("created_at", f"{prefix}{created}"),
            updated_at=table.time("updated_at", f"{prefix}{item.modified}"),
            properties=f"cast(json_object({pairs}) as varchar)",
            version=table.text(*VERSIONS),
            is_active=table.is_active,
        )

    def _merged(
        self, item: HubSpotObject, table: LandedTable, values: dict[str, str]
    ) -> dict[str, str]:
        """The records that a record swallowed: as it says itself, and as the tool's tables do."""
        lists = [values["hs_merged_object_ids"]] if "hs_merged_object_ids" in values else []
        name, survivor, swallowed = self._layout.merges.get(item.name, ("", "", ""))
        audit, identity = self._tables.find(name), _identity(item, table)
        if audit and (ids := audit.text(swallowed)) and (left := audit.text(survivor)):
            merges = audit.select(survivor=left, merged=ids)
            lists.append(f"""(
                select string_agg(audit.merged, ';') from ({merges}) as audit
                where audit.survivor = {identity}
            )""")
        # dlt may keep the list as a table of its own.
        children = self._tables.find(f"{table.name}__hs_merged_object_ids")
        own = table.column("_dlt_id")
        if children and own and (ids := children.text("value")):
            merges = children.select(parent=children.text("_dlt_parent_id"), merged=ids)
            lists.append(f"""(
                select string_agg(children.merged, ';') from ({merges}) as children
                where children.parent = landed.{own[0]}
            )""")
        together = f"nullif(concat_ws(';', {', '.join(lists)}), '')"
        return {"hs_merged_object_ids": together} if lists else {}

    def _take_history(self, load: RawLoad, item: HubSpotObject) -> None:
        """The past values that the tool has; it may repeat them, and lose them later."""
        names = resources.history_properties(item.name, self._settings)
        chosen = ", ".join(literal(name) for name in names)
        for table in self._history(item.name):
            identity = table.text("object_id", f"{item.name[:-1]}_id", "vid", "id")
            prop = table.text("property", "property_name", "name")
            if prop is None and item.name == "deals":
                prop = literal(_STAGES[item.name])
            moment = table.time("timestamp", "date_entered")
            if identity is None or prop is None or moment is None:
                load.note(f"{table.relation} lacks the columns of a history", table.name)
                continue
            changes = table.versions(
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
            count = resources.add_history(load, "landed_history")
            _record(load, HISTORY_TABLE, table.relation, count)

    def _take_entered(self, load: RawLoad, item: HubSpotObject) -> None:
        """Where there is no history at all: when a record entered its stages, as it says itself."""
        stage = _STAGES[item.name]
        found = [
            (table.relation, query)
            for table in self._records(item.name)
            for query in self._entered(load, item, table)
        ]
        timing = self._tables.find(self._layout.entered.get(item.name, ""))
        moment = timing.time("hs_v2_date_entered_x", "hs_v2_date_entered") if timing else None
        if timing and moment:
            query = timing.select(
                object_id=timing.text("id"), name=timing.text("stage"), rank="0", moment=moment
            )
            found.append((timing.relation, query))
        if not found or stage not in resources.history_properties(item.name, self._settings):
            return
        # A name has underscores in the place of dashes, and maybe a number behind it.
        plain = "replace(replace(lower({}), '-', ''), '_', '')"
        shortened = "regexp_replace(name, '_[0-9]+$', '')"
        is_now = f"{plain.format('stage')} in ({plain.format('name')}, {plain.format(shortened)})"
        other = {
            "contacts": "name",
            "leads": f"if(regexp_matches(name, '[a-z]'), replace({shortened}, '_', '-'), name)",
            # Of a deal only the stage that it is in counts.
            "deals": "null",
        }[item.name]
        _stage(
            load,
            "entered",
            f"""
            with records as (
                select
                    id, json_extract_string(properties, '$.{stage}') as stage,
                    json_extract_string(
                        properties, {literal(f"$.{self._settings.lead_reason_property}")}
                    ) as reason
                from landed_records
            ),
            entered as (
                select
                    records.*, moment, rank,
                    case
                        when name = 'current_stage' or {is_now} then stage else {other}
                    end as entered_stage
                from ({" union all ".join(query for _, query in found)}) as entered
                inner join records on entered.object_id = records.id
                where moment is not null
                qualify rank() over (partition by id, entered_stage order by rank) = 1
            )
            select id as object_id, '{stage}' as property, entered_stage as value, moment
            from entered
            union
            select id, {literal(self._settings.lead_reason_property)}, reason, moment
            from entered
            where '{item.name}' = 'leads' and entered_stage = stage
            """,
        )
        _stage(
            load,
            "history",
            f"""
            select
                '{item.name}' as object_type, object_id, property, value, moment as changed_at,
                'DATE_ENTERED' as source_type, cast(null as varchar) as source_id,
                cast(null as varchar) as updated_by
            from landed_entered as entered
            where value is not null and not exists (
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
        _record(load, HISTORY_TABLE, found[0][0], count)

    def _entered(self, load: RawLoad, item: HubSpotObject, table: LandedTable) -> Iterator[str]:
        """Queries for the moments at which a table's records entered their stages.

        With the stage as the property's name has it; of several properties about one stage those
        of the least ``rank`` hold.
        """
        prefix = self._layout.prefix
        columns = [column.lower().removeprefix(prefix) for column, _ in table.columns.values()]
        for name in dict.fromkeys((*columns, *_json_keys(load, table))):
            for rank, pattern in enumerate(_ENTERED):
                if match := pattern.fullmatch(name):
                    moment = table.time(f"{prefix}{name}", name) or table.value(name)
                    yield table.select(
                        object_id=_identity(item, table),
                        name=literal(match.group(1)),
                        rank=str(rank),
                        moment=moment,
                    )

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
            is_primary=f"cast({table.any_true('is_primary', 'primary')} as varchar)",
            is_gone=table.any_true("_fivetran_deleted"),
        )
        _stage(
            load,
            "associations",
            f"""
            select
                from_id, 'contacts' as to_type, to_id, is_primary,
                printf('%06d', place) as position
            from ({pairs})
            where not is_gone and from_id in (select id from landed_records)
            """,
        )
        touched, staged = "landed_records", "landed_associations"
        count = resources.replace_associations(load, item.name, touched, staged)
        _record(load, resources.ASSOCIATIONS_TABLE, f"{table.relation} ({item.name})", count)

    # Small tables

    def _owners(self) -> str:
        """The query for the owners; empty without a table of them."""
        found = (self._tables.find(name) for name in self._layout.owners)
        queries = [_owners_of(table, self._team_of(table)) for table in found if table]
        if not queries:
            return ""
        return f"""
            select * exclude (version) from ({" union all ".join(queries)})
            where id is not null
            qualify row_number() over (
                partition by id order by version desc nulls last, archived
            ) = 1
        """

    def _team_of(self, owners: LandedTable) -> str | None:
        """SQL for the name of an owner's team, the primary one first."""
        if teams := owners.json("teams"):
            shape = '[{"name": "VARCHAR", "primary": "BOOLEAN"}]'
            ranked = "struct_pack(rank := if(team.primary, 0, 1), name := team.name)"
            listed = f"list_transform(from_json({teams}, '{shape}'), lambda team: {ranked})"
            return f"list_sort({listed})[1].name"
        # Fivetran's rows name the team by its id, dlt's children by itself.
        members = self._tables.find("owner_team") or self._tables.find(f"{owners.name}__teams")
        key, own = ("owner_id", owners.text("owner_id", "id"))
        if members and not members.column(key):
            key, own = ("_dlt_parent_id", owners.text("_dlt_id"))
        names = self._tables.find("team")
        if not members or not own or not (owner := members.text(key)):
            return None
        query = members.select(
            owner=owner,
            team_id=members.text("team_id"),
            name=members.text("name"),
            is_primary=members.any_true("is_team_primary", "primary"),
        )
        label, joined = "members.name", ""
        if names and members.column("team_id"):
            labels = names.select(team_id=names.text("id"), label=names.text("name"))
            label, joined = "label", f"left join ({labels}) using (team_id)"
        return f"""(
            select arg_max({label}, is_primary) from ({query}) as members {joined}
            where members.owner = {own}
        )"""

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
            # Fivetran first called it closed_won, and meant the same.
            is_closed=table.text("is_closed", "metadata__is_closed", "closed_won"),
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
        if options and not options.column("property_id"):
            named = {"object_type": "hubspot_object", "property": "name"}
            columns = {name: options.text(own) for name, own in named.items()}
            columns |= {name: options.text(name) for name in ("value", "label")}
            return _labels(options.select(**columns)) if None not in columns.values() else ""
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
        return _labels(
            f"from ({options.select(**labels)}) "
            f"inner join ({definitions.select(**names)}) using (property_id)"
        )


def _labels(query: str) -> str:
    """The query for labels, with the objects called as HubSpot's API calls them."""
    return f"""
        select rtrim(lower(object_type), 's') || 's' as object_type, property, value, label
        from ({query})
    """


def _identity(item: HubSpotObject, table: LandedTable) -> str | None:
    """SQL for the id of a record."""
    return table.text("id", f"{item.name[:-1]}_id", "engagement_id", "hs_object_id", "vid")


def _owners_of(table: LandedTable, team: str | None) -> str:
    """One table's owners, with what orders their versions."""
    first, last = table.text("first_name") or "null", table.text("last_name") or "null"
    users = (
        table.text(name) for name in ("user_id", "active_user_id", "user_id_including_inactive")
    )
    is_archived = table.any_true("archived", "is_deleted")
    active = table.column("is_active")
    if active and not table.column("archived", "is_deleted"):
        is_archived = f"not coalesce(try_cast({active[0]} as boolean), true)"
    return table.select(
        id=table.text("owner_id", "id"),
        user_id=f"coalesce({', '.join([*filter(None, users), 'null'])})",
        name=f"nullif(concat_ws(' ', {first}, {last}), '')",
        team=f"cast({team or 'null'} as varchar)",
        archived=f"cast({is_archived} as varchar)",
        version=table.text(*VERSIONS),
    )


def _json_keys(load: RawLoad, table: LandedTable) -> list[str]:
    """The properties that a table keeps in JSON."""
    if not (column := table.json("properties")):
        return []
    found = load.connection.execute(
        f"""
        select distinct unnest(json_keys({column}))
        from (from {table.relation} limit {_SAMPLED})
        """
    ).fetchall()
    return sorted(name for (name,) in found)


def _stage(load: RawLoad, name: str, query: str) -> None:
    load.connection.execute(f"create or replace temp table landed_{name} as {query}")


def _record(load: RawLoad, table: str, place: str, count: int) -> None:
    """Count what landed, and report it."""
    mode = "append" if table == HISTORY_TABLE else "snapshot"
    load.record(table, place, count, mode=mode)
    load.say(f"{place}: {count:,} rows")
