"""HubSpot as raw tables: which properties are read, their tables, and how records land.

The same tables are filled from the API and from what Fivetran, Airbyte or dlt keep in a warehouse.
Every value is text. A record is kept in its latest version, its properties as a JSON object; the
history of properties is only ever added to, since HubSpot forgets old values.

Names and phone numbers of contacts, the names of deals, and what was written or said in calls,
e-mails and meetings are not read at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.field_roles import FieldRole, configured_fields
from dagster_project.ingestion.hubspot.settings import HubSpotProperties
from dagster_project.ingestion.raw_load import RawLoad

RECORD_FIELDS = ("id", "archived", "created_at", "updated_at", "properties")
HISTORY_FIELDS = (
    *("object_type", "object_id", "property", "value", "changed_at"),
    *("source_type", "source_id", "updated_by"),
)
ASSOCIATION_FIELDS = ("from_id", "to_type", "to_id", "is_primary", "position")

HISTORY_TABLE = "hubspot_property_history"
ASSOCIATIONS_TABLE = "hubspot_associations"
# What a source's configuration says of its properties, for the models. ``role``: stage,
# stage_value, reason, loss_reason, signal, signal_value or column; ``value``: the raw value, or
# the contract column; ``stage``: the stage or the engagement kind; ``rank``: the order of naming.
FIELDS_TABLE = "hubspot_fields"

_LINEAGE = ("source_system", "load_id")
_RECORDS = (*_LINEAGE, "object_type", *RECORD_FIELDS)
# Small tables, replaced as a whole by every load, and their columns after the lineage.
SMALL_TABLES = {
    "hubspot_owners": ("id", "user_id", "name", "team", "archived"),
    "hubspot_pipelines": (
        *("object_type", "pipeline_id", "stage_id", "stage_label", "is_closed", "probability"),
    ),
    "hubspot_property_options": ("object_type", "property", "value", "label"),
}
TABLES: dict[str, tuple[str, ...]] = {
    "hubspot_contacts": _RECORDS,
    "hubspot_leads": _RECORDS,
    "hubspot_deals": _RECORDS,
    "hubspot_engagements": _RECORDS,
    HISTORY_TABLE: (*_LINEAGE, *HISTORY_FIELDS),
    ASSOCIATIONS_TABLE: (*_LINEAGE, "from_type", *ASSOCIATION_FIELDS),
    **{table: (*_LINEAGE, *columns) for table, columns in SMALL_TABLES.items()},
    FIELDS_TABLE: ("source_system", "role", "object_type", "property", "value", "stage", "rank"),
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
    """One kind of record: its raw table, its scope, and the properties that are always read.

    ``history``: the properties whose past values are read.
    """

    name: str
    table: str
    scope: str
    property_names: str
    history: tuple[str, ...] = ()

    @property
    def properties(self) -> tuple[str, ...]:
        return tuple(self.property_names.split())

    @property
    def modified(self) -> str:
        """The property that orders its changes."""
        return "lastmodifieddate" if self.name == "contacts" else "hs_lastmodifieddate"

    @property
    def has_contacts(self) -> bool:
        """Whether it belongs to contacts through associations."""
        return self.name != "contacts"


OBJECTS: dict[str, HubSpotObject] = {
    item.name: item
    for item in (
        HubSpotObject(
            "contacts",
            "hubspot_contacts",
            "crm.objects.contacts.read",
            "email hubspot_owner_id createdate lastmodifieddate hs_merged_object_ids "
            "hs_calculated_merged_vids",
            history=("hubspot_owner_id",),
        ),
        HubSpotObject(
            "leads",
            "hubspot_leads",
            "crm.objects.leads.read",
            "hs_pipeline hs_pipeline_stage hubspot_owner_id hs_primary_contact_id hs_createdate "
            "hs_lastmodifieddate",
        ),
        HubSpotObject(
            "deals",
            "hubspot_deals",
            "crm.objects.deals.read",
            "dealstage pipeline amount amount_in_home_currency deal_currency_code closedate "
            "createdate hubspot_owner_id hs_is_closed hs_is_closed_won hs_lastmodifieddate "
            "hs_merged_object_ids",
            history=("dealstage",),
        ),
        HubSpotObject(
            "calls",
            "hubspot_engagements",
            "crm.objects.contacts.read",
            "hs_timestamp hubspot_owner_id hs_call_direction hs_call_status hs_lastmodifieddate",
        ),
        HubSpotObject(
            "emails",
            "hubspot_engagements",
            "sales-email-read",
            "hs_timestamp hubspot_owner_id hs_email_direction hs_email_status hs_lastmodifieddate",
        ),
        HubSpotObject(
            "meetings",
            "hubspot_engagements",
            "crm.objects.contacts.read",
            "hs_timestamp hubspot_owner_id hs_meeting_start_time hs_meeting_outcome "
            "hs_lastmodifieddate",
        ),
    )
}


def property_roles(settings: HubSpotProperties) -> Iterator[FieldRole]:
    """What a source's configuration says of its properties, in the order of naming."""
    given = settings.model_fields_set
    for at, stage in enumerate(settings.stages):
        object_type, prop = split_property(stage.property)
        setting = f"stages[{at}].property" if "stages" in given else ""
        yield FieldRole("stage", object_type, prop, setting)
        for value, name in stage.map.items():
            yield FieldRole("stage_value", object_type, prop, setting, value, name)
    if reason := settings.reason_property:
        yield FieldRole("reason", "contacts", reason, "reason_property")
    for role, object_type, setting in (
        ("reason", "leads", "lead_reason_property"),
        ("loss_reason", "deals", "loss_reason_property"),
    ):
        prop = getattr(settings, setting)
        yield FieldRole(role, object_type, prop, setting if setting in given else "")
    for at, signal in enumerate(settings.signals):
        prop, setting = signal.property, f"signals[{at}].property"
        yield FieldRole("signal", "contacts", prop, setting, None, signal.kind)
        for value, kind in signal.map.items():
            yield FieldRole("signal_value", "contacts", prop, setting, value, kind)
    for column, prop in (DEFAULT_COLUMNS | dict(settings.columns)).items():
        setting = f"columns.{column}" if column in settings.columns else ""
        yield FieldRole("column", "contacts", prop, setting, column)


def split_property(name: str) -> tuple[str, str]:
    """The object and the property that a configured name means: ``leads.x`` is of the leads."""
    head, dot, tail = name.partition(".")
    return ("leads", tail) if dot and head == "leads" else ("contacts", name)


def configured_properties(name: str, settings: HubSpotProperties) -> dict[str, str]:
    """The properties of an object that the configuration asks for, and the setting that does."""
    return configured_fields(property_roles(settings), name)


def history_properties(name: str, settings: HubSpotProperties) -> list[str]:
    """The properties of an object whose past values are read."""
    kinds = {"stage", "reason", "signal"}
    roles = [role for role in property_roles(settings) if role.object_name == name]
    # Scores move on after the handoff: only the history says what it was then.
    wanted = (role.field for role in roles if role.role in kinds or role.value == "crm_score")
    return list(dict.fromkeys((*OBJECTS[name].history, *wanted)))


def properties(name: str, settings: HubSpotProperties) -> list[str]:
    """All properties that are read of an object."""
    wanted = [role.field for role in property_roles(settings) if role.object_name == name]
    history = history_properties(name, settings)
    return list(dict.fromkeys((*OBJECTS[name].properties, *history, *wanted)))


def write_property_roles(load: RawLoad, settings: HubSpotProperties) -> None:
    """Replace what the configuration of a source says of its properties."""
    load.replace_settings(
        FIELDS_TABLE,
        [
            (role.role, role.object_name, role.field, role.value, role.stage, f"{rank:04}")
            for rank, role in enumerate(property_roles(settings))
        ],
    )


# Landing; the caller holds the transaction. Each gives the number of rows that it wrote.


def replace_records(load: RawLoad, name: str, staged: str) -> int:
    """Put the staged versions of records in the place of earlier ones.

    ``staged``: a relation of ``RECORD_FIELDS``; of several versions of one record the latest holds.
    """
    table = OBJECTS[name].table
    load.remove(table, f"object_type = ? and id in (select id from {staged})", name)
    return load.insert(
        table,
        f"""
        select ?, {", ".join(RECORD_FIELDS)}
        from {staged}
        where id is not null
        qualify row_number() over (partition by id order by updated_at desc, properties desc) = 1
        """,
        [name],
    )


def add_history(load: RawLoad, staged: str) -> int:
    """Add the changes that are not known yet; ``staged``: a relation of ``HISTORY_FIELDS``."""
    return load.insert(
        HISTORY_TABLE,
        f"""
        with known as (
            select present.* from {RAW_SCHEMA}.{HISTORY_TABLE} as present
            semi join {staged} using (object_type, object_id)
            where present.source_system = ?
        )
        select
            staged.object_type, staged.object_id, staged.property, staged.value,
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
        [load.source_system],
    )


def replace_associations(load: RawLoad, from_type: str, touched: str, staged: str) -> int:
    """Replace what records belong to.

    ``touched``: a relation with the ``id`` of every record that was looked at. ``staged``: one of
    ``ASSOCIATION_FIELDS``.
    """
    is_touched = f"from_type = ? and from_id in (select id from {touched})"
    load.remove(ASSOCIATIONS_TABLE, is_touched, from_type)
    return load.insert(
        ASSOCIATIONS_TABLE,
        f"""
        select ?, from_id, to_type, to_id, max(is_primary), min(position)
        from {staged}
        where from_id is not null and to_id is not null
        group by from_id, to_type, to_id
        """,
        [from_type],
    )


def replace_table(load: RawLoad, table: str, staged: str) -> int:
    """Replace all that a source has in one of the ``SMALL_TABLES``."""
    load.remove(table, "true")
    return load.insert(table, f"select distinct {', '.join(SMALL_TABLES[table])} from {staged}")
