"""Excel workbooks are read as rows of text."""

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource


def workbook(path: Path, **sheets: list[list[Any]]) -> None:
    made = Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)


def test_a_header_among_the_rows_is_no_row(ingest, export, rows):
    header, again = ["lead_id", "created_at", ""], [" Lead_ID ", "created_at", None]
    leads = [header, ["L1", "2026-01-01"], again, [None, "2026-01-02"], header, ["lead_id", "soon"]]
    (export / "leads.csv").unlink()
    workbook(export / "leads.xlsx", Leads=leads)
    workbook(export / "reps.xlsx", Reps=[["rep_id"], ["Rep_ID"], ["rep_id"]])
    workbook(export / "owner_changes.xlsx", Owners=[["lead_id", "changed_at"]] * 2)
    result = ingest()
    counts = {name: (it.rows_read, it.rows_rejected) for name, it in result.tables.items()}
    assert counts == {"leads": (3, 0), "owner_changes": (0, 0), "reps": (1, 0)}
    found = rows("select lead_id, source_row from raw.leads order by 2")
    assert found == [("L1", 2), (None, 4), ("lead_id", 6)]
    again = "the header stands again in row"
    assert {note.message for note in result.notes} == {
        f"leads.xlsx: {again} 3, 5, and is left out there",
        f"owner_changes.xlsx: {again} 2, and is left out there",
        "owner_changes.xlsx: a header and no rows; the table is empty",
        f"reps.xlsx: {again} 3, and is left out there",
    }


def test_ids_dates_and_numbers_are_written_as_they_are_shown(ingest, export, rows):
    workbook(
        export / "opportunities.xlsx",
        Deals=[
            ["opportunity_id", "created_at", "closed_at", "amount", "is_won", "lead_id"],
            [
                123456789012345,
                dt.datetime(2026, 1, 5, 14, 30, 15),
                dt.date(2026, 2, 1),
                0.1 + 0.2,
                True,
                "007",
            ],
            [42.0, dt.datetime(2026, 1, 6), dt.date(2026, 2, 2), 1e-7, False, None],
            ["D-3", "2026-01-07", None, 1234567.5, None, " \xa0"],
        ],
    )
    ingest()
    assert rows(
        "select opportunity_id, created_at, closed_at, amount, is_won, lead_id "
        "from raw.opportunities order by source_row"
    ) == [
        ("123456789012345", "2026-01-05T14:30:15", "2026-02-01", "0.3", "true", "007"),
        ("42", "2026-01-06T00:00:00", "2026-02-02", "0.0000001", "false", None),
        ("D-3", "2026-01-07", None, "1234567.5", None, None),
    ]


def test_times_are_in_the_zone_of_the_source_and_dates_stay(ingest, export, rows):
    workbook(
        export / "reps.xlsx", Reps=[["rep_id", "name"], [dt.time(9, 5), dt.timedelta(hours=30)]]
    )
    workbook(
        export / "activities.xlsx",
        Calls=[["lead_id", "occurred_at"], ["L1", dt.datetime(2026, 7, 1, 9, 30)]],
    )
    workbook(
        export / "owner_changes.xlsx",
        Owners=[["lead_id", "changed_at"], ["L1", dt.date(2026, 7, 1)]],
    )
    ingest(timezone="Europe/Amsterdam")
    assert rows("select occurred_at from raw.activities") == [("2026-07-01T09:30:00",)]
    assert rows("select changed_at from raw.owner_changes") == [("2026-07-01",)]
    assert rows("select rep_id, name from raw.reps") == [("09:05:00", "30:00:00")]


def test_a_date_beside_times_is_one_where_its_cell_shows_no_time(ingest, export, rows):
    midnight = dt.datetime(2026, 4, 2)
    workbook(
        export / "activities.xlsx",
        Calls=[
            ["lead_id", "occurred_at"],
            ["shows a date", dt.date(2026, 4, 1)],
            ["shows a time", midnight],
            ["shows a time of its own", midnight],
            ["is a time", dt.datetime(2026, 4, 3, 9, 30)],
        ],
    )
    made = load_workbook(export / "activities.xlsx")
    made["Calls"]["B4"].number_format = "[$-409]m/d/yy h:mm AM/PM;@"
    made["Calls"]["B2"].number_format = "dd.mm.yyyy"
    made.save(export / "activities.xlsx")
    ingest(timezone="Europe/Amsterdam")
    assert rows("select lead_id, occurred_at from raw.activities order by source_row") == [
        ("shows a date", "2026-04-01"),
        ("shows a time", "2026-04-02T00:00:00"),
        ("shows a time of its own", "2026-04-02T00:00:00"),
        ("is a time", "2026-04-03T09:30:00"),
    ]


def test_an_error_of_excel_is_not_an_empty_cell(ingest, export, rows):
    workbook(
        export / "opportunities.xlsx",
        Notes=[["#N/A"]],
        Deals=[
            ["opportunity_id", "created_at", "amount", "is_won"],
            [],
            ["O1", dt.date(2026, 2, 1), "#VALUE!", "#N/A"],
            ["O2", dt.date(2026, 2, 2), 5, True],
        ],
    )
    ingest(tables={"opportunities": {"sheet": "Deals"}})
    assert rows("select source_row, amount, is_won from raw.opportunities order by 1") == [
        (3, "#VALUE!", "#N/A"),
        (4, "5", "true"),
    ]


def test_rows_are_numbered_as_in_the_sheet(ingest, export, rows):
    blank: list[Any] = []
    workbook(
        export / "reps.xlsx",
        Reps=[blank, ["rep_id", "name"], ["R1", "Ada"], blank, [" ", ""], ["R2", "Bo"]],
    )
    ingest()
    assert rows("select rep_id, source_row from raw.reps order by 2") == [("R1", 3), ("R2", 6)]


@pytest.mark.parametrize(("sheet", "expected"), [(None, "first"), ("Q2", "second")])
def test_sheet_is_the_first_or_the_named_one(ingest, export, rows, sheet, expected):
    workbook(
        export / "people.xlsx",
        Q1=[["rep_id"], ["first"]],
        Q2=[["rep_id"], ["second"]],
    )
    ingest(tables={"reps": {"file": "people.xlsx", "sheet": sheet}})
    assert rows("select rep_id from raw.reps") == [(expected,)]


def test_columns_without_a_name_are_kept_and_empty_ones_are_none(ingest, export, rows):
    workbook(
        export / "reps.xlsx",
        Reps=[["rep_id", None, "name", None], ["R1", "note", "Ada", None]],
    )
    ingest()
    assert rows("select name, extra_columns from raw.reps") == [("Ada", '{"column 2":"note"}')]


def test_workbook_is_a_part_like_any_other_file(ingest, export, rows):
    (export / "reps-1.csv").write_text("rep_id\nR1\n")
    workbook(export / "reps-2.xlsx", Reps=[["rep_id"], ["R2"]])
    with zipfile.ZipFile(export / "more.zip", "w") as target:
        target.write(export / "reps-2.xlsx", "reps-3.xlsx")
    ingest(tables={"reps": {"file": ["reps-*", "more.zip"]}})
    reps = "raw.reps join raw.files using (file_id)"
    assert rows(f"select rep_id, source_file from {reps} order by 2") == [
        ("R2", "more.zip/reps-3.xlsx"),
        ("R1", "reps-1.csv"),
        ("R2", "reps-2.xlsx"),
    ]


def test_stage_dates_come_from_a_workbook(ingest, export, rows):
    workbook(
        export / "deals.xlsx", Deals=[["contact", "won"], ["L1", dt.date(2026, 3, 1)], ["L2", None]]
    )
    ingest(
        stage_dates=[
            {"stage": "customer", "column": "won", "file": "deals.xlsx", "lead_id": "contact"}
        ]
    )
    changes = "select lead_id, changed_at, to_stage from raw.stage_changes"
    assert rows(changes) == [("L1", "2026-03-01", "customer")]


@pytest.mark.parametrize("leads_first", [True, False])
@pytest.mark.parametrize("leads_sheet", ["Leads", None])
@pytest.mark.parametrize("where", [{}, {"file": "crm.xlsx"}, {"sheet": "Leads"}])
def test_stage_dates_have_a_sheet_of_a_workbook_with_several_tables(
    ingest, export, rows, leads_first, leads_sheet, where
):
    day = dt.date(2026, 3, 1)
    sheets: dict[str, list[list[Any]]] = {
        "Leads": [["lead_id", "created_at", "type", "MQL date"], ["L1", day, "a", day]],
        "Deals": [["opportunity_id", "lead_id", "created_at"], ["D", "L1", day]],
        "Won": [["Who", "Paid"], ["L1", dt.date(2026, 5, 1)]],
    }
    sheets["Leads"].append(["L2", day, "b", day])
    if not (leads_first or leads_sheet is None):
        sheets = dict(reversed(sheets.items()))
    workbook(export / "crm.xlsx", **sheets)
    result = ingest(
        tables={
            "opportunities": {"file": "crm.xlsx", "sheet": "Deals"},
            "leads": {"file": "crm.xlsx", "sheet": leads_sheet, "where": {"type": ["a"]}},
        },
        stage_dates=[
            {"stage": "mql", "column": "MQL date", **where},
            {
                "stage": "customer",
                "column": "Paid",
                "file": "crm.xlsx",
                "sheet": "Won",
                "lead_id": "Who",
            },
        ],
    )
    changes = "select lead_id, changed_at, to_stage from raw.stage_changes order by changed_at"
    assert rows(changes) == [("L1", "2026-03-01", "mql"), ("L1", "2026-05-01", "customer")]
    assert not any("MQL date" in note.message for note in result.notes)


def test_many_rows_keep_their_numbers(ingest, export, rows):
    many = [[f"R{at}", at] for at in range(2, 25_002)]
    workbook(export / "reps.xlsx", Reps=[["rep_id", "weekly_capacity"], *many])
    ingest()
    counts = (
        "select count(*), count(*) filter (weekly_capacity = source_row::varchar) from raw.reps"
    )
    assert rows(counts) == [(25_000, 25_000)]


@pytest.mark.parametrize("content", [b"no workbook", b"", b"PK\x03\x04 cut off"])
def test_damaged_workbook_is_one_line(ingest, export, content):
    (export / "reps.xlsx").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        ingest()
    assert len(caught.value.problems) == 1
    assert "reps.xlsx: the workbook can't be read" in str(caught.value)
    assert "save it again as XLSX, or as CSV" in str(caught.value)


def test_archive_that_is_no_workbook_is_one_line(ingest, export):
    with zipfile.ZipFile(export / "reps.xlsx", "w") as target:
        target.writestr("xl/workbook.xml", "none")
    with pytest.raises(SourceError, match=r"reps\.xlsx: the workbook can't be read"):
        ingest()


def test_missing_sheet_and_empty_sheet_are_named(ingest, export):
    workbook(export / "reps.xlsx", Summary=[], People=[["rep_id"]])
    with pytest.raises(SourceError, match=r"no sheet 'Reps'; the workbook has: Summary, People"):
        ingest(tables={"reps": {"sheet": "Reps"}})
    with pytest.raises(SourceError, match=r"reps\.xlsx: the sheet is empty"):
        ingest()
    ingest(tables={"reps": {"sheet": "People"}})


def test_doctor_reads_workbooks(export):
    workbook(export / "reps.xlsx", Reps=[["name"], ["Ada"]])
    found = check(FilesSource(kind="files", path=export))
    [problem] = [finding.message for finding in found if finding.status == "error"]
    assert "reps.xlsx: required column rep_id" in problem
