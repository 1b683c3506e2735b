"""A table that falls to zero is seen at any size; what is rightly empty is not.

Every source of the test is a case of its own, loaded twice into one warehouse.
"""

from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.ingestion.raw_schema import write_sources
from dagster_project.running.audit import ensure_tables, record_rows
from expectations.case_counts import count_cases
from expectations.catalogue import known_checks
from tests.warehouse import Project, Warehouse

AS_OF = datetime(2026, 6, 30)
LEADS = "lead_id,created_at\n"
REPS = "rep_id,name\n"
TWO_LEADS, TWO_REPS = f"{LEADS}A,2026-06-01\nB,2026-06-02\n", f"{REPS}R1,Kim\nR2,Lou\n"
MANY_LEADS = LEADS + "".join(f"L{number},2026-06-01\n" for number in range(49))

# By source its files in the first load and in the second.
LOADS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "header_only": ({"leads": MANY_LEADS}, {"leads": LEADS}),
    "file_gone": ({"leads": TWO_LEADS, "reps": TWO_REPS}, {"leads": TWO_LEADS}),
    "steady": ({"leads": TWO_LEADS, "reps": TWO_REPS},) * 2,
    "fewer": ({"leads": MANY_LEADS}, {"leads": TWO_LEADS}),
    "never_any": ({"leads": TWO_LEADS, "reps": REPS},) * 2,
    "appended": ({"leads": TWO_LEADS, "reps": TWO_REPS}, {"leads": TWO_LEADS, "reps": REPS}),
    "removed": ({"leads": TWO_LEADS}, {}),
    "new": ({}, {"leads": TWO_LEADS}),
}


@pytest.fixture(scope="module")
def loaded(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse after the second load of each source; the first one was published."""
    warehouse = Warehouse(project)
    ensure_tables(warehouse.connection)
    for load in (0, 1):
        read = [name for name, files in LOADS.items() if files[load]]
        for name in read:
            _read(warehouse, name, LOADS[name][load], tmp_path_factory.mktemp(name))
        write_sources(warehouse.connection, dict.fromkeys(read))
        warehouse.decide(AS_OF)
        warehouse.build(["row_counts"])
        if load == 0:
            record_rows(warehouse.connection, "the build before")
    return warehouse


def _read(warehouse: Warehouse, name: str, files: dict[str, str], directory: Path) -> None:
    for table, text in files.items():
        (directory / f"{table}.csv").write_text(text)
    mode = "append" if name == "appended" else "snapshot"
    warehouse.read_export(FilesSource(kind="files", name=name, path=directory, mode=mode))


def vanished(warehouse: Warehouse) -> dict[str, list[str]]:
    """The sources of which nothing is left, by table."""
    checks = [known_checks()[f"{table}_do_not_vanish"] for table in CONTRACT_TABLES]
    return {
        outcome.check.name: [key["source_system"] for key in outcome.keys]
        for outcome in count_cases(warehouse.connection, checks)
        if outcome.failing
    }


def test_a_table_of_any_size_that_falls_to_zero_fails(loaded: Warehouse) -> None:
    assert vanished(loaded) == {
        "leads_do_not_vanish": ["header_only"],
        "reps_do_not_vanish": ["file_gone"],
    }


def test_a_build_that_was_accepted_without_the_rows_is_what_the_next_is_compared_with(
    loaded: Warehouse,
) -> None:
    record_rows(loaded.connection, "the build that was published with --audit warn")
    try:
        assert vanished(loaded) == {}
    finally:
        loaded.execute("delete from quality.row_history where build_id <> 'the build before'")
