"""The page on BI tools: its SQL runs on the sample, its marts and figures are those there are."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.marts.conftest import PUBLISHED
from tests.warehouse import Warehouse

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text("utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("query", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_find_something_in_every_column(sample: Warehouse, query: str) -> None:
    # The warehouse has the marts where dbt builds them.
    rows = sample.rows(query.replace("marts.", "build."))
    assert rows
    for column in rows[0]:
        assert any(row[column] is not None for row in rows), column


def test_the_figures_of_a_sum_gone_wrong_are_those_of_the_sample(sample: Warehouse) -> None:
    [row] = sample.rows(
        "select sum(entered) as wrong, "
        "sum(entered) filter (period = 'month' and dimension = 'all') as entered "
        "from build.funnel_conversion where metric = 'mql_to_sal'"
    )
    assert f"In the sample {row['entered']:,} cycles are MQLs" in PAGE
    assert f"says {row['wrong']:,}." in PAGE
    [right] = sample.rows(
        "select sum(entered) as entered from build.fct_conversions where metric = 'mql_to_sal'"
    )
    assert right == {"entered": row["entered"]}


def test_marts_that_the_page_names_are_published() -> None:
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        marts = {row["mart"] for row in csv.DictReader(file)}
    table = PAGE.split("| mart | what adds up | what does not |", 1)[1].split("\n\n", 1)[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line]
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert {"fct_conversions", "handoff_sla"} <= named <= marts
