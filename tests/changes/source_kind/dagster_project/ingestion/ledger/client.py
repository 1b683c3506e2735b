"""How the file of a ledger is reached."""

import csv
from pathlib import Path

from dagster_project.config.errors import SourceError


def people(name: str, path: Path) -> list[dict[str, str]]:
    """The rows of the file; raises ``SourceError`` when there is none."""
    if not path.is_file():
        raise SourceError(f"source {name}: path: {path}: no such file")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
