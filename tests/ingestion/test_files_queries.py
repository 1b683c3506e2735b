"""``sql:`` reads a table by one SELECT over the files of the export."""

import zipfile
from datetime import datetime

import pyarrow as pa
import pytest

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource


def by(sql: str, table: str = "activities", **more: object) -> dict[str, object]:
    return {"tables": {table: {"sql": sql, **more}}}


CALLS = 'select "Call Id" as activity_id, who as lead_id, "when" as occurred_at from "all-calls"'


@pytest.fixture
def calls(export):
    (export / "all-calls.csv").write_text("Call Id;who;when\nA;L1;2026-02-01\nB;L2;2026-02-02\n")
    return export


@pytest.mark.usefixtures("calls")
def test_result_is_the_table(ingest, rows):
    result = ingest(**by(CALLS))
    assert rows(
        "select activity_id, lead_id, occurred_at, source_file, source_row "
        "from raw.activities join raw.files using (file_id) order by source_row"
    ) == [
        ("A", "L1", "2026-02-01", "tables.activities.sql", 1),
        ("B", "L2", "2026-02-02", "tables.activities.sql", 2),
    ]
    assert result.tables["activities"].rows_read == 2
    assert result.notes == []


def test_files_of_every_format_are_joined(ingest, calls, rows, warehouse):
    warehouse.execute(
        f"copy (select 'L1' as id, 5 as level) to '{calls / 'People.parquet'}' (format parquet)"
    )
    with zipfile.ZipFile(calls / "old.zip", "w") as target:
        target.writestr("deep/kinds.jsonl", '{"call": "A", "kind": "demo"}\n')
    ingest(
        **by(
            """
            with known as (select id from people where level = '5')
            select who as lead_id, "when" as occurred_at, kind
            from "All-Calls" as made
            join known on known.id = made.who
            left join kinds on kinds.call = made."Call Id"
            """
        )
    )
    assert rows("select lead_id, kind from raw.activities") == [("L1", "demo")]


@pytest.mark.usefixtures("calls")
def test_typed_results_become_text_like_other_files(ingest, rows):
    ingest(
        **by(
            """
            select 'O' as opportunity_id, timestamp '2026-01-01 10:00' as created_at,
                1200.50::decimal(12, 2) as amount, true as is_won, null as lead_id
            """,
            "opportunities",
        )
    )
    found = "select created_at, amount, is_won, lead_id from raw.opportunities"
    assert rows(found) == [("2026-01-01T10:00:00", "1200.5", "true", None)]


@pytest.mark.usefixtures("calls")
def test_the_rest_of_the_mapping_counts(ingest, rows):
    ingest(
        **by(
            CALLS,
            where={"lead_id": ["L2"]},
            constants={"kind": "call"},
            time_formats={"occurred_at": "%Y-%m-%d"},
        )
    )
    assert rows("select activity_id, kind, occurred_at from raw.activities") == [
        ("B", "call", "2026-02-02")
    ]


def test_an_instant_stays_that_instant_in_any_zone(ingest, calls, rows, warehouse, monkeypatch):
    warehouse.execute(
        f"""
        copy (select 'L1' as who, timestamptz '2026-07-01 08:00:00+00' as born)
        to '{calls / "people.parquet"}' (format parquet)
        """
    )
    monkeypatch.setenv("TZ", "Europe/Berlin")
    text = "select who as lead_id, born as occurred_at from people"
    ingest(**by(text))
    assert rows("select occurred_at, occurred_at_utc from raw.activities") == [
        ("2026-07-01T08:00:00Z", None)
    ]
    ingest(**by(text.replace("born as", "timestamptz '2026-07-01 08:00' as")))
    assert rows("select occurred_at, occurred_at_utc from raw.activities") == [
        (None, datetime(2026, 7, 1, 8))
    ]


def test_leads_themselves_may_be_a_query(ingest, calls, rows):
    (calls / "leads.csv").unlink()
    ingest(
        **by(
            """
            select who as lead_id, min("when") as created_at
            from "all-calls" group by who order by who
            """,
            "leads",
        )
    )
    assert rows("select lead_id, created_at from raw.leads order by 1") == [
        ("L1", "2026-02-01"),
        ("L2", "2026-02-02"),
    ]


def test_append_skips_a_result_that_was_loaded_before(ingest, calls, rows):
    ingest(**by(CALLS), mode="append")
    result = ingest(**by(CALLS), mode="append")
    assert result.tables["activities"].skipped_files == ("tables.activities.sql",)
    (calls / "all-calls.csv").write_text("Call Id;who;when\nC;L1;2026-02-03\n")
    ingest(**by(CALLS), mode="append")
    assert rows("select activity_id from raw.activities order by 1") == [("A",), ("B",), ("C",)]


def test_broken_rows_and_guesses_in_a_file_of_a_query_are_noted(ingest, calls):
    (calls / "all-calls.csv").write_bytes(b"Call Id;who;when\nA;L1\nB;M\xfcller;2026-02-01\n")
    messages = " ".join(note.message for note in ingest(**by(CALLS)).notes)
    assert "all-calls: broken rows that the query does not see: 1" in messages
    assert "all-calls: line 3: byte 0xfc is not UTF-8; read as cp1252" in messages


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("select a as lead_id from nowhere", ["nowhere does not exist", "all-calls, leads"]),
        ('select whom as lead_id from "all-calls"', ['"whom" not found']),
        ('select who from "all-calls"', ["who is no column of activities", "occurred_at"]),
        ('select who as lead_id from "all-calls"', ["required column occurred_at"]),
        ("selec 1", ["write one SELECT", "syntax error"]),
        ("select 1; select 2", ["write one SELECT", "several statements"]),
        ("create table x (a int)", ["write one SELECT"]),
        ("copy (select 1) to 'x.csv'", ["write one SELECT"]),
        ("attach 'x.duckdb'", ["write one SELECT"]),
        ("select content as kind from read_text('/etc/hostname')", ["disabled by configuration"]),
        ("select * from read_csv('leads.csv')", ["disabled by configuration"]),
        ("select * from 'leads.csv'", ["disabled by configuration"]),
        ('select cast(who as int) as lead_id from "all-calls"', ["Could not convert string"]),
    ],
)
def test_problem_names_the_setting(ingest, sql, parts):
    with pytest.raises(SourceError) as caught:
        ingest(name="crm", **by(sql))
    assert len(caught.value.problems) == 1
    for part in ["source crm: tables.activities.sql: ", *parts]:
        assert part in str(caught.value)


@pytest.mark.usefixtures("calls")
def test_values_of_this_process_are_out_of_reach(ingest):
    secret = pa.table({"lead_id": ["x"]})
    with pytest.raises(SourceError, match="secret does not exist"):
        ingest(**by("select * from secret"))
    assert secret.num_rows == 1


def test_name_of_two_files_is_refused_where_a_query_uses_it(ingest, calls):
    (calls / "all-calls.jsonl").write_text("{}\n")
    with pytest.raises(
        SourceError, match=r"several files are called so: all-calls\.csv, all-calls"
    ):
        ingest(**by(CALLS))
    ingest(**by("select lead_id, created_at as occurred_at from leads"))


def test_doctor_runs_the_query(calls):
    source = {"kind": "files", "path": calls, **by('select who from "all-calls"')}
    found = check(FilesSource.model_validate(source))
    [problem] = [finding.message for finding in found if finding.status == "error"]
    assert "tables.activities.sql: who is no column" in problem


def test_file_and_sql_exclude_each_other(tmp_path):
    config = tmp_path / "handoff.yml"
    config.write_text(
        "sources: [{kind: files, path: ., tables: {leads: {file: a.csv, sql: select 1}}}]\n"
    )
    with pytest.raises(ConfigError, match=r"tables\.leads: file and sql exclude each other"):
        load_settings(config)
