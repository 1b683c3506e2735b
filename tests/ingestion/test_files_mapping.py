"""A mapping fits another export to the contract."""

import json
import os
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource

OLIST = Path(__file__).parents[2] / "examples" / "olist" / "handoff.yml"
PUBLIC_DATA = Path(
    os.environ.get("OLIST_DIR", Path(__file__).parents[3] / "shared" / "data" / "olist")
)


def test_names_constants_times_and_values_are_mapped(ingest, export, rows):
    (export / "leads.csv").unlink()
    (export / "people.txt").write_text(
        "Id;Angelegt am;Gelöscht;Quelle;lead_source\n"
        "1;05.01.2026 14:30; JA ;Messe;ignored\n"
        "2;06.01.26;nein;;\n"
        "3;gestern;vielleicht;Web;\n",
        encoding="utf-8",
    )
    result = ingest(
        tables={
            "leads": {
                "file": "people.txt",
                "columns": {
                    "lead_id": "ID ",
                    "created_at": "Angelegt am",
                    "is_deleted": "Gelöscht",
                    "lead_source": "Quelle",
                },
                "constants": {"country": "DE", "industry": "it's"},
                "time_formats": {"created_at": ["%d.%m.%Y %H:%M", "%d.%m.%y"]},
                "values": {"is_deleted": {"Ja": "true", "NEIN": "false"}},
            }
        }
    )
    assert rows(
        "select lead_id, created_at, is_deleted, lead_source, country, industry, extra_columns "
        "from raw.leads order by source_row"
    ) == [
        ("1", "2026-01-05T14:30:00", "true", "Messe", "DE", "it's", '{"lead_source":"ignored"}'),
        ("2", "2026-01-06", "false", None, "DE", "it's", '{"lead_source":null}'),
        ("3", "gestern", "vielleicht", "Web", "DE", "it's", '{"lead_source":null}'),
    ]
    assert [note.message for note in result.notes] == [
        "people.txt: columns that the contract does not know are kept in extra_columns: lead_source"
    ]


def test_an_unknown_time_zone_is_refused(tmp_path):
    path = tmp_path / "handoff.yml"
    path.write_text("sources: [{kind: files, path: x, timezone: CET+1}]\n")
    with pytest.raises(ConfigError, match=r"sources.0.timezone: 'CET\+1' is not a time zone"):
        load_settings(path)


@pytest.mark.parametrize(
    ("time_format", "given", "expected"),
    [
        ("%d/%m/%Y %I:%M %p", "03/02/2026 1:05 PM", "2026-02-03T13:05:00"),
        ("%Y-%m-%dT%H:%M:%S.%g%z", "2026-02-03T13:05:00.250+0200", "2026-02-03T11:05:00.250000Z"),
        ("%Y-%m-%d %H:%M:%S %z", "2026-02-03 13:05:00 +0100", "2026-02-03T12:05:00Z"),
        ("epoch_ms", "1770123900000", "2026-02-03T13:05:00Z"),
        ("epoch", "1770123900.5", "2026-02-03T13:05:00.500000Z"),
        ("epoch", "13.5.", "13.5."),
        ("%d/%m/%Y", "31/02/2026", "31/02/2026"),
        ("%d/%m/%Y", "1/7/2026", "2026-07-01"),
        ("%d/%m/%Y %H:%M %Z", "1/7/2026 09:30 UTC", "2026-07-01T09:30:00Z"),
    ],
)
def test_time_formats(ingest, export, rows, time_format, given, expected):
    (export / "leads.csv").write_text(f"lead_id,created_at\nL1,{given}\n")
    ingest(tables={"leads": {"time_formats": {"created_at": time_format}}})
    assert rows("select created_at from raw.leads") == [(expected,)]


def test_constant_stands_for_a_required_column(ingest, export, rows):
    (export / "channel_spend.csv").write_text("month,cost\n2026-01-01,100\n")
    ingest(
        tables={
            "channel_spend": {
                "columns": {"spend_date": "month", "amount": "cost"},
                "constants": {"channel": "paid search"},
            }
        }
    )
    assert rows("select spend_date, channel, amount from raw.channel_spend") == [
        ("2026-01-01", "paid search", "100")
    ]


def test_only_the_rows_asked_for_are_rows_of_the_table(ingest, export, rows):
    (export / "history.csv").write_text(
        "LeadId,Field,NewValue,CreatedDate\n"
        "L1,Status,MQL,2026-01-01\n"
        "L1,Owner,R1,2026-01-02\n"
        "broken\n"
        "L1, STATUS ,SQL,2026-01-03\n"
        "L1,,x,2026-01-04\n"
    )
    names = {"lead_id": "LeadId", "changed_at": "CreatedDate"}
    result = ingest(
        tables={
            "stage_changes": {
                "file": "history.csv",
                "columns": {**names, "to_stage": "NewValue"},
                "where": {"Field": ["Status"]},
            },
            "owner_changes": {
                "file": "history.csv",
                "columns": {**names, "owner_id": "NewValue"},
                "where": {"field": ["owner"]},
            },
        }
    )
    assert rows("select to_stage, source_row from raw.stage_changes order by 2") == [
        ("MQL", 2),
        ("SQL", 5),
    ]
    assert rows("select owner_id, source_row from raw.owner_changes") == [("R1", 3)]
    assert result.tables["stage_changes"].rows_read == 3
    assert result.tables["stage_changes"].rows_rejected == 1


def test_column_counts_only_beside_certain_values(ingest, export, rows):
    (export / "opportunities.csv").write_text(
        "opportunity_id,lead_id,created_at,Stage,Close Date,Amount\n"
        'O1,L1,2026-01-01,Closed Won,2026-02-01,"€ 1.200,50"\n'
        "O2,L1,2026-01-01,Proposal,2026-12-01,-3\n"
        "O3,L1,2026-01-01,CLOSED LOST,2026-03-01,n/a\n"
    )
    ingest(
        tables={
            "opportunities": {
                "columns": {"is_won": "Stage", "closed_at": "Close Date", "amount": "Amount"},
                "values": {
                    "is_won": {"Closed Won": "true", "Closed Lost": "false", "Proposal": ""}
                },
                "only_when": {"closed_at": {"Stage": ["Closed Won", "Closed Lost"]}},
                "decimal_marks": {"amount": ","},
            }
        }
    )
    assert rows(
        "select is_won, closed_at, amount from raw.opportunities order by opportunity_id"
    ) == [
        ("true", "2026-02-01", "€ 1.200,50"),
        (None, None, "-3"),
        ("false", "2026-03-01", "n/a"),
    ]


def test_values_and_constants_are_texts_whatever_yaml_makes_of_them(ingest, export, rows):
    (export / "opportunities.csv").write_text(
        "opportunity_id,lead_id,Stage\nO1,L1,1\nO2,L1,Lost\nO3,L1,Open\n"
    )
    mapping = yaml.safe_load(
        "{columns: {is_won: Stage}, values: {is_won: {1: true, Lost: false, Open: ''}}, "
        "constants: {created_at: 2026-01-01, amount: 5}}"
    )
    ingest(tables={"opportunities": mapping})
    assert rows("select is_won, created_at, amount from raw.opportunities order by source_row") == [
        ("true", "2026-01-01", "5"),
        ("false", "2026-01-01", "5"),
        (None, "2026-01-01", "5"),
    ]
    odd = yaml.safe_load("{values: {is_won: {Yes: true}}}")
    with pytest.raises(ValidationError, match="truth values; put the value in quotes"):
        ingest(tables={"opportunities": odd})


@pytest.mark.parametrize("columns", [{}, {"lead_id": "Lead ID"}])
def test_a_title_above_the_header_is_told(ingest, export, columns):
    (export / "leads.csv").write_text("Leads report\n\nLead ID,created_at\nL1,2026-01-01\n")
    with pytest.raises(SourceError, match="if lines stand above the header, delete them"):
        ingest(tables={"leads": {"columns": columns}})


def test_stage_names_are_kept_per_source(ingest, rows):
    ingest(stage_names={"Neu": "lead", "Qualifiziert": "sql"})
    ingest(stage_names={"Neu": "mql"})
    ingest(name="other", stage_names={"Neu": "lead"})
    assert rows("from raw.stage_map order by 1") == [
        ("files", "Neu", "mql"),
        ("other", "Neu", "lead"),
    ]


def test_stage_dates_become_stage_changes(ingest, export, rows):
    (export / "leads.csv").write_text(
        "lead_id,created_at,MQL Date,SQL Date\n"
        "L1,2026-01-01,05.01.2026,07.01.2026\n"
        "L2,2026-01-01,, \n"
        "L3,2026-01-01,soon,\n"
    )
    (export / "stage_changes.csv").write_text("lead_id,changed_at,to_stage\nL2,2026-01-02,MQL\n")
    (export / "deals.csv").write_text("who;won\nL1;2026-02-01 10:00:00\nL2;\nL3\nL1;2026-03-01;\n")
    result = ingest(
        stage_dates=[
            {"stage": "mql", "column": "MQL Date", "time_format": "%d.%m.%Y"},
            {"stage": "sql", "column": "sql date", "time_format": "%d.%m.%Y"},
            {"stage": "customer", "column": "won", "file": "deals.csv", "lead_id": "who"},
        ]
    )
    changes = rows(
        "select source_file, source_row, change_id, lead_id, changed_at, from_stage, to_stage "
        "from raw.stage_changes join raw.files using (file_id) order by 1, 2, 3"
    )
    assert changes == [
        (
            "deals.csv",
            2,
            "stage_date:customer:won:L1",
            "L1",
            "2026-02-01 10:00:00",
            None,
            "customer",
        ),
        ("deals.csv", 5, "stage_date:customer:won:L1", "L1", "2026-03-01", None, "customer"),
        ("leads.csv", 2, "stage_date:mql:MQL Date:L1", "L1", "2026-01-05", None, "mql"),
        ("leads.csv", 2, "stage_date:sql:SQL Date:L1", "L1", "2026-01-07", None, "sql"),
        ("leads.csv", 4, "stage_date:mql:MQL Date:L3", "L3", "soon", None, "mql"),
        ("stage_changes.csv", 2, None, "L2", "2026-01-02", None, "MQL"),
    ]
    assert rows("select distinct extra_columns from raw.leads") == [(None,)]
    table = result.tables["stage_changes"]
    assert (table.rows_read, table.rows_rejected) == (7, 1)
    assert set(table.files) == {"stage_changes.csv", "leads.csv", "deals.csv"}
    found = rows("select source_row, row_json from raw.rejected_rows")
    assert [(number, json.loads(row)) for number, row in found] == [(4, {"who": "L3"})]
    loads = "select source_file, rows_read from raw.loads where table_name = 'stage_changes'"
    assert sorted(rows(loads)) == [("deals.csv", 3), ("leads.csv", 3), ("stage_changes.csv", 1)]


def test_stage_dates_of_the_leads_file_are_those_of_its_leads(ingest, export, rows):
    (export / "leads.csv").write_text(
        "lead_id,created_at,Type,won_date\nL1,2026-01-01,Person,2026-02-01\n"
        "C1,2026-01-01,Company,2026-02-02\n"
    )
    (export / "old.csv").write_text("lead_id,won_date\nL1,2026-01-05\n")
    ingest(
        tables={"leads": {"where": {"Type": ["Person"]}}},
        stage_dates=[
            {"stage": "customer", "column": "won_date"},
            {"stage": "mql", "column": "won_date", "file": "old.csv"},
        ],
    )
    assert rows("select lead_id, to_stage, changed_at from raw.stage_changes order by 2") == [
        ("L1", "customer", "2026-02-01"),
        ("L1", "mql", "2026-01-05"),
    ]
    # Of one lead and one header, but not one change.
    assert rows("select count(distinct change_id) from raw.stage_changes") == [(2,)]


def test_broken_row_of_a_table_with_stage_dates_counts_once(ingest, export, rows):
    (export / "leads.csv").write_text(
        "lead_id,created_at,mql\nL1,2026-01-01,2026-01-02\nL2\nL3,2026-01-01,2026-01-03\n"
    )
    result = ingest(stage_dates=[{"stage": "mql", "column": "mql"}])
    assert (result.tables["leads"].rows_read, result.tables["leads"].rows_rejected) == (3, 1)
    changes = result.tables["stage_changes"]
    assert (changes.rows_read, changes.rows_rejected) == (2, 0)
    assert rows("select lead_id, source_row from raw.stage_changes order by 2") == [
        ("L1", 2),
        ("L3", 4),
    ]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (
            {"tables": {"leads": {"columns": {"email": "Mail"}}}},
            ["leads.csv: no column 'Mail'", "tables.leads.columns.email", "lead_id, created_at"],
        ),
        (
            {"tables": {"reps": {"file": "users.csv"}}},
            ["users.csv: no such file", "tables.reps.file", "the directory holds: leads.csv"],
        ),
        (
            {"stage_dates": [{"stage": "mql", "column": "MQL on"}]},
            ["leads.csv: no column 'MQL on'", "stage_dates", "lead_id, created_at"],
        ),
        (
            {"stage_dates": [{"stage": "mql", "column": "d", "file": "deals.csv"}]},
            ["deals.csv: no such file", "stage_dates[0].file"],
        ),
        (
            {"stage_dates": [{"stage": "mql", "column": "created_at", "lead_id": "who"}]},
            ["leads.csv: no column 'who'", "stage_dates[0].lead_id"],
        ),
    ],
)
def test_mapping_that_names_what_is_not_there(ingest, settings, parts):
    with pytest.raises(SourceError) as caught:
        ingest(name="crm", **settings)
    assert len(caught.value.problems) == 1
    for part in ["source crm", *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("section", "parts"),
    [
        ("tables: {lead: {}}", ["no table 'lead'", "leads, stage_changes"]),
        ("tables: {leads: {columns: {id: X}}}", ["leads.columns", "no column 'id'", "lead_id"]),
        ("tables: {leads: {encoding: utf-99}}", ["encoding", "no such text encoding"]),
        ("tables: {leads: {delimiter: ';;'}}", ["delimiter", "at most 1 character"]),
        ("mode: replace", ["mode", "'snapshot' or 'append'", "replace"]),
    ],
)
def test_wrong_mapping_is_refused_before_anything_is_read(tmp_path, section, parts):
    config = tmp_path / "handoff.yml"
    config.write_text(f"sources:\n  - kind: files\n    path: .\n    {section}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    assert len(caught.value.problems) == 1
    for part in [str(config), *parts]:
        assert part in str(caught.value)


def test_unset_directory_variable_is_named(monkeypatch):
    monkeypatch.delenv("OLIST_DIR", raising=False)
    with pytest.raises(ConfigError, match="OLIST_DIR is not set"):
        load_settings(OLIST)


@pytest.mark.skipif(
    not PUBLIC_DATA.is_dir(), reason="the public Olist export is not there; set OLIST_DIR"
)
def test_public_olist_export_is_read_by_the_example(warehouse, rows, monkeypatch):
    monkeypatch.setenv("OLIST_DIR", str(PUBLIC_DATA))
    result = ingest_source(warehouse, load_settings(OLIST).sources[0])
    assert result.tables["leads"].rows_read == 8_000
    assert result.tables["stage_changes"].rows_read == 8_842
    assert rows("select to_stage, count(*) from raw.stage_changes group by 1 order by 1") == [
        ("customer", 842),
        ("mql", 8_000),
    ]
    assert rows("select count(*) from raw.leads where lead_source is null") == [(60,)]
    assert rows("select count(*) from raw.rejected_rows") == [(0,)]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"column": "won"}, "leads.csv: no column 'won'"),
        ({"column": "won", "file": "deals.csv"}, "deals.csv: no column 'lead_id'"),
        ({"column": "won", "file": "orders-*.csv"}, "orders-*.csv: no file of this pattern"),
    ],
)
def test_doctor_reports_a_stage_date_that_cannot_be_read_once(export, item, problem):
    (export / "deals.csv").write_text("Lead,won\nL1,2026-01-01\n")
    source = {"kind": "files", "path": export, "stage_dates": [{"stage": "customer", **item}]}
    found = check(FilesSource.model_validate(source))
    [message] = [finding.message for finding in found if finding.status == "error"]
    assert problem in message


def test_files_that_nothing_reads_are_named_before_a_run(export):
    (export / "stage_change.csv").write_text("lead_id,changed_at\n")
    said = [finding.message for finding in check(FilesSource(kind="files", path=export))]
    assert "not read, as no table has the name: stage_change.csv" in said
