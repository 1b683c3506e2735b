"""Bad files: what can't be used is set aside or refused, and the message says how to fix it."""

import gzip
import json
import re
from collections.abc import Callable

import pytest

from dagster_project.config.errors import SourceError

HEADER = "lead_id,created_at,company\n"
SOUND = "L{0},2026-01-0{0},c{0}\n"


def refused(run: Callable[[], object]) -> str:
    """The one line that an unreadable source is refused with."""
    with pytest.raises(SourceError) as caught:
        run()
    assert caught.value.exit_code == 3
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leads(rows):
    return rows("select lead_id, created_at, company, source_row from raw.leads order by 4")


def rejected(rows):
    found = rows(
        "select source_row, reason, row_json, table_name, source_file, column_name "
        "from raw.rejected_rows order by 1"
    )
    assert all(row[3:] == ("leads", "leads.csv", None) for row in found)
    return [(number, reason, _as_given(json.loads(row))) for number, reason, row, *_ in found]


def _as_given(row):
    """Without what the reader adds about the lead."""
    return {key: value for key, value in row.items() if not key.startswith("~")}


def sound(number: int, row: int):
    return (f"L{number}", f"2026-01-0{number}", f"c{number}", row)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ragged_rows_are_set_aside_and_shift_nothing(ingest, export, rows, end):
    text = (
        HEADER
        + SOUND.format(1)
        + "L2,2026-01-02\n"
        + 'L3,2026-01-03,"c\n3",extra,"more\nlines"\n'
        + SOUND.format(4)
        + "\n"
        + "L5\n"
        + SOUND.format(6)
        + "L7,2026-01-07,,,"
    )
    (export / "leads.csv").write_bytes(text.replace("\n", end).encode())
    result = ingest()
    assert leads(rows) == [sound(1, 2), sound(4, 5), sound(6, 7)]
    assert rejected(rows) == [
        (
            3,
            "the row has 2 fields, the header has 3",
            {"lead_id": "L2", "created_at": "2026-01-02"},
        ),
        (
            4,
            "the row has 5 fields, the header has 3",
            {
                "lead_id": "L3",
                "created_at": "2026-01-03",
                "company": f"c{end}3",
                "(beyond the header)": ["extra", f"more{end}lines"],
            },
        ),
        (6, "the row has 1 fields, the header has 3", {"lead_id": "L5"}),
        (
            8,
            "the row has 5 fields, the header has 3",
            {
                "lead_id": "L7",
                "created_at": "2026-01-07",
                "company": "",
                "(beyond the header)": ["", ""],
            },
        ),
    ]
    table = result.tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (7, 4)
    assert rows("select rows_read from raw.loads") == [(7,)]
    # The rows in quarantine say so.
    assert result.notes == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("broken", "at"),
    [('L2,2026-01-02,"open', 2), ('L2,2026-01-02,"5" pipe"', 2), ('L2,2026-01-02,"open', 4)],
)
def test_unbalanced_quote_costs_its_own_line_only(ingest, export, rows, end, broken, at):
    lines = [SOUND.format(1), SOUND.format(3), SOUND.format(4), 'L5,2026-01-05,"c5"\n']
    lines.insert(at - 1, broken + "\n")
    (export / "leads.csv").write_bytes((HEADER + "".join(lines)).replace("\n", end).encode())
    ingest()
    assert rows("select count(*), count(distinct company) from raw.leads") == [(4, 4)]
    assert rejected(rows) == [
        (
            at + 1,
            "the row is broken: a quote is not closed, or not doubled",
            {"row": broken, "cells": {"lead_id": "L2", "created_at": "2026-01-02"}},
        )
    ]


@pytest.mark.parametrize(
    ("broken", "readable"),
    [
        ('"L2","2026-01-02","5" pipe"', {"lead_id": "L2", "created_at": "2026-01-02"}),
        ('L2,"2026-01-02,"c2"', {"lead_id": "L2"}),
        ('"L2,2026-01-02,c2', {}),
    ],
)
def test_of_a_broken_row_the_cells_before_the_break_are_kept(
    ingest, export, rows, broken, readable
):
    (export / "leads.csv").write_text(HEADER + SOUND.format(1) + broken + "\n" + SOUND.format(3))
    ingest()
    assert leads(rows) == [sound(1, 2), sound(3, 4)]
    whole = {"row": broken, "cells": readable} if readable else {"row": broken}
    assert [cells for *_, cells in rejected(rows)] == [whole]


@pytest.mark.parametrize("header", ["Record ID", "row", "cells"])
def test_a_broken_row_names_its_lead_whatever_the_header(ingest, export, rows, header):
    text = f'{header},created_at\nL1,2026-01-01\nL2,2026-01-02,x\nL3,"5" pipe\n'
    (export / "leads.csv").write_text(text)
    ingest(tables={"leads": {"columns": {"lead_id": header}}})
    named = (
        "select json_extract_string(row_json, '$.\"~lead_id\"') from raw.rejected_rows order by 1"
    )
    assert rows(named) == [("L2",), ("L3",)]
    assert rejected(rows)[1][2] == {"row": 'L3,"5" pipe', "cells": {header: "L3"}}


@pytest.mark.parametrize(
    "again",
    [
        HEADER,
        "\ufeff" + HEADER,
        '"lead_id",created_at,"company"\n',
        '\ufeff"lead_id","created_at","company"\n',
        "Lead_Id,CREATED_AT,company\n",
        " lead_id,created_at , company\n",
    ],
)
@pytest.mark.parametrize("broken", ["", 'L2,2026-01-02,"5" pipe\n'])
def test_a_header_among_the_rows_is_no_row(ingest, export, rows, again, broken):
    text = HEADER + SOUND.format(1) + again + broken + SOUND.format(3) + "lead_id,soon,company\n"
    (export / "leads.csv").write_text(text)
    result = ingest()
    table = result.tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (3 + bool(broken), bool(broken))
    assert [lead for lead, *_ in leads(rows)] == ["L1", "L3", "lead_id"]
    noted = "leads.csv: the header stands again in row 3, and is left out there"
    assert noted in [note.message for note in result.notes]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("lead_id,created_at", ",2026-01-0{}"),
        (",lead_id,created_at", "{},L1,2026-01-01"),
        (",lead_id,created_at", ",,"),
    ],
)
def test_beside_a_second_header_no_cell_need_be_filled(ingest, export, rows, header, row):
    lines = [header, row.format(1), header, row.format(2)]
    (export / "leads.csv").write_text("\n".join(lines))
    table = ingest().tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (2, 0)
    assert rows("select source_row from raw.leads order by 1") == [(2,), (4,)]


def test_a_row_of_empty_cells_is_no_header(ingest, export, rows):
    (export / "leads.csv").write_text(",\nL1,2026-01-01\n,\n")
    ingest(tables={"leads": {"columns": {"lead_id": "column 1", "created_at": "column 2"}}})
    assert rows("select lead_id from raw.leads order by source_row") == [("L1",), (None,)]


@pytest.mark.parametrize("again", ["rep_id", "\ufeffrep_id", '\ufeff"rep_id"'])
def test_of_one_column_only_the_same_header_is_one(ingest, export, rows, again):
    (export / "reps.csv").write_text(f'rep_id\nR1\n""\n{again}\nRep_Id\nR2\n')
    table = ingest().tables["reps"]
    assert (table.rows_read, table.rows_rejected) == (4, 0)
    assert rows("select rep_id from raw.reps order by source_row") == [
        ("R1",),
        (None,),
        ("Rep_Id",),
        ("R2",),
    ]


def test_quote_open_at_the_end_of_the_file_loses_nothing_before_it(ingest, export, rows):
    broken = 'L2,2026-01-02,"never closed\n'
    (export / "leads.csv").write_text(HEADER + SOUND.format(1) + broken + SOUND.format(3) * 50_000)
    table = ingest().tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (50_002, 1)
    assert rejected(rows)[0][0] == 3


def test_many_broken_rows_stay_countable(ingest, export, rows):
    block = SOUND.format(1) + 'L2,2026-01-02,"5" pipe\n' + "L3,2026-01-03\n" + SOUND.format(4)
    (export / "leads.csv").write_text(HEADER + block * 2_000)
    table = ingest().tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (8_000, 4_000)
    assert rows("select count(*) from raw.leads where (source_row - 2) % 4 in (0, 3)") == [(4_000,)]


def test_record_beyond_the_limit_is_set_aside(ingest, export, rows):
    huge = 'L2,2026-01-02,"' + "x" * 3_000_000 + '"\n'
    (export / "leads.csv").write_text(HEADER + SOUND.format(1) + huge + SOUND.format(3))
    ingest()
    assert leads(rows) == [sound(1, 2), sound(3, 4)]
    assert rejected(rows)[0][:2] == (3, "the row is longer than the reader takes (2 MB)")


def messages(result) -> list[str]:
    return [note.message for note in result.notes]


def test_separator_too_many_shifts_nothing(ingest, export, rows):
    header = "lead_id,created_at,owner_id,company\n"
    shifted = "L2,2026-01-02,,R1,\n"
    text = f"{header}L1,2026-01-01,R1,\n{shifted}L3,2026-01-03,R3,c3,\nL4,2026-01-04,,c4\n"
    (export / "leads.csv").write_text(text)
    result = ingest()
    found = rows("select lead_id, owner_id, company from raw.leads order by 1")
    # Where all cells are filled nothing is shifted.
    assert found == [("L1", "R1", None), ("L3", "R3", "c3"), ("L4", None, "c4")]
    assert [row[:2] for row in rejected(rows)] == [(3, "the row has 5 fields, the header has 4")]
    table = result.tables["leads"]
    assert (table.rows_read, table.rows_rejected) == (4, 1)
    assert result.notes == []


@pytest.mark.parametrize(
    ("lines", "aside"),
    [
        # The first rows end so, and not all.
        (
            "L2,2026-01-02,,R1,\nL3,2026-01-03,,R1,\nL4,2026-01-04,R4,c4\nL5,2026-01-05,R5,c5\n",
            "23",
        ),
        ("L2,2026-01-02,,R1,\nL3,2026-01-03,,R1,\nL4,2026-01-04,R4,c4", "23"),
        ("L4,2026-01-04,R4,c4\nL2,2026-01-02,,R1,\nL3,2026-01-03,,R1,", "23"),
        # A column without a header: some of its rows look as if they ended so.
        ("L2,2026-01-02,x,,\nL3,2026-01-03,x,R1,\nL6,2026-01-06,x,R6,c6\n", "26"),
        # One row proves nothing.
        ("\nL2,2026-01-02,,R1,\n\n", "2"),
        ("L2,2026-01-02,,R1,", "2"),
        # Others are of another length or broken.
        ('L2,2026-01-02,R2,,\n\nL6\nL3,2026-01-03,,c3,\nL7,2026-01-07,"c7,,\nL8,,,,,\n', "678"),
        ('L6\nL2,2026-01-02,R2,,\nL3,2026-01-03,,"c\n3",', "6"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_end_open_only_where_all_do(ingest, export, rows, lines, aside, end):
    text = "lead_id,created_at,owner_id,company\n" + lines
    (export / "leads.csv").write_bytes(text.replace("\n", end).encode())
    ingest()
    set_aside = [cells.get("lead_id") or cells["row"][:2] for *_, cells in rejected(rows)]
    assert sorted(set_aside) == [f"L{number}" for number in aside]
    found = rows("select lead_id, owner_id from raw.leads order by 1")
    assert not {lead_id for lead_id, _ in found} & set(set_aside)
    assert len(found) + len(set_aside) == len(re.findall("L[0-9]", lines))
    if aside[0] in "6":
        assert found == [("L2", "R2"), ("L3", None)]


@pytest.mark.parametrize("empty", ['""', "", " ", '" "', ' "" '])
def test_cell_that_is_empty_in_quotes_is_empty(ingest, export, rows, empty):
    header = "lead_id,created_at,owner_id,company\n"
    sound = '"L1","2026-01-01","R1","c1"\n"L4","2026-01-04","R4","""",\n"L5","2026-01-05","",""\n'
    shifted = f'"L2","2026-01-02",{empty},"R1",\n'
    (export / "leads.csv").write_text(header + sound + shifted)
    ingest()
    found = rows("select lead_id, owner_id, company from raw.leads order by 1")
    assert found == [("L1", "R1", "c1"), ("L4", "R4", '"'), ("L5", None, None)]
    assert [row[:2] for row in rejected(rows)] == [(5, "the row has 5 fields, the header has 4")]


def test_rows_that_all_end_with_a_separator_more_are_said_to(ingest, export, rows):
    (export / "leads.csv").write_text(
        "lead_id,created_at,company\nL1,2026-01-01,,\nL2,2026-01-02,c2,\nL3,2026-01-03,,\n"
    )
    assert messages(ingest()) == [
        "leads.csv: rows end with a separator more than the header; it is left out"
    ]
    assert rows("select lead_id, company from raw.leads order by 1") == [
        ("L1", None),
        ("L2", "c2"),
        ("L3", None),
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("value", "at"), [('c"2', 3), ('c2"', 3), ('5" pipe', 3), ('"c""2"', 0)])
def test_stray_quotes_are_kept_and_said(ingest, export, rows, mark, value, at):
    text = f'{mark}"lead_id",created_at,company\nL1,2026-01-01,"c,1"\nL2,2026-01-02,{value}\n'
    (export / "leads.csv").write_text(text)
    result = ingest()
    company = value.strip('"').replace('""', '"') if value.startswith('"') else value
    assert rows("select company from raw.leads where lead_id = 'L2'") == [(company,)]
    stray = (
        "leads.csv: 1 rows with a quote in a value that has none around it (the first: line "
        f"{at}); it is read as a part of the value"
    )
    assert messages(result) == ([stray] if at else [])


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("M\ufffdller", "letters that were lost (\ufffd)"),
        ("MÃ¼ller", "letters that were decoded twice (Ã¼ for ü)"),
        ("10 â€“ 20", "letters that were decoded twice (Ã¼ for ü)"),
        ("\u200bMüller", "signs that nobody sees"),
        ("Mül\0ler", "signs that nobody sees"),
        ("SÃO MÜLLER", None),
        ("Ã", None),
    ],
)
def test_letters_that_are_damaged_are_said(ingest, export, value, what):
    text = "\ufeff" + HEADER + SOUND.format(1) * 2 + f"L2,2026-01-02,{value}\n" * 2
    (export / "leads.csv").write_text(text)
    said = [f"leads.csv: {what}, in 2 places (the first: line 4)"] if what else []
    assert messages(ingest()) == said


def test_the_line_of_damaged_letters_is_told_far_down(ingest, export):
    # More than is read at a time.
    rows = "".join(f"L{at},2026-01-01,ü\n" for at in range(100_000))
    (export / "leads.csv").write_text(f"{HEADER}{rows}X,2026-01-01,M\ufffdller\n", "utf-8")
    assert messages(ingest()) == [
        "leads.csv: letters that were lost (\ufffd), in 1 places (the first: line 100002)"
    ]


def test_line_end_that_is_missing_in_one_file_is_said(ingest, export):
    (export / "owner_changes.csv").write_text("lead_id,changed_at,owner_id\nL1,2026-01-01,R1")
    assert messages(ingest()) == [
        "owner_changes.csv: the last line has no line end, as those of other files have; look "
        "whether it was cut off"
    ]
    (export / "leads.csv").write_text((HEADER + SOUND.format(1)).rstrip())
    assert messages(ingest()) == []


def test_no_such_directory(ingest, export):
    message = refused(lambda: ingest(path=export / "absent"))
    assert f"{export / 'absent'}: no such directory" in message
    assert "--input" in message
    assert "not a directory" in refused(lambda: ingest(path=export / "leads.csv"))


def test_no_leads_table(ingest, export):
    (export / "leads.csv").rename(export / "people.csv")
    message = refused(ingest)
    assert "no leads table" in message
    assert "people.csv" in message
    assert "tables.leads.file" in message


def test_required_column_missing(ingest, export):
    (export / "leads.csv").write_text("lead_id,created,email\nL1,2026-01-01,x\n")
    message = refused(ingest)
    assert "leads.csv: required column created_at of table leads is missing" in message
    assert "the header has: lead_id, created, email" in message
    assert "tables.leads.columns.created_at" in message


def test_missing_id_column_that_can_be_made_is_no_error(ingest, export, rows):
    (export / "stage_changes.csv").write_text("lead_id,changed_at,to_stage\nL1,2026-01-01,MQL\n")
    ingest()
    assert rows("select change_id, to_stage from raw.stage_changes") == [(None, "MQL")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \n"])
def test_empty_file(ingest, export, content):
    (export / "activities.csv").write_bytes(content)
    assert "activities.csv: the file is empty" in refused(ingest)


@pytest.mark.parametrize("name", ["reps.parquet", "reps.jsonl"])
def test_empty_typed_file(ingest, export, name):
    (export / name).write_bytes(b"")
    assert f"{name}: the file is empty" in refused(ingest)


def test_file_without_header(ingest, export):
    (export / "leads.csv").write_text("L1,2026-01-01\nL2,2026-01-02\n")
    message = refused(ingest)
    assert "required column lead_id, created_at" in message
    assert "the header has: L1, 2026-01-01" in message


def test_header_only_is_an_empty_table_with_a_warning(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id,created_at\n")
    (export / "reps.csv").write_text("rep_id")
    (export / "channel_spend.csv").write_text("spend_date,channel,amount\n" * 2)
    result = ingest()
    assert result.tables["leads"].rows_read == 0
    messages = [(note.table_name, note.severity, note.message) for note in result.notes]
    again = "channel_spend.csv: the header stands again in row 2, and is left out there"
    assert messages == [
        ("leads", "warning", "leads.csv: a header and no rows; the table is empty"),
        ("reps", "warning", "reps.csv: a header and no rows; the table is empty"),
        ("channel_spend", "info", again),
        ("channel_spend", "warning", "channel_spend.csv: a header and no rows; the table is empty"),
    ]
    assert rows("select table_name, severity, message from raw.ingestion_notes") == messages


def test_file_that_is_not_in_its_configured_encoding(ingest, export):
    def message(content: bytes) -> str:
        (export / "leads.csv").write_bytes(content)
        return refused(lambda: ingest(tables={"leads": {"encoding": "utf-8"}}))

    long = HEADER.encode() + SOUND.format(1).encode() * 3_000 + b"L2,2026-01-02,M\xfcller\n"
    assert "leads.csv: line 3002: byte 0xfc is not UTF-8" in message(long)
    assert "tables.leads.encoding" in message(long)
    # More than is read at a time.
    rows = b"L,2026-01-01\n" * 100_000
    assert "leads.csv: line 100002: byte 0xfc is not UTF-8" in message(
        b"lead_id,created_at\n" + rows + b"M\xfcller,2026-01-01\n"
    )
    assert "line 1: byte 0xdf is not UTF-8" in message(b"lead_id,created_at,stra\xdfe\n")
    broken = HEADER.encode() + b"L1,x,y\nL2,\xfc\nL3,x,z\n"
    assert "line 3: byte 0xfc is not UTF-8" in message(broken)


@pytest.mark.parametrize(
    "content", [b"L1,2026-01-01,a\x81b\n", b"\xef\xbb\xbfL1,2026-01-01,M\xfcller\n"]
)
def test_file_that_no_guess_fits_is_not_decoded(ingest, export, content):
    mark = content[:3] if content.startswith(b"\xef") else b""
    (export / "leads.csv").write_bytes(mark + HEADER.encode() + content.removeprefix(mark))
    assert re.search("leads.csv: line 2: byte 0x[0-9a-f]+ is not", refused(ingest))


def test_wrong_configured_encoding(ingest, export):
    (export / "leads.csv").write_text("lead_id,created_at,é\n", encoding="latin-1")
    message = refused(lambda: ingest(tables={"leads": {"encoding": "ascii"}}))
    assert "line 1: byte 0xe9" in message


def test_damaged_gzip(ingest, export):
    whole = gzip.compress((HEADER + SOUND.format(1) * 5_000).encode())
    for content in (whole[: len(whole) // 2], b"no gzip at all", whole[:40] + b"\0\0" + whole[42:]):
        (export / "activities.csv.gz").write_bytes(content)
        message = refused(ingest)
        assert "activities.csv.gz: the gzip file is damaged" in message


def test_damaged_parquet(ingest, export):
    (export / "reps.parquet").write_bytes(b"PAR1 this is no Parquet file")
    message = refused(ingest)
    assert "reps.parquet: the Parquet file can't be read" in message


@pytest.mark.parametrize("line", ['{"rep_id": "R2"', "not json", "[1, 2]", '"text"', "null"])
def test_broken_json_line(ingest, export, line):
    (export / "reps.jsonl").write_text('{"rep_id": "R1"}\n' + line + '\n{"rep_id": "R3"}\n')
    message = refused(ingest)
    assert "reps.jsonl" in message
    assert re.search(r"reps\.jsonl: (line|row) 2 is no JSON object", message)


def test_two_files_for_one_table(ingest, export):
    (export / "leads.jsonl").write_text('{"lead_id": "L1", "created_at": "2026-01-01"}\n')
    message = refused(ingest)
    assert "table leads has 2 files: leads.csv, leads.jsonl" in message


def test_repeated_header(ingest, export):
    (export / "leads.csv").write_text("lead_id,created_at,email,email\nL1,2026-01-01,a,b\n")
    assert "names a column twice: email" in refused(ingest)
    (export / "leads.csv").write_text("lead_id,created_at,Email,EMAIL\nL1,2026-01-01,a,b\n")
    assert "several headers read as email: Email, EMAIL" in refused(ingest)


def test_header_with_an_open_quote(ingest, export):
    (export / "leads.csv").write_text('lead_id,"created_at\nL1,2026-01-01\n')
    assert "leads.csv: the header line is broken" in refused(ingest)


def test_failure_leaves_raw_as_it_was(ingest, export, rows):
    ingest(stage_names={"A": "mql"})
    before = rows("from raw.leads") + rows("from raw.loads") + rows("from raw.stage_map")
    (export / "leads.csv").write_text("lead_id,created_at\nL8,2026-01-01\nL9,2026-01-01\n")
    (export / "reps.parquet").write_bytes(b"damaged")
    refused(lambda: ingest(stage_names={"B": "mql"}))
    assert rows("from raw.leads") + rows("from raw.loads") + rows("from raw.stage_map") == before


def test_unusable_cells_are_kept_as_received(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id,created_at,employee_count\nL1,soon,many\n,,\n")
    ingest()
    assert rows(
        "select lead_id, created_at, employee_count from raw.leads order by source_row"
    ) == [
        ("L1", "soon", "many"),
        (None, None, None),
    ]
