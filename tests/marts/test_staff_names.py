"""Names of the company's own reps: labels, where the configuration does not leave them out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from tests.marts.conftest import PUBLISHED, SAMPLE
from tests.warehouse import Warehouse

AS_OF = datetime(2026, 7, 1)


@pytest.fixture
def without_names(sample: Warehouse) -> Iterator[Warehouse]:
    """The sample's marts as a run without names makes them; put back afterwards."""
    models = sample.project.models
    others = {name for name in models if "dim_reps" not in sample.project.upstream([name])}
    sample.execute("begin transaction")
    sample.execute(f"update {models['int_run_policy'].relation} set staff_names = false")
    sample.build({row["mart"] for row in published()} - others, given=others)
    yield sample
    sample.execute("rollback")


def published() -> list[dict[str, str]]:
    """Mart, column and type of what is published."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reps() -> dict[str, str]:
    """The names of the sample's reps by id."""
    with (SAMPLE / "reps.csv").open(encoding="utf-8", newline="") as file:
        return {row["rep_id"]: row["name"] for row in csv.DictReader(file)}


def shown_in(warehouse: Warehouse) -> set[tuple[str, str]]:
    """The published columns in which a name of the sample's reps stands, also among others."""
    names = "|".join(reps().values())
    texts = [row for row in published() if row["type"] == "varchar"]
    assert len(texts) > 100
    return {
        (row["mart"], row["column"])
        for row in texts
        if warehouse.rows(
            f'from {row["mart"]} where regexp_matches("{row["column"]}", ?) limit 1', [names]
        )
    }


def test_names_are_in_labels_only(sample: Warehouse) -> None:
    assert reps() == {row["rep_id"]: row["rep_name"] for row in sample.rows("dim_reps")}
    shown = shown_in(sample)
    assert ("fct_conversions", "owner_name") in shown
    assert {column for _, column in shown} == {
        "item_label",
        "owner_name",
        "rep_name",
        "value_label",
    }


def test_no_mart_has_a_name_where_names_are_left_out(without_names: Warehouse) -> None:
    assert shown_in(without_names) == set()
    ids = {row["rep_id"]: row["rep_name"] for row in without_names.rows("dim_reps")}
    assert ids == {rep: rep for rep in reps()}
    owners = without_names.rows("select distinct owner_id, owner_name from fct_conversions")
    assert len(owners) > 5
    assert all(row["owner_id"] == row["owner_name"] for row in owners)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (" Ada Abrinck ", "Ada Abrinck"),
        ("Ada (ada@corp.example)", "Ada [e-mail]"),
        ("ada@corp.example", "R1"),
        ("", "R1"),
        (None, "R1"),
    ],
)
def test_an_address_is_no_name(warehouse: Warehouse, written: str | None, shown: str) -> None:
    warehouse.load({"reps": [{"rep_id": "R1", "name": written}]})
    warehouse.decide(AS_OF)
    warehouse.build(["dim_reps"])
    assert [row["rep_name"] for row in warehouse.rows("dim_reps")] == [shown]


def test_an_id_of_several_people_has_no_name(new_warehouse: Callable[[], Warehouse]) -> None:
    """A breakdown by owner adds up what sources know by one id."""
    reps = [
        {"rep_id": rep, "source_system": source, "rep_name": name}
        for rep, source, name in [
            ("R1", "files", "Kim"),
            ("R1", "crm", "Lou"),
            ("R2", "files", "Ada"),
            ("R2", "crm", "Ada"),
        ]
    ]
    warehouse = new_warehouse()
    warehouse.build_from_cycles(["int_owner_capacity"], [], reps=reps)
    found = warehouse.rows("int_owner_capacity")
    assert {row["owner_id"]: row["owner_name"] for row in found} == {"R1": "R1", "R2": "Ada"}
