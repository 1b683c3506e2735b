"""Every column is described, and those that say nothing on the sample have their reason.

A column that is null or the same in every row of a mart is more often forgotten than right.
"""

from __future__ import annotations

import csv
from pathlib import Path

from tests.warehouse import Warehouse, project

HERE = Path(__file__).parent
PUBLISHED = HERE.parent / "published_names.csv"


def test_every_column_that_is_null_or_constant_has_its_reason(sample: Warehouse) -> None:
    with (HERE / "constant_columns.csv").open(encoding="utf-8", newline="") as file:
        reasons = {(row["mart"], row["column"]): row["why"] for row in csv.DictReader(file)}
    assert all(reasons.values())
    columns: dict[str, list[str]] = {}
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            columns.setdefault(row["mart"], []).append(row["column"])
    found = {
        (mart, column)
        for mart, names in columns.items()
        for column in constant_columns(sample, mart, names)
    }
    everywhere = {column for mart, column in reasons if mart == "*"}
    named = {(mart, column) for mart, column in reasons if mart != "*"}
    assert {(mart, column) for mart, column in found if column not in everywhere} == named


def test_every_column_of_a_model_is_described(sample: Warehouse) -> None:
    built = {row["name"] for row in sample.rows("select name from (show all tables)")}
    # Without rows of a CRM something empty stands in for its models.
    for name, model in project().models.items():
        if name in built and model.query == sample.project.models[name].query:
            columns = sample.rows(f"describe {model.relation}")
            assert {row["column_name"] for row in columns} == model.columns.keys(), name


def constant_columns(warehouse: Warehouse, mart: str, names: list[str]) -> list[str]:
    """Columns of a mart of several rows that hold one value, or none, in all of them."""
    says_nothing = ", ".join(
        f'count("{name}") = 0 or (count(distinct "{name}") = 1 and count("{name}") = count(*)) '
        f'as "{name}"'
        for name in names
    )
    [row] = warehouse.rows(f"select {says_nothing} from {mart} having count(*) > 1") or [{}]
    return [name for name, nothing in row.items() if nothing]
