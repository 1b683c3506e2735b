"""One damage in a random export: it changes no published cell, or it is named.

The families are listed in `damages`, what counts as named in `damage_oracle`. A part of the cases
runs here; `make proof` runs all of them, and some through whole runs.
"""

from __future__ import annotations

from pathlib import Path

from tests.ingestion.damage_oracle import try_cases
from tests.ingestion.damages import FAMILIES

# Every family once: the whole number is in `damage_proof`.
CASES = len(FAMILIES)


def test_each_damage_changes_nothing_or_is_named(tmp_path: Path) -> None:
    silent = try_cases(tmp_path, CASES)
    assert not silent, "\n".join(silent)


def test_each_family_says_what_it_is_in_one_line() -> None:
    assert not [family.name for family in FAMILIES if len(family.meaning.strip().splitlines()) != 1]
