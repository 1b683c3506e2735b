"""Every file format gives the same text, with the numbers of its rows."""

import csv
import gzip
import json
import unicodedata
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.ingestion.files.delimited_text import DELIMITERS

LEADS = (
    "lead_id{0}created_at{0}company{0}employee_count\r\n"
    'L1{0}2026-01-01T00:00:00Z{0}"Acme, Inc.; a|b"{0}200\r\n'
    'L2{0}2026-01-02{0}"two\nlines and ""quotes"""{0}\r\n'
    "L3{0}2026-01-03 08:00:00{0}   {0}7\r\n"
)
EXPECTED = [
    ("L1", "2026-01-01T00:00:00Z", "Acme, Inc.; a|b", "200", 2),
    ("L2", "2026-01-02", 'two\nlines and "quotes"', None, 3),
    ("L3", "2026-01-03 08:00:00", None, "7", 4),
]
QUERY = """
    select lead_id, created_at, company, employee_count, source_row
    from raw.leads order by source_row
"""


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiter_and_byte_order_mark_are_found(ingest, export, rows, delimiter, mark):
    (export / "leads.csv").write_text(mark + LEADS.format(delimiter), encoding="utf-8", newline="")
    result = ingest()
    assert rows(QUERY) == EXPECTED
    assert result.tables["leads"].rows_read == 3
    assert result.notes == []


def test_gzip_is_unpacked(ingest, export, rows):
    (export / "leads.csv").unlink()
    (export / "leads.csv.gz").write_bytes(gzip.compress(LEADS.format(",").encode()))
    assert ingest().tables["leads"].files == ("leads.csv.gz",)
    assert rows(QUERY) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "latin-1"])
def test_configured_encoding_is_read(ingest, export, rows, encoding):
    text = "lead_id;created_at;company\nL1;2026-01-01;Müller & Søn\n"
    (export / "leads.csv").write_text(text, encoding=encoding)
    ingest(tables={"leads": {"encoding": encoding}})
    assert rows("select lead_id, company from raw.leads") == [("L1", "Müller & Søn")]


@pytest.mark.parametrize(
    "name", ["Müller – Söhne", "“Ångström”", "Société Générale 50 €", "Peña & Hijos"]
)
def test_text_that_is_not_utf_8_is_read_as_cp1252_and_noted(ingest, export, rows, name):
    """Without a configured encoding; the note names the first line that tells, and the setting."""
    text = f"rep_id;name\nR1;Ada\nR2;{name}\n"
    (export / "reps.csv").write_bytes(text.encode("cp1252"))
    result = ingest()
    assert rows("select name from raw.reps order by rep_id") == [("Ada",), (name,)]
    [message] = [note.message for note in result.notes]
    assert message.startswith("reps.csv: line 3: byte 0x")
    assert message.endswith("read as cp1252: if letters are wrong, name it in tables.reps.encoding")


def test_header_in_cp1252_is_found_by_its_name(ingest, export, rows):
    (export / "staff.csv").write_bytes("Kürzel;Straße\nR1;Überseering\n".encode("cp1252"))
    ingest(
        tables={"reps": {"file": "staff.csv", "columns": {"rep_id": "KÜRZEL", "team": "straße"}}}
    )
    assert rows("select rep_id, team from raw.reps") == [("R1", "Überseering")]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("\u00a0Rep Id ,Full\u00a0Name", ("Rep Id", "Full Name")),
        ("Rep\u202fId,\u3000Full  Name\u00a0", ("rep id", "FULL NAME")),
        ("Rep Id,Full Name", ("Rep\u00a0Id", " Full Name\u00a0")),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spaces_of_any_kind_in_a_header_are_spaces(ingest, export, rows, header, named, encoding):
    (export / "reps.csv").write_text(f"{header}\nR1,Ada\n", encoding=encoding)
    ingest(tables={"reps": {"columns": {"rep_id": named[0], "name": named[1]}}})
    assert rows("select rep_id, name from raw.reps") == [("R1", "Ada")]


def test_utf_16_with_its_mark_needs_no_configuration(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id\tcreated_at\nL1\t2026-01-01\n", encoding="utf-16")
    ingest()
    assert rows("select lead_id, created_at from raw.leads") == [("L1", "2026-01-01")]


def test_file_names_and_headers_match_without_case(ingest, export, rows):
    (export / "leads.csv").unlink()
    (export / "Leads.CSV").write_text(" Lead_ID ,CREATED_AT,Email\nL1,2026-01-01,a@b.example\n")
    ingest()
    assert rows("select lead_id, created_at, email from raw.leads") == [
        ("L1", "2026-01-01", "a@b.example")
    ]


def test_old_line_ends_and_mixed_line_ends_are_read(ingest, export, rows):
    text = b'lead_id,created_at,company\rL1,2026-01-01,"a\r\nb"\rL2,2026-01-02,c\r'
    (export / "leads.csv").write_bytes(text)
    ingest()
    expected = [("L1", "a\r\nb", 2), ("L2", "c", 3)]
    assert rows("select lead_id, company, source_row from raw.leads order by 3") == expected
    text = b'lead_id,created_at,company\r\nL1,2026-01-01,"a\r\nb"\nL2,2026-01-02,c\r\n'
    (export / "leads.csv").write_bytes(text)
    ingest()
    assert rows("select lead_id, company, source_row from raw.leads order by 3") == expected


@pytest.mark.parametrize("name", ["leads.csv", "leads.csv.gz", "leads.jsonl", "leads.parquet"])
def test_signs_of_a_pattern_in_a_directory_name_mean_nothing(ingest, export, rows, name):
    directory = export.parent / "it's [2026] *{x}?"
    directory.mkdir()
    (export / "leads.jsonl").write_text('{"lead_id": "L1", "created_at": "2026-01-01"}\n')
    query = "select 'L1' as lead_id, '2026-01-01' as created_at"
    duckdb.execute(f"copy ({query}) to '{export / 'leads.parquet'}'")
    (export / "leads.csv.gz").write_bytes(gzip.compress((export / "leads.csv").read_bytes()))
    (export / name).rename(directory / name)
    assert ingest(path=directory).tables["leads"].files == (name,)
    leads = "raw.leads join raw.files using (file_id)"
    assert rows(f"select lead_id, source_file from {leads}") == [("L1", name)]


@pytest.mark.parametrize(
    "line", ["sep=;\n", "\ufeffsep=;\r\n", '"SEP=;"\n', "sep=; \n", "sep=;;;\n", "\nsep=;\n"]
)
def test_the_line_with_the_delimiter_for_excel_is_no_header(ingest, export, rows, line):
    # By its header alone the delimiter would be a comma.
    text = f'{line}lead_id;created_at;company,inc,ltd\nL1;2026-01-01;"a;b"\nL2;2026-01-02\n'
    (export / "leads.csv").write_text(text, encoding="utf-8", newline="")
    result = ingest()
    assert rows("select lead_id, created_at, source_row from raw.leads") == [
        ("L1", "2026-01-01", 3)
    ]
    assert rows("select source_row from raw.rejected_rows") == [(4,)]
    assert "leads.csv: the line sep= above the header is left out" in [
        note.message for note in result.notes
    ]


def test_a_header_may_begin_like_the_line_for_excel(ingest, export, rows):
    (export / "reps.csv").write_text("sep=x,rep_id\n1,R1\n")
    ingest()
    assert rows("select rep_id, extra_columns from raw.reps") == [("R1", '{"sep=x":"1"}')]


def test_blank_lines_are_no_rows(ingest, export, rows):
    (export / "leads.csv").write_text(
        "\n\nlead_id,created_at\n\nL1,2026-01-01\n   \n\nL2,2026-01-02\n\n"
    )
    result = ingest()
    assert rows("select lead_id, source_row from raw.leads order by 2") == [("L1", 2), ("L2", 3)]
    assert result.tables["leads"].rows_rejected == 0


def test_delimiter_at_the_end_of_rows_is_forgiven(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01,\nL2,2026-01-02,\n")
    assert ingest().tables["leads"].rows_rejected == 0
    assert rows("select count(*), count(created_at) from raw.leads") == [(2, 2)]


def test_last_row_without_line_end_is_read(ingest, export, rows):
    for last in ('L2,""', 'L2,"x"', "L2,x", "L2,"):
        (export / "leads.csv").write_text(f"lead_id,created_at\nL1,2026-01-01\n{last}")
        assert ingest().tables["leads"].rows_read == 2, last
        assert rows("select max(source_row) from raw.leads") == [(3,)]


def test_parquet_values_become_plain_text_and_instants_stay(ingest, export, rows):
    (export / "leads.csv").unlink()
    duckdb.execute(
        f"""
        copy (
            select * from (
                values
                    (1, timestamptz '2026-01-01 10:00:00+02', 200.0::double, true, 1.5::float,
                     12.50::decimal(10, 2), 'x', date '2026-01-05', [1, 2]),
                    (2, timestamptz '2026-01-01 10:00:00.25+00', 'nan'::double, false, 1e-7::float,
                     12.00::decimal(10, 2), '  ', null, null),
                    (3, null, 123456789012345678::double, null, 1e20::float,
                     null, '0100', null, null),
                    (4, timestamptz 'infinity', null, null, null, null, null, null, null)
            ) as values_of (lead_id, created_at, employee_count, is_deleted, crm_score,
                            "Deal Size", company, updated_at, tags)
        ) to '{export / "leads.parquet"}' (format parquet)
        """
    )
    ingest()
    query = """
        select lead_id, created_at, created_at_utc, employee_count, is_deleted, crm_score, company,
               updated_at, updated_at_utc, source_row
        from raw.leads order by source_row
    """
    eight, ten = datetime(2026, 1, 1, 8), datetime(2026, 1, 1, 10, 0, 0, 250_000)
    digits, more_digits = "1.2345678901234568e+17", "1.0000000000000000e+20"
    assert rows(query) == [
        ("1", None, eight, "200", "true", "1.5", "x", "2026-01-05", None, 1),
        ("2", None, ten, None, "false", "0.0000001", None, None, None, 2),
        ("3", None, None, digits, None, more_digits, "0100", None, None, 3),
        ("4", "infinity", None, None, None, None, None, None, None, 4),
    ]
    extras = [json.loads(extra) for (extra,) in rows("select extra_columns from raw.leads")]
    assert extras[:2] == [
        {"Deal Size": "12.5", "tags": '["1","2"]'},
        {"Deal Size": "12", "tags": None},
    ]


def test_an_instant_that_a_mapping_touches_is_read_as_text(ingest, export, rows):
    (export / "leads.csv").unlink()
    duckdb.execute(
        f"""
        copy (
            select lead_id, timestamptz '2026-01-01 10:00:00+02' as born, 'x' as kind
            from range(1, 3) as leads (lead_id)
        ) to '{export / "leads.parquet"}' (format parquet)
        """
    )
    no_time = {"2026-01-01T08:00:00Z": ""}
    ingest(
        tables={
            "leads": {
                "columns": {"created_at": "born", "updated_at": "born"},
                "values": {"updated_at": no_time},
                "only_when": {"created_at": {"lead_id": ["2"]}},
            }
        }
    )
    query = "select lead_id, created_at, created_at_utc, updated_at, updated_at_utc from raw.leads"
    assert rows(query) == [
        ("1", None, None, None, None),
        ("2", None, datetime(2026, 1, 1, 8), None, None),
    ]


def test_jsonl_values_become_plain_text(ingest, export, rows):
    (export / "leads.csv").unlink()
    records = [
        {"lead_id": 1, "created_at": "2026-01-01", "employee_count": 200.0, "is_deleted": True},
        {"created_at": "2026-01-02", "lead_id": "L2", "company": "a/b", "x/y~z": {"k": [1]}},
        {"lead_id": "L3", "created_at": " ", "crm_score": 1e-7, "employee_count": None},
    ]
    text = "\n".join(json.dumps(record) for record in records)
    (export / "leads.jsonl").write_text(text + "\n")
    ingest()
    query = """
        select lead_id, created_at, employee_count, is_deleted, company, crm_score, source_row
        from raw.leads order by source_row
    """
    assert rows(query) == [
        ("1", "2026-01-01", "200", "true", None, None, 1),
        ("L2", "2026-01-02", None, None, "a/b", None, 2),
        ("L3", None, None, None, None, "0.0000001", 3),
    ]
    extras = rows("select extra_columns from raw.leads where lead_id = 'L2'")
    assert json.loads(extras[0][0]) == {"x/y~z": '{"k":[1]}'}


def test_json_number_with_an_exponent_is_plain_only_where_it_has_all_its_digits(
    ingest, export, rows
):
    expected = {
        "1.2345678901E10": "12345678901",
        "1.7723456E12": "1772345600000",
        "1.50E1": "15",
        "5e10": "5.0000000000000000e+10",
        "1E5": "1.0000000000000000e+05",
        "1.234568e+11": "1.2345680000000000e+11",
        "123457012345.0": "123457012345",
        "9007199254740991.0": "9007199254740991",
        "9007199254740992.0": "9.0071992547409920e+15",
        "[11.0, 12.0]": '["11","12"]',
        '["11", null, 12]': '["11",12]',
        '[1.23457E+11, {"k": [1]}]': '["1.2345700000000000e+11",{"k":[1]}]',
    }
    lines = [f'{{"lead_id": "{at}", "company": {text}}}\n' for at, text in enumerate(expected)]
    (export / "leads.csv").unlink()
    (export / "leads.jsonl").write_text('{"created_at": "2026-01-01"}\n' + "".join(lines))
    ingest()
    found = rows("select company from raw.leads where lead_id is not null order by source_row")
    assert dict(zip(expected, (text for (text,) in found), strict=True)) == expected


def test_parquet_lists_and_single_precision_keep_what_is_certain(ingest, export, rows):
    (export / "leads.csv").unlink()
    duckdb.execute(
        f"""
        copy (
            select
                'L1' as lead_id, '2026-01-01' as created_at,
                [11::double, null, 12.5, 'nan'::double] as company, ['a', null] as title,
                [timestamptz '2026-01-01 10:00:00+00', null] as country, [1.50] as industry,
                16777215::float as employee_count, 123456789::float as crm_score
        ) to '{export / "leads.parquet"}' (format parquet)
        """
    )
    ingest()
    query = "select company, title, country, industry from raw.leads"
    assert rows(query) == [('["11","12.5"]', '["a"]', '["2026-01-01T10:00:00Z"]', '["1.5"]')]
    numbers = rows("select employee_count, crm_score from raw.leads")
    assert numbers == [("16777215", "1.2345679000000000e+08")]


# Every sign that Python takes for white space, one a row; only spaces (Unicode Zs) are empty.
WHITE = [chr(code) for code in range(1, 0x3001) if chr(code).isspace()]


@pytest.mark.parametrize("name", ["leads.csv", "leads.jsonl", "leads.parquet"])
def test_spaces_of_any_kind_are_empty_in_every_format(ingest, export, rows, name):
    (export / "leads.csv").unlink()
    records = [
        {"lead_id": str(at), "created_at": "2026-01-01", "company": sign, "title": f"{sign}x{sign}"}
        for at, sign in enumerate(WHITE)
    ]
    lines = "\n".join(json.dumps(record) for record in records)
    (export / "leads.jsonl").write_text(lines)
    if name == "leads.csv":
        with (export / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(records[0]), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(records)
    if name == "leads.parquet":
        table = pa.Table.from_pylist(records)
        pq.write_table(table, export / name)
    if name != "leads.jsonl":
        (export / "leads.jsonl").unlink()
    ingest()
    found = rows("select company, title from raw.leads order by cast(lead_id as integer)")
    expected = [None if unicodedata.category(sign) == "Zs" else sign for sign in WHITE]
    assert [company for company, _ in found] == expected
    assert [title for _, title in found] == [f"{sign}x{sign}" for sign in WHITE]
    # As the models read it: what is trimmed to nothing is nothing.
    assert rows("select count(*) from raw.leads where trim(company) = ''") == [(0,)]


def test_spaces_of_any_kind_around_compared_values_do_not_count(ingest, export, rows):
    (export / "leads.csv").write_text(
        "lead_id,created_at,lead_source,Type\n"
        "L1,2026-01-01,\u00a0Web\u3000,Person\u2003\nL2,2026-01-01,Web,Firm\n",
        encoding="utf-8",
    )
    mapping = {
        "values": {"lead_source": {"web ": "Organic Search"}},
        "where": {"Type": ["\u00a0person"]},
    }
    ingest(tables={"leads": mapping})
    assert rows("select lead_id, lead_source from raw.leads") == [("L1", "Organic Search")]


def test_rows_of_a_large_jsonl_file_keep_their_order(ingest, export, rows):
    (export / "leads.csv").unlink()
    (export / "leads.jsonl").write_text(
        "".join(
            json.dumps({"lead_id": str(at), "created_at": "2026-01-01", "company": "x" * 300})
            + "\n"
            for at in range(1, 60_001)
        )
    )
    ingest()
    assert rows("select count(*), count(*) filter (lead_id = source_row) from raw.leads") == [
        (60_000, 60_000)
    ]


def test_rows_that_hold_what_looks_like_rows_are_told_apart_in_a_large_file(ingest, export, rows):
    looks_like_rows = "0,1999-01-01,\n" * 200
    body = "".join(f'{at},2026-01-01,"{looks_like_rows}"\n' for at in range(2, 15_002))
    (export / "leads.csv").write_text("lead_id,created_at,company\n" + body)
    assert ingest().tables["leads"].rows_rejected == 0
    assert rows("select count(*), count(*) filter (lead_id = source_row) from raw.leads") == [
        (15_000, 15_000)
    ]
