"""What a run found: the failing checks of a build and the failures of the pipeline itself.

A **report** is what one occasion (a run, a look at the clock) says: which checks it judged, and
which of them fail. What it did not judge stays as it was.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.config.contract import Severity
from dagster_project.config.errors import (
    AuditBlocked,
    BuildError,
    ConfigError,
    HandoffError,
    SourceError,
)
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import BUILD_SCHEMA, QUALITY_SCHEMA, connect, warehouse_path
from dagster_project.running.output_lock import visit_output
from expectations.catalogue import configured_suites
from expectations.check import AS_OF, TRAILING, TRAILING_SUFFIX, Check

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.running.execute import DataTest


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

_HEADLINES = {
    SOURCE_DOWN: "a source could not be read",
    CONFIGURATION_WRONG: "the configuration is wrong, so nothing ran",
    BUILD_FAILED: "the run failed before it could publish",
    PUBLICATION_BLOCKED: "the marts were not updated, since a check blocks",
    DATA_STALE: "the published marts are old",
    SCHEDULE_MISSED: "the scheduled run did not start",
}
_PIPELINE = frozenset(_HEADLINES)
_RUNBOOKS = {
    SOURCE_DOWN: "Run `handoff doctor`: it tries each source and says what is wrong. The next run "
    "that reads the source resolves this.",
    CONFIGURATION_WRONG: "Mend the named setting or policy row; `handoff doctor` checks it.",
    BUILD_FAILED: "Open the run and look at the failed step; run again once the cause is gone.",
    PUBLICATION_BLOCKED: "Mend the blocking checks at their source, or publish once all the same "
    "with `handoff run --audit warn`.",
    DATA_STALE: "Look at the last runs in Dagster: did they start, did they publish?",
    SCHEDULE_MISSED: "Look whether the Dagster daemon runs and the schedule is turned on.",
}


@dataclass(frozen=True)
class Member:
    """One failing case. ``label``: its keys and what helps beside them, for people; ``lead_id``:
    where it is of a lead."""

    label: str
    source_system: str | None = None
    lead_id: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that fails: a check and the place where it does.

    ``headline``: what is wrong, in a few words and figures. ``effect``: what it means for the
    marts, where it means anything. ``observed``: lines for people, one per window. ``before``: the
    value in the build before. ``failing``: how many cases fail, where it has any. ``members``: the
    failing cases by a key that stays the same from build to build; None where only their number is
    followed.
    """

    check: str
    place: str
    severity: Severity
    owner: str
    status: str
    headline: str
    description: str
    runbook: str
    effect: str = ""
    observed: tuple[str, ...] = ()
    before: str | None = None
    failing: int | None = None
    members: Mapping[str, Member] | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Report:
    """What one occasion judged, as (check, place), and what fails of it.

    A place of ``*`` judges all places of a check. ``run_id``: the Dagster run, None for a look at
    the clock. ``build_id``: the build that was audited, if one was. ``known``: after an audit by
    every check, their names; a check that is none of them is over. ``has_built``: the models in the
    warehouse are this run's. ``is_past``: the run looked at an earlier moment than one before it,
    or another came after it, so it says nothing about now.
    """

    judged: frozenset[tuple[str, str]] = frozenset()
    findings: tuple[Finding, ...] = ()
    run_id: str | None = None
    build_id: str | None = None
    known: frozenset[str] = frozenset()
    has_built: bool = False
    is_past: bool = False

    def judges(self, check: str, place: str) -> bool:
        """True when this occasion can say whether the check passes there."""
        if self.known and check not in self.known | _PIPELINE:
            return True
        return (check, place) in self.judged or (check, "*") in self.judged

    def merged(self, other: "Report") -> "Report":
        """Both reports in one, of the same run."""
        return Report(
            self.judged | other.judged,
            self.findings + other.findings,
            self.run_id or other.run_id,
            self.build_id or other.build_id,
            self.known | other.known,
            self.has_built or other.has_built,
            self.is_past or other.is_past,
        )


# --- the pipeline itself ------------------------------------------------------------------------


def pipeline_report(
    output: Path, error: HandoffError | None, run_id: str | None, *, has_built: bool = False
) -> Report:
    """How a run ended, as a report. A failure judges only what the run got to.

    A run that ended well judges everything if it published; a part of the job may have left out
    what failed before.
    """
    if error is None:
        judged = (SOURCE_DOWN, CONFIGURATION_WRONG, BUILD_FAILED, PUBLICATION_BLOCKED)
        return Report(
            frozenset((check, "*") for check in judged if _has_published(output, run_id)),
            run_id=run_id,
        )
    passed: tuple[str, ...]
    if isinstance(error, AuditBlocked):
        # A part of the job may have audited what another run read and built.
        read_and_built = (SOURCE_DOWN, BUILD_FAILED) if has_built else ()
        passed, failed = (CONFIGURATION_WRONG, *read_and_built), PUBLICATION_BLOCKED
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
    # One source down says nothing of another that was down before.
    judged_checks = {(check, "*") for check in passed} | {(failed, finding.place)}
    return Report(frozenset(judged_checks), (finding,), run_id=run_id)


def _has_published(output: Path, run_id: str | None) -> bool:
    from dagster_project.running.publishing import published_manifest

    build_id = (published_manifest(output) or {}).get("build_id", "")
    return run_id is not None and build_id.endswith(f"-{run_id[:8]}")


def pipeline_finding(check: str, place: str, observed: list[str]) -> Finding:
    """A failure of the pipeline; the owner is who looks after the data."""
    headline = _HEADLINES[check]
    if check == SOURCE_DOWN and place.startswith("source "):
        headline = f"{place} could not be read"
    return Finding(
        check=check,
        place=place,
        severity="error",
        owner="data",
        status="failed",
        headline=headline,
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


def check_report(
    output: Path, settings: Settings, run_id: str, *, was_stopped: bool = False
) -> Report:
    """What the audit of a run found; nothing when the run did not get to it.

    ``was_stopped``: the audit kept the build from being published. Opens the warehouse for
    reading; raises ``OutputLocked`` or ``duckdb.IOException`` while another run holds it.
    """
    path = warehouse_path(output)
    if not path.is_file():
        return Report(run_id=run_id)
    with visit_output(output), connect(path, read_only=True) as warehouse:
        rows = _results(warehouse, run_id)
        if not rows:
            return Report(run_id=run_id)
        build_id = rows[0]["build_id"]
        first = rows[0]
        is_replay = first["as_of_before"] and first["as_of"] < first["as_of_before"]
        if is_replay or first["ran_at"] < first["last_ran_at"]:
            return Report(run_id=run_id, build_id=build_id, is_past=True)
        checks = {
            check.name: check
            for suite in configured_suites(settings.checks)
            for check in suite.checks
        }
        still_there = _has_build(warehouse, build_id)
        found = []
        judged = set()
        for name, windows in _by_check(rows).items():
            # A part of a check's windows says nothing of the others.
            if {name, name + TRAILING_SUFFIX} & checks.keys() <= {r["check_name"] for r in windows}:
                judged.add((name, "*"))
            failing = [row for row in windows if row["status"] != "passed"]
            if failing:
                worst = max(failing, key=lambda row: _RANKS.get(row["status"], 0))
                check = checks.get(worst["check_name"])
                members = _members(warehouse if still_there else None, check, worst)
                tags = settings.alerts.tags.get(name, [])
                found.append(_finding(name, windows, worst, check, members, tags, was_stopped))
    names = {row["check_name"] for row in rows}
    return Report(
        frozenset(judged),
        tuple(found),
        run_id=run_id,
        build_id=build_id,
        known=frozenset(checks) if checks.keys() <= names else frozenset(),
        has_built=still_there,
    )


def data_test_report(tests: "Iterable[DataTest]", run_id: str) -> Report:
    """What dbt's own data tests of a run found: contracts, keys and relationships of the marts."""
    judged, found = set(), []
    for test in tests:
        judged.add((test.name, "*"))
        if test.passed:
            continue
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
                runbook="A defect of the models, not of the CRM: look at the test in the folder of "
                "the model, and at the last change of both.",
                effect=_STOPPED if test.is_error else "",
                failing=test.failing,
                tags=frozenset({"check", test.table}),
            )
        )
    return Report(frozenset(judged), tuple(found), run_id=run_id)


_STOPPED = "The marts were not updated; the last good build stays served."
_PUBLISHED_ANYWAY = "Published all the same (--audit warn)."
_RANKS = {"warned": 0, "blocked": 1, "errored": 2}


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
                    ) as observed_before,
                    -- A moment that had not come when the run ran is none to measure later ones by.
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
    windows: list[dict[str, Any]],
    worst: dict[str, Any],
    check: Check | None,
    members: Mapping[str, Member] | None,
    tags: list[str],
    was_stopped: bool,
) -> Finding:
    """What fails of a check: its windows, told by the worst of them."""
    status, place = worst["status"], worst["table_name"]
    before = worst["observed_before"]
    effect = ""
    if status != "warned":
        effect = _STOPPED if was_stopped else _PUBLISHED_ANYWAY
    return Finding(
        check=name,
        place=place,
        severity="warning" if status == "warned" else "error",
        owner=worst["owner"],
        status=status,
        headline=_headline(name, worst, check),
        description=worst["description"],
        runbook=worst["runbook"],
        effect=effect,
        observed=tuple(row["message"] for row in windows),
        before=check.shown(before) if check and before is not None else None,
        failing=worst["failing_rows"],
        members=members,
        tags=frozenset({"check", place.rpartition(".")[2], *tags}),
    )


def _headline(name: str, row: dict[str, Any], check: Check | None) -> str:
    if row["status"] == "errored":
        return f"the check {name} could not run"
    if check is None:
        return f"{name.replace('_', ' ')}: {row['message']}"
    return check.headline_of(row["observed"], row["failing_rows"], row["cases"])


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
    """The keys of every case that fails, and what is told beside them; the newest first."""
    fails = "is_broken" if check.unit == "share" else f"measure > {check.warn!r}"
    if check.window == TRAILING:
        moment = check.moment
        fails += f" and {moment} > {AS_OF} - interval 30 day and {moment} <= {AS_OF}"
    newest = f"{check.newest_by} desc nulls last, " if check.newest_by else ""
    keys = ", ".join(check.keys)
    columns = ", ".join((*check.keys, *check.told_with))
    return warehouse.execute(
        f"select {columns} from ({check.cases}) as cases where {fails} order by {newest}{keys}"
    ).fetchall()


def _as_members(check: Check, cases: list[tuple[Any, ...]]) -> dict[str, Member]:
    found = {}
    for values in cases:
        case = dict(zip((*check.keys, *check.told_with), values, strict=False))
        label = ", ".join(
            f"{key.removesuffix('_number').removesuffix('_id').replace('_', ' ')} {value}"
            for key, value in case.items()
            if value is not None and key not in {"source_system", "lead_id"}
        )
        found["|".join(str(case[key]) for key in check.keys)] = Member(
            label, case.get("source_system"), case.get("lead_id")
        )
    return found
