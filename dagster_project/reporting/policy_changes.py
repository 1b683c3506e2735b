"""What changed in the definitions from build to build: ``policy.json`` of each, compared.

The file lies with a published build, so that it is known what an older one was made by. It holds
the policy of the build's tradition, what the run chose and the limits of its checks, all as text,
and the changes since the builds before it, newest first.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from pydantic import TypeAdapter, ValidationError

from dagster_project.config.policy_tables import TABLES
from dagster_project.config.warehouse import BUILD_SCHEMA, POLICY_SCHEMA, records
from dagster_project.running.publishing import MANIFEST_FILE
from expectations.check import Check

POLICY_FILE = "policy.json"
# Changes that a build remembers, and rows of one change that are listed; the rest is counted.
MOST_CHANGES = 20
MOST_ROWS = 100

# Beside the policy tables: what a run chooses, and what handoff.yml sets of the checks.
CHOICES, LIMITS = "run", "checks"
# What names a row of a table: none for the one row of the tradition; all cells where it isn't here.
_KEYS: dict[str, tuple[str, ...]] = {
    **{
        name: tuple(column for column in row.KEY if column != "tradition")
        for name, row in TABLES.items()
        if row.KEY
    },
    CHOICES: ("setting",),
    LIMITS: ("check",),
}
_CHOSEN = (
    "tradition",
    "acceptance_mode",
    "acceptance_window_hours",
    "timezone",
    "match_on",
)

Cells = dict[str, str | None]
Tables = dict[str, list[Cells]]


@dataclass(frozen=True)
class Difference:
    """A row that is new, gone or not the same: ``cells`` are column, before and after."""

    table: str
    row: str
    kind: str
    cells: tuple[tuple[str, str | None, str | None], ...] = ()


@dataclass(frozen=True)
class Change:
    """What one build changed against the newest build kept before it.

    ``left_out``: differences beyond those that are listed.
    """

    build_id: str
    as_of: str
    version: str | None
    before: str
    differences: tuple[Difference, ...]
    left_out: int = 0


@dataclass(frozen=True)
class _Kept:
    """What is read of the file of an earlier build."""

    build_id: str
    tables: Tables
    changes: tuple[Change, ...]


_KEPT = TypeAdapter(_Kept)


def read_policy(connection: DuckDBPyConnection, checks: Iterable[Check]) -> Tables:
    """The policy of the build in a warehouse, as text: of the active tradition only."""
    [chosen] = records(connection, f"from {BUILD_SCHEMA}.int_run_policy")
    [build] = records(connection, f"from {BUILD_SCHEMA}.build_info")
    tables: Tables = {
        CHOICES: [{"setting": name, "value": _text({**chosen, **build}[name])} for name in _CHOSEN],
        LIMITS: [
            {
                "check": check.name,
                "severity": check.severity,
                "warn": _text(check.warn),
                "block": _text(check.blocks_above),
            }
            for check in checks
        ],
    }
    found = connection.execute(
        "select table_name from information_schema.tables where table_schema = ? order by all",
        [POLICY_SCHEMA],
    ).fetchall()
    for (name,) in found:
        rows = records(connection, f'from {POLICY_SCHEMA}."{name}" order by rowid')
        tables[name] = [
            {column: _text(cell) for column, cell in row.items() if column != "tradition"}
            for row in rows
            if row.get("tradition", chosen["tradition"]) == chosen["tradition"]
        ]
    return tables


def write_policy(build_directory: Path, build: Mapping[str, Any], tables: Tables) -> list[Change]:
    """Write ``policy.json`` of a build and return its changes, newest first.

    It is compared with the newest build beside it that came before it and has such a file; one
    that is damaged, or of a release that wrote it in another way, is passed over.
    """
    build_id = build["build_id"]
    earlier = _build_before(build_directory, build_id)
    changes = list(earlier.changes) if earlier else []
    if earlier and (differences := compare(earlier.tables, tables)):
        newest = Change(
            build_id=build_id,
            as_of=_text(build["as_of"]) or "",
            version=_text(build["definition_version"]),
            before=earlier.build_id,
            differences=tuple(differences[:MOST_ROWS]),
            left_out=len(differences[MOST_ROWS:]),
        )
        changes = [newest, *changes][:MOST_CHANGES]
    content = {
        "build_id": build_id,
        "policy_fingerprint": build["policy_fingerprint"],
        "tables": tables,
        "changes": [asdict(change) for change in changes],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (build_directory / POLICY_FILE).write_text(text, encoding="utf-8")
    return changes


def compare(before: Mapping[str, Sequence[Cells]], after: Tables) -> list[Difference]:
    """The differences between two policies, table by table; of equal ones none."""
    found = []
    for table in dict.fromkeys([*after, *before]):
        old, new = (_by_key(table, tables.get(table, ())) for tables in (before, after))
        for key in dict.fromkeys([*new, *old]):
            was, is_now = old.get(key), new.get(key)
            if was != is_now:
                kind = "added" if was is None else "removed" if is_now is None else "changed"
                cells = _cells(table, was or {}, is_now or {})
                found.append(Difference(table, _named(table, is_now or was or {}), kind, cells))
    return found


def _build_before(build_directory: Path, build_id: str) -> _Kept | None:
    """What the newest build before this one says of its policy; None where none says it."""
    files = {
        path.parent.name: path
        for path in build_directory.parent.glob(f"*/{POLICY_FILE}")
        # A directory without a manifest is no build: writing it was interrupted.
        if path.parent.name < build_id and (path.parent / MANIFEST_FILE).is_file()
    }
    for earlier in sorted(files, reverse=True):
        # What can't be read costs a comparison, not the page.
        with suppress(OSError, ValidationError):
            return _KEPT.validate_json(files[earlier].read_bytes())
    return None


def _by_key(table: str, rows: Iterable[Cells]) -> dict[tuple[str, ...], Cells]:
    """Rows by what tells them apart, in any case; by all their cells where nothing else does."""
    return {
        tuple((row.get(column) or "").casefold() for column in _KEYS.get(table, sorted(row))): row
        for row in rows
    }


def _named(table: str, row: Cells) -> str:
    """A row as people name it: by its key, else by its cells."""
    columns = _KEYS.get(table, tuple(row))
    return ", ".join(cell for column in columns if (cell := row.get(column)))


def _cells(table: str, old: Cells, new: Cells) -> tuple[tuple[str, str | None, str | None], ...]:
    """The cells that differ, without those that name the row."""
    columns = dict.fromkeys([*new, *old])
    named_by = _KEYS.get(table, tuple(columns))
    return tuple(
        (column, old.get(column), new.get(column))
        for column in columns
        if column not in named_by and old.get(column) != new.get(column)
    )


def _text(value: Any) -> str | None:
    """A cell as text, the same whether the warehouse has it as a number or a flag."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)
