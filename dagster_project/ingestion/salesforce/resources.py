"""The Salesforce objects that Handoff reads: their fields, their raw tables, and how rows land.

The same tables are filled from the API and from what Fivetran, Airbyte or dlt keep in a warehouse.
Every value is text. A standard field is a column in snake case; the fields that the configuration
names are a JSON object in ``custom_fields``, under their API names. Objects are kept in their
latest version; history rows are added and never removed, since Salesforce forgets them.

Names and phone numbers of leads, and the subjects of activities, are not read at all.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project.config.sources import SalesforceFields
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LINEAGE_COLUMNS = ("source_system", "load_id", "source_row")
CUSTOM_FIELDS = "custom_fields"


@dataclass(frozen=True)
class SalesforceObject:
    """One object: its API name, its raw table, and the standard fields that are read.

    ``cursor``: the field that orders its changes. ``is_required``: without it there is nothing to
    build. ``is_history``: rows are facts that never change.
    """

    name: str
    table: str
    fields: tuple[str, ...]
    cursor: str = "SystemModstamp"
    is_required: bool = False
    is_history: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw table's columns, in order."""
        return (*LINEAGE_COLUMNS, *(snake_case(field) for field in self.fields), CUSTOM_FIELDS)


def snake_case(field: str) -> str:
    """The raw column of a standard field: ``ConvertedOpportunityId``, converted_opportunity_id."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()


def _object(
    name: str, table: str, fields: str, *, is_required: bool = False, cursor: str | None = None
) -> SalesforceObject:
    """An object from its field names; one whose cursor is CreatedDate is a history."""
    return SalesforceObject(
        name=name,
        table=f"salesforce_{table}",
        fields=tuple(fields.split()),
        cursor=cursor or "SystemModstamp",
        is_required=is_required,
        is_history=cursor == "CreatedDate",
    )


OBJECTS: dict[str, SalesforceObject] = {
    item.name: item
    for item in (
        _object(
            "Lead",
            "leads",
            "Id IsDeleted MasterRecordId Email Company Title Industry NumberOfEmployees Country "
            "LeadSource Status OwnerId IsConverted ConvertedDate ConvertedContactId "
            "ConvertedOpportunityId CreatedDate LastModifiedDate SystemModstamp",
            is_required=True,
        ),
        _object(
            "LeadHistory",
            "lead_history",
            "Id IsDeleted LeadId Field DataType OldValue NewValue CreatedById CreatedDate",
            cursor="CreatedDate",
        ),
        _object(
            "Opportunity",
            "opportunities",
            "Id IsDeleted StageName Amount CurrencyIsoCode CloseDate IsClosed IsWon OwnerId "
            "LastStageChangeDate CreatedDate SystemModstamp",
        ),
        _object(
            "OpportunityHistory",
            "opportunity_history",
            "Id IsDeleted OpportunityId StageName CreatedById CreatedDate",
            cursor="CreatedDate",
        ),
        _object(
            "OpportunityContactRole",
            "opportunity_contact_roles",
            "Id IsDeleted OpportunityId ContactId Role IsPrimary CreatedDate SystemModstamp",
        ),
        _object(
            "Task",
            "tasks",
            "Id IsDeleted WhoId WhatId OwnerId TaskSubtype Type IsClosed CompletedDateTime "
            "ActivityDate CallType CreatedDate SystemModstamp",
        ),
        _object(
            "Event",
            "events",
            "Id IsDeleted IsChild WhoId WhatId OwnerId Type StartDateTime ActivityDateTime "
            "CreatedDate SystemModstamp",
        ),
        _object(
            "EmailMessage",
            "email_messages",
            "Id IsDeleted ActivityId Incoming MessageDate SystemModstamp",
        ),
        _object("Campaign", "campaigns", "Id IsDeleted Name Type SystemModstamp"),
        _object(
            "CampaignMember",
            "campaign_members",
            "Id IsDeleted CampaignId LeadId ContactId Status HasResponded FirstRespondedDate "
            "CreatedDate SystemModstamp",
        ),
        _object(
            "User",
            "users",
            "Id Name Title Department TimeZoneSidKey IsActive SystemModstamp",
        ),
    )
}

# What a missing object costs, for the note.
WITHOUT = {
    "LeadHistory": "stage and owner history is missing: only current stages and stage dates count",
    "Opportunity": "opportunities, wins and amounts are missing",
    "OpportunityHistory": "closing times are only as exact as LastStageChangeDate or CloseDate",
    "OpportunityContactRole": "a deal is known of converted leads only",
    "Task": "calls and e-mails are missing: first touch and service level can't be judged",
    "Event": "meetings are missing",
    "EmailMessage": "e-mails count as outbound, since only EmailMessage says which came in",
    "Campaign": "engagements have no kind",
    "CampaignMember": "engagements are missing: intent and interest score can't be judged",
    "User": "names and teams of reps are missing",
}

# What a source's configuration says of its fields, for the models. ``role``: stage, stage_value,
# reason, loss_reason, stage_date or column; ``value``: the raw stage, or the contract column;
# ``rank``: the order in which the fields were named.
FIELDS_TABLE = "salesforce_fields"
FIELDS_COLUMNS = ("source_system", "role", "field", "value", "stage", "rank")


def ensure_salesforce_tables(connection: "DuckDBPyConnection") -> None:
    """Create the raw tables of Salesforce, empty, where they do not exist yet."""
    raw_schema.create_text_tables(
        connection,
        {
            **{item.table: item.columns for item in OBJECTS.values()},
            FIELDS_TABLE: FIELDS_COLUMNS,
            "source_state": ("source_system", "stream", "cursor"),
        },
    )


def custom_fields(name: str, fields: SalesforceFields) -> dict[str, str]:
    """The fields beyond the standard ones that a source reads of an object.

    Returns the API name and the setting that asks for it, for messages.
    """
    wanted: dict[str, str] = {}
    if name == "Lead":
        for at, stage in enumerate(fields.stages):
            wanted.setdefault(stage.field, f"stages[{at}].field")
        for at, reason in enumerate(fields.reasons):
            wanted.setdefault(reason, f"reasons[{at}]")
        for stage_name, field in fields.stage_dates.items():
            wanted.setdefault(field, f"stage_dates.{stage_name}")
        for column, field in fields.columns.items():
            wanted.setdefault(field, f"columns.{column}")
    if name == "Opportunity" and fields.loss_reason:
        wanted[fields.loss_reason] = "loss_reason"
    standard = {field.lower() for field in OBJECTS[name].fields}
    return {field: place for field, place in wanted.items() if field.lower() not in standard}


def write_field_roles(
    connection: "DuckDBPyConnection", source_system: str, fields: SalesforceFields
) -> None:
    """Replace what the configuration of a source says of its fields."""
    rows: list[tuple[str, str, str | None, str | None]] = []
    for stage in fields.stages:
        rows.append(("stage", stage.field, None, None))
        rows += [("stage_value", stage.field, raw, name) for raw, name in stage.map.items()]
    rows += [("reason", field, None, None) for field in fields.reasons]
    rows += [("stage_date", field, None, stage) for stage, field in fields.stage_dates.items()]
    rows += [("column", field, column, None) for column, field in fields.columns.items()]
    if fields.loss_reason:
        rows.append(("loss_reason", fields.loss_reason, None, None))
    connection.execute(
        f"delete from {RAW_SCHEMA}.{FIELDS_TABLE} where source_system = ?", [source_system]
    )
    for rank, (role, field, value, stage_name) in enumerate(rows):
        connection.execute(
            f"insert into {RAW_SCHEMA}.{FIELDS_TABLE} values (?, ?, ?, ?, ?, ?)",
            [source_system, role, field, value, stage_name, f"{rank:04}"],
        )


def fields_fingerprint(name: str, fields: SalesforceFields) -> str:
    """Identify which fields of an object are read: other fields need a new full read."""
    return json.dumps([*OBJECTS[name].fields, *sorted(custom_fields(name, fields))])


def insert_rows(
    connection: "DuckDBPyConnection",
    item: SalesforceObject,
    staged: str,
    columns: Iterable[str],
    source_system: str,
    load_id: int,
) -> int:
    """Move staged rows into an object's raw table; returns how many versions were new.

    ``staged``: a table with one text column per API name in ``columns``, and ``_row`` (its order).
    An object's new version replaces its old one; a history row that is known is not added again.
    The caller holds the transaction.
    """
    available = {column.lower(): column for column in columns}
    target = f"{RAW_SCHEMA}.{item.table}"
    known = {field.lower() for field in item.fields}
    extra = [column for lower, column in available.items() if lower not in known]
    pairs = ", ".join(f"""'{column}', staged."{column}\"""" for column in extra)
    values = [
        f'staged."{available[field.lower()]}"' if field.lower() in available else "null"
        for field in item.fields
    ]
    values.append(f"cast(json_object({pairs}) as varchar)" if extra else "null")
    if not item.is_history:
        own = ", ".join(f"{item.table}.{column}" for column in item.columns[len(LINEAGE_COLUMNS) :])
        connection.execute(
            f"""
            delete from {target} using {staged} as staged
            where {item.table}.source_system = ? and {item.table}.id = staged."Id"
                and ({own}) is distinct from ({", ".join(values)})
            """,
            [source_system],
        )
    cursor = f'"{available[item.cursor.lower()]}"' if item.cursor.lower() in available else "null"
    inserted = connection.execute(
        f"""
        insert into {target}
        select ?, ?, cast(_row as varchar), {", ".join(values)}
        from {staged} as staged
        where "Id" is not null and not exists (
            select 1 from {target} as present
            where present.source_system = ? and present.id = staged."Id"
        )
        qualify row_number() over (partition by "Id" order by {cursor} desc, _row desc) = 1
        """,
        [source_system, load_id, source_system],
    ).fetchone()
    return int(inserted[0]) if inserted else 0
