"""What Salesforce's rows mean: one short story per rule of the staging models."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.salesforce.resources import (
    OBJECTS,
    custom_fields,
    insert_rows,
    write_field_roles,
)
from dagster_project.ingestion.salesforce.settings import SalesforceFields
from tests.crm.salesforce_server import salesforce_id
from tests.crm.salesforce_world import SOURCE
from tests.warehouse import Project, Warehouse

LEAD, OTHER = salesforce_id("00Q", 10**15 + 11), salesforce_id("00Q", 10**15 + 12)
CONTACT, OTHER_CONTACT = salesforce_id("003", 10**16 + 1), salesforce_id("003", 10**16 + 2)
DEAL = salesforce_id("006", 10**17 + 3)
ANN, BOB = salesforce_id("005", 10**18 + 7), salesforce_id("005", 10**18 + 8)
QUEUE = salesforce_id("00G", 10**18 + 9)
STAGE, REASON = "Lifecycle_Stage__c", "Rejection_Reason__c"
CREATED = "2026-01-01T08:00:00.000+0000"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)


def at(day: int, hour: int = 8, minute: int = 0) -> str:
    """A moment in January 2026."""
    return f"2026-01-{day:02}T{hour:02}:{minute:02}:00.000+0000"


class Story:
    """Rows of an org, and what the staging models make of them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.warehouse.decide(AS_OF)
        self.connection: duckdb.DuckDBPyConnection = warehouse.connection
        self.fields = SalesforceFields.model_validate(
            {"stages": [{"field": STAGE}], "reasons": [REASON]}
        )
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.changes = 0

    def has(self, name: str, **values: Any) -> None:
        """Add a record."""
        self.rows.setdefault(name, []).append(values)

    def lead(self, lead_id: str = LEAD, **values: Any) -> None:
        """Add a lead, created on the first of January."""
        self.has("Lead", Id=lead_id, **{"CreatedDate": CREATED, "Status": "New", **values})

    def change(self, day: int, field: str, old: Any, new: Any, **values: Any) -> None:
        """Add a history row; the later one in the story has the greater id."""
        self.changes += 1
        defaults = {
            "Id": f"017{self.changes:015}",
            "LeadId": LEAD,
            "CreatedById": ANN,
            "CreatedDate": at(day),
        }
        self.has(
            "LeadHistory",
            **{**defaults, "Field": field, "OldValue": old, "NewValue": new, **values},
        )

    def told(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of a staging model, ordered, with the times as 'day hour:minute'."""
        load = RawLoad(self.connection, SOURCE, 1)
        for item in OBJECTS.values():
            self.connection.execute(f"delete from raw.{item.table}")
        for name, rows in self.rows.items():
            item = OBJECTS[name]
            names = [*item.fields, *custom_fields(name, self.fields)]
            content = {field: [_text(row.get(field)) for row in rows] for field in names}
            staged = pa.table({**content, "_row": list(range(len(rows)))})
            self.connection.register("staged_story", staged)
            insert_rows(load, item, "staged_story", names)
            self.connection.unregister("staged_story")
        write_field_roles(load, self.fields)
        self.warehouse.build(self.warehouse.project.of_source("salesforce"))
        rows = self.warehouse.rows(f"int_salesforce__{table}")
        return sorted(
            (tuple(_short(row[column]) for column in columns) for row in rows),
            key=lambda row: tuple(str(value) for value in row),
        )


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _short(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("2026-01-"):
        return value[8:16].replace("T", " ") if len(value) > 10 else value[8:10]
    return value


@pytest.fixture(scope="module")
def _warehouse(crm_project: Project) -> Warehouse:
    return Warehouse(crm_project)


@pytest.fixture
def story(_warehouse: Warehouse) -> Story:
    return Story(_warehouse)


CHANGE = ("changed_at", "from_stage", "to_stage", "reason")


def test_both_forms_of_an_id_are_one(story: Story) -> None:
    assert LEAD[:15].lower() != LEAD[:15]
    story.lead(LEAD[:15], MasterRecordId=OTHER[:15], OwnerId=ANN[:15])
    story.change(2, STAGE, None, "MQL", LeadId=LEAD)
    assert story.told("leads", "lead_id", "merged_into_lead_id", "owner_id") == [(LEAD, OTHER, ANN)]
    assert story.told("stage_changes", "lead_id", "changed_by") == [(LEAD, ANN)]


def test_the_stage_at_creation_is_known_where_tracking_was_on(story: Story) -> None:
    story.lead(OTHER)
    story.change(1, STAGE, None, "Lead", LeadId=OTHER, CreatedDate=at(1, 7))
    story.lead(**{STAGE: "SAL"})
    story.change(1, "created", None, None)
    story.change(3, STAGE, "MQL", "SAL")
    told = story.told("stage_changes", "lead_id", *CHANGE)
    assert [row[1:] for row in told if row[0] == LEAD] == [
        ("01 08:00", None, "MQL", None),
        ("03 08:00", "MQL", "SAL", None),
    ]


def test_the_stage_at_creation_is_not_invented_where_tracking_came_later(story: Story) -> None:
    story.lead(**{STAGE: "SAL"})
    story.change(1, "created", None, None)
    story.change(3, STAGE, "MQL", "SAL")
    assert story.told("stage_changes", *CHANGE) == [("03 08:00", "MQL", "SAL", None)]


def test_a_lead_that_never_changed_was_created_in_its_present_stage(story: Story) -> None:
    story.lead(OTHER)
    story.change(1, STAGE, None, "Lead", LeadId=OTHER, CreatedDate=at(1, 7))
    story.lead(**{STAGE: "MQL"})
    story.change(1, "created", None, None)
    assert (LEAD, "01 08:00", None, "MQL", None) in story.told("stage_changes", "lead_id", *CHANGE)


def test_changes_in_one_second_know_the_stage_before_them(story: Story) -> None:
    story.lead()
    story.change(3, STAGE, "SQL", "Rejected")
    story.change(3, STAGE, "MQL", "SAL")
    story.change(3, STAGE, "SAL", "SQL")
    assert story.told("stage_changes", *CHANGE) == [
        ("03 08:00", "MQL", "Rejected", None),
        ("03 08:00", "MQL", "SAL", None),
        ("03 08:00", "MQL", "SQL", None),
    ]


def test_the_first_field_in_the_list_holds_in_one_decision(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": STAGE, "map": {"Working on it": "SAL"}}, {"field": "Status"}]}
    )
    story.lead()
    story.change(2, STAGE, "MQL", "Working on it")
    story.change(2, "Status", "New", "Qualified")
    story.change(3, "Status", "Qualified", "Closed - Converted")
    assert story.told("stage_changes", *CHANGE) == [
        ("02 08:00", "MQL", "sal", None),
        ("03 08:00", "sql", "sql", None),
    ]


def test_a_stage_without_a_meaning_hides_none_of_its_decision(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": STAGE}, {"field": "Status"}]}
    )
    story.lead()
    story.change(2, STAGE, "MQL", "Zombie")
    story.change(2, "Status", "New", "SAL")
    assert story.told("stage_changes", *CHANGE) == [
        ("02 08:00", "MQL", "Zombie", None),
        ("02 08:00", "lead", "SAL", None),
    ]


@pytest.mark.parametrize(
    ("reset_to", "seconds", "told"),
    [
        ("Lead", 0, [("03 08:00", "sal", "disqualified", "Too small")]),
        ("Lead", 2, [("03 08:00", "sal", "disqualified", "Too small")]),
        (
            "SQL",
            1,
            [
                ("03 08:00", "MQL", "SQL", None),
                ("03 08:00", "sal", "disqualified", "Too small"),
            ],
        ),
    ],
)
def test_an_exit_holds_against_a_stage_that_is_written_with_it(
    story: Story, reset_to: str, seconds: int, told: list[tuple[Any, ...]]
) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": STAGE}, {"field": "Status"}], "reasons": [REASON]}
    )
    story.lead(**{STAGE: reset_to, "Status": "Unqualified"})
    story.change(3, "Status", "Working", "Unqualified")
    moment = at(3).replace("00.000", f"{seconds:02}.000")
    story.change(3, STAGE, "MQL", reset_to, CreatedDate=moment)
    story.change(3, REASON, None, "Too small")
    assert story.told("stage_changes", *CHANGE) == told
    assert story.told("leads", "current_stage") == [("disqualified",)]


def test_ignored_values_carry_no_stage(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": STAGE, "map": {"Parked": "ignored"}}, {"field": "Status"}]}
    )
    story.lead(**{STAGE: "Parked", "Status": "Contacted"})
    story.change(2, STAGE, "MQL", "Parked")
    story.change(2, "Status", "New", "Contacted")
    story.change(3, STAGE, "Parked", "SQL")
    assert story.told("stage_changes", *CHANGE) == [
        ("02 08:00", "lead", "sal", None),
        ("03 08:00", None, "SQL", None),
    ]
    assert story.told("leads", "current_stage") == [("sal",)]


def test_unmapped_values_come_out_as_they_are(story: Story) -> None:
    story.lead(**{STAGE: "Zombie"})
    story.change(2, STAGE, None, "Zombie")
    assert story.told("stage_changes", "to_stage") == [("Zombie",)]
    assert story.told("leads", "current_stage") == [("Zombie",)]


def test_the_present_stage_is_that_of_the_field_that_changed_last(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": STAGE}, {"field": "Status"}]}
    )
    story.lead(**{STAGE: "SAL", "Status": "Unqualified"})
    assert story.told("leads", "current_stage") == [("SAL",)]
    story.change(2, STAGE, "MQL", "SAL")
    story.change(3, "Status", "New", "Unqualified")
    assert story.told("leads", "current_stage") == [("disqualified",)]


@pytest.mark.parametrize(("given_on", "told_on"), [(2, 3), (3, 3), (4, 4)])
def test_a_reason_belongs_to_the_exit_it_explains(
    story: Story, given_on: int, told_on: int
) -> None:
    story.lead()
    story.change(1, STAGE, "Lead", "MQL", CreatedDate=at(1, 9))
    story.change(3, STAGE, "MQL", "Rejected")
    story.change(given_on, REASON, None, "Too small")
    told = [row for row in story.told("stage_changes", *CHANGE) if row[3]]
    assert [(row[0], row[2], row[3]) for row in told] == [
        (f"{told_on:02} 08:00", "Rejected", "Too small")
    ]


def test_of_two_exits_in_one_second_the_reason_explains_the_one_that_needs_it(
    story: Story,
) -> None:
    story.lead()
    story.change(3, STAGE, "MQL", "Rejected")
    story.change(3, REASON, None, "Too small")
    story.change(3, STAGE, "Rejected", "Nurture")
    assert [row for row in story.told("stage_changes", "to_stage", "reason") if row[1]] == [
        ("Rejected", "Too small")
    ]


def test_a_reason_without_history_belongs_to_the_last_exit(story: Story) -> None:
    story.lead(**{REASON: "Too small"})
    story.change(2, STAGE, "MQL", "Rejected")
    story.change(3, STAGE, "Rejected", "MQL")
    story.change(4, STAGE, "MQL", "Disqualified")
    assert [row for row in story.told("stage_changes", "to_stage", "reason") if row[1]] == [
        ("Disqualified", "Too small")
    ]


def test_a_conversion_has_an_exact_time(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"stages": [{"field": "Status"}, {"field": "IsConverted"}]}
    )
    story.lead(Status="Closed - Converted", IsConverted=True, ConvertedDate="2026-01-05")
    story.change(5, "leadConverted", None, None, CreatedDate=at(5, 14, 37))
    assert set(story.told("stage_changes", *CHANGE)) == {("05 14:37", None, "sql", None)}


def test_stage_dates_count_where_no_change_was_tracked(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {
            "stages": [{"field": STAGE}],
            "stage_dates": {"mql": "MQL_Date__c", "sal": "SAL_Date__c"},
        }
    )
    # Some tools keep a date as midnight in UTC.
    story.lead(MQL_Date__c="2026-01-02T00:00:00.000+0000", SAL_Date__c="2026-01-03")
    story.change(3, STAGE, "MQL", "SAL", CreatedDate=at(3, 11))
    assert story.told("stage_changes", "changed_at", "to_stage") == [
        ("02", "mql"),
        ("03 11:00", "SAL"),
    ]


def test_owner_changes_stand_twice_and_count_once(story: Story) -> None:
    story.lead(OwnerId=BOB)
    story.change(2, "Owner", "Unassigned leads", "Ann Other")
    story.change(2, "Owner", QUEUE, ANN)
    story.change(4, "Owner", ANN[:15], BOB[:15])
    story.change(4, "Owner", "Ann Other", "Bobby Andersson")
    assert story.told("owner_changes", "changed_at", "owner_id") == [
        ("01 08:00", None),
        ("02 08:00", ANN),
        ("04 08:00", BOB),
    ]


def test_a_queue_is_nobody(story: Story) -> None:
    story.lead(OwnerId=QUEUE)
    assert story.told("leads", "owner_id") == [(None,)]


def test_a_deal_proves_its_stages_for_each_contact_and_counts_once(story: Story) -> None:
    story.lead(LEAD, ConvertedContactId=CONTACT, ConvertedOpportunityId=DEAL)
    story.lead(OTHER, ConvertedContactId=OTHER_CONTACT)
    story.has("Opportunity", Id=DEAL, Amount="900.50", IsClosed=False, CreatedDate=at(9))
    roles = [
        {"Id": "r1", "ContactId": CONTACT[:15], "IsPrimary": False},
        {"Id": "r2", "ContactId": OTHER_CONTACT, "IsPrimary": True},
    ]
    for role in roles:
        story.has("OpportunityContactRole", OpportunityId=DEAL, CreatedDate=at(9), **role)
    columns = ("lead_id", "opportunity_id", "amount", "is_won", "closed_at")
    assert story.told("opportunities", *columns) == [
        (f"{OTHER};{LEAD}", DEAL, "900.50", "false", None),
    ]
    story.rows["OpportunityContactRole"][1]["IsDeleted"] = True
    assert story.told("opportunities", *columns) == [(LEAD, DEAL, "900.50", "false", None)]


def test_a_deal_without_a_lead_is_kept(story: Story) -> None:
    story.has("Opportunity", Id=DEAL, Amount="5", IsClosed=False, CreatedDate=at(9))
    assert story.told("opportunities", "opportunity_id", "lead_id", "amount") == [(DEAL, None, "5")]


def test_a_deal_in_the_recycle_bin_is_deleted(story: Story) -> None:
    story.lead(LEAD, ConvertedContactId=CONTACT, ConvertedOpportunityId=DEAL)
    story.has("Opportunity", Id=DEAL, IsDeleted=True, CreatedDate=at(9))
    columns = ("opportunity_id", "lead_id", "is_deleted")
    assert story.told("opportunities", *columns) == [(DEAL, LEAD, "true")]


def test_amounts_are_in_one_currency_where_rates_are_known(story: Story) -> None:
    rates = "('usd', date '2026-01-05', 0.9), ('USD', date '2026-01-20', 0.8)"
    story.connection.execute(f"insert into policy.currency_rates values {rates}")
    for deal_id, day, currency in (
        ("d1", 1, "USD"),
        ("d2", 19, "USD"),
        ("d3", 20, "USD"),
        ("d4", 20, "SEK"),
        ("d5", 20, None),
    ):
        story.has(
            "Opportunity",
            Id=deal_id,
            Amount="100.10",
            CurrencyIsoCode=currency,
            CreatedDate=at(day),
        )
    try:
        story.told("opportunities", "opportunity_id")
        story.warehouse.build(["int_contract__opportunities"])
        found = story.warehouse.rows("int_contract__opportunities")
    finally:
        story.connection.execute("delete from policy.currency_rates")
    assert {row["opportunity_id"]: str(row["amount"]) for row in found} == {
        "d1": "90.09",
        "d2": "90.09",
        "d3": "80.08",
        "d4": "100.10",
        "d5": "100.10",
    }


@pytest.mark.parametrize(
    ("history", "changed", "closed_at"),
    [(True, at(20, 9), "12 10:00"), (False, at(20, 9), "20 09:00"), (False, None, "31")],
)
def test_a_deal_closes_when_its_stage_did(
    story: Story, history: bool, changed: str | None, closed_at: str
) -> None:
    story.fields = SalesforceFields.model_validate({"loss_reason": "Loss__c"})
    story.has(
        "Opportunity",
        Id=DEAL,
        StageName="Closed Lost",
        IsClosed=True,
        IsWon=False,
        CloseDate="2026-01-31",
        LastStageChangeDate=changed,
        CreatedDate=at(9),
        Loss__c="No budget",
    )
    moments = [(9, "New"), (10, "Closed Lost"), (11, "New"), (12, "Closed Lost")]
    for day, stage in [*moments, (13, "Closed Lost")] if history else []:
        story.has(
            "OpportunityHistory",
            Id=f"h{day}",
            OpportunityId=DEAL,
            StageName=stage,
            CreatedDate=at(day, 10),
        )
    assert story.told("opportunities", "is_won", "closed_at", "loss_reason") == [
        ("false", closed_at, "No budget")
    ]


@pytest.mark.parametrize(
    ("zone", "created", "close_date", "closed_at"),
    [
        ("UTC", at(9, 23), "2026-01-09", "09 23:00"),
        ("UTC", at(9, 23), "2026-01-10", "10"),
        ("America/New_York", at(10, 2), "2026-01-09", "10 02:00"),
        ("America/New_York", at(10, 2), "2026-01-10", "10"),
        ("Asia/Tokyo", at(9, 20), "2026-01-10", "09 20:00"),
        ("UTC", "2026-01-09T23:30:00.000-0500", "2026-01-10", "09 23:30"),
    ],
)
def test_a_closing_date_is_not_before_the_creation_in_the_zone_of_the_reports(
    story: Story, zone: str, created: str, close_date: str, closed_at: str
) -> None:
    story.warehouse.decide(AS_OF, timezone=zone)
    story.has(
        "Opportunity",
        Id=DEAL,
        StageName="Closed Won",
        IsClosed=True,
        IsWon=True,
        CloseDate=close_date,
        CreatedDate=created,
    )
    assert story.told("opportunities", "closed_at") == [(closed_at,)]


def test_flags_are_read_however_a_tool_landed_them(story: Story) -> None:
    flags = [
        ("True", "TRUE", "true", "09 08:00"),
        ("1", "1", "true", "09 08:00"),
        ("WAHR", "FALSCH", "false", "09 08:00"),
        (None, "true", "true", "09 08:00"),
        ("0", "0", "false", None),
        (None, None, "false", None),
        # Neither lost nor open: such a row is set aside.
        ("perhaps", "true", "perhaps", None),
        ("true", "Success", "Success", "09 08:00"),
    ]
    for number, (closed, won, _, _) in enumerate(flags):
        story.has("Opportunity", Id=f"d{number}", IsClosed=closed, IsWon=won, CreatedDate=at(9))
    found = story.told("opportunities", "opportunity_id", "is_won", "closed_at")
    assert [row[1:] for row in found] == [flag[2:] for flag in flags]


def test_activities_of_a_contact_belong_to_the_lead_of_that_time(story: Story) -> None:
    story.lead(LEAD, ConvertedContactId=CONTACT, CreatedDate=at(2))
    story.lead(OTHER, ConvertedContactId=CONTACT, CreatedDate=at(10))
    days = {"t1": 1, "t2": 9, "t3": 11}
    for name, day in days.items():
        story.has(
            "Task",
            Id=name,
            WhoId=CONTACT,
            TaskSubtype="Call",
            IsClosed=True,
            CompletedDateTime=at(day),
        )
    assert story.told("activities", "activity_id", "lead_id") == [
        ("t1", LEAD),
        ("t2", LEAD),
        ("t3", OTHER),
    ]


def test_activities_have_kind_direction_and_the_moment_they_were_done(story: Story) -> None:
    story.lead()
    done = {"WhoId": LEAD, "IsClosed": True}
    story.has("Task", Id="call", CallType="Inbound", CompletedDateTime=at(2), **done)
    story.has("Task", Id="in", TaskSubtype="Email", CompletedDateTime=at(3), **done)
    story.has("Task", Id="out", TaskSubtype="Email", CompletedDateTime=at(3), **done)
    story.has("EmailMessage", Id="e1", ActivityId="in", Incoming=True, MessageDate=at(3, 9))
    story.has("Task", Id="mass", TaskSubtype="ListEmail", CompletedDateTime=at(4), **done)
    story.has("Task", Id="typed", Type="LinkedIn ", ActivityDate="2026-01-06", **done)
    story.has("Task", Id="logged", Type="Call", ActivityDate="2026-01-05", **done)
    story.rows["Task"][-1]["CreatedDate"] = at(5, 17)
    story.has("Task", Id="open", WhoId=LEAD, IsClosed=False, CreatedDate=at(5))
    story.has("Task", Id="nobody", IsClosed=True, CreatedDate=at(5))
    story.has("Event", Id="meet", WhoId=LEAD, StartDateTime=at(7), IsChild=False)
    story.has("Event", Id="invitee", WhoId=LEAD, StartDateTime=at(7), IsChild=True)
    # What can't be read is taken for false, as the CRM takes an empty flag.
    unsure = {"WhoId": LEAD, "IsDeleted": "perhaps"}
    story.has("Event", Id="unsure", StartDateTime=at(8), IsChild="?", **unsure)
    story.has("Task", Id="unsure too", IsClosed=True, CompletedDateTime=at(8), **unsure)
    assert story.told("activities", "activity_id", "kind", "direction", "occurred_at") == [
        ("call", "call", "inbound", "02 08:00"),
        ("in", "email", "inbound", "03 09:00"),
        ("logged", "call", "outbound", "05 17:00"),
        ("mass", "automated_email", "outbound", "04 08:00"),
        ("meet", "meeting", "outbound", "07 08:00"),
        ("out", "email", "outbound", "03 08:00"),
        ("typed", "linkedin", "outbound", "06"),
        ("unsure", "meeting", "outbound", "08 08:00"),
        ("unsure too", "task", "outbound", "08 08:00"),
    ]


def test_only_responses_to_campaigns_are_engagements(story: Story) -> None:
    story.lead(LEAD, ConvertedContactId=CONTACT)
    story.has("Campaign", Id="c1", Name="Spring", Type="Trade Show")
    story.has("Campaign", Id="c2", Name="Site", Type="Pricing Page View")
    base = {"LeadId": LEAD, "CampaignId": "c1", "CreatedDate": at(2), "HasResponded": True}
    story.has("CampaignMember", Id="m1", FirstRespondedDate="2026-01-02", **base)
    story.has("CampaignMember", Id="m2", FirstRespondedDate="2026-01-05", **base)
    story.has("CampaignMember", **{**base, "Id": "m3", "HasResponded": False})
    story.has("CampaignMember", **{**base, "Id": "m4", "LeadId": None, "ContactId": CONTACT})
    story.rows["CampaignMember"][-1]["CampaignId"] = "c2"
    unsure = {**base, "Id": "m5", "IsDeleted": "perhaps", "FirstRespondedDate": "2026-01-06"}
    story.has("CampaignMember", **unsure)
    columns = ("engagement_id", "lead_id", "kind", "occurred_at", "campaign")
    assert story.told("engagements", *columns) == [
        ("m1", LEAD, "event_scanned", "02 08:00", "Spring"),
        ("m2", LEAD, "event_scanned", "05", "Spring"),
        ("m4", LEAD, "pricing_page_view", "02 08:00", "Site"),
        ("m5", LEAD, "event_scanned", "06", "Spring"),
    ]


def test_configured_columns_replace_standard_ones(story: Story) -> None:
    story.fields = SalesforceFields.model_validate(
        {"columns": {"crm_score": "Score__c", "country": "Land__c"}}
    )
    story.lead(Score__c="71.5", Land__c="DE", Country="Germany", Company="Acme")
    assert story.told("leads", "crm_score", "country", "company") == [("71.5", "DE", "Acme")]


def test_every_score_that_the_lead_had_is_told_from_the_first_on(story: Story) -> None:
    story.fields = SalesforceFields.model_validate({"columns": {"crm_score": "Score__c"}})
    story.lead(Score__c="90")
    story.lead(OTHER, Score__c="12")
    story.change(3, "Score__c", "40", "55.5")
    story.change(5, "Score__c", "55.5", None)
    story.change(7, "Score__c", None, "90")
    story.change(4, "Status", "1", "2")
    told = story.told("crm_scores", "changed_at", "crm_score", "lead_id")
    assert [(moment.day, score) for moment, score, lead in told if lead == LEAD] == [
        (1, 40),
        (3, 55.5),
        (5, None),
        (7, 90),
    ]
    unchanged = [(moment.day, score) for moment, score, lead in told if lead == OTHER]
    assert unchanged == [(1, 12)], "what never changed is as it was at the beginning"
