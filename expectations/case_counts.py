"""Counts the cases of every check, running each check's SQL once.

What it finds is in ``quality.audited_cases``, one row per check of the newest audit: the number of
its cases and of those that fail, what it observes (of a check that is split, by part, too), the
failing cases, the greatest measure and the latest first, and the keys of those not judged.
Great Expectations judges these rows; alerts follow the failing cases.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

import duckdb

from expectations.check import AS_OF, Check, Outcome, Part

AUDITED_CASES = "quality.audited_cases"

# Failing cases that are kept of a check, and those of them that its result shows: ids, never
# personal data.
KEPT_CASES = 20_000
SHOWN_CASES = 20

_NO_CLOCK = "as_of is not known"


def count_cases(warehouse: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> list[Outcome]:
    """Count the cases of the checks, and write ``quality.audited_cases`` anew.

    Returns an outcome for each check: of status ``errored`` when its SQL fails, ``not_judged`` when
    it has too few cases, and else ``passed``, until Great Expectations has judged it.
    """
    warehouse.execute(
        f"""
        create schema if not exists quality;
        create or replace table {AUDITED_CASES} (
            check_name varchar, cases bigint, unjudged bigint, failing bigint, observed double,
            failing_cases json[], parts json, not_judged json[]
        )
        """
    )
    asked = list(checks)
    with_same_cases = defaultdict(list)
    for check in asked:
        if check.expectation is not None:
            continue
        with_same_cases[check.cases].append(check)
    problems = {}
    for windows in with_same_cases.values():
        try:
            clock = warehouse.execute(f"select {AS_OF}").fetchone()
            if clock is None or clock[0] is None:
                raise duckdb.InvalidInputException(_NO_CLOCK)
            warehouse.execute(f"insert into {AUDITED_CASES} by name {_counting(windows)}")
        except duckdb.Error as error:
            problems.update({check.name: str(error) for check in windows})
    rows = warehouse.execute(
        f"select * exclude (not_judged) replace (failing_cases[:{SHOWN_CASES}] as failing_cases) "
        f"from {AUDITED_CASES}"
    ).fetchall()
    counted = {name: found for name, *found in rows}
    return [
        could_not_run(check, problems[check.name])
        if check.name in problems
        else _outcome(check, *counted[check.name])
        if check.name in counted
        else Outcome(check, "passed")
        for check in asked
    ]


def could_not_run(check: Check, problem: str) -> Outcome:
    """The outcome of a check that nothing is known of: never that it passed."""
    lines = [line.strip() for line in problem.splitlines() if line.strip()]
    return Outcome(check, "errored", problem=lines[0] if lines else "no message")


def _outcome(
    check: Check,
    cases: int,
    unjudged: int,
    failing: int,
    observed: float | None,
    failing_cases: list[str] | None,
    parts: str | None,
) -> Outcome:
    if unjudged:
        return could_not_run(check, f"{unjudged:,} cases have no verdict (null)")
    if cases < check.minimum_cases:
        return Outcome(check, "not_judged", observed, cases, failing)
    shown = [json.loads(case) for case in failing_cases or ()]
    keys = tuple(case["keys"] for case in shown)
    told: dict[str, str] = next((case["told"] for case in shown if case["told"]), {})
    words = told.get("said"), told.get("next_step")
    return Outcome(check, "passed", observed, cases, failing, _parts(parts), keys, *words)


def _parts(counted: str | None) -> tuple[Part, ...]:
    """The parts of a check's cases, the worst first."""
    by_value = json.loads(counted) if counted else {}
    failing, cases = by_value.get("failing") or {}, by_value.get("cases") or {}
    parts = [Part(value, failing.get(value, 0), count) for value, count in cases.items()]
    return tuple(sorted(parts, key=lambda part: (-part.share, part.value)))


def _counting(windows: Sequence[Check]) -> str:
    """A row per check over the same cases, in one scan of them."""
    check = windows[0]
    if check.counts is not None:
        return f"""
            select
                '{check.name}' as check_name, cases, 0 as unjudged, broken as failing,
                broken / nullif(cases, 0) as observed,
                (select {_failing_cases(check)} from ({check.cases}) as broken_cases)
                    as failing_cases
            from ({check.counts}) as counted
        """
    measures = [_measures(window) for window in windows]
    columns = ", ".join(
        f"unnest([{', '.join(measure[name] for measure in measures)}]) as {name}"
        for name in measures[0]
    )
    return f"select {columns} from ({check.cases}) as checked"


def _measures(check: Check) -> dict[str, str]:
    """The columns of a check's row, as aggregates over its cases."""
    verdict = "is_broken" if check.unit == "share" else "measure"
    cases = f"count(*) filter (where {check.is_in_window})"
    failing = f"count(*) filter (where {check.is_in_window} and {check.fails})"
    observed = f"max(measure) filter (where {check.is_in_window})"
    return {
        "check_name": f"'{check.name}'",
        "cases": cases,
        "unjudged": f"count(*) filter (where {check.is_in_window} and {verdict} is null)",
        "failing": failing,
        "observed": f"{failing} / nullif({cases}, 0)" if check.unit == "share" else observed,
        "failing_cases": _failing_cases(check),
        "parts": _counted_parts(check),
        "not_judged": _not_judged(check),
    }


def _counted_parts(check: Check) -> str:
    """The cases, and the failing ones, by the column that the check is split by."""
    if check.split_by is None:
        return "cast(null as json)"
    by_value = f"histogram(coalesce({check.split_by}, '(none)'))"
    cases = f"{by_value} filter (where {check.is_in_window})"
    failing = f"{by_value} filter (where {check.is_in_window} and {check.fails})"
    return f"to_json({{'cases': {cases}, 'failing': {failing}}})"


def _not_judged(check: Check) -> str:
    """The keys of the cases that can't be judged."""
    keys = f"cast({_struct(check.keys)} as json)"
    return f"list({keys}) filter (where not ({check.judged}))"


def _failing_cases(check: Check) -> str:
    """The failing cases in order: what sorts them, their keys, and what is told with them."""
    measured = () if check.unit == "share" else ("measure",)
    sorted_by = _struct(dict.fromkeys((*measured, *filter(None, [check.newest_by]), *check.keys)))
    keys = _struct(dict.fromkeys((*measured, *check.keys)))
    told = _struct(check.told_with) if check.told_with else "null"
    case = f"{{'sorted_by': {sorted_by}, 'keys': {keys}, 'told': {told}}}"
    failing = f"{check.is_in_window} and {check.fails}"
    return f"cast(max({case}, {KEPT_CASES}) filter (where {failing}) as json[])"


def _struct(columns: Iterable[str]) -> str:
    return "{" + ", ".join(f"'{column}': {column}" for column in columns) + "}"
