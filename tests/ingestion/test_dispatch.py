"""Loads: what is current, what is history, and what the models can rely on."""

from datetime import UTC, datetime, timedelta, timezone
from inspect import signature
from typing import get_args

import pytest

from dagster_project.config import contract
from dagster_project.config.errors import ConfigError
from dagster_project.config.sources import module_of, source_kinds
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables, ingest_source

LOADS = """
    select load_id, table_name, mode, rows_read, is_current from raw.loads order by 1, 2
"""


def write_leads(export, *ids):
    body = "".join(f"{lead},2026-01-01\n" for lead in ids)
    (export / "leads.csv").write_text("lead_id,created_at\n" + body)


def test_all_raw_tables_exist_with_the_contract_columns(ingest, rows):
    ingest()
    for table in contract.CONTRACT_TABLES.values():
        columns = rows(
            "select column_name, data_type from information_schema.columns "
            f"where table_schema = 'raw' and table_name = '{table.name}' order by ordinal_position"
        )
        assert [name for name, _ in columns] == list(raw_schema.raw_columns(table))
        assert {kind for name, kind in columns if name in table.columns} == {"VARCHAR"}
        assert table.required <= set(table.columns)


def test_snapshot_is_what_holds_and_loads_are_history(ingest, export, rows):
    write_leads(export, "L1", "L2")
    (export / "reps.csv").write_text("rep_id\nR1\n")
    assert ingest().load_id == 1
    write_leads(export, "L2", "L3", "L4")
    (export / "reps.csv").unlink()
    result = ingest()
    assert result.load_id == 2
    assert rows("select lead_id, load_id from raw.leads order by 1") == [
        ("L2", 2),
        ("L3", 2),
        ("L4", 2),
    ]
    assert rows("select count(*) from raw.reps") == [(0,)]
    assert rows(LOADS) == [
        (1, "leads", "snapshot", 2, False),
        (1, "reps", "snapshot", 1, False),
        (2, "leads", "snapshot", 3, True),
    ]
    assert [note.message for note in result.notes] == [
        "the export no longer has reps; the table is empty now"
    ]


def test_rejected_rows_go_with_their_snapshot(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id,created_at\nL1,2026-01-01\nL2\n")
    ingest()
    assert rows("select load_id from raw.rejected_rows") == [(1,)]
    ingest()
    assert rows("select load_id from raw.rejected_rows") == [(2,)]
    write_leads(export, "L1")
    ingest()
    assert rows("select load_id from raw.rejected_rows") == []


def test_append_adds_every_new_content_once(ingest, export, rows):
    write_leads(export, "L1")
    ingest(mode="append")
    write_leads(export, "L2")
    ingest(mode="append")
    again = ingest(mode="append")
    assert rows("select lead_id, load_id from raw.leads order by 1") == [("L1", 1), ("L2", 2)]
    assert again.tables["leads"].skipped_files == ("leads.csv",)
    assert [note.message for note in again.notes] == ["leads.csv: loaded before, skipped"]
    assert rows(LOADS) == [(1, "leads", "append", 1, True), (2, "leads", "append", 1, True)]
    # A load that only skipped has left its note: its number is not given again.
    write_leads(export, "L3")
    assert ingest(mode="append").load_id == 4


def test_append_skips_stage_dates_that_were_loaded(ingest, export, rows):
    (export / "leads.csv").write_text("lead_id,created_at,mql\nL1,2026-01-01,2026-01-02\n")
    dates = [{"stage": "mql", "column": "mql"}]
    ingest(mode="append", stage_dates=dates)
    ingest(mode="append", stage_dates=dates)
    assert rows("select count(*) from raw.stage_changes") == [(1,)]
    ingest(mode="append", stage_dates=[{"stage": "sql", "column": "mql"}])
    assert rows("select to_stage from raw.stage_changes order by 1") == [("mql",), ("sql",)]


def test_mode_of_a_table_goes_before_that_of_the_source(ingest, export, rows):
    (export / "reps.csv").write_text("rep_id\nR1\n")
    settings = {"mode": "append", "tables": {"reps": {"mode": "snapshot"}}}
    ingest(**settings)
    write_leads(export, "L9")
    (export / "reps.csv").write_text("rep_id\nR2\n")
    ingest(**settings)
    assert rows("select lead_id from raw.leads order by 1") == [("L1",), ("L9",)]
    assert rows("select rep_id from raw.reps") == [("R2",)]


def test_sources_do_not_touch_each_other(ingest, rows):
    ingest(name="one")
    ingest(name="two")
    ingest(name="one")
    leads = "raw.leads join raw.files using (file_id)"
    assert rows(f"select source_system, load_id from {leads} order by 1") == [
        ("one", 3),
        ("two", 2),
    ]


def test_files_that_nothing_reads_are_noted(ingest, export):
    (export / "contacts.csv").write_text("a\n1\n")
    (export / "readme.txt").write_text("hello")
    assert [note.message for note in ingest().notes] == [
        "not read, as no table has the name: contacts.csv"
    ]


def test_progress_is_told(warehouse, export):
    from dagster_project.ingestion.files.settings import FilesSource

    said: list[str] = []
    ingest_source(warehouse, FilesSource(kind="files", path=export), progress=said.append)
    assert said == ["files: reading leads.csv", "files: leads.csv: 1 rows into leads"]


def test_the_first_source_ranks_first(warehouse, rows):
    ensure_raw_tables(warehouse)
    raw_schema.write_sources(warehouse, {"b": None, "a": "Europe/Paris"})
    assert rows("from raw.sources order by 2") == [("b", 1, None), ("a", 2, "Europe/Paris")]


def test_run_parameters_are_one_row_in_utc(warehouse, rows):
    ensure_raw_tables(warehouse)
    local = datetime(2026, 6, 30, 2, tzinfo=timezone(timedelta(hours=2)))
    for moment in (datetime(2020, 1, 1, tzinfo=UTC), local):
        raw_schema.write_run_parameters(
            warehouse, raw_schema.RunParameters("b1", moment, "four_stage")
        )
    assert rows("select build_id, as_of, tradition, acceptance_mode from raw.run_parameters") == [
        ("b1", datetime(2026, 6, 30), "four_stage", None)
    ]


def test_every_source_kind_has_the_same_shape():
    assert {"files", "hubspot", "salesforce", "landed"} <= set(source_kinds())
    for kind in source_kinds():
        source = module_of(kind, "settings").Source
        assert get_args(source.model_fields["kind"].annotation) == (kind,)
        assert module_of(kind, "client")
        assert isinstance(module_of(kind, "resources").TABLES, dict)
        load = module_of(kind, "load")
        assert list(signature(load.ingest).parameters)[:4] == [
            "connection",
            "source",
            "load_id",
            "progress",
        ]
        assert list(signature(load.check).parameters) == ["source"]


def test_a_warehouse_of_another_version_is_refused_or_dropped(warehouse, rows):
    ensure_raw_tables(warehouse)
    warehouse.execute("alter table raw.opportunities drop column currency")
    with pytest.raises(ConfigError, match="name a new --output, or run with --full-refresh"):
        ensure_raw_tables(warehouse)
    ensure_raw_tables(warehouse, drop_older=True)
    assert rows("select currency from raw.opportunities") == []
