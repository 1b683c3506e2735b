"""What a run found: the failing checks of a build and the failures of the pipeline itself.

A **report** is what one occasion (a run, a look at the clock) says: which checks it judged, and
which of them fail. What it did not judge stays as it was.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dagster_project.errors import (
    AuditBlocked,
    BuildError,
    ConfigError,
    HandoffError,
    SourceError,
)
from dagster_project.settings import Settings
from dagster_project.warehouse import BUILD_SCHEMA, QUALITY_SCHEMA, connect, warehouse_path
from expectations.catalogue import configured_suites
from expectations.check import AS_OF, TRAILING, TRAILING_SUFFIX, Check

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Severity = Literal["error", "warning"]

# Beyond this many failing cases only their number is followed, not each of them.
MEMBER_LIMIT = 20_000
# A row's number in a file changes when rows before it come or go.
_VOLATILE_KEY = "source_row"

SOURCE_DOWN = "source_cannot_be_read"
CONFIGURATION_WRONG = "configuration_is_wrong"
BUILD_FAILED = "build_failed"
PUBLICATION_BLOCKED = "publication_is_blocked"
DATA_STALE = "published_data_is_stale"
SCHEDULE_MISSED = "schedule_was_missed"

_RUNBOOKS = {
    SOURCE_DOWN: "Run `handoff doctor`: it tries each source and says what is wrong. The last good "
    "build is still served; the next run that reads the source resolves this.",
    CONFIGURATION_WRONG: "Mend the named setting or policy row; `handoff doctor` checks it.",
    BUILD_FAILED: "Open the run and look at the failed step; run again once the cause is gone. The "
    "last good build is still served.",
    PUBLICATION_BLOCKED: "Mend the blocking checks at their source, or publish once all the same "
    "with `handoff run --audit warn`. The last good build is still served.",
    DATA_STALE: "Look at the last runs in Dagster: did they start, did they publish?",
    SCHEDULE_MISSED: "Look whether the Dagster daemon runs and the schedule is turned on.",
}


@dataclass(frozen=True)
class Member:
    """One failing case. ``label``: its keys for people; ``lead_id``: where it is of a lead."""

    label: str
    source_system: str | None = None
    lead_id: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that fails: a check and the place where it does.

    ``observed``: lines for people, one per window. ``before``: the value in the build before.
    ``failing``, ``cases``: counts, where it has any. ``members``: the failing cases by a key that
    stays the same from build to build; None where only their number is followed.
    """

    check: str
    place: str
    severity: Severity
    owner: str
    status: str
    description: str
    runbook: str
    observed: tuple[str, ...] = ()
    before: str | None = None
    failing: int | None = None
    cases: int | None = None
    members: Mapping[str, Member] | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Report:
    """What one occasion judged, as (check, place), and what fails of it.

    A place of ``*`` judges all places of a check. ``run_id``: the Dagster run, None for a look at
    the clock. ``build_id``: the build that was audited, if one was.
    """

    judged: frozenset[tuple[str, str]] = frozenset()
    findings: tuple[Finding, ...] = ()
    run_id: str | None = None
    build_id: str | None = None

    def judges(self, check: str, place: str) -> bool:
        """True when this occasion can say whether the check passes there."""
        return (check, place) in self.judged or (check, "*") in self.judged

    def merged(self, other: "Report") -> "Report":
        """Both reports in one, of the same run."""
        return Report(
            self.judged | other.judged,
            self.findings + other.findings,
            self.run_id or other.run_id,
            self.build_id or other.build_id,
        )


# --- the pipeline itself ------------------------------------------------------------------------


def pipeline_report(error: HandoffError | None, run_id: str | None = None) -> Report:
    """How a run ended, as a report. A failure judges only what the run got to."""
    if error is None:
        judged = (SOURCE_DOWN, CONFIGURATION_WRONG, BUILD_FAILED, PUBLICATION_BLOCKED)
        return Report(frozenset((check, "*") for check in judged), run_id=run_id)
    passed: tuple[str, ...]
    if isinstance(error, AuditBlocked):
        passed, failed = (SOURCE_DOWN, CONFIGURATION_WRONG, BUILD_FAILED), PUBLICATION_BLOCKED
    elif isinstance(error, SourceError):
        passed, failed = (CONFIGURATION_WRONG,), SOURCE_DOWN
    elif isinstance(error, ConfigError):
        passed, failed = (), CONFIGURATION_WRONG
    elif isinstance(error, BuildError):
        passed, failed = (CONFIGURATION_WRONG,), BUILD_FAILED
    else:
        # Refused because another run works: nothing failed.
        return Report(run_id=run_id)
    finding = pipeline_finding(failed, _place(failed, error.problems), error.problems)
    judged_checks = frozenset((check, "*") for check in (*passed, failed))
    return Report(judged_checks, (finding,), run_id=run_id)


def pipeline_finding(check: str, place: str, observed: list[str]) -> Finding:
    """A failure of the pipeline; the owner is who looks after the data."""
    return Finding(
        check=check,
        place=place,
        severity="error",
        owner="data",
        status="failed",
        description="",
        runbook=_RUNBOOKS[check],
        observed=tuple(observed[:10]),
        members={line.partition(":")[0]: Member(line) for line in observed}
        if check == PUBLICATION_BLOCKED
        else None,
        tags=frozenset({"pipeline"}),
    )


def _place(check: str, problems: list[str]) -> str:
    named = re.match(r"source (\S+?):", problems[0]) if problems else None
    if check == SOURCE_DOWN:
        return f"source {named[1]}" if named else "sources"
    return "pipeline"


# --- checks of a build --------------------------------------------------------------------------


@dataclass
class _Windows:
    """A check's rows in a build: over the whole history and over the trailing window."""

    rows: list[dict[str, Any]] = field(default_factory=list)


def check_report(output: Path, settings: Settings, run_id: str) -> Report:
    """What the audit of a run found; nothing when the run did not get to it.

    Opens the warehouse for reading; raises ``duckdb.IOException`` while a run holds it.
    """
    path = warehouse_path(output)
    if not path.is_file():
        return Report(run_id=run_id)
    with connect(path, read_only=True) as warehouse:
        rows = _results(warehouse, run_id)
        if not rows:
            return Report(run_id=run_id)
        build_id = rows[0]["build_id"]
        checks = {
            check.name: check
            for suite in configured_suites(settings.checks)
            for check in suite.checks
        }
        still_there = _has_build(warehouse, build_id)
        found = []
        judged = set()
        for name, windows in _by_check(rows).items():
            place = windows[0]["table_name"]
            judged.add((name, place))
            failing = [row for row in windows if row["status"] != "passed"]
            if failing:
                check = checks.get(failing[0]["check_name"])
                members = _members(warehouse if still_there else None, check, failing[0])
                tags = settings.alerts.tags.get(name, [])
                found.append(_finding(name, place, windows, failing, check, members, tags))
    return Report(frozenset(judged), tuple(found), run_id=run_id, build_id=build_id)


def _results(warehouse: "DuckDBPyConnection", run_id: str) -> list[dict[str, Any]]:
    """The results of the newest build that this run made, each with the value of the build
    before."""
    import duckdb

    try:
        result = warehouse.execute(
            f"""
            with results as (
                select
                    *,
                    lag(observed ignore nulls) over (
                        partition by check_name order by ran_at, build_id
                    ) as observed_before
                from {QUALITY_SCHEMA}.check_results
            )

            select * from results
            where split_part(build_id, '-', -1) = ?
            order by check_name
            """,
            [run_id[:8]],
        )
    except duckdb.CatalogException:
        return []
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _has_build(warehouse: "DuckDBPyConnection", build_id: str) -> bool:
    """True while the models of a build are still those in the warehouse."""
    import duckdb

    try:
        row = warehouse.execute(f"select build_id from {BUILD_SCHEMA}.build_info").fetchone()
    except duckdb.CatalogException:
        return False
    return row is not None and row[0] == build_id


def _by_check(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """A check's windows together, the whole history first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["check_name"].removesuffix(TRAILING_SUFFIX), []).append(row)
    return {name: sorted(group, key=lambda row: row["check_name"]) for name, group in found.items()}


def _finding(
    name: str,
    place: str,
    windows: list[dict[str, Any]],
    failing: list[dict[str, Any]],
    check: Check | None,
    members: Mapping[str, Member] | None,
    tags: list[str],
) -> Finding:
    ranks = {"warned": 0, "blocked": 1, "errored": 2}
    worst = max((row["status"] for row in failing), key=lambda status: ranks.get(status, 0))
    first = failing[0]
    before = first["observed_before"]
    is_share = first["unit"] == "share"
    return Finding(
        check=name,
        place=place,
        severity="warning" if worst == "warned" else "error",
        owner=first["owner"],
        status=worst,
        description=first["description"],
        runbook=first["runbook"],
        observed=tuple(row["message"] for row in windows),
        before=check.shown(before) if check and before is not None else None,
        failing=first["failing_rows"],
        cases=first["cases"] if is_share else None,
        members=members,
        tags=frozenset({"check", place.rpartition(".")[2], *tags}),
    )


def _members(
    warehouse: "DuckDBPyConnection | None", check: Check | None, row: dict[str, Any]
) -> Mapping[str, Member] | None:
    """The failing cases: all of a lead-level check, else those that the results keep."""
    if row["status"] == "errored" or check is None or _VOLATILE_KEY in check.keys:
        return None
    if "lead_id" in check.keys and warehouse is not None and row["failing_rows"] <= MEMBER_LIMIT:
        return _as_members(check, _failing_cases(warehouse, check))
    samples = json.loads(row["sample_keys"] or "[]")
    if len(samples) < row["failing_rows"]:
        return None
    return _as_members(check, [tuple(item.get(key) for key in check.keys) for item in samples])


def _failing_cases(warehouse: "DuckDBPyConnection", check: Check) -> list[tuple[Any, ...]]:
    """The keys of every case that fails, the newest first."""
    fails = "is_broken" if check.unit == "share" else f"measure > {check.warn!r}"
    if check.window == TRAILING:
        moment = check.moment
        fails += f" and {moment} > {AS_OF} - interval 30 day and {moment} <= {AS_OF}"
    newest = f"{check.newest_by} desc nulls last, " if check.newest_by else ""
    keys = ", ".join(check.keys)
    return warehouse.execute(
        f"select {keys} from ({check.cases}) as cases where {fails} order by {newest}{keys}"
    ).fetchall()


def _as_members(check: Check, cases: list[tuple[Any, ...]]) -> dict[str, Member]:
    found = {}
    for values in cases:
        case = dict(zip(check.keys, values, strict=True))
        label = ", ".join(
            f"{key.removesuffix('_number').replace('_', ' ')} {value}"
            for key, value in case.items()
            if value is not None and key not in {"source_system", "lead_id"}
        )
        found["|".join(str(value) for value in values)] = Member(
            label, case.get("source_system"), case.get("lead_id")
        )
    return found
