"""The golden CRM export, dressed as a HubSpot account.

Stages on the path are lifecycle stages (SAL and Zombie are custom ones, whose values are numbers).
Rejections and nurturing are lead statuses. A disqualified lead is a record of the leads object in
its last stage. Reasons are a custom contact property; signals are the last form filled in.
Whoever was merged is known by id only: the contact that is left holds the whole history.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.crm.hubspot_server import HubSpotAccount, Record

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "crm_export"
REASON, FORM = "rejection_reason", "recent_conversion_event_name"
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
USER, OWNER = "7001", "71"

LIFECYCLE = {
    "Subscriber": "subscriber",
    "Lead": "lead",
    "MQL": "marketingqualifiedlead",
    "SAL": "103842741",
    "SQL": "salesqualifiedlead",
    "Opportunity": "opportunity",
    "Customer": "customer",
    "Zombie": "103842742",
    "": "",
}
STATUS = {"Rejected": "REJECTED", "Nurture": "BAD_TIMING"}
PIPELINE = {"Disqualified": "unqualified-stage-id"}
FORMS = {"demo_request": "Book a demo: form", "contact_sales": "Talk to us: form"}

# What a source that reads this account has to be told.
PROPERTIES: dict[str, Any] = {
    "stages": [
        {"property": "lifecyclestage"},
        {"property": "hs_lead_status", "map": {"Rejected by sales": "rejected"}},
        {"property": "leads.hs_pipeline_stage"},
    ],
    "reason_property": REASON,
    "signals": [{"property": FORM, "map": {form: kind for kind, form in FORMS.items()}}],
}


class World:
    """An account that tells the export's stories. ``names`` translates ids back to the export's."""

    def __init__(self, golden: Path = GOLDEN) -> None:
        self.export = {path.stem: _rows(path) for path in sorted(golden.glob("*.csv"))}
        self.names: dict[str, str] = {OWNER: "R1"}
        self._ids: dict[str, str] = {}
        self._merged_deals: dict[str, list[str]] = {}
        self._leads = {lead["lead_id"]: lead for lead in self.export["leads"]}
        for number, name in enumerate(self._leads, start=1001):
            self._ids[name] = str(number)
            self.names[str(number)] = name
        self.account = HubSpotAccount(now=NOW)
        self._settings()
        for name, lead in self._leads.items():
            if not lead["merged_into_lead_id"]:
                self._contact(name, lead)
        for number, deal in enumerate(self.export["opportunities"], start=9001):
            self._deal(str(number), deal)
        self._deal_merges()
        for number, activity in enumerate(self.export["activities"], start=5001):
            self._activity(str(number), activity)

    def id_of(self, name: str) -> str:
        """The contact id of a lead of the export."""
        return self._ids[name]

    def survivor(self, name: str) -> str:
        """The lead that is left of a lead, after all merges."""
        while into := self._leads[name]["merged_into_lead_id"]:
            name = into
        return name

    def _settings(self) -> None:
        account = self.account
        account.owners = [
            {
                "id": OWNER,
                "email": "rep@acme.example",
                "firstName": "Rep",
                "lastName": "One",
                "userId": int(USER),
                "teams": [
                    {"id": "2", "name": "Field", "primary": False},
                    {"id": "1", "name": "SDR", "primary": True},
                ],
                "archived": False,
            },
            {"id": "72", "firstName": "Gone", "userIdIncludingInactive": 7002, "archived": True},
        ]
        account.pipelines = {
            "deals": [
                _pipeline(
                    "default",
                    ("appointmentscheduled", "Appointment scheduled", "false", "0.2"),
                    ("closedwon", "Closed won", "true", "1.0"),
                    ("closedlost", "Closed lost", "true", "0.0"),
                )
            ],
            "leads": [
                _pipeline(
                    "lead-pipeline-id",
                    ("new-stage-id", "New", "false", ""),
                    ("unqualified-stage-id", "Disqualified", "true", ""),
                )
            ],
        }
        account.options = {
            ("contacts", "lifecyclestage"): {
                "marketingqualifiedlead": "Marketing Qualified Lead",
                LIFECYCLE["SAL"]: "SAL",
                LIFECYCLE["Zombie"]: "Zombie",
            },
            ("contacts", "hs_lead_status"): {
                "NEW": "New",
                "REJECTED": "Rejected by sales",
                "BAD_TIMING": "Bad timing",
            },
            ("contacts", "hs_analytics_source"): {"ORGANIC_SEARCH": "Organic Search"},
        }
        account.properties = {
            "contacts": {"lifecyclestage", "hs_lead_status", REASON, FORM, "hubspotscore"},
            "leads": {"hs_pipeline_stage", "hs_lead_disqualification_reason"},
            "deals": {"closed_lost_reason"},
        }

    def _contact(self, name: str, lead: dict[str, str]) -> None:
        own = [other for other in self._leads if self.survivor(other) == name]
        created = min(self._leads[other]["created_at"] for other in own)
        changes = [row for row in self.export["stage_changes"] if row["lead_id"] in own]
        record = Record(
            id=self._ids[name],
            properties={
                "email": lead["email"],
                "company": lead["company"],
                "jobtitle": lead["title"],
                "numemployees": lead["employee_count"],
                "industry": lead["industry"],
                "country": lead["country"],
                "hs_analytics_source": lead["lead_source"].upper().replace(" ", "_"),
                "hubspot_owner_id": OWNER if lead["owner_id"] else "",
                "createdate": created,
                "lastmodifieddate": lead["updated_at"],
                "hs_merged_object_ids": ";".join(
                    self._ids[other] for other in own if other != name
                ),
            },
            created_at=created,
            updated_at=lead["updated_at"],
            archived=lead["is_deleted"] == "true",
        )
        if lead["owner_id"]:
            # A form may stamp the contact a moment before it says it was created.
            moments = [created, *(change["changed_at"] for change in changes)]
            first = min(moments, key=datetime.fromisoformat)
            record.history["hubspot_owner_id"] = [_entry(OWNER, first)]
        for change in changes:
            self._change(record, change)
        self._present_stage(record, lead["current_stage"])
        for engagement in self.export["engagements"]:
            if engagement["lead_id"] in own:
                kind = engagement["kind"]
                remember(record, FORM, FORMS.get(kind, kind), engagement["occurred_at"])
        self.account.add("contacts", record)

    def _change(self, record: Record, change: dict[str, str]) -> None:
        """A stage change, in the property that carries this stage; and its reason."""
        stage, moment = change["to_stage"], change["changed_at"]
        if change["from_stage"]:
            remember(record, "lifecyclestage", LIFECYCLE[change["from_stage"]], record.created_at)
        if stage in PIPELINE:
            self._lead_record(record, PIPELINE[stage], change)
            return
        prop, value = (
            ("hs_lead_status", STATUS[stage])
            if stage in STATUS
            else ("lifecyclestage", LIFECYCLE[stage])
        )
        known = record.history.get(prop, [])
        # A value that is set again is no change; what was new is the reason.
        if not (known and known[0]["value"] == value and stage in STATUS):
            remember(record, prop, value, moment)
        if change["reason"]:
            remember(record, REASON, change["reason"], moment)

    def _lead_record(self, contact: Record, value: str, change: dict[str, str]) -> None:
        """A record of the leads object that was taken up and left in a stage."""
        moment = change["changed_at"]
        record = Record(
            id=f"3{contact.id}",
            properties={
                "hs_pipeline": "lead-pipeline-id",
                "hs_primary_contact_id": contact.id,
                "hs_createdate": moment,
                "hs_lastmodifieddate": moment,
            },
            created_at=moment,
            updated_at=moment,
        )
        remember(record, "hs_pipeline_stage", "new-stage-id", contact.created_at)
        remember(record, "hs_pipeline_stage", value, moment)
        remember(record, "hs_lead_disqualification_reason", change["reason"], moment)
        self.account.add("leads", record)
        pairs = self.account.contacts_of.setdefault("leads", {})
        pairs[record.id] = [(contact.id, "Primary")]

    def _present_stage(self, record: Record, stage: str) -> None:
        """A stage that the contact is in and that its history does not tell of."""
        if stage in LIFECYCLE and "lifecyclestage" not in record.properties:
            record.properties["lifecyclestage"] = LIFECYCLE[stage]
        if not record.history.keys() & {"lifecyclestage", "hs_lead_status"}:
            status = STATUS | {"Disqualified": "UNQUALIFIED"}
            record.properties["hs_lead_status"] = status.get(stage, "")

    def _deal(self, deal_id: str, deal: dict[str, str]) -> None:
        self.names[deal_id] = deal["opportunity_id"]
        if into := deal.get("merged_into_opportunity_id"):
            # Of a merged deal only the id is left, with the one that it was merged into.
            self._merged_deals.setdefault(into, []).append(deal_id)
            return
        closed = {"true": "closedwon", "false": "closedlost"}[deal["is_won"] or "false"]
        is_undated = closed == "closedwon" and not deal["closed_at"]
        record = Record(
            id=deal_id,
            properties={
                "pipeline": "default",
                "amount": "1" if deal["amount"] else "",
                "amount_in_home_currency": deal["amount"],
                "createdate": deal["created_at"],
                # People move the closing date; the history knows better.
                "closedate": "" if is_undated else "2026-12-31T00:00:00Z",
                "hubspot_owner_id": OWNER,
                "closed_lost_reason": deal["loss_reason"],
                "hs_is_closed": "true" if deal["closed_at"] or is_undated else "false",
                "hs_is_closed_won": deal["is_won"],
                "hs_lastmodifieddate": deal["closed_at"] or deal["created_at"],
                "hs_merged_object_ids": "",
            },
            created_at=deal["created_at"],
            updated_at=deal["closed_at"] or deal["created_at"],
            archived=deal.get("is_deleted") == "true",
        )
        if is_undated:
            record.properties["dealstage"] = closed
        else:
            remember(record, "dealstage", "appointmentscheduled", deal["created_at"])
        if deal["closed_at"]:
            remember(record, "dealstage", closed, deal["closed_at"])
        self.account.add("deals", record)
        pairs = self.account.contacts_of.setdefault("deals", {})
        pairs[deal_id] = [(self._ids[self.survivor(deal["lead_id"])], None)]

    def _deal_merges(self) -> None:
        """The deals that are left know which ones they swallowed."""
        ids = {self.names[record.id]: record for record in self.account.records["deals"].values()}
        for into, merged in self._merged_deals.items():
            ids[into].properties["hs_merged_object_ids"] = ";".join(merged)

    def _activity(self, activity_id: str, activity: dict[str, str]) -> None:
        kind = {"call": "calls", "email": "emails"}.get(activity["kind"])
        if kind is None:
            return
        direction = activity["direction"]
        properties = {
            "hs_timestamp": activity["occurred_at"],
            "hubspot_owner_id": OWNER,
            "hs_lastmodifieddate": activity["occurred_at"],
        }
        if kind == "calls":
            properties["hs_call_direction"] = direction.upper()
        else:
            sent = direction == "outbound"
            properties["hs_email_direction"] = "EMAIL" if sent else "INCOMING_EMAIL"
        moment = activity["occurred_at"]
        self.account.add(kind, Record(activity_id, properties, moment, moment))
        pairs = self.account.contacts_of.setdefault(kind, {})
        pairs[activity_id] = [(self._ids[self.survivor(activity["lead_id"])], None)]


def _entry(value: str, moment: str) -> dict[str, Any]:
    return {
        "value": value,
        "timestamp": moment,
        "sourceType": "CRM_UI",
        "sourceId": f"userId:{USER}",
        "updatedByUserId": int(USER),
    }


def remember(record: Record, prop: str, value: str, moment: str) -> None:
    """Give a property a value, as a user did at a moment; the history is newest first."""
    entries = [*record.history.get(prop, []), _entry(value, moment)]
    record.history[prop] = sorted(entries, key=lambda entry: entry["timestamp"], reverse=True)
    record.properties[prop] = record.history[prop][0]["value"]


def _pipeline(name: str, *stages: tuple[str, str, str, str]) -> dict[str, Any]:
    return {
        "id": name,
        "label": name,
        "stages": [
            {
                "id": stage,
                "label": label,
                "metadata": {"isClosed": is_closed, "probability": probability},
            }
            for stage, label, is_closed, probability in stages
        ],
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# How many contacts and deals the account has.
CONTACTS, DEALS = (len(World().account.records[name]) for name in ("contacts", "deals"))
