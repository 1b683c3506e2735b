"""The golden world as the HubSpot tables of Fivetran, Airbyte and dlt, with the traps of each.

Tables and columns are those of the tools' own packages and test data. Ids are numbers or text,
times are times or text, versions and history repeat, unfinished loads and closed rows stand beside
the valid ones, archived records live apart or carry a mark.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tests.crm.hubspot_server import HubSpotAccount, Record

Row = dict[str, Any]
SYNCED = "2026-06-30T12:00:00Z"
EARLIER = "2026-06-01T12:00:00Z"


def fivetran(account: HubSpotAccount, path: Path) -> None:
    """Numbers for ids, times for times, a column per property, closed rows of history mode."""
    tables: dict[str, list[Row]] = {}
    singular = {"contacts": "contact", "leads": "lead", "deals": "deal"}
    for name, table in singular.items():
        tables[table] = [
            {
                "id": int(record.id),
                "_fivetran_deleted": record.archived or None,
                "_fivetran_synced": _time(SYNCED),
                **{
                    f"property_{key}": _typed(key, value)
                    for key, value in _all(account, name, record)
                },
            }
            for record in account.records[name].values()
        ]
        tables[f"{table}_property_history"] = [
            {
                f"{table}_id": int(record.id),
                "name": prop,
                "value": entry["value"],
                "timestamp": _time(entry["timestamp"]),
                "source": entry["sourceType"],
                "source_id": entry["sourceId"],
                "_fivetran_synced": _time(SYNCED),
            }
            for record, prop, entry in _entries(account, name)
        ]
        if name == "deals":
            _as_fivetran_lands_deals(account, tables)
        if name != "contacts":
            tables[f"{table}_contact"] = [
                {f"{table}_id": int(own), "contact_id": int(contact), "type_id": 3}
                for own, pairs in account.contacts_of[name].items()
                for contact, _ in pairs
            ]
    # History mode keeps the versions that were valid before; a flag may be empty.
    former = [row | {"property_email": "former@acme.example"} for row in tables["contact"]]
    tables["contact"] = [
        *(row | {"_fivetran_active": False} for row in former),
        *(
            row | {"_fivetran_active": None if at % 2 else True}
            for at, row in enumerate(tables["contact"])
        ),
    ]
    tables["engagement_contact"] = []
    for name in ("calls", "emails"):
        tables[f"engagement_{name[:-1]}"] = [
            {
                "engagement_id": int(record.id),
                **{
                    f"property_{key}": _typed(key, value)
                    for key, value in record.properties.items()
                },
            }
            for record in account.records[name].values()
        ]
        tables["engagement_contact"] += [
            {"engagement_id": int(own), "contact_id": int(contact)}
            for own, pairs in account.contacts_of[name].items()
            for contact, _ in pairs
        ]
    tables["owner"] = [
        {
            "owner_id": int(owner["id"]),
            "first_name": owner.get("firstName"),
            "last_name": owner.get("lastName"),
            "active_user_id": owner.get("userId"),
            "is_active": not owner.get("archived"),
        }
        for owner in account.owners
    ]
    tables["owner_team"] = [
        {
            "owner_id": int(owner["id"]),
            "team_id": int(team["id"]),
            "is_team_primary": team["primary"],
            "_fivetran_deleted": None,
        }
        for owner in account.owners
        for team in owner.get("teams", [])
    ]
    tables["team"] = [
        {"id": int(team["id"]), "name": team["name"]}
        for owner in account.owners
        for team in owner.get("teams", [])
    ]
    tables["deal_pipeline_stage"] = [
        {
            "pipeline_id": pipeline["id"],
            "stage_id": stage["id"],
            "label": stage["label"],
            "probability": float(stage["metadata"]["probability"]),
            "closed_won": stage["metadata"]["isClosed"] == "true",
        }
        for pipeline, stage in _stages(account)
    ]
    _write(path, "hubspot", tables)


def _as_fivetran_lands_deals(account: HubSpotAccount, tables: dict[str, list[Row]]) -> None:
    """Ids and stage of a deal under names of its own, its stages and merges in tables."""
    renamed = {
        "id": "deal_id",
        "property_dealstage": "deal_pipeline_stage_id",
        "property_pipeline": "deal_pipeline_id",
        "property_hubspot_owner_id": "owner_id",
    }
    # That it is closed only the stage tells.
    dropped = {"property_hs_is_closed", "property_hs_is_closed_won"}
    dropped |= {"property_hs_merged_object_ids"}
    tables["deal"] = [
        {renamed.get(key, key): value for key, value in row.items() if key not in dropped}
        for row in tables["deal"]
    ]
    history = tables["deal_property_history"]
    tables["deal_property_history"] = [row for row in history if row["name"] != "dealstage"] or [
        {"deal_id": 0, "name": "amount", "timestamp": _time(SYNCED), "value": None}
    ]
    tables["deal_stage"] = [
        {
            "deal_id": int(record.id),
            "value": entry["value"],
            "date_entered": _time(entry["timestamp"]),
            "source": entry["sourceType"],
            "source_id": entry["sourceId"],
            "_fivetran_active": entry is record.history["dealstage"][0],
            "_fivetran_start": _time(entry["timestamp"]),
        }
        for record, prop, entry in _entries(account, "deals")
        if prop == "dealstage"
    ]
    tables["merged_deal"] = [
        {"deal_id": int(record.id), "merged_deal_id": int(merged)}
        for record in account.records["deals"].values()
        for merged in record.properties["hs_merged_object_ids"].split(";")
        if merged
    ] or [{"deal_id": 0, "merged_deal_id": 1}]


def airbyte(account: HubSpotAccount, path: Path) -> None:
    """Text and JSON in HubSpot's own spelling; every sync adds versions and repeats history."""
    tables: dict[str, list[Row]] = {}
    names = {
        "contacts": "contacts",
        "leads": "leads",
        "deals": "deals",
        "calls": "engagements_calls",
        "emails": "engagements_emails",
    }
    for name, table in names.items():
        rows = [
            {
                "id": record.id,
                "properties": json.dumps(
                    {
                        key: _as_number(key, value)
                        for key, value in (
                            *_all(account, name, record),
                            *_stage_entries(name, record),
                        )
                    }
                ),
                "createdAt": record.created_at,
                "updatedAt": record.updated_at,
                "archived": record.archived,
                "contacts": json.dumps(_contacts(account, name, record)),
                "_airbyte_extracted_at": _time(SYNCED),
            }
            for record in account.records[name].values()
        ]
        former = [
            row | {"properties": "{}", "_airbyte_extracted_at": _time(EARLIER)} for row in rows
        ]
        tables[table] = [*rows, *former]
    for name, own in (("contacts", "contactId"), ("deals", "dealId")):
        tables[f"{name}_property_history"] = 2 * [
            {
                own: record.id,
                "property": prop,
                "value": entry["value"],
                "timestamp": entry["timestamp"],
                "sourceType": entry["sourceType"],
                "sourceId": entry["sourceId"],
                "updatedByUserId": entry["updatedByUserId"],
            }
            for record, prop, entry in _entries(account, name)
        ]
    for table, archived in (("owners", False), ("owners_archived", True)):
        tables[table] = [
            {
                "id": owner["id"],
                "userId": owner.get("userId"),
                "firstName": owner.get("firstName"),
                "lastName": owner.get("lastName"),
                "archived": archived,
                "teams": json.dumps(owner.get("teams")),
            }
            for owner in account.owners
            if bool(owner.get("archived")) is archived
        ]
    tables["deal_pipelines"] = [
        {"pipelineId": pipeline["id"], "stages": json.dumps(pipeline["stages"])}
        for pipeline in account.pipelines["deals"]
    ]
    _write(path, "airbyte", tables)


def dlt(account: HubSpotAccount, path: Path) -> None:
    """Bare property names, children for associations, and a load that was never finished."""
    done, broken = "1750000000.1", "1750000099.9"
    tables: dict[str, list[Row]] = {
        "_dlt_loads": [
            {"load_id": done, "status": 0},
            {"load_id": broken, "status": 1},
        ]
    }
    for name in ("contacts", "deals"):
        rows = [
            {
                "id": record.id,
                "hs_object_id": record.id,
                **{key: _typed(key, value) for key, value in _all(account, name, record)},
                "is_deleted": record.archived,
                "_dlt_load_id": done,
                "_dlt_id": f"{name}{record.id}",
            }
            for record in account.records[name].values()
        ]
        half = [row | {"createdate": None, "_dlt_load_id": broken} for row in rows[:3]]
        tables[name] = [*rows, *half]
        tables[f"{name}_property_history"] = 2 * [
            {
                "object_id": record.id,
                "property_name": prop,
                "value": entry["value"],
                "timestamp": _time(entry["timestamp"]),
                "source_type": entry["sourceType"],
                "source_id": entry["sourceId"],
                "updated_by_user_id": entry["updatedByUserId"],
                "_dlt_load_id": done,
            }
            for record, prop, entry in _entries(account, name)
            if prop != "dealstage"
        ] or [{"object_id": "0", "property_name": "amount", "value": None, "timestamp": None}]
    # The latest moment of each stage, in a table of its own.
    tables["stages_timing_deals"] = [
        {"id": record.id, "stage": entry["value"], "hs_v2_date_entered_x": _time(moment)}
        for record, prop, entry in _entries(account, "deals")
        if prop == "dealstage"
        for moment in [entry["timestamp"]]
    ]
    tables["contacts__deals"] = [
        {"value": contact, "deals_id": own, "_dlt_parent_id": f"contacts{contact}"}
        for own, pairs in account.contacts_of["deals"].items()
        for contact, _ in pairs
    ]
    tables["owners"] = [
        {
            "id": owner["id"],
            "user_id": owner.get("userId"),
            "first_name": owner.get("firstName"),
            "last_name": owner.get("lastName"),
            "archived": bool(owner.get("archived")),
            "_dlt_load_id": done,
            "_dlt_id": f"o{owner['id']}",
        }
        for owner in account.owners
    ]
    tables["owners__teams"] = [
        {**team, "_dlt_parent_id": f"o{owner['id']}"}
        for owner in account.owners
        for team in owner.get("teams", [])
    ]
    tables["pipelines_deals"] = [
        {"id": pipeline["id"], "_dlt_id": f"p{pipeline['id']}", "_dlt_load_id": done}
        for pipeline in account.pipelines["deals"]
    ]
    tables["pipelines_deals__stages"] = [
        {
            "id": stage["id"],
            "label": stage["label"],
            "metadata__is_closed": stage["metadata"]["isClosed"],
            "metadata__probability": stage["metadata"]["probability"],
            "_dlt_parent_id": f"p{pipeline['id']}",
        }
        for pipeline, stage in _stages(account)
    ]
    _write(path, "hubspot_dlt", tables)


LAYOUTS: dict[str, tuple[str, Callable[[HubSpotAccount, Path], None]]] = {
    "fivetran": ("hubspot", fivetran),
    "airbyte": ("airbyte", airbyte),
    "dlt": ("hubspot_dlt", dlt),
}


def _all(account: HubSpotAccount, name: str, record: Record) -> Iterable[tuple[str, Any]]:
    """All properties of a record, so that every row has every column."""
    keys = sorted(account.known_properties(name))
    return [(key, record.properties.get(key) or None) for key in keys]


def _stage_entries(name: str, record: Record) -> Iterable[tuple[str, Any]]:
    """When a record of the leads object entered its stages: some in the present properties."""
    if name != "leads":
        return
    # HubSpot puts a number of its own behind the stage.
    for at, stage in enumerate(("new-stage-id", "unqualified-stage-id")):
        entries = record.history["hs_pipeline_stage"]
        moment = next((item["timestamp"] for item in entries if item["value"] == stage), None)
        key = f"date_entered_{stage.replace('-', '_')}_13182660{at}"
        yield f"hs_v2_{key}", moment if at else None
        yield f"hs_{key}", moment


def _entries(account: HubSpotAccount, name: str) -> Iterable[tuple[Record, str, Row]]:
    for record in account.records[name].values():
        for prop, entries in record.history.items():
            for entry in entries:
                yield record, prop, entry


def _contacts(account: HubSpotAccount, name: str, record: Record) -> list[str]:
    return [contact for contact, _ in account.contacts_of.get(name, {}).get(record.id, [])]


def _stages(account: HubSpotAccount) -> Iterable[tuple[Row, Row]]:
    for pipeline in account.pipelines["deals"]:
        for stage in pipeline["stages"]:
            yield pipeline, stage


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _typed(key: str, value: Any) -> Any:
    """A property in the type that a tool gives it."""
    if value and (key in {"createdate", "closedate", "lastmodifieddate"} or key.endswith("date")):
        return _time(value)
    if value and key == "hubspot_owner_id":
        return int(value)
    return value


def _as_number(key: str, value: Any) -> Any:
    """A property as Airbyte casts it: numbers with a fraction, and a flag that is wrongly true."""
    if key in {"hs_is_closed", "hs_is_closed_won"}:
        return True
    return float(value) if value and key == "hs_primary_contact_id" else value


def _write(path: Path, schema: str, tables: dict[str, list[Row]]) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f'create schema "{schema}"')
        for name, rows in tables.items():
            staged = pa.Table.from_pylist(rows)
            connection.register("staged", staged)
            connection.execute(f'create table "{schema}"."{name}" as select * from staged')
            connection.unregister("staged")
