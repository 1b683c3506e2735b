"""The Salesforce objects that Handoff reads: their fields, their raw tables, and how rows land.

The same tables are filled from the API and from what Fivetran, Airbyte or dlt keep in a warehouse.
Every value is text. A standard field is a column in snake case; the fields that the configuration
names are a JSON object in ``custom_fields``, under their API names. Objects are kept in their
latest version; history rows are added and never removed, since Salesforce forgets them.

Names and phone numbers of leads, and the subjects of activities, are not read at all.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.field_roles import FieldRole, configured_fields
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.salesforce.settings import SalesforceFields

LINEAGE_COLUMNS = ("source_system", "load_id", "source_row")
CUSTOM_FIELDS = "custom_fields"
# What a source's configuration says of its fields, for the models. ``role``: stage, stage_value,
# reason, loss_reason, stage_date or column; ``value``: the raw stage, or the contract column;
# ``rank``: the order in which the fields were named.
FIELDS_TABLE = "salesforce_fields"


@dataclass(frozen=True)
class SalesforceObject:
    """One object: its API name, its raw table, and the standard fields that are read.

    ``without``: what is missing in an org that has no such object; empty: nothing can be built.
    """

    name: str
    table: str
    field_names: str
    without: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.field_names.split())

    @property
    def is_required(self) -> bool:
        """Whether there is nothing to build without it."""
        return not self.without

    @property
    def is_history(self) -> bool:
        """Whether its rows are facts that never change."""
        return self.name.endswith("History")

    @property
    def cursor(self) -> str:
        """The field that orders its changes."""
        return "CreatedDate" if self.is_history else "SystemModstamp"

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw table's columns, in order."""
        return (*LINEAGE_COLUMNS, *(snake_case(field) for field in self.fields), CUSTOM_FIELDS)


def snake_case(field: str) -> str:
    """The raw column of a standard field: ``ConvertedOpportunityId``, converted_opportunity_id."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()


OBJECTS: dict[str, SalesforceObject] = {
    item.name: item
    for item in (
        SalesforceObject(
            "Lead",
            "salesforce_leads",
            "Id IsDeleted MasterRecordId Email Company Title Industry NumberOfEmployees Country "
            "LeadSource Status OwnerId IsConverted ConvertedDate ConvertedContactId "
            "ConvertedOpportunityId CreatedDate LastModifiedDate SystemModstamp",
        ),
        SalesforceObject(
            "LeadHistory",
            "salesforce_lead_history",
            "Id IsDeleted LeadId Field DataType OldValue NewValue CreatedById CreatedDate",
            "stage and owner history is missing: only current stages and stage dates count",
        ),
        SalesforceObject(
            "Opportunity",
            "salesforce_opportunities",
            "Id IsDeleted StageName Amount CurrencyIsoCode CloseDate IsClosed IsWon OwnerId "
            "LastStageChangeDate CreatedDate SystemModstamp",
            "opportunities, wins and amounts are missing",
        ),
        SalesforceObject(
            "OpportunityHistory",
            "salesforce_opportunity_history",
            "Id IsDeleted OpportunityId StageName CreatedById CreatedDate",
            "closing times are only as exact as LastStageChangeDate or CloseDate",
        ),
        SalesforceObject(
            "OpportunityContactRole",
            "salesforce_opportunity_contact_roles",
            "Id IsDeleted OpportunityId ContactId Role IsPrimary CreatedDate SystemModstamp",
            "only converted leads have opportunities",
        ),
        SalesforceObject(
            "Task",
            "salesforce_tasks",
            "Id IsDeleted WhoId WhatId OwnerId TaskSubtype Type IsClosed CompletedDateTime "
            "ActivityDate CallType CreatedDate SystemModstamp",
            "calls and e-mails are missing: first touch and service level can't be judged",
        ),
        SalesforceObject(
            "Event",
            "salesforce_events",
            "Id IsDeleted IsChild WhoId WhatId OwnerId Type StartDateTime ActivityDateTime "
            "CreatedDate SystemModstamp",
            "meetings are missing",
        ),
        SalesforceObject(
            "EmailMessage",
            "salesforce_email_messages",
            "Id IsDeleted ActivityId Incoming MessageDate SystemModstamp",
            "e-mails count as outbound, since only EmailMessage says which came in",
        ),
        SalesforceObject(
            "Campaign",
            "salesforce_campaigns",
            "Id IsDeleted Name Type SystemModstamp",
            "engagements have no kind",
        ),
        SalesforceObject(
            "CampaignMember",
            "salesforce_campaign_members",
            "Id IsDeleted CampaignId LeadId ContactId Status HasResponded FirstRespondedDate "
            "CreatedDate SystemModstamp",
            "engagements are missing: intent and interest score can't be judged",
        ),
        SalesforceObject(
            "User",
            "salesforce_users",
            "Id Name Title Department TimeZoneSidKey IsActive SystemModstamp",
            "names and teams of reps are missing",
        ),
    )
}

TABLES: dict[str, tuple[str, ...]] = {
    **{item.table: item.columns for item in OBJECTS.values()},
    FIELDS_TABLE: ("source_system", "role", "field", "value", "stage", "rank"),
}


def field_roles(fields: SalesforceFields) -> Iterator[FieldRole]:
    """What a source's configuration says of its fields, in the order of naming."""
    for at, stage in enumerate(fields.stages):
        setting = f"stages[{at}].field"
        yield FieldRole("stage", "Lead", stage.field, setting)
        for raw, name in stage.map.items():
            yield FieldRole("stage_value", "Lead", stage.field, setting, raw, name)
    for at, field in enumerate(fields.reasons):
        yield FieldRole("reason", "Lead", field, f"reasons[{at}]")
    for name, field in fields.stage_dates.items():
        yield FieldRole("stage_date", "Lead", field, f"stage_dates.{name}", None, name)
    for column, field in fields.columns.items():
        yield FieldRole("column", "Lead", field, f"columns.{column}", column)
    if fields.loss_reason:
        yield FieldRole("loss_reason", "Opportunity", fields.loss_reason, "loss_reason")


def custom_fields(name: str, fields: SalesforceFields) -> dict[str, str]:
    """The fields beyond the standard ones that a source reads of an object, and their settings."""
    standard = {field.lower() for field in OBJECTS[name].fields}
    wanted = configured_fields(field_roles(fields), name)
    return {field: setting for field, setting in wanted.items() if field.lower() not in standard}


def write_field_roles(load: RawLoad, fields: SalesforceFields) -> None:
    """Replace what the configuration of a source says of its fields."""
    load.replace_settings(
        FIELDS_TABLE,
        [
            (role.role, role.field, role.value, role.stage, f"{rank:04}")
            for rank, role in enumerate(field_roles(fields))
        ],
    )


def fields_fingerprint(name: str, fields: SalesforceFields) -> str:
    """Identify which fields of an object are read: other fields need a new full read."""
    return json.dumps([*OBJECTS[name].fields, *sorted(custom_fields(name, fields))])


def insert_rows(load: RawLoad, item: SalesforceObject, staged: str, columns: Iterable[str]) -> None:
    """Move staged rows into an object's raw table.

    ``staged``: a relation with a text column per API name in ``columns``, and ``_row``, its order.
    An object's new version replaces its old one; a history row that is known is not added again.
    The caller holds the transaction.
    """
    available = {column.lower(): f'staged."{column}"' for column in columns}
    known = {field.lower() for field in item.fields}
    custom = [column for column in columns if column.lower() not in known]
    pairs = ", ".join(f'{literal(column)}, staged."{column}"' for column in custom)
    values = [available.get(field.lower(), "null") for field in item.fields]
    values.append(f"cast(json_object({pairs}) as varchar)" if pairs else "null")
    if not item.is_history:
        own = ", ".join(f"present.{column}" for column in item.columns[len(LINEAGE_COLUMNS) :])
        is_changed = f"({own}) is distinct from ({', '.join(values)})"
        load.remove(
            item.table,
            f'exists (from {staged} as staged where present.id = staged."Id" and {is_changed})',
        )
    load.insert(
        item.table,
        f"""
        select cast(_row as varchar), {", ".join(values)}
        from {staged} as staged
        where "Id" is not null and "Id" not in (
            select id from {RAW_SCHEMA}.{item.table} where source_system = ?
        )
        qualify row_number() over (
            partition by "Id"
            order by {available.get(item.cursor.lower(), "null")} desc, cast(_row as bigint) desc
        ) = 1
        """,
        [load.source_system],
    )
