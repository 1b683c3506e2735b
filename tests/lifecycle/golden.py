"""The golden cases: a small CRM export and what the facts must say of it."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parents[1] / "golden"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
TRADITIONS = ("four_stage", "handoff_first")
FACTS = ("fct_lead_stages", "fct_lead_cycles", "lifecycle_violations")


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def export() -> dict[str, list[dict[str, str]]]:
    """The golden CRM export by table."""
    return {path.stem: read_csv(path) for path in sorted((DIRECTORY / "crm_export").glob("*.csv"))}


def expected(tradition: str, fact: str) -> list[dict[str, str]]:
    """What one fact must hold under a tradition, as text."""
    return read_csv(DIRECTORY / tradition / f"{fact}.csv")


def as_text(value: Any) -> str:
    """A value as the golden files write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)


def same_columns(rows: list[dict[str, Any]], like: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Rows reduced to the columns of a golden file, as sorted tuples of text."""
    columns = list(like[0])
    return sorted(tuple(as_text(row[column]) for column in columns) for row in rows)
