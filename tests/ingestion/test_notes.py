"""What was not understood, left out or decided is noted: kind, place, how often, samples."""

from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.running.publishing import NOTES_ORDER
from tests.warehouse import Warehouse, project

Note = tuple[str, str | None, int | None, str | None]

LEADS = "lead_id,created_at,owner_id,current_stage\n"
ONE_LEAD = {"leads": f"{LEADS}A,2026-01-01,R1,lead\n"}
ENGAGED = {
    "engagements": "engagement_id,lead_id,kind,occurred_at\nE1,A,demo_request,2026-01-02\n",
    "activities": "activity_id,lead_id,rep_id,kind,occurred_at\nC1,A,R1,call,2026-01-03\n",
    "stage_changes": "change_id,lead_id,changed_at,from_stage,to_stage\n1,A,2026-01-02,lead,mql\n",
}
COMPLETE = {**ONE_LEAD, **ENGAGED}


@pytest.fixture(scope="module")
def warehouse() -> Warehouse:
    return Warehouse(project().for_files())


def notes(warehouse: Warehouse, directory: Path, tables: dict[str, str]) -> list[Note]:
    """The notes on an export, but for those that a reader wrote itself."""
    for table in (*CONTRACT_TABLES, "loads"):
        warehouse.execute(f"delete from raw.{table}")
    for name, text in tables.items():
        (directory / f"{name}.csv").write_text(text)
    warehouse.read_export(FilesSource(kind="files", path=directory))
    warehouse.decide(datetime(2026, 6, 30))
    warehouse.build(["notes"])
    rows = warehouse.rows("from quality.notes where kind <> 'ingestion' order by kind_rank, place")
    return [(row["kind"], row["place"], row["row_count"], row["samples"]) for row in rows]


def test_nothing_is_noted_where_all_is_understood(warehouse: Warehouse, tmp_path: Path) -> None:
    assert notes(warehouse, tmp_path, COMPLETE) == []


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (
            {"leads": "lead_id,created_at,owner_id\nA,2026-01-01,R1\nB,2026-01-01,\n"}
            | {name: ENGAGED[name] for name in ("activities", "engagements")},
            [("no_stage", "leads", 2, None)],
        ),
        (
            {
                **COMPLETE,
                "leads": "lead_id,created_at,owner_id\nA,2026-01-01,R1\n",
                "stage_changes": "lead_id,changed_at,to_stage\nA,2026-01-02,Foo\nA,2026-02-02,X\n",
            },
            [("no_stage", "leads", 1, "Foo, X"), ("unmapped_stages", "stages", 2, "Foo, X")],
        ),
        (
            {**COMPLETE, "stage_changes": "lead_id,changed_at,to_stage\n"},
            [("no_history", "leads", 1, None)],
        ),
        # Of leads that have moved, it is a part of them; one that is where it began has none.
        (
            {
                **COMPLETE,
                "leads": f"{LEADS}A,2026-01-01,R1,lead\nB,2026-01-01,R1,lead\n"
                "C,2026-01-01,R1,sql\nD,2026-01-01,R1,rejected\n",
            },
            [("no_history", "leads", 2, None)],
        ),
        (
            {**ONE_LEAD, "stage_changes": ENGAGED["stage_changes"]},
            [("never_filled", None, None, None)],
        ),
        (
            {**COMPLETE, "leads": f"{ONE_LEAD['leads']}B,soon,R1,lead\nC,,R1,lead\n"},
            [
                ("rows_in_quarantine", "leads.created_at", 1, "leads.csv row 4"),
                ("rows_in_quarantine", "leads.created_at", 1, "soon"),
            ],
        ),
        (
            {**COMPLETE, "leads": f"{LEADS}A,2026-01-01,1E+12,lead\nB,2026-01-01,R1,\n"},
            [
                ("leads_without_stage", "leads", 1, None),
                ("unreadable_values", "leads.owner_id", 1, "1E+12"),
            ],
        ),
        (
            {
                **COMPLETE,
                "stage_changes": ENGAGED["stage_changes"]
                + "2,A,2026-02-02,,Foo\n3,A,2026-02-03,,foo\n",
            },
            [("unmapped_stages", "stages", 2, "Foo")],
        ),
        (
            {
                **COMPLETE,
                "opportunities": "opportunity_id,lead_id,created_at,amount,currency\n"
                "1,A,2026-01-05,10,USD\n2,A,2026-01-05,20,USD\n3,A,2026-01-05,7,XTS\n",
            },
            [
                ("currency_without_rate", "opportunities.amount", 1, "3"),
                ("currency_decided", "opportunities.amount", 1, "XTS"),
            ],
        ),
        (
            {
                **COMPLETE,
                "activities": ENGAGED["activities"]
                + "C2,A,R1,call,2025-12-01\nC3,A,R1,call,2026-07-01\n",
            },
            [
                ("before_creation", "activities.occurred_at", 1, "A"),
                ("later_than_as_of", "activities.occurred_at", 1, "A"),
            ],
        ),
        (
            {**COMPLETE, "leads": f"{LEADS}A,13/12/2025,R1,lead\nB,01/02/2026,R1,lead\n"},
            [("format_decided", "leads.created_at", 1, "01/02/2026")],
        ),
        (
            {**COMPLETE, "leads": f"{LEADS}A,2026-01-02T14:00:00Z,R1,lead\n"},
            [
                ("dates_without_time", "activities.occurred_at", 1, None),
                ("dates_without_time", "engagements.occurred_at", 1, None),
                ("dates_without_time", "stage_changes.changed_at", 1, None),
            ],
        ),
        (
            {**COMPLETE, "leads": f"{LEADS}A,2026-01-01,R1,lead\nA,2026-01-01,R2,lead\n"},
            [("contradictions", "leads.lead_id", 1, "A")],
        ),
        ({**COMPLETE, "leads": ONE_LEAD["leads"] + "A,2026-01-01,R1,lead\n"}, []),
        (
            {**COMPLETE, "leads": ONE_LEAD["leads"] + ",2026-01-01,R1,lead\n,2026-01-02,R1,lead\n"},
            [("rows_in_quarantine", "leads.lead_id", 2, "leads.csv row 3, leads.csv row 4")],
        ),
        (
            {**COMPLETE, "reps": "rep_id\nR1\n", "leads": f"{LEADS}A,2026-01-01,1.0,lead\n"},
            [("unknown_references", "leads.owner_id", 1, "1.0")],
        ),
        # A lead in quarantine is spelled as what is about it.
        (
            {
                **COMPLETE,
                "leads": f"{LEADS}A,2026-01-01,R1,lead\n7,,R1,lead\n",
                "activities": ENGAGED["activities"] + "C2,7,R1,call,2026-01-04\n",
            },
            [
                ("rows_in_quarantine", "activities.lead_id", 1, "7"),
                ("rows_in_quarantine", "leads.created_at", 1, "leads.csv row 3"),
            ],
        ),
        (
            {
                **COMPLETE,
                "leads": f"{LEADS}A,2026-01-01,R1,lead\n07,2026-01-01,R1,lead\n"
                "X8,2026-01-01,r1,lead\n",
                "reps": "rep_id\nR1\n",
                "activities": "activity_id,lead_id,rep_id,kind,occurred_at\n"
                "C1,7,R1,call,2026-01-03\nC2,7.0,R1,call,2026-01-03\nC3,x8,R1,call,2026-01-03\n"
                "C4,9,R1,call,2026-01-03\n",
                "opportunities": "opportunity_id,lead_id,created_at\n1,07;X8,2026-01-05\n"
                "2,7,2026-01-05\n",
            },
            [
                (
                    "ids_spelled_differently",
                    "activities.lead_id",
                    3,
                    "7 for 07, 7.0 for 07, x8 for X8",
                ),
                ("ids_spelled_differently", "leads.owner_id", 1, "r1 for R1"),
                ("ids_spelled_differently", "opportunities.lead_id", 1, "7 for 07"),
                ("rows_in_quarantine", "activities.lead_id", 4, "7, 7.0, 9"),
                ("rows_in_quarantine", "opportunities.lead_id", 1, "7"),
            ],
        ),
        (
            {
                **COMPLETE,
                "leads": "lead_id,created_at,owner_id,current_stage,merged_into_lead_id\n"
                "A,2026-01-01,R1,lead,\nB,2026-01-01,R1,lead,Z\n",
            },
            [("unknown_references", "leads.merged_into_lead_id", 1, "Z")],
        ),
        (
            {
                **COMPLETE,
                "leads": "lead_id,created_at,owner_id,current_stage,is_deleted\n"
                "A,2026-01-01,R1,lead,no\nD,2026-01-01,R1,lead,yes\n",
                "opportunities": "opportunity_id,lead_id,created_at,amount\n"
                "1,D;A,2026-01-05,10\n2,A;D,2026-01-05,20\n3,D,2026-01-05,30\n",
            },
            [("amounts_of_nobody", "opportunities.amount", 2, "1, 3")],
        ),
        (
            {
                **COMPLETE,
                "stage_changes": "change_id,lead_id,changed_at,from_stage,to_stage\n"
                "1,A,2026-01-02,leed,mql\n2,A,2026-01-03,mql,\n",
            },
            [("unmapped_stages", "stage_changes.from_stage", 1, "leed")],
        ),
        (
            {
                **COMPLETE,
                "activities": ENGAGED["activities"] + "C2,A,R1,cal,2026-01-04\n",
                "engagements": ENGAGED["engagements"] + "E2,A,demo_requst,2026-01-04\n",
            },
            [
                ("unknown_kinds", "activities.kind", 1, "cal"),
                ("unknown_kinds", "engagements.kind", 1, "demo_requst"),
            ],
        ),
        (
            {
                **COMPLETE,
                "leads": "lead_id,created_at,owner_id,current_stage,lead_source\n"
                "A,2026-01-01,R1,lead,N/A\nB,2026-01-01,NULL,lead,-\nC,2026-01-01,R1,lead,NaN\n",
            },
            [
                ("unreadable_values", "leads.owner_id", 1, "NULL"),
                ("words_for_nothing", "leads.lead_source", 3, "-, N/A, NaN"),
            ],
        ),
    ],
)
def test_what_is_not_understood_is_noted(
    warehouse: Warehouse, tmp_path: Path, tables: dict[str, str], expected: list[Note]
) -> None:
    assert sorted(notes(warehouse, tmp_path, tables), key=str) == sorted(expected, key=str)


def test_the_notes_of_the_latest_load_are_listed(warehouse: Warehouse, tmp_path: Path) -> None:
    query = "from quality.notes where kind = 'ingestion'"
    notes(warehouse, tmp_path, {**COMPLETE, "leads": "lead_id,created_at,x\nA,2026-01-01,1\n"})
    [note] = warehouse.rows(query)
    assert "columns that the contract does not know" in note["note"]
    notes(warehouse, tmp_path, {**COMPLETE, "reps": "rep_id\n"})
    assert [(row["place"], row["severity"], row["note"]) for row in warehouse.rows(query)] == [
        ("reps", "warning", "reps.csv: a header and no rows; the table is empty")
    ]
    notes(warehouse, tmp_path, {"reps": "rep_id\nR1\n"})
    assert warehouse.rows(query) == []


def test_that_no_lead_has_a_stage_is_the_first_thing_said(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    stages = "lead_id,changed_at,to_stage\nA,2026-01-02,Foo\n"
    leads = "lead_id,created_at,owner_id\nA,2026-01-01,1E+12\n"
    assert len(notes(warehouse, tmp_path, {"leads": leads, "stage_changes": stages})) > 2
    first = warehouse.rows(f"from quality.notes order by {NOTES_ORDER}")[0]
    assert first["note"].startswith("no lead has a stage")
