"""The failing cases that Data Docs show: which lead, whose it is, and since when.

They are those that the audit kept (``case_counts``): no check is run again. Ids only, no personal
data of leads.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from expectations.case_counts import AUDITED_CASES, SHOWN_CASES
from expectations.check import Outcome

_OWNER = "owner_id"
# What is told of the worst case in place of its figures.
_SAID = ("said", "next_step")


@dataclass(frozen=True)
class FailingCase:
    """A failing case of a check: its ``keys``, and what helps people ``beside`` them.

    ``owner``: who had it in that case, or else has the lead now; None of nobody. ``moment``: what
    dates it, in UTC (``newest_by`` of the check).
    """

    keys: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)
    owner: str | None = None
    moment: datetime | None = None


def failing_cases(
    warehouse: duckdb.DuckDBPyConnection, outcomes: Iterable[Outcome]
) -> dict[str, list[FailingCase]]:
    """The cases to show of each check that failed, by its name: the worst or latest first."""
    failed = {outcome.check.name: outcome for outcome in outcomes if outcome.keys}
    rows = warehouse.execute(
        f"select check_name, unnest(failing_cases[:{SHOWN_CASES}]) from {AUDITED_CASES} "
        "where list_contains(?, check_name)",
        [list(failed)],
    ).fetchall()
    # Great Expectations' own count their cases themselves, and know no more than the keys.
    found = {
        name: [{"keys": keys} for keys in outcome.keys]
        for name, outcome in failed.items()
        if outcome.check.expectation is not None
    }
    for name, case in rows:
        found.setdefault(name, []).append(json.loads(case))
    people = _People(warehouse, [case["keys"] for cases in found.values() for case in cases])
    return {
        name: [_shown(case, failed[name].check.newest_by, people) for case in cases]
        for name, cases in found.items()
    }


def _shown(case: dict[str, Any], newest_by: str | None, people: "_People") -> FailingCase:
    keys, told = case["keys"], case.get("told") or {}
    is_dated = newest_by is not None and newest_by.endswith("_at")
    moment = (case.get("sorted_by") or {}).get(newest_by) if is_dated else None
    owner = told[_OWNER] if _OWNER in told else people.owner_of(keys)
    return FailingCase(
        keys,
        {name: value for name, value in told.items() if name not in (_OWNER, *_SAID)},
        people.name_of(keys, owner),
        datetime.fromisoformat(moment) if moment else None,
    )


def rep_names(warehouse: duckdb.DuckDBPyConnection) -> dict[tuple[Any, Any], str | None]:
    """What reps are called, by source and id; nothing where a build has no names."""
    names = "select source_system, rep_id, rep_name from build.dim_reps"
    return _by_id(warehouse, names, [])


class _People:
    """Who has which lead now, and what reps are called."""

    def __init__(
        self, warehouse: duckdb.DuckDBPyConnection, cases: Iterable[dict[str, Any]]
    ) -> None:
        leads = list({case["lead_id"] for case in cases if "lead_id" in case})
        owners = (
            "select source_system, lead_id, owner_id from build.dim_leads "
            "where lead_id in (select unnest(?))"
        )
        self._owners = _by_id(warehouse, owners, [leads])
        # Without names in the build, the ids are shown.
        self._names = rep_names(warehouse)

    def owner_of(self, keys: dict[str, Any]) -> str | None:
        """Who has the lead of a case now."""
        return self._owners.get((keys.get("source_system"), keys.get("lead_id")))

    def name_of(self, keys: dict[str, Any], owner: str | None) -> str | None:
        """What a rep is called; the id where no name is published."""
        return self._names.get((keys.get("source_system"), owner)) or owner


def _by_id(
    warehouse: duckdb.DuckDBPyConnection, query: str, values: list[Any]
) -> dict[tuple[Any, Any], str | None]:
    """A value by source and id; nothing where a build lacks the table."""
    try:
        rows = warehouse.execute(query, values).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return {}
    return {(source, row_id): value for source, row_id, value in rows}
