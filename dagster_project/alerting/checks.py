"""What the audit of a run found, as findings: the business's checks, and dbt's data tests.

Each check ran once, in the audit. This reads what that left: a result per build and check in
``quality.check_results``, and the failing cases of the newest audit in ``quality.audited_cases``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.alerting.findings import Finding, Member, Report
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    QUALITY_SCHEMA,
    connect,
    records,
    warehouse_path,
)
from dagster_project.running.execute import DataTest
from dagster_project.running.output_lock import visit_output
from expectations.catalogue import configured_suites, current_name
from expectations.check import FAILING, WORST_FIRST, Check, whole_name
from expectations.failing_cases import rep_names
from expectations.source_checks import LASTING_ROWS

Row = dict[str, Any]

# A row's number in a file changes when rows before it come or go.
_VOLATILE_KEY = "source_row"
# Called by their names, where those are published.
_OWNER = "owner_id"
# Columns of a case that its label leaves out.
_SHOWN_OTHERWISE = {"source_system", "lead_id", "measure", "said", "next_step"}
_NOT_JUDGED = "not_judged"
_STOPPED = "The marts were not updated; the last good build stays published."
_PUBLISHED_ANYWAY = "Published anyway (--audit warn)."


def check_report(
    output: Path, settings: Settings, run_id: str, *, was_stopped: bool = False
) -> Report:
    """What the audit of a run found; nothing when the run did not get to it.

    A check that was not judged, for too few cases, neither fails nor passes. ``was_stopped``: the
    audit kept the build from being published. Opens the warehouse for reading; raises
    ``OutputLocked`` or ``duckdb.IOException`` while another run holds it.
    """
    path = warehouse_path(output)
    if not path.is_file():
        return Report(run_id=run_id)
    with visit_output(output), connect(path, read_only=True) as warehouse:
        rows = _results(warehouse, run_id)
        if not rows:
            return Report(run_id=run_id)
        first = rows[0]
        # The models in the warehouse are this run's while they are of the build that it audited.
        built = _rows(warehouse, f"select build_id from {BUILD_SCHEMA}.build_info")
        cases = _failing_cases(warehouse)
        not_judged = _cases_not_judged(warehouse)
    is_replay = first["as_of_before"] and first["as_of"] < first["as_of_before"]
    if is_replay or first["ran_at"] < first["last_ran_at"]:
        return Report(run_id=run_id, build_id=first["build_id"], is_past=True)
    suites = configured_suites(settings.checks)
    checks = {check.name: check for suite in suites for check in suite.checks}
    # A check's windows are one finding, the whole history first.
    by_check: dict[str, list[Row]] = {}
    for row in rows:
        by_check.setdefault(whole_name(row["check_name"]), []).append(row)
    names = {row["check_name"] for row in rows}
    tags = {current_name(name): own for name, own in settings.alerts.tags.items()}
    return Report(
        frozenset((row["check_name"], "*") for row in rows if row["status"] != _NOT_JUDGED),
        tuple(
            _finding(name, windows, checks, cases, tags.get(name, []), was_stopped)
            for name, windows in by_check.items()
            if any(row["status"] in FAILING for row in windows)
        ),
        run_id=run_id,
        build_id=first["build_id"],
        known=frozenset(checks) if checks.keys() <= names else frozenset(),
        not_judged={
            name: frozenset(_key(checks[name], case) for case in found)
            for name, found in not_judged.items()
            if name in checks
        },
        has_built=[row["build_id"] for row in built] == [first["build_id"]],
        lacks_rows=was_stopped
        and any(row["status"] == "blocked" and row["check_name"] in LASTING_ROWS for row in rows),
    )


def data_test_report(tests: Sequence[DataTest], run_id: str) -> Report:
    """What dbt's own data tests of a run found: contracts, keys and relationships of the marts."""
    found = []
    for test in (test for test in tests if not test.passed):
        rows = "" if test.failing is None else f" ({test.failing:,} rows)"
        found.append(
            Finding(
                check=test.name,
                place=f"{BUILD_SCHEMA}.{test.table}",
                severity="error" if test.is_error else "warning",
                owner="data",
                status="blocked" if test.is_error else "warned",
                headline=f"{test.table} fails its data test {test.name}{rows}",
                description="A data test of the dbt project, on what the models promise.",
                runbook="The models are wrong, not the CRM: look at the test in the model's "
                "folder, and at the last change of both.",
                effect=_STOPPED if test.is_error else "",
                failing=test.failing,
                tags=frozenset({"check", test.table}),
            )
        )
    judged = frozenset((test.name, "*") for test in tests)
    return Report(judged, tuple(found), run_id=run_id)


def _results(warehouse: DuckDBPyConnection, run_id: str) -> list[Row]:
    """The results of the newest build that this run made, each with the value of the build
    before."""
    return _rows(
        warehouse,
        f"""
        with results as (
            select
                *,
                lag(case when status <> '{_NOT_JUDGED}' then observed end ignore nulls) over (
                    partition by check_name order by ran_at, build_id
                ) as observed_before,
                -- Later ones are not measured by a moment that was still to come.
                max(as_of) filter (where as_of <= ran_at) over (
                    order by ran_at, build_id
                    rows between unbounded preceding and 1 preceding
                ) as as_of_before,
                max(ran_at) over () as last_ran_at
            from {QUALITY_SCHEMA}.check_results
        )

        select * from results
        where split_part(build_id, '-', -1) = ?
        order by check_name
        """,
        [run_id[:8]],
    )


def _failing_cases(warehouse: DuckDBPyConnection) -> dict[str, list[Row]]:
    """The failing cases of each check in the newest audit: their keys, and what is shown beside."""
    found: dict[str, list[Row]] = {}
    names = rep_names(warehouse)
    for row in _rows(
        warehouse,
        f"select check_name, unnest(failing_cases) as failing from {QUALITY_SCHEMA}.audited_cases",
    ):
        parts = json.loads(row["failing"])
        case = {**parts["keys"], **(parts["told"] or {})}
        if owner := case.get(_OWNER):
            case[_OWNER] = names.get((case.get("source_system"), owner)) or owner
        found.setdefault(row["check_name"], []).append(case)
    return found


def _cases_not_judged(warehouse: DuckDBPyConnection) -> dict[str, list[Row]]:
    """The keys of the cases of each check that the newest audit could not judge."""
    found: dict[str, list[Row]] = {}
    for row in _rows(
        warehouse,
        f"select check_name, unnest(not_judged) as keys from {QUALITY_SCHEMA}.audited_cases",
    ):
        found.setdefault(row["check_name"], []).append(json.loads(row["keys"]))
    return found


def _rows(warehouse: DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a query; none where the table does not exist."""
    try:
        return records(warehouse, query, values)
    except duckdb.CatalogException:
        return []


def _finding(
    name: str,
    windows: list[Row],
    checks: Mapping[str, Check],
    cases: Mapping[str, list[Row]],
    tags: list[str],
    was_stopped: bool,
) -> Finding:
    """What fails of a check: its windows, described by the worst of them."""
    worst = min(windows, key=lambda row: WORST_FIRST.index(row["status"]))
    check = checks.get(worst["check_name"])
    place, before = worst["table_name"], worst["observed_before"]
    failing = cases.get(worst["check_name"], [])
    is_warning, is_errored = worst["status"] == "warned", worst["status"] == "errored"
    if is_errored:
        headline = f"the check {name} could not run"
    elif check is None:
        headline = f"{name.replace('_', ' ')}: {worst['message']}"
    else:
        headline = check.headline_of(
            worst["observed"],
            worst["failing_rows"],
            worst["cases"],
            next((case.get("said") for case in failing), None),
        )
    members = None
    # Followed one by one where the audit kept all of them.
    is_complete = len(failing) == worst["failing_rows"] and not is_errored
    if check and is_complete and _VOLATILE_KEY not in check.keys:
        members = {_key(check, case): _member(case) for case in failing}
    return Finding(
        check=name,
        place=place,
        severity="warning" if is_warning else "error",
        owner=worst["owner"],
        status=worst["status"],
        headline=headline,
        description=worst["description"],
        runbook=worst["runbook"],
        effect="" if is_warning else _STOPPED if was_stopped else _PUBLISHED_ANYWAY,
        observed=tuple(row["message"] for row in windows),
        before=check.shown(before) if check and before is not None else None,
        failing=worst["failing_rows"],
        members=members,
        tags=frozenset({"check", place.rpartition(".")[2], *tags}),
        windows=tuple(row["check_name"] for row in windows if row["status"] in FAILING),
        meaning=check.meaning if check else 1,
    )


def _key(check: Check, case: Row) -> str:
    """What tells a case from the check's others, and stays the same from build to build."""
    return "|".join(str(case[key]) for key in check.keys)


def _member(case: Row) -> Member:
    label = ", ".join(
        f"{column.removesuffix('_number').removesuffix('_id').replace('_', ' ')} {value}"
        for column, value in case.items()
        if value is not None and column not in _SHOWN_OTHERWISE
    )
    return Member(label, case.get("source_system"), case.get("lead_id"))
