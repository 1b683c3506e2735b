"""What CRM exports say in one cell: ids merged into a record, and the owner before a change."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.settings import FilesSource
from tests.lifecycle.reference import Run
from tests.warehouse import Project, Warehouse

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
CONTACTS = """\
Record ID,Create Date,Lifecycle Stage,Merged object IDs
70,2026-02-03 09:15,Customer,41;42
71,2026-02-04 09:15,Lead,
"""
CONTACT_COLUMNS = {
    "lead_id": "Record ID",
    "created_at": "Create Date",
    "current_stage": "Lifecycle Stage",
}


def contacts(**settings: Any) -> dict[str, Any]:
    mapping = {"columns": CONTACT_COLUMNS, "merged_ids": "Merged object IDs", **settings}
    return {"leads": {"file": "contacts.csv", **mapping}}


@pytest.fixture
def export(export: Path) -> Path:
    (export / "leads.csv").unlink()
    (export / "contacts.csv").write_text(CONTACTS)
    return export


def versions(project: Project, export: Path, **settings: Any) -> Warehouse:
    """The lead and deal records that a load brought, with what they were merged into."""
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource.model_validate({"kind": "files", "path": export, **settings}))
    warehouse.decide(AS_OF)
    warehouse.build(["int_lead_versions", "int_contract__merges"])
    return warehouse


def merges(warehouse: Warehouse) -> dict[str, str | None]:
    rows = warehouse.rows("select * from build.int_lead_versions order by lead_id")
    return {row["lead_id"]: row["merged_into_lead_id"] for row in rows}


def test_ids_are_listed_in_several_ways(project, export):
    lists = [
        "11;12",
        " 21 ; 22;",
        '"31, 32"',
        "41:1767600000000;42:1767600000001",
        "52;51;5",
        "61|62",
        '"71\n72"',
        '"[81, 82]"',
        # One list names a record that has a row, and one that another list names first.
        "1;11;92",
    ]
    lines = [f"{at},2026-02-03,Lead,{text}" for at, text in enumerate(lists, start=1)]
    (export / "contacts.csv").write_text("\n".join([CONTACTS.splitlines()[0], *lines]))
    found = versions(project, export, tables=contacts())
    assert merges(found) == {
        **{str(at): None for at in range(2, 10)},
        "1": "9",
        **{f"{at}{place}": str(at) for at in range(1, 9) for place in (1, 2)},
        "92": "9",
    }
    made = found.rows("select * from build.int_lead_versions where lead_id = '11'")
    assert [(row["created_at"], row["current_stage"]) for row in made] == [
        (datetime(2026, 2, 3), None)
    ]


def test_a_listed_id_that_is_none_makes_no_record(project, export):
    header = CONTACTS.splitlines()[0]
    (export / "contacts.csv").write_text(f"{header}\n1,2026-02-03,Lead,1.23457E+11; 12;#N/A\n")
    found = versions(project, export, tables=contacts())
    assert merges(found) == {"1": None, "12": "1"}
    found.build(["unreadable_values"])
    query = "select source_row, column_name, value_text, reason from quality.unreadable_values"
    assert [tuple(row.values()) for row in found.rows(f"{query} order by value_text")] == [
        (
            2,
            "~merged_ids",
            text,
            "id is in scientific notation or stands for nothing (export ids as text)",
        )
        for text in ("#N/A", "1.23457E+11")
    ]


def test_the_list_of_the_latest_load_counts(project, export):
    warehouse = Warehouse(project)
    source = {"kind": "files", "path": export, "mode": "append", "tables": contacts()}
    for survivor in ("1", "2"):
        lines = [CONTACTS.splitlines()[0], f"{survivor},2026-02-03,Lead,31"]
        (export / "contacts.csv").write_text("\n".join(lines))
        warehouse.read_export(FilesSource.model_validate(source))
    warehouse.decide(AS_OF)
    warehouse.build(["int_lead_versions"])
    assert merges(warehouse) == {"1": None, "2": None, "31": "2"}


def test_a_second_load_leaves_nothing_of_the_first(ingest, export, rows):
    ingest(tables=contacts())
    (export / "contacts.csv").write_text(CONTACTS.replace("41;42", "43"))
    ingest(tables=contacts())
    assert rows("select extra_columns from raw.leads where lead_id = '70'") == [
        ('{"~merged_ids":"43"}',)
    ]


def test_both_forms_of_a_listed_salesforce_id_are_one(project, export):
    (export / "contacts.csv").write_text(
        CONTACTS.splitlines()[0]
        + """
70,2026-02-03,Lead,00Q5g00000AbCdA
71,2026-02-03,Lead,00Q5g00000AbCdBEAV
72,2026-02-03,Lead,00Q5g00000AbCdC;00Q5g00000AbCdCEAV
73,2026-02-03,Lead,00Q5g00000AbCdD
00Q5g00000AbCdAEAV,2026-01-01,Lead,
00Q5g00000AbCdB,2026-01-01,Lead,
00Q5g00000AbCdC,2026-01-01,Lead,
00Q5g00000AbCdDxyz,2026-01-01,Lead,
"""
    )
    found = merges(versions(project, export, tables=contacts()))
    assert found == {
        **dict.fromkeys(("70", "71", "72", "73")),
        "00Q5g00000AbCdAEAV": "70",
        "00Q5g00000AbCdBEAV": "71",
        "00Q5g00000AbCdCEAV": "72",
        # Only looks like the other form of an id: its checksum is another one.
        "00Q5g00000AbCdDxyz": None,
        "00Q5g00000AbCdDEAV": "73",
    }


def test_merged_deals_are_listed_likewise(project, export):
    (export / "deals.csv").write_text(
        "Record ID,Create Date,Contact,Merged object IDs,Into\n"
        "900,2026-02-10 10:00,70,877|878,\n"
        "878,2026-02-09 10:00,70,,\n"
        "700,2026-02-09 10:00,70,,877\n"
        "600,2026-02-09 10:00,70,,\n"
    )
    columns = {
        "opportunity_id": "Record ID",
        "lead_id": "Contact",
        "created_at": "Create Date",
        "merged_into_opportunity_id": "Into",
    }
    deals = {"file": "deals.csv", "columns": columns, "merged_ids": "Merged object IDs"}
    warehouse = facts(project, export, tables={**contacts(), "opportunities": deals})
    found = warehouse.rows("select opportunity_id from build.int_opportunities order by all")
    assert [row["opportunity_id"] for row in found] == ["600", "900"]


def test_a_list_of_a_row_that_can_not_be_used_is_none(project, export):
    (export / "contacts.csv").write_text(CONTACTS.replace("70,2026-02-03 09:15", "70,soon"))
    assert merges(versions(project, export, tables=contacts())) == {"71": None}


def test_a_header_that_is_not_there_is_named(ingest):
    with pytest.raises(SourceError, match=r"no column 'Merged IDs', named in tables.leads.merged"):
        ingest(tables=contacts(merged_ids="Merged IDs"))


@pytest.mark.parametrize(
    ("table", "key"), [("activities", "merged_ids"), ("leads", "previous_owner")]
)
def test_a_table_that_has_no_use_for_it_is_refused(table, key, export):
    settings = {"kind": "files", "path": export, "tables": {table: {key: "Some header"}}}
    with pytest.raises(ValueError, match=f"{table}.{key}: only of "):
        FilesSource.model_validate(settings)


# What the models make of it


def facts(project: Project, export: Path, **settings: Any) -> Warehouse:
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource.model_validate({"kind": "files", "path": export, **settings}))
    warehouse.build([*warehouse.project.models.keys() - warehouse.project.of_the_run])
    warehouse.run(Run(as_of=AS_OF, tradition="four_stage"))
    return warehouse


def test_what_is_logged_on_a_merged_record_belongs_to_the_one_that_is_left(project, export):
    (export / "activities.csv").write_text(
        "activity_id,lead_id,kind,occurred_at,direction\n"
        "a1,41,call,2026-02-10T10:00:00Z,outbound\na2,99,call,2026-02-10T10:00:00Z,outbound\n"
    )
    warehouse = facts(project, export, tables=contacts())
    warehouse.build(["fct_activities", "row_counts"])
    assert warehouse.rows(
        """
        select activity_id, lead_id
        from build.fct_activities inner join build.int_leads using (lead_key)
        """
    ) == [{"activity_id": "a1", "lead_id": "70"}]
    buckets = {row["lead_id"]: row["bucket"] for row in warehouse.rows("lead_accounting")}
    assert buckets["41"] == buckets["42"] == "merged"
    counts = [row for row in warehouse.rows("row_counts") if row["table_name"] == "leads"]
    assert {(row["rows_read"], row["rows_staged"]) for row in counts} == {(2, 2)}


CONTACTS_31_AND_50 = ("31,2026-01-01,Lead,", "50,2026-03-01,Lead,", "50,2026-03-01,Customer,31;32")


@pytest.mark.parametrize("loads", [[(0, 1), (2,)], [(2,), (0, 1)], [(0, 1, 2)]])
def test_a_merged_record_is_as_old_as_its_own_row(loads, project, export):
    warehouse = Warehouse(project)
    source = {"kind": "files", "path": export, "mode": "append", "tables": contacts()}
    for load in loads:
        lines = [CONTACTS.splitlines()[0], *(CONTACTS_31_AND_50[at] for at in load)]
        (export / "contacts.csv").write_text("\n".join(lines))
        warehouse.read_export(FilesSource.model_validate(source))
    warehouse.build([*project.models.keys() - project.of_the_run])
    merged = {"31": "merged", "50": "in marts"}
    not_yet = {"31": "in marts", "50": "not yet known"}
    for month, lead_id, expected in [(6, "50", merged), (2, "31", not_yet)]:
        warehouse.run(Run(as_of=datetime(2026, month, 2, tzinfo=UTC), tradition="four_stage"))
        (lead,) = warehouse.rows("int_leads")
        assert (lead["lead_id"], lead["created_at"]) == (lead_id, datetime(2026, 1, 1))
        buckets = {row["lead_id"]: row["bucket"] for row in warehouse.rows("lead_accounting")}
        assert buckets.items() >= expected.items()


HISTORY = """\
Id,LeadId,CreatedDate,Field,DataType,OldValue,NewValue
017a,00Q5g00000AbCdEEAV,2026-02-05T09:15:00.000Z,Status,Picklist,New,Working
017b,00Q5g00000AbCdEEAV,2026-02-06T09:15:00.000Z,Owner,Text,Bo B,Ada A
017c,00Q5g00000AbCdE,2026-02-06T09:15:00.000Z,Owner,EntityId,0055g00000AbCdE,0055g00000ABcdE
017d,00Q5g00000AbCdEEAV,2026-02-09T09:15:00.000Z,Owner,EntityId,0055g00000ABcdE,0055g00000XYzzz
"""
OWNER_CHANGES = {
    "file": "LeadHistory.csv",
    "columns": {"lead_id": "LeadId", "changed_at": "CreatedDate", "owner_id": "NewValue"},
    "previous_owner": "OldValue",
    "where": {"Field": ["Owner"], "DataType": ["EntityId"]},
}


def test_before_the_first_change_the_owner_before_was_the_owner(project, export):
    (export / "contacts.csv").unlink()
    (export / "leads.csv").write_text(
        "lead_id,created_at,owner_id\n"
        "00Q5g00000AbCdEEAV,2026-02-03T09:15:00Z,0055g00000XYzzz\n"
        "00Q5g00000ABcdEEAT,2026-02-03T09:15:00Z,0055g00000XYzzz\n"
    )
    (export / "LeadHistory.csv").write_text(HISTORY)
    warehouse = facts(project, export, tables={"owner_changes": OWNER_CHANGES})
    found = warehouse.rows(
        """
        select lead_id, periods.owner_id, owned_from
        from build.int_owner_periods as periods
        inner join build.int_leads using (lead_key)
        order by lead_id, owned_from
        """
    )
    assert [(row["lead_id"], row["owner_id"], row["owned_from"].day) for row in found] == [
        ("00Q5g00000ABcdEEAT", "0055g00000XYzzzAAD", 1),
        ("00Q5g00000AbCdEEAV", "0055g00000AbCdEAAV", 1),
        ("00Q5g00000AbCdEEAV", "0055g00000ABcdEAAT", 6),
        ("00Q5g00000AbCdEEAV", "0055g00000XYzzzAAD", 9),
    ]


IDS = {
    "0055g00000AbCdE": "0055g00000AbCdEAAV",
    "0055g00000AbCdEAAV": "0055g00000AbCdEAAV",
    "005-abc-def-ghi": "005-abc-def-ghi",
    "005 Abc Def Ghi": "005 Abc Def Ghi",
    "005_5g00000AbCd": "005_5g00000AbCd",
    "0055g00000AbCdé": "0055g00000AbCdé",
    "005500000012345": "005500000012345",
}


def test_only_salesforce_ids_of_15_characters_become_those_of_18(project, export):
    (export / "contacts.csv").unlink()
    lines = [f"L{at},2026-02-03,{given}" for at, given in enumerate(IDS)]
    (export / "leads.csv").write_text("\n".join(["lead_id,created_at,owner_id", *lines]))
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource.model_validate({"kind": "files", "path": export}))
    warehouse.build(["stg_files__leads"])
    found = warehouse.rows("select owner_id from build.stg_files__leads order by lead_id")
    assert [row["owner_id"] for row in found] == [*IDS.values()]


@pytest.mark.parametrize("lead_ids", ["00Q5g00000AbCdE;12", "12; 00Q5g00000AbCdE"])
def test_each_of_a_deal_s_leads_is_found_by_its_short_id(lead_ids, project, export):
    (export / "contacts.csv").unlink()
    (export / "leads.csv").write_text(
        "lead_id,created_at\n00Q5g00000AbCdEEAV,2026-02-03\n13,2026-02-03\n"
    )
    (export / "opportunities.csv").write_text(
        f"opportunity_id,lead_id,created_at\n900,{lead_ids},2026-02-10\n"
    )
    warehouse = facts(project, export)
    warehouse.build(["quarantine"])
    (deal,) = warehouse.rows("int_opportunities")
    assert deal["lead_id"] == "00Q5g00000AbCdEEAV"
    assert warehouse.rows("quarantine") == []
