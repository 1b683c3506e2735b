"""A source without leads of its own adds its rows to the leads of another."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.settings import load_settings
from dagster_project.config.sources import SourceSection
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.load import check
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.running.plan import RunOptions, plan_run
from dagster_project.running.reading import read_sources, write_choices
from tests.warehouse import Warehouse, project

READ = (
    "select source_system, activity_id, source_file "
    "from raw.activities join raw.files using (file_id) order by all"
)


@pytest.fixture
def crm(export: Path) -> FilesSource:
    (export / "activities.csv").write_text("activity_id,lead_id,occurred_at\nA,L1,2026-01-02\n")
    return FilesSource(kind="files", name="crm", path=export)


@pytest.fixture
def dialer(tmp_path: Path) -> Callable[..., FilesSource]:
    """A second export: calls about the leads of the first."""
    directory = tmp_path / "dialer"
    directory.mkdir()
    (directory / "activities.csv").write_text("activity_id,lead_id,occurred_at\nB,L1,2026-01-03\n")

    def source(**settings: Any) -> FilesSource:
        given = {"kind": "files", "name": "dialer", "path": directory, "leads_of": "crm"}
        return FilesSource.model_validate({**given, **settings})

    return source


def test_rows_are_those_of_the_source_with_the_leads(warehouse, rows, crm, dialer):
    for source in (crm, dialer()):
        ingest_source(warehouse, source)
    assert rows(READ) == [("crm", "A", "activities.csv"), ("crm", "B", "activities.csv")]
    assert rows("select source_system, loaded_by from raw.loads order by all") == [
        ("crm", "crm"),
        ("crm", "crm"),
        ("crm", "dialer"),
    ]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("mode", ["snapshot", "append"])
def test_each_source_replaces_its_own_rows_only(warehouse, rows, crm, dialer, first, mode):
    sources: list[SourceSection] = [crm, dialer(mode=mode)]
    for source in (sources[first], sources[1 - first]) * 2:
        ingest_source(warehouse, source)
    assert [item for _, item, _ in rows(READ)] == ["A", "B"]
    (crm.path / "activities.csv").write_text("activity_id,lead_id,occurred_at\nC,L1,2026-01-02\n")
    ingest_source(warehouse, crm)
    assert [item for _, item, _ in rows(READ)] == ["B", "C"]


def test_table_that_the_source_no_longer_has_is_emptied_of_its_rows(warehouse, rows, crm, dialer):
    (dialer().path / "reps.csv").write_text("rep_id\nR1\n")
    for source in (crm, dialer()):
        ingest_source(warehouse, source)
    (dialer().path / "activities.csv").unlink()
    ingest_source(warehouse, dialer())
    assert [item for _, item, _ in rows(READ)] == ["A"]


def test_broken_rows_stay_until_their_own_source_is_read_again(warehouse, rows, crm, dialer):
    (dialer().path / "activities.csv").write_text("activity_id,lead_id,occurred_at\nB,L1\n")
    for source in (crm, dialer(), crm):
        ingest_source(warehouse, source)
    assert rows("select count(*) from raw.rejected_rows") == [(1,)]
    (dialer().path / "activities.csv").write_text("activity_id,lead_id,occurred_at\n")
    ingest_source(warehouse, dialer())
    assert rows("select count(*) from raw.rejected_rows") == [(0,)]


def test_stage_dates_and_deals_are_about_the_other_leads(warehouse, rows, crm, dialer):
    (dialer().path / "deals.csv").write_text("Deal,Lead,Created,Won\nD1,L1,2026-01-01,2026-02-01\n")
    source = dialer(
        tables={
            "opportunities": {
                "file": "deals.csv",
                "columns": {"opportunity_id": "Deal", "lead_id": "Lead", "created_at": "Created"},
            }
        },
        stage_dates=[
            {"stage": "customer", "column": "Won", "file": "deals.csv", "lead_id": "Lead"}
        ],
    )
    for item in (crm, source, crm):
        ingest_source(warehouse, item)
    joined = "join raw.files using (file_id)"
    assert rows(f"select source_system, lead_id, to_stage from raw.stage_changes {joined}") == [
        ("crm", "L1", "customer")
    ]
    assert rows(f"select source_system, lead_id from raw.opportunities {joined}") == [("crm", "L1")]


def test_rows_of_both_sources_are_counted_and_one_about_no_lead_is_set_aside(crm, dialer):
    (dialer().path / "activities.csv").write_text(
        "activity_id,lead_id,occurred_at\nB,L1,2026-01-03\nX,L9,2026-01-03\n"
    )
    warehouse = Warehouse(project())
    for source in (crm, dialer()):
        warehouse.read_export(source)
    warehouse.decide(datetime(2026, 6, 30, tzinfo=UTC))
    warehouse.build(["row_counts"])
    assert warehouse.rows(
        "select source_system, rows_read, rows_staged, rows_quarantined from quality.row_counts "
        "where table_name = 'activities'"
    ) == [{"source_system": "crm", "rows_read": 3, "rows_staged": 2, "rows_quarantined": 1}]
    [row] = warehouse.rows("select reason, source_row from quality.quarantine")
    assert row == {"reason": "unknown lead", "source_row": 3}


def test_run_takes_out_what_a_source_added_that_is_no_longer_configured(
    tmp_path, warehouse, rows, crm, dialer
):
    config = tmp_path / "handoff.yml"
    own = f"sources:\n  - {{kind: files, name: crm, path: {crm.path}}}\n"
    added = f"  - {{kind: files, name: dialer, path: {dialer().path}, leads_of: crm}}\n"

    def run(text: str, *, full_refresh: bool = False) -> list[str]:
        config.write_text(text)
        options = RunOptions(
            config=str(config), output=str(tmp_path / "out"), full_refresh=full_refresh
        )
        plan = plan_run(options)
        said: list[str] = []
        read_sources(warehouse, plan, said.append, said.append)
        write_choices(warehouse, plan, "build")
        return said

    run(own + added)
    assert rows("select source_system from raw.sources") == [("crm",), ("dialer",)]
    assert any("still holds rows of dialer" in message for message in run(own))
    assert [item for _, item, _ in rows(READ)] == ["A", "B"]
    run(own, full_refresh=True)
    assert [item for _, item, _ in rows(READ)] == ["A"]
    assert not any("still holds" in message for message in run(own))


def test_source_that_gets_leads_of_another_leaves_its_earlier_rows(
    tmp_path, warehouse, rows, crm, dialer
):
    (dialer().path / "leads.csv").write_text("lead_id,created_at\nL7,2026-01-01\n")
    for source in (crm, dialer(leads_of=None)):
        ingest_source(warehouse, source)
    config = tmp_path / "handoff.yml"
    config.write_text(
        f"sources:\n  - {{kind: files, name: crm, path: {crm.path}}}\n"
        f"  - {{kind: files, name: dialer, path: {dialer().path}, leads_of: crm}}\n"
    )
    plan = plan_run(RunOptions(config=str(config), output=str(tmp_path / "out")))
    counts = (
        "select source_system, count(*) from raw.activities join raw.files using (file_id) "
        "group by 1 order by 1"
    )
    before = dict(rows(counts))
    said: list[str] = []
    read_sources(warehouse, plan, said.append, said.append)
    assert any("still holds rows of dialer" in message for message in said)
    after = dict(rows(counts))
    assert after["dialer"] == before["dialer"] > 0
    assert after["crm"] > before.get("crm", 0)

    read_sources(warehouse, replace(plan, full_refresh=True), said.append, said.append)
    assert dict(rows(counts)) == {"crm": after["crm"]}
    assert {system for (system,) in rows("select source_system from raw.files")} == {"crm"}


def test_file_of_leads_is_not_read_and_noted(warehouse, rows, crm, dialer):
    (dialer().path / "leads.csv").write_text("lead_id,created_at\nL7,2026-01-01\n")
    ingest_source(warehouse, crm)
    result = ingest_source(warehouse, dialer())
    assert rows("select lead_id from raw.leads") == [("L1",)]
    assert [note.message for note in result.notes] == [
        "not read, as no table has the name: leads.csv"
    ]


def test_export_without_any_table_is_refused(warehouse, dialer):
    (dialer().path / "activities.csv").rename(dialer().path / "calls.csv")
    with pytest.raises(SourceError, match=r"dialer: no file of any table \(there: calls\.csv\)"):
        ingest_source(warehouse, dialer())
    with pytest.raises(SourceError, match="no file of any table"):
        check(dialer())


SECOND = "{kind: files, name: dialer, path: ., leads_of: %s}"


@pytest.mark.parametrize(
    ("sources", "parts"),
    [
        (SECOND % "crm2", ["sources.1.leads_of", "no source 'crm2'", "here: crm"]),
        (SECOND % "dialer", ["sources.1.leads_of", "no source 'dialer'"]),
        (
            SECOND % "third" + ", {kind: files, name: third, path: ., leads_of: crm}",
            ["sources.1.leads_of", "no source 'third' with leads of its own", "here: crm"],
        ),
        (
            "{kind: files, name: d, path: ., leads_of: crm, tables: {leads: {file: a.csv}}}",
            ["sources.1: tables.leads: leads_of says that crm has the leads"],
        ),
        (
            "{kind: files, name: d, path: ., leads_of: crm, stage_names: {A: mql}}",
            ["sources.1: stage_names: with leads_of the stages are those of crm"],
        ),
        (
            "{kind: files, name: d, path: ., leads_of: crm, stage_dates: "
            "[{stage: mql, column: x, file: a.csv}]}",
            ["sources.1: stage_dates.0: with leads_of it needs a file and a lead_id"],
        ),
    ],
)
def test_wrong_setting_is_refused_before_anything_is_read(tmp_path, sources, parts):
    config = tmp_path / "handoff.yml"
    config.write_text(f"sources: [{{kind: files, name: crm, path: .}}, {sources}]\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    assert len(caught.value.problems) == 1
    for part in parts:
        assert part in str(caught.value)
