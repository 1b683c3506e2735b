"""The golden CRM export, dressed as a Salesforce org.

The leads' stages are in a custom field ``Lifecycle_Stage__c``, except that a disqualified lead is
one whose ``Status`` became Unqualified; reasons are in ``Rejection_Reason__c``. Whoever has a
deal is a converted lead, whose activities moved to the contact. An owner that is nobody is a queue.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dagster_project.ingestion.salesforce.resources import OBJECTS
from dagster_project.ingestion.salesforce.settings import SalesforceFields
from tests.crm.salesforce_server import Org, salesforce_id

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "crm_export"
STAGE, REASON, LOSS = "Lifecycle_Stage__c", "Rejection_Reason__c", "Loss_Reason__c"
QUEUE = salesforce_id("00G", 1)

# One date field per stage: when the lead last entered it.
STAGE_DATES = {
    stage: f"{stage.replace(' ', '_')}_Date__c"
    for stage in (
        "Subscriber",
        "Lead",
        "MQL",
        "SAL",
        "SQL",
        "Opportunity",
        "Customer",
        "Rejected",
        "Disqualified",
        "Nurture",
    )
}

# What a source that reads this org has to be told.
FIELDS: dict[str, Any] = {
    "stages": [
        {"field": STAGE},
        {"field": "Status", "map": {"New": "ignored"}},
    ],
    "reasons": [REASON],
    "loss_reason": LOSS,
}


class Ids:
    """Salesforce ids for the export's ids, and back."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], str] = {}
        self.names: dict[str, str] = {}

    def __call__(self, prefix: str, name: str) -> str:
        """The id of an object; the same name gives the same id."""
        key = (prefix, name)
        if key not in self._made:
            self._made[key] = salesforce_id(prefix, 7919 * (len(self._made) + 1) ** 3)
            self.names[self._made[key]] = name
        return self._made[key]


class World:
    """An org that tells the export's stories. ``ids.names`` translates ids back to the export's."""

    def __init__(self, golden: Path = GOLDEN) -> None:
        self.ids = Ids()
        self.export = {path.stem: _rows(path) for path in sorted(golden.glob("*.csv"))}
        self.records: dict[str, list[dict[str, Any]]] = {name: [] for name in OBJECTS}
        self._deals: dict[str, list[dict[str, str]]] = {}
        for deal in self.export["opportunities"]:
            self._deals.setdefault(deal["lead_id"], []).append(deal)
        for lead in self.export["leads"]:
            self._lead(lead)
        for deal in self.export["opportunities"]:
            self._opportunity(deal)
        for activity in self.export["activities"]:
            self._activity(activity)
        for engagement in self.export["engagements"]:
            self._engagement(engagement)
        self.records["User"].append(
            {
                "Id": self.ids("005", "R1"),
                "Name": "Rep One",
                "Title": "SDR",
                "Department": "Sales",
                "TimeZoneSidKey": "Europe/Amsterdam",
                "IsActive": True,
                "SystemModstamp": _time("2026-01-01T00:00:00Z"),
            }
        )

    def org(self, **options: Any) -> Org:
        """The org, for the server."""
        fields = {name: list(item.fields) for name, item in OBJECTS.items()}
        fields["Lead"] += [STAGE, REASON, *STAGE_DATES.values()]
        fields["Opportunity"].append(LOSS)
        fields["Opportunity"].remove("CurrencyIsoCode")
        return Org(records=self.records, fields=fields, **options)

    def _add(self, name: str, **values: Any) -> None:
        self.records[name].append({"IsDeleted": False, **values})

    def _history(self, lead: str, at: str, field: str, old: Any = None, new: Any = None) -> None:
        number = len(self.records["LeadHistory"])
        self._add(
            "LeadHistory",
            Id=self.ids("017", f"history-{number}"),
            LeadId=self.ids("00Q", lead),
            Field=field,
            DataType="Text",
            OldValue=old,
            NewValue=new,
            CreatedById=self.ids("005", "R1"),
            CreatedDate=_time(at),
        )

    def _lead(self, lead: dict[str, str]) -> None:
        name = lead["lead_id"]
        deals = self._deals.get(name, [])
        values: dict[str, Any] = {STAGE: None, "Status": "New", REASON: None}
        values |= dict.fromkeys(STAGE_DATES.values())
        self._story(lead, values)
        if lead["current_stage"] != "Disqualified" or values["Status"] == "New":
            values[STAGE] = lead["current_stage"] or None
        master = lead["merged_into_lead_id"]
        if deals:
            self._history(name, deals[0]["created_at"], "leadConverted")
        self._add(
            "Lead",
            **{
                "Id": self.ids("00Q", name),
                "IsDeleted": lead["is_deleted"] == "true" or bool(master),
                "MasterRecordId": self.ids("00Q", master) if master else None,
                "Email": lead["email"],
                "Company": lead["company"],
                "Title": lead["title"] or None,
                "Industry": lead["industry"],
                "NumberOfEmployees": int(lead["employee_count"] or 0) or None,
                "Country": lead["country"],
                "LeadSource": lead["lead_source"],
                "OwnerId": self.ids("005", lead["owner_id"]) if lead["owner_id"] else QUEUE,
                "IsConverted": bool(deals),
                "ConvertedDate": deals[0]["created_at"][:10] if deals else None,
                "ConvertedContactId": self.ids("003", name) if deals else None,
                "ConvertedOpportunityId": (
                    self.ids("006", deals[0]["opportunity_id"]) if deals else None
                ),
                "CreatedDate": _time(lead["created_at"]),
                "LastModifiedDate": _time(lead["updated_at"]),
                "SystemModstamp": _time(lead["updated_at"]),
                **values,
            },
        )

    def _story(self, lead: dict[str, str], values: dict[str, Any]) -> None:
        """The lead's history rows; leaves in ``values`` what the fields hold in the end."""
        name = lead["lead_id"]
        changes = [row for row in self.export["stage_changes"] if row["lead_id"] == name]
        # History tracking was on from the creation, unless the first change has an old value.
        if changes and not changes[0]["from_stage"]:
            self._history(name, lead["created_at"], "created")
        reason_given_at = None
        for change in changes:
            at, stage = change["changed_at"], change["to_stage"] or None
            field, new = STAGE, stage
            if stage in STAGE_DATES and stage != values[STAGE]:
                values[STAGE_DATES[stage]] = _time(at)
            if stage == "Disqualified":
                field, new = "Status", "Unqualified"
            old = change["from_stage"] or values[field]
            is_creation = at == lead["created_at"]
            if new != old and not is_creation:
                self._history(name, at, field, old, new)
            values[field] = new
            reason = change["reason"] or None
            # The next change clears the reason, unless one save made both.
            is_cleared = not reason and new != old and at != reason_given_at
            if reason != values[REASON] and (reason or is_cleared):
                self._history(name, at, REASON, values[REASON], reason)
                values[REASON] = reason
                reason_given_at = at

    def _opportunity(self, deal: dict[str, str]) -> None:
        name, lead = deal["opportunity_id"], deal["lead_id"]
        key, is_closed = self.ids("006", name), bool(deal["closed_at"])
        is_won = deal["is_won"] == "true"
        closed_stage = "Closed Won" if is_won else "Closed Lost"
        stage = closed_stage if is_closed else "Proposal"
        moments = [(deal["created_at"], "Prospecting"), (deal["created_at"], "Proposal")]
        if is_closed:
            moments += [(deal["closed_at"], closed_stage), ("2026-06-29T09:00:00Z", closed_stage)]
        for number, (at, stage_name) in enumerate(moments):
            self._add(
                "OpportunityHistory",
                Id=self.ids("008", f"{name}-{number}"),
                OpportunityId=key,
                StageName=stage_name,
                CreatedById=self.ids("005", deal["owner_id"]),
                CreatedDate=_time(at),
            )
        self._add(
            "Opportunity",
            **{
                "Id": key,
                "StageName": stage,
                # Salesforce merges no opportunities: people delete the one too many.
                "IsDeleted": bool(
                    deal.get("is_deleted") == "true" or deal.get("merged_into_opportunity_id")
                ),
                "Amount": float(deal["amount"]) if deal["amount"] else None,
                "CloseDate": (deal["closed_at"] or "2026-12-31")[:10],
                "IsClosed": is_closed,
                "IsWon": is_won,
                "OwnerId": self.ids("005", deal["owner_id"]),
                "LastStageChangeDate": None,
                "CreatedDate": _time(deal["created_at"]),
                "SystemModstamp": _time(deal["created_at"]),
                LOSS: deal["loss_reason"] or None,
            },
        )
        self._add(
            "OpportunityContactRole",
            Id=self.ids("00K", name),
            OpportunityId=key,
            ContactId=self.ids("003", lead),
            Role="Decision Maker",
            IsPrimary=True,
            CreatedDate=_time(deal["created_at"]),
            SystemModstamp=_time(deal["created_at"]),
        )

    def _activity(self, activity: dict[str, str]) -> None:
        lead, name, kind = activity["lead_id"], activity["activity_id"], activity["kind"]
        at, is_call = _time(activity["occurred_at"]), kind == "call"
        key = self.ids("00T", name)
        self._add(
            "Task",
            Id=key,
            WhoId=self.ids("003", lead) if lead in self._deals else self.ids("00Q", lead),
            WhatId=None,
            OwnerId=self.ids("005", activity["rep_id"]),
            TaskSubtype="Call" if is_call else "Email" if kind == "email" else "Task",
            Type=None if is_call or kind == "email" else kind.title(),
            IsClosed=True,
            CompletedDateTime=at,
            ActivityDate=activity["occurred_at"][:10],
            CallType=activity["direction"].title() if is_call else None,
            CreatedDate=at,
            SystemModstamp=at,
        )
        if kind == "email":
            self._add(
                "EmailMessage",
                Id=self.ids("02s", name),
                ActivityId=key,
                Incoming=activity["direction"] == "inbound",
                MessageDate=at,
                SystemModstamp=at,
            )

    def _engagement(self, engagement: dict[str, str]) -> None:
        kind, at = engagement["kind"], _time(engagement["occurred_at"])
        campaign = self.ids("701", kind)
        if not any(row["Id"] == campaign for row in self.records["Campaign"]):
            self._add(
                "Campaign",
                Id=campaign,
                Name=f"All {kind}",
                Type=kind.replace("_", " ").title(),
                SystemModstamp=_time("2026-01-01T00:00:00Z"),
            )
        self._add(
            "CampaignMember",
            Id=self.ids("00v", engagement["engagement_id"]),
            CampaignId=campaign,
            LeadId=self.ids("00Q", engagement["lead_id"]),
            ContactId=None,
            Status="Responded",
            HasResponded=True,
            FirstRespondedDate=engagement["occurred_at"][:10],
            CreatedDate=at,
            SystemModstamp=at,
        )


def fields() -> SalesforceFields:
    """The configuration of a source that reads this org."""
    return SalesforceFields.model_validate(FIELDS)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _time(text: str) -> str:
    """A time as the REST API writes it."""
    return text.replace("Z", "+0000" if "." in text else ".000+0000")


# The name of the source in the tests' configurations.
SOURCE = "salesforce"


def as_export(names: dict[str, str], rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with Salesforce ids translated back to the export's."""
    return [
        {
            column: names.get(value, value) if isinstance(value, str) else value
            for column, value in row.items()
        }
        for row in rows
    ]
