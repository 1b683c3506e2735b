"""What an export writes and the models can't read is what the checks of its column find."""

import csv
from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.files.settings import FilesSource
from expectations.catalogue import known_checks
from tests.expectations.breaks import READABLE
from tests.expectations.clean_export import AS_OF
from tests.warehouse import Project, Warehouse

DAY = "2026-06-01"
# By the kind of a column: what can be read, and what can't.
SOUND = {"id": "L1", "event_id": "E1", "time": DAY, "date": DAY, "money": "1", "text": "call"}
BROKEN = {
    **dict.fromkeys(("id", "event_id"), "#N/A"),
    **dict.fromkeys(("time", "date"), "soon"),
    **dict.fromkeys(("whole", "number", "money"), "many"),
    "flag": "perhaps",
}


def test_an_unreadable_value_of_every_column_is_found_by_its_check(
    project: Project, tmp_path: Path
) -> None:
    expected = {}
    for table, contract in CONTRACT_TABLES.items():
        checks = [check for check, (of, _) in READABLE.items() if of == table]
        rows = [{name: SOUND[contract.kinds.get(name, "text")] for name in contract.required}]
        for check in checks:
            column = READABLE[check][1]
            rows.append({**rows[0], column: BROKEN[contract.kinds[column]]})
            expected[check] = [(f"{table}.csv", len(rows) + 1)]
        with (tmp_path / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, contract.columns)
            writer.writeheader()
            writer.writerows(rows)
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource(kind="files", path=tmp_path))
    warehouse.decide(AS_OF)
    warehouse.build(["unreadable_values"])
    found = {}
    for check in READABLE:
        cases = warehouse.rows(known_checks()[check].cases)
        found[check] = [(case["source_file"], case["source_row"]) for case in cases]
    assert found == expected
