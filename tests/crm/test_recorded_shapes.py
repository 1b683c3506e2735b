"""Rows of the shapes that the tools' own test data have: columns, types and oddities as there.

The values are made up.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.ingestion.landed import load as landed
from dagster_project.ingestion.landed.settings import LandedSource
from tests.warehouse import Project, Warehouse


class Shapes:
    """Tables of a tool in a file, and the contract rows that they give."""

    def __init__(self, project: Project, path: Path) -> None:
        self._warehouse = Warehouse(project)
        self._warehouse.decide(datetime(2026, 6, 30, tzinfo=UTC))
        self._path = path
        self.notes: list[str] = []

    def has(self, *statements: str) -> None:
        """Create the tables in the schema ``crm``."""
        with duckdb.connect(str(self._path)) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute("create schema if not exists crm")
            connection.execute("use crm")
            for statement in statements:
                connection.execute(statement)

    def rows(self, crm: str, tool: str, *tables: str, **settings: Any) -> list[dict[str, Any]]:
        """The rows of the contract's tables, after a load; the last table's are returned."""
        source = LandedSource.model_validate(
            {
                "kind": "landed",
                "name": crm,
                "crm": crm,
                "tool": tool,
                "path": self._path,
                "schema": "crm",
                **settings,
            }
        )
        result = landed.ingest(self._warehouse.connection, source, 1)
        self.notes = [note.message for note in result.notes]
        self._warehouse.build(self._warehouse.project.of_source(crm))
        found = [self._warehouse.rows(f"int_{crm}__{table}") for table in tables]
        return found[-1]


@pytest.fixture
def shapes(crm_project: Project, tmp_path: Path) -> Shapes:
    return Shapes(crm_project, tmp_path / "tables.duckdb")


def chosen(rows: list[dict[str, Any]], key: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    return {row[key]: tuple(row[column] for column in columns) for row in rows}


# HubSpot by Fivetran

FIVETRAN_CONTACTS = """
    create table contact as select
        unnest([501, 502]) as id,
        cast(null as boolean) as _fivetran_deleted,
        timestamp '2026-06-01 10:00' as _fivetran_synced,
        -- An integer as long as nobody was merged.
        cast(null as bigint) as property_hs_merged_object_ids,
        timestamp '2026-01-01 09:00' as property_createdate
"""
FIVETRAN_DEALS = """
    create table deal (
        deal_id bigint, is_deleted boolean, deal_pipeline_id varchar,
        deal_pipeline_stage_id varchar, owner_id bigint, portal_id bigint,
        property_dealname varchar, property_amount bigint, property_closedate timestamp,
        property_createdate timestamp
    )
"""
FIVETRAN_STAGES = """
    create table deal_pipeline_stage as select * from (values
        ('default', 'closedwon', 'Closed won', true, true, 1.0),
        ('default', 'closedlost', 'Closed lost', false, true, 0.0),
        ('default', '9567448', 'Negotiation', false, false, 0.5)
    ) as stages (pipeline_id, stage_id, label, closed_won, is_closed, probability)
"""


def test_fivetran_s_deals_have_names_of_their_own(shapes: Shapes) -> None:
    shapes.has(
        FIVETRAN_CONTACTS,
        FIVETRAN_DEALS,
        FIVETRAN_STAGES,
        """
        insert into deal values
            (901, false, 'default', 'closedwon', 7, 1, 'a', 27485, '2026-12-31', '2026-02-01'),
            (902, null, 'default', 'closedlost', 7, 1, 'b', 100, '2026-12-31', '2026-02-01'),
            (903, true, 'default', '9567448', null, 1, 'c', 100, null, '2026-02-01'),
            (904, false, 'default', '9567448', null, 1, 'd', 100, null, '2026-02-01'),
            (905, false, null, 'closedwon', null, 1, 'e', 100, '2026-03-05', '2026-02-01')
        """,
        """
        create table deal_stage as select * from (values
            (timestamp '2026-02-01 08:00', 901, false, timestamp '2026-03-01', '9567448'),
            (timestamp '2026-03-01 09:30', 901, true, timestamp '9999-12-31', 'closedwon'),
            (timestamp '2026-04-01 09:30', 902, null, timestamp '9999-12-31', 'closedlost')
        ) as stages (date_entered, deal_id, _fivetran_active, _fivetran_end, value)
        """,
        "create table merged_deal as select 901 as deal_id, unnest([904, 871]) as merged_deal_id",
        """
        create table deal_contact as select * from (values
            (501, 901, 3, 'HUBSPOT_DEFINED', false), (501, 901, 4, 'USER_DEFINED', null),
            (502, 901, 3, 'HUBSPOT_DEFINED', null), (502, 902, 3, 'HUBSPOT_DEFINED', true)
        ) as pairs (contact_id, deal_id, type_id, category, _fivetran_deleted)
        """,
    )
    found = shapes.rows("hubspot", "fivetran", "opportunities")
    told = chosen(found, "opportunity_id", "is_won", "closed_at", "owner_id", "amount")
    assert told == {
        "901": ("true", "2026-03-01T09:30:00.000Z", "7", "27485"),
        "902": ("false", "2026-04-01T09:30:00.000Z", "7", "100"),
        "903": ("false", None, None, "100"),
        "904": ("false", None, None, "100"),
        "905": ("true", "2026-03-05", None, "100"),
        "871": ("false", None, None, None),
    }
    ended = chosen(found, "opportunity_id", "merged_into_opportunity_id", "is_deleted")
    assert ended["901"] == (None, "false")
    assert ended["903"] == (None, "true")
    assert ended["904"] == ("901", "false")
    assert ended["871"] == ("901", None)
    leads = chosen(found, "opportunity_id", "lead_id")
    assert (leads["901"], leads["902"]) == (("501;502",), (None,))
    assert not any("deal has no column" in note for note in shapes.notes)


def test_deals_whose_stage_is_not_landed_are_said_to_be_open(shapes: Shapes) -> None:
    shapes.has(
        FIVETRAN_CONTACTS,
        FIVETRAN_DEALS,
        "alter table deal rename deal_pipeline_stage_id to stage_elsewhere",
    )
    shapes.rows("hubspot", "fivetran", "opportunities")
    said = " ".join(shapes.notes)
    assert "deal has no column for dealstage" in said
    assert "no table deal_pipeline_stage says which stages are closed" in said


def test_a_record_without_an_active_version_was_deleted(shapes: Shapes) -> None:
    shapes.has(
        """
        create table contact as select * from (values
            (501, false, timestamp '2026-01-01', 'old@acme.example'),
            (501, null, timestamp '2026-02-01', 'new@acme.example'),
            (502, false, timestamp '2026-01-01', 'first@acme.example'),
            (502, false, timestamp '2026-03-01', 'last@acme.example')
        ) as versions (id, _fivetran_active, _fivetran_start, property_email)
        """
    )
    found = shapes.rows("hubspot", "fivetran", "leads")
    assert chosen(found, "lead_id", "email", "is_deleted") == {
        "501": ("new@acme.example", "false"),
        "502": ("last@acme.example", "true"),
    }


# HubSpot by Airbyte


def airbyte_record(record_id: str, **values: Any) -> str:
    """A record as a SELECT: the properties as JSON, with the numbers as Airbyte casts them."""
    properties = values.pop("properties")
    contacts = json.dumps(values.pop("contacts", []))
    archived = values.pop("archived", False)
    return f"""
        select '{record_id}' as id, '{json.dumps(properties)}'::json as properties,
            '2026-01-01T09:00:00.575Z' as "createdAt", '2026-02-01T09:00:00Z' as "updatedAt",
            {archived} as archived, '{contacts}'::json as contacts,
            now() as _airbyte_extracted_at
    """


@pytest.mark.parametrize("generation", ["hs_date_entered", "hs_v2_date_entered"])
def test_airbyte_s_leads_object_tells_its_stages_by_the_properties_that_are_filled(
    generation: str, shapes: Shapes
) -> None:
    moments = {
        "new_stage_id_1318266061": "2026-01-02T08:00:00.575000+00:00",
        "unqualified_stage_id_1675714327": "2026-01-09T08:00:00.575000+00:00",
        "1242729229": "2026-01-05T08:00:00.575000+00:00",
    }
    other = {"hs_date_entered", "hs_v2_date_entered"} - {generation}
    properties: dict[str, Any] = {
        "hs_pipeline_stage": "unqualified-stage-id",
        "hs_lead_disqualification_reason": "NOT_A_GOOD_FIT",
        "hs_primary_contact_id": 501.0,
        "hs_v2_date_entered_current_stage": None,
        **{f"{generation}_{stage}": moment for stage, moment in moments.items()},
        **{f"{name}_{stage}": None for name in other for stage in moments},
    }
    shapes.has(
        f"create table contacts as {airbyte_record('501', properties={'email': 'a@b.example'})}",
        f"create table leads as {airbyte_record('784', properties=properties)}",
    )
    stage = {"property": "leads.hs_pipeline_stage", "map": {"1242729229": "sal"}}
    found = shapes.rows(
        "hubspot",
        "airbyte",
        "stage_changes",
        hubspot={"stages": [{"property": "lifecyclestage"}, stage]},
    )
    assert {(row["lead_id"], row["changed_at"][:10], row["to_stage"]) for row in found} == {
        ("501", "2026-01-05", "sal"),
        ("501", "2026-01-09", "disqualified"),
    }
    assert {row["reason"] for row in found} == {None, "NOT_A_GOOD_FIT"}


def test_airbyte_s_deals_are_as_their_pipeline_says(shapes: Shapes) -> None:
    stages = [
        {
            "stageId": "9567448",
            "label": "Initial",
            "metadata": {"isClosed": "false", "probability": "0.1"},
        },
        {
            "stageId": "customclosedwonstage",
            "label": "Success!",
            "metadata": {"isClosed": "true", "probability": "1.0"},
        },
    ]
    # Airbyte cast the text "false" to true.
    flags = {"hs_is_closed": True, "hs_is_closed_won": True, "pipeline": "b9152945"}
    is_open = {
        **flags,
        "dealstage": "9567448",
        "amount": 6,
        "hs_date_entered_9567448": "2026-02-01",
    }
    is_won = {
        **flags,
        "dealstage": "customclosedwonstage",
        "amount": 10.5,
        "deal_currency_code": "EUR",
        "hs_date_entered_customclosedwonstage": "2026-04-04T15:08:40.710000+00:00",
        "hs_v2_date_entered_customclosedwonstage": None,
        "hs_merged_object_ids": "4280411;4280412",
    }
    shapes.has(
        f"create table contacts as {airbyte_record('501', properties={})}",
        f"""
        create table deals as {airbyte_record("901", properties=is_open, contacts=["501", "501"])}
        union all {airbyte_record("902", properties=is_won, contacts=["501"])}
        """,
        f"""
        create table deals_archived as
        {airbyte_record("903", properties=is_won | {"hs_merged_object_ids": None}, archived=True)}
        """,
        f"""
        create table deal_pipelines as
        select 'b9152945' as "pipelineId", '{json.dumps(stages)}'::json as stages
        """,
    )
    found = shapes.rows("hubspot", "airbyte", "opportunities")
    told = chosen(found, "opportunity_id", "lead_id", "is_won", "closed_at", "amount", "currency")
    assert told["901"] == ("501", "false", None, "6", None)
    moment = "2026-04-04T15:08:40.710000+00:00"
    assert told["902"] == ("501", "true", moment, "10.5", "EUR")
    assert chosen(found, "opportunity_id", "merged_into_opportunity_id", "is_deleted") == {
        "901": (None, "false"),
        "902": (None, "false"),
        "903": (None, "true"),
        "4280411": ("902", None),
        "4280412": ("902", None),
    }


def test_airbyte_s_old_history_has_its_ids_and_names_in_other_columns(shapes: Shapes) -> None:
    shapes.has(
        f"create table contacts as {airbyte_record('501', properties={})}",
        f"""
        create table deals as
        {airbyte_record("901", properties={"dealstage": "closedwon"}, contacts=["501"])}
        """,
        """
        create table deals_property_history as select
            901.0 as "dealId", 'dealstage' as name, cast(null as varchar) as property,
            'closedwon' as value, 1767600000000 as "timestamp", 'CRM_UI' as source,
            false as "isDeleted"
        """,
    )
    found = shapes.rows("hubspot", "airbyte", "opportunities")
    assert chosen(found, "opportunity_id", "is_won", "closed_at") == {
        "901": ("true", "2026-01-05T08:00:00.000Z")
    }


# HubSpot by dlt


def test_dlt_s_deals_close_when_they_entered_their_stage(shapes: Shapes) -> None:
    shapes.has(
        """
        create table contacts as select
            '501' as id, '501' as hs_object_id, timestamptz '2026-01-01 09:00:00+00' as createdate,
            'c1' as _dlt_id
        """,
        """
        create table deals as select * from (values
            ('901', 500.0, 'qualifiedtobuy', 'default', timestamptz '2026-01-01', 'd1'),
            ('902', 3233.0, 'baedc188-ba76-4a41', 'default', timestamptz '2026-01-01', 'd2')
        ) as deals (id, amount, dealstage, pipeline, createdate, _dlt_id)
        """,
        """
        create table stages_timing_deals as select * from (values
            ('902', 'qualifiedtobuy', timestamptz '2026-02-01 08:00:00+00'),
            ('902', 'baedc188_ba76_4a41_1675714327', timestamptz '2026-03-01 08:00:00+00')
        ) as timing (id, stage, hs_v2_date_entered_x)
        """,
        "create table contacts__deals as select '501' as value, unnest(['901', '902']) as deals_id",
        """
        create table deals__hs_merged_object_ids as
        select 'd2' as _dlt_parent_id, unnest(['871', '872']) as value
        """,
        "create table pipelines_deals as select 'default' as id, 'p1' as _dlt_id",
        """
        create table pipelines_deals__stages as select * from (values
            ('qualifiedtobuy', 'Qualified', 'false', '0.4', 'p1'),
            ('baedc188-ba76-4a41', 'Signed', 'true', '1.0', 'p1')
        ) as stages (id, label, metadata__is_closed, metadata__probability, _dlt_parent_id)
        """,
    )
    found = shapes.rows("hubspot", "dlt", "opportunities")
    told = chosen(found, "opportunity_id", "is_won", "closed_at", "merged_into_opportunity_id")
    assert told == {
        "901": ("false", None, None),
        "902": ("true", "2026-03-01T08:00:00.000Z", None),
        "871": ("false", None, "902"),
        "872": ("false", None, "902"),
    }


# Salesforce

LEAD, DEAL, CONTACT = "00Q1G00000nDnM5UAK", "0061G00000N38JZQAZ", "0031G00001QtDPlQAN"
LEAD_VALUES = f"('{LEAD}', '{CONTACT}', '{DEAL}', 'Converted', timestamp '2026-01-01 17:23:34')"
LEAD_NAMES = ("Id", "ConvertedContactId", "ConvertedOpportunityId", "Status", "CreatedDate")
SNAKE_NAMES = ("id", "converted_contact_id", "converted_opportunity_id", "status", "created_date")


@pytest.mark.parametrize("names", [LEAD_NAMES, SNAKE_NAMES], ids=["as in Salesforce", "as usual"])
def test_fivetran_s_salesforce_flags_may_be_empty_and_dates_are_times(
    names: tuple[str, ...], shapes: Shapes
) -> None:
    shapes.has(
        f"""
        create table lead as select *, cast(null as boolean) as _fivetran_active,
            cast(null as boolean) as is_deleted
        from (values {LEAD_VALUES}) as leads ({", ".join(names)})
        """,
        f"""
        create table opportunity as select * from (values
            ('{DEAL}', 24120.0, timestamp '2026-03-19 00:00', timestamp '2026-01-19 19:51:13',
                true, true, null, 'EUR'),
            ('0061G00000N31HAQAZ', 5.0, timestamp '2026-03-19', timestamp '2026-01-19 19:51:13',
                true, true, false, 'EUR')
        ) as deals (id, amount, close_date, created_date, is_closed, is_won, _fivetran_active,
            currency_iso_code)
        """,
    )
    found = shapes.rows("salesforce", "fivetran", "leads", "opportunities")
    columns = ("lead_id", "is_won", "closed_at", "amount", "currency", "is_deleted")
    assert chosen(found, "opportunity_id", *columns) == {
        DEAL: (LEAD, "true", "2026-03-19", "24120", "EUR", "false"),
        # No version of it is active: deleted in Salesforce.
        "0061G00000N31HAQAZ": (None, "true", "2026-03-19", "5", "EUR", "true"),
    }


def test_dlt_s_dates_of_the_bulk_api_are_milliseconds(shapes: Shapes) -> None:
    shapes.has(
        f"""
        create table lead as select *, 1767225600000 as mql_date__c
        from (values {LEAD_VALUES}) as leads ({", ".join(SNAKE_NAMES)})
        """,
        f"""
        create table opportunity as select
            '{DEAL}' as id, 1773878400000 as close_date, true as is_closed, true as is_won,
            '2026-01-19T19:51:13.000000Z' as created_date, false as is_deleted
        """,
    )
    fields = {"stage_dates": {"mql": "MQL_Date__c"}}
    found = shapes.rows("salesforce", "dlt", "opportunities", salesforce=fields)
    assert [(row["lead_id"], row["closed_at"]) for row in found] == [(LEAD, "2026-03-19")]
    changes = shapes.rows("salesforce", "dlt", "stage_changes", salesforce=fields)
    assert [(row["to_stage"], row["changed_at"]) for row in changes] == [("mql", "2026-01-01")]


def test_owner_rows_by_name_are_left_out_and_the_first_owner_was_the_owner_from_the_start(
    shapes: Shapes,
) -> None:
    ann, bob = "0051G000005Mun4", "0051G0000060XhiQAE"
    shapes.has(
        f"""
        create table lead as select * from (values {LEAD_VALUES})
            as leads ({", ".join(SNAKE_NAMES)})
        """,
        f"""
        create table lead_history as select * from (values
            ('0171', '{LEAD[:15]}', 'Owner', 'Ann A', 'Bob B', timestamptz '2026-02-01 08:00:00Z'),
            ('0172', '{LEAD}', 'Owner', '{ann}', '{bob}', timestamptz '2026-02-01 08:00:00Z')
        ) as history (id, lead_id, field, old_value, new_value, created_date)
        """,
    )
    found = shapes.rows("salesforce", "fivetran", "owner_changes")
    assert sorted((row["changed_at"], row["lead_id"], row["owner_id"]) for row in found) == [
        ("2026-01-01T17:23:34.000Z", LEAD, f"{ann}QAC"),
        ("2026-02-01T08:00:00.000Z", LEAD, bob),
    ]
