"""Holds the models' rows against the reference's, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.lifecycle.reference import Fact, Result

KEYS = {
    "fct_lead_stages": ("lead_id", "visit_number"),
    "fct_lead_cycles": ("lead_id", "cycle_number"),
    "lifecycle_violations": ("lead_id", "rule", "cycle_number", "visit_number", "place"),
    "lead_accounting": ("lead_id",),
}
# The rules with a finding for each detail.
BY_DETAIL = frozenset({"unmapped_stage", "won_without_closing_date"})
MADE_IDS = frozenset({"lead_stage_id", "lead_cycle_id", "violation_id", "source_system"})


def expected_facts(result: Result) -> dict[str, list[Fact]]:
    """The reference's facts under the models' names."""
    return {
        "fct_lead_stages": result.stages,
        "fct_lead_cycles": result.cycles,
        "lifecycle_violations": result.violations,
        "lead_accounting": result.accounting,
    }


def cell(value: Any) -> Any:
    """A value so that equal cells are equal: numbers as floats, texts without outer spaces."""
    if isinstance(value, bool | datetime) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return float(value)
    return str(value).strip()


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return left == right


def _placed(row: Fact) -> Fact:
    """The row, a violation with what tells it from others of its rule and lead."""
    return {**row, "place": row["detail"] if row.get("rule") in BY_DETAIL else None}


def _by_key(rows: Sequence[Fact], keys: Sequence[str]) -> dict[tuple[Any, ...], Fact]:
    found: dict[tuple[Any, ...], Fact] = {}
    for row in map(_placed, rows):
        key = tuple(cell(row[name]) for name in keys)
        if key in found:
            raise AssertionError(f"two rows of one key: {key}")
        found[key] = row
    return found


def differences(
    name: str, models: Sequence[Fact], expected: Sequence[Fact], limit: int = 20
) -> list[str]:
    """What differs in one fact, a line per row or cell; empty when all cells are equal."""
    keys = KEYS[name]
    ours, theirs = _by_key(models, keys), _by_key(expected, keys)
    found = [f"{name} {key}: only in the models" for key in ours if key not in theirs]
    found += [f"{name} {key}: only in the reference" for key in theirs if key not in ours]
    for key, row in theirs.items():
        columns = set(row) - MADE_IDS
        for column in sorted(columns) if key in ours else ():
            got, wanted = cell(ours[key][column]), cell(row[column])
            if not _same(got, wanted):
                found.append(f"{name} {key} {column}: models {got!r}, reference {wanted!r}")
    return sorted(found)[:limit]


def all_differences(
    facts: Mapping[str, Sequence[Fact]], result: Result, limit: int = 20
) -> list[str]:
    """What differs in any fact."""
    found: list[str] = []
    for name, expected in expected_facts(result).items():
        found += differences(name, facts[name], expected, limit)
    return found
