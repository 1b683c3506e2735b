"""HubSpot as raw tables: which properties are read, their tables, and how records land.

The same tables are filled from the API and from what Fivetran, Airbyte or dlt keep in a warehouse.
Every value is text. A record is kept in its latest version, its properties as a JSON object; the
history of properties is only ever added to, since HubSpot forgets old values.

Names and phone numbers of contacts, the names of deals, and what was written or said in calls,
e-mails and meetings are not read at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project.config.sources import HubSpotProperties
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LINEAGE_COLUMNS = ("source_system", "load_id")
RECORD_COLUMNS = (
    *LINEAGE_COLUMNS,
    *("object_type", "id", "archived", "created_at", "updated_at", "properties"),
)
HISTORY_COLUMNS = (
    *LINEAGE_COLUMNS,
    *("object_type", "object_id", "property", "value", "changed_at"),
    *("source_type", "source_id", "updated_by"),
)
ASSOCIATION_COLUMNS = (
    *LINEAGE_COLUMNS,
    *("from_type", "from_id", "to_type", "to_id", "is_primary", "position"),
)

HISTORY_TABLE = "hubspot_property_history"
ASSOCIATIONS_TABLE = "hubspot_associations"
# What a source's configuration says of its properties, for the models. ``role``: stage,
# stage_value, reason, loss_reason, signal, signal_value or column; ``value``: the raw value, or
# the contract column; ``stage``: the stage or the engagement kind; ``rank``: the order of naming.
FIELDS_TABLE = "hubspot_fields"

TABLES: dict[str, tuple[str, ...]] = {
    "hubspot_contacts": RECORD_COLUMNS,
    "hubspot_leads": RECORD_COLUMNS,
    "hubspot_deals": RECORD_COLUMNS,
    "hubspot_engagements": RECORD_COLUMNS,
    HISTORY_TABLE: HISTORY_COLUMNS,
    ASSOCIATIONS_TABLE: ASSOCIATION_COLUMNS,
    "hubspot_pipelines": (
        *LINEAGE_COLUMNS,
        *("object_type", "pipeline_id", "stage_id", "stage_label", "is_closed", "probability"),
    ),
    "hubspot_owners": (
        *LINEAGE_COLUMNS,
        *("id", "user_id", "name", "team", "archived"),
    ),
    "hubspot_property_options": (
        *LINEAGE_COLUMNS,
        *("object_type", "property", "value", "label"),
    ),
    FIELDS_TABLE: (
        "source_system",
        *("role", "object_type", "property", "value", "stage", "rank"),
    ),
    "source_state": ("source_system", "stream", "cursor"),
}

# Contract lead column -> contact property, where the configuration names no other.
DEFAULT_COLUMNS = {
    "company": "company",
    "title": "jobtitle",
    "employee_count": "numemployees",
    "industry": "industry",
    "country": "country",
    "lead_source": "hs_analytics_source",
    "crm_score": "hubspotscore",
}


@dataclass(frozen=True)
class HubSpotObject:
    """One kind of record: its raw table, the properties that are always read, and its scope.

    ``modified``: the property that orders its changes. ``history``: properties whose past values
    are read. ``contacts``: whether it belongs to contacts through associations.
    """

    name: str
    table: str
    properties: tuple[str, ...]
    scope: str
    modified: str = "hs_lastmodifieddate"
    history: tuple[str, ...] = ()
    has_contacts: bool = True


def _object(name: str, table: str, scope: str, properties: str, history: str = "") -> HubSpotObject:
    return HubSpotObject(
        name=name,
        table=table,
        properties=tuple(properties.split()),
        scope=scope,
        modified="lastmodifieddate" if name == "contacts" else "hs_lastmodifieddate",
        history=tuple(history.split()),
        has_contacts=name != "contacts",
    )


OBJECTS: dict[str, HubSpotObject] = {
    item.name: item
    for item in (
        _object(
            "contacts",
            "hubspot_contacts",
            "crm.objects.contacts.read",
            "email hubspot_owner_id createdate lastmodifieddate hs_merged_object_ids "
            "hs_calculated_merged_vids",
            history="hubspot_owner_id",
        ),
        _object(
            "leads",
            "hubspot_leads",
            "crm.objects.leads.read",
            "hs_pipeline hs_pipeline_stage hubspot_owner_id hs_primary_contact_id hs_createdate "
            "hs_lastmodifieddate",
        ),
        _object(
            "deals",
            "hubspot_deals",
            "crm.objects.deals.read",
            "dealstage pipeline amount amount_in_home_currency deal_currency_code closedate "
            "createdate hubspot_owner_id hs_is_closed hs_is_closed_won hs_lastmodifieddate",
            history="dealstage",
        ),
        _object(
            "calls",
            "hubspot_engagements",
            "crm.objects.contacts.read",
            "hs_timestamp hubspot_owner_id hs_call_direction hs_call_status hs_lastmodifieddate",
        ),
        _object(
            "emails",
            "hubspot_engagements",
            "sales-email-read",
            "hs_timestamp hubspot_owner_id hs_email_direction hs_email_status hs_lastmodifieddate",
        ),
        _object(
            "meetings",
            "hubspot_engagements",
            "crm.objects.contacts.read",
            "hs_timestamp hubspot_owner_id hs_meeting_start_time hs_meeting_outcome "
            "hs_lastmodifieddate",
        ),
    )
}


def split_property(name: str) -> tuple[str, str]:
    """The object and the property that a configured name means: ``leads.x`` is of the leads."""
    head, dot, tail = name.partition(".")
    return ("leads", tail) if dot and head == "leads" else ("contacts", name)


def configured_properties(name: str, settings: HubSpotProperties) -> dict[str, str]:
    """The properties of an object that the configuration asks for, and the setting that does.

    Only what the user wrote: what is asked for by default may be missing in an account.
    """
    wanted: dict[str, str] = {}
    if "stages" in settings.model_fields_set:
        for at, stage in enumerate(settings.stages):
            object_type, prop = split_property(stage.property)
            if object_type == name:
                wanted.setdefault(prop, f"stages[{at}].property")
    if name == "contacts":
        if settings.reason_property:
            wanted.setdefault(settings.reason_property, "reason_property")
        for at, signal in enumerate(settings.signals):
            wanted.setdefault(signal.property, f"signals[{at}].property")
        for column, prop in settings.columns.items():
            wanted.setdefault(prop, f"columns.{column}")
    if name == "leads" and "lead_reason_property" in settings.model_fields_set:
        wanted.setdefault(settings.lead_reason_property, "lead_reason_property")
    if name == "deals" and "loss_reason_property" in settings.model_fields_set:
        wanted.setdefault(settings.loss_reason_property, "loss_reason_property")
    return wanted


def history_properties(name: str, settings: HubSpotProperties) -> list[str]:
    """The properties of an object whose past values are read."""
    wanted = list(OBJECTS[name].history)
    wanted += [
        prop
        for object_type, prop in (split_property(stage.property) for stage in settings.stages)
        if object_type == name
    ]
    if name == "contacts":
        wanted += [settings.reason_property] if settings.reason_property else []
        wanted += [signal.property for signal in settings.signals]
    if name == "leads":
        wanted.append(settings.lead_reason_property)
    return list(dict.fromkeys(wanted))


def properties(name: str, settings: HubSpotProperties) -> list[str]:
    """All properties that are read of an object."""
    wanted = [*OBJECTS[name].properties, *history_properties(name, settings)]
    if name == "contacts":
        wanted += _lead_columns(settings).values()
    if name == "deals":
        wanted.append(settings.loss_reason_property)
    return list(dict.fromkeys(wanted))


def _lead_columns(settings: HubSpotProperties) -> dict[str, str]:
    """Contract lead column -> contact property."""
    columns = dict(DEFAULT_COLUMNS)
    columns.update({str(column): prop for column, prop in settings.columns.items()})
    return columns


def ensure_hubspot_tables(connection: "DuckDBPyConnection") -> None:
    """Create the raw tables of HubSpot, empty, where they do not exist yet."""
    raw_schema.create_text_tables(connection, TABLES)


def write_property_roles(
    connection: "DuckDBPyConnection", source_system: str, settings: HubSpotProperties
) -> None:
    """Replace what the configuration of a source says of its properties."""
    rows: list[tuple[str, str, str, str | None, str | None]] = []
    for stage in settings.stages:
        object_type, prop = split_property(stage.property)
        rows.append(("stage", object_type, prop, None, None))
        rows += [
            ("stage_value", object_type, prop, value, name) for value, name in stage.map.items()
        ]
    if settings.reason_property:
        rows.append(("reason", "contacts", settings.reason_property, None, None))
    rows.append(("reason", "leads", settings.lead_reason_property, None, None))
    rows.append(("loss_reason", "deals", settings.loss_reason_property, None, None))
    for signal in settings.signals:
        rows.append(("signal", "contacts", signal.property, None, signal.kind))
        rows += [
            ("signal_value", "contacts", signal.property, value, kind)
            for value, kind in signal.map.items()
        ]
    for column, prop in _lead_columns(settings).items():
        rows.append(("column", "contacts", prop, column, None))
    connection.execute(
        f"delete from {RAW_SCHEMA}.{FIELDS_TABLE} where source_system = ?", [source_system]
    )
    connection.executemany(
        f"insert into {RAW_SCHEMA}.{FIELDS_TABLE} values (?, ?, ?, ?, ?, ?, ?)",
        [[source_system, *row, f"{rank:04}"] for rank, row in enumerate(rows)],
    )


def replace_records(
    connection: "DuckDBPyConnection", name: str, staged: str, source_system: str, load_id: int
) -> int:
    """Put the staged versions of records in the place of earlier ones; returns how many.

    ``staged``: a relation with ``id, archived, created_at, updated_at, properties``; of several
    versions of one record the latest holds. The caller holds the transaction.
    """
    target = OBJECTS[name].table
    connection.execute(
        f"""
        delete from {RAW_SCHEMA}.{target} as present using {staged} as staged
        where present.source_system = ? and present.object_type = ? and present.id = staged.id
        """,
        [source_system, name],
    )
    inserted = connection.execute(
        f"""
        insert into {RAW_SCHEMA}.{target}
        select ?, ?, ?, id, archived, created_at, updated_at, properties
        from {staged}
        where id is not null
        qualify row_number() over (partition by id order by updated_at desc, properties desc) = 1
        """,
        [source_system, load_id, name],
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def add_history(
    connection: "DuckDBPyConnection", staged: str, source_system: str, load_id: int
) -> int:
    """Add the staged changes that are not known yet; returns how many.

    ``staged``: a relation with the columns of the history from ``object_type`` on. The caller
    holds the transaction.
    """
    inserted = connection.execute(
        f"""
        insert into {RAW_SCHEMA}.{HISTORY_TABLE}
        with touched as (
            select distinct object_type, object_id from {staged}
        ),
        known as (
            select present.* from {RAW_SCHEMA}.{HISTORY_TABLE} as present
            semi join touched
                on
                    present.object_type = touched.object_type
                    and present.object_id = touched.object_id
            where present.source_system = ?
        )
        select
            ?, ?, staged.object_type, staged.object_id, staged.property, staged.value,
            staged.changed_at, any_value(staged.source_type), any_value(staged.source_id),
            any_value(staged.updated_by)
        from {staged} as staged
        anti join known
            on
                staged.object_type = known.object_type
                and staged.object_id = known.object_id
                and staged.property = known.property
                and staged.changed_at = known.changed_at
                and coalesce(staged.value, '') = coalesce(known.value, '')
        group by all
        """,
        [source_system, source_system, load_id],
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def replace_associations(
    connection: "DuckDBPyConnection",
    from_type: str,
    touched: str,
    staged: str,
    source_system: str,
    load_id: int,
) -> int:
    """Replace what records belong to; returns how many associations there are now.

    ``touched``: a relation with the ``id`` of every record that was looked at. ``staged``: one
    with ``from_id, to_type, to_id, is_primary, position``. The caller holds the transaction.
    """
    connection.execute(
        f"""
        delete from {RAW_SCHEMA}.{ASSOCIATIONS_TABLE} as present using {touched} as touched
        where
            present.source_system = ?
            and present.from_type = ?
            and present.from_id = touched.id
        """,
        [source_system, from_type],
    )
    inserted = connection.execute(
        f"""
        insert into {RAW_SCHEMA}.{ASSOCIATIONS_TABLE}
        select ?, ?, ?, from_id, to_type, to_id, max(is_primary), min(position)
        from {staged}
        where from_id is not null and to_id is not null
        group by from_id, to_type, to_id
        """,
        [source_system, load_id, from_type],
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def replace_table(
    connection: "DuckDBPyConnection",
    table: str,
    staged: str,
    source_system: str,
    load_id: int,
    object_types: Iterable[str] = (),
) -> int:
    """Replace all that a source has in a small table (owners, pipelines, options).

    ``object_types``: only the rows of these objects. The caller holds the transaction.
    """
    only = list(object_types)
    connection.execute(
        f"delete from {RAW_SCHEMA}.{table} where source_system = ?"
        + (" and object_type in (select unnest(?))" if only else ""),
        [source_system, only] if only else [source_system],
    )
    columns = ", ".join(TABLES[table][len(LINEAGE_COLUMNS) :])
    inserted = connection.execute(
        f"insert into {RAW_SCHEMA}.{table} select distinct ?, ?, {columns} from {staged}",
        [source_system, load_id],
    ).fetchone()
    return int(inserted[0]) if inserted else 0
