"""What a build found, read from the warehouse or, of a published one, from its manifest.

The summary at the end of a run and ``handoff status`` show the same figures, at different length.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duckdb import CatalogException, DuckDBPyConnection

from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    QUALITY_SCHEMA,
    connect,
    records,
    warehouse_path,
)
from dagster_project.running.publishing import NOTES_ORDER, build_manifest, builds

Row = dict[str, Any]

# The milestone that every cycle has reached by being one.
_FIRST_MILESTONE = "captured"

_STANDS_OUT = f"select * from {BUILD_SCHEMA}.what_stands_out order by place"
_JUDGED = f"""
    select
        count(*) filter (where status in ('ok', 'watch', 'act')) as judged,
        count(*) as every,
        count(*) filter (where status = 'too_few') as too_few,
        count(*) filter (where status = 'not_applicable') as unknowable
    from {BUILD_SCHEMA}.funnel_diagnostics
"""
_BROKEN_RULES = f"""
    select rule, severity, count(*) as findings from {BUILD_SCHEMA}.lifecycle_violations
    group by all order by severity, findings desc, rule
"""
_CHECKS = f"""
    select check_name, severity, status, unit, observed, cases, failing_rows, warn_threshold,
        block_threshold, message
    from {QUALITY_SCHEMA}.check_results
    where build_id = (select build_id from {BUILD_SCHEMA}.build_info)
    order by severity, check_name
"""
_NOTES = f"select * from {QUALITY_SCHEMA}.notes order by {NOTES_ORDER}"
_ROWS_READ = f"""
    select
        table_name,
        sum(rows_read)::bigint as rows_read,
        sum(rows_quarantined)::bigint as rows_quarantined,
        sum(exact_duplicates)::bigint as exact_duplicates
    from {QUALITY_SCHEMA}.row_counts
    group by table_name having sum(rows_read) > 0 order by table_name
"""

# A milestone, its label, the cycles that reached it in their own right, and the implied ones.
Reached = tuple[str, str, int, int]


@dataclass(frozen=True)
class Step:
    """A milestone of the funnel, counted as ``funnel_conversion`` counts its cohorts.

    ``cycles`` reached it in their own right; ``implied`` are those of which only a later milestone
    says so. Of the ``entered`` cycles of the step before ``converted`` came this far, of those of
    the step that the named rates begin with ``from_first``.
    """

    milestone: str
    label: str
    cycles: int
    implied: int
    entered: int | None
    converted: int | None
    from_first: int | None


@dataclass(frozen=True)
class Funnel:
    """The steps, and which of them the cumulative rates are of, and how many cycles it has."""

    steps: list[Step]
    first_label: str
    first_cycles: int


@dataclass(frozen=True)
class BuildFigures:
    """What one build found. ``data_tests``: as its manifest lists them, none of one held back."""

    build: Row
    funnel: Funnel
    stands_out: list[Row]
    judged: Row
    notes: list[Row]
    broken_rules: list[Row]
    checks: list[Row]
    rows_read: list[Row]
    data_tests: list[Row] = field(default_factory=list)

    def not_passing(self, *statuses: str) -> list[Row]:
        """The checks and data tests that ended with one of these statuses."""
        return [row for row in [*self.checks, *self.data_tests] if row["status"] in statuses]

    @property
    def noticed(self) -> list[Row]:
        """The notes but for those on rows in quarantine, most important first."""
        return [note for note in self.notes if note["kind"] != "rows_in_quarantine"]

    @property
    def quarantined(self) -> list[Row]:
        """Why rows are in quarantine, the most frequent reason first."""
        return [note for note in self.notes if note["kind"] == "rows_in_quarantine"]


def last_build(output: Path) -> BuildFigures | None:
    """The figures of the build in an output's warehouse, published or not.

    None where there is none or its audit did not get to an end: a model that fails a data test
    keeps those after it from being built, so what they hold is of another build. Raises
    ``duckdb.IOException`` while a run holds the warehouse.
    """
    if not warehouse_path(output).is_file():
        return None
    with connect(warehouse_path(output), read_only=True) as connection:
        try:
            checks = records(connection, _CHECKS)
            if not checks:
                return None
            (build,) = records(connection, f"from {BUILD_SCHEMA}.build_info")
            return BuildFigures(
                build=build,
                funnel=funnel(connection),
                stands_out=records(connection, _STANDS_OUT),
                judged=records(connection, _JUDGED)[0],
                notes=records(connection, _NOTES),
                broken_rules=records(connection, _BROKEN_RULES),
                checks=checks,
                rows_read=records(connection, _ROWS_READ),
                data_tests=_data_tests(output, build["build_id"]),
            )
        except CatalogException:
            return None


def _data_tests(output: Path, build_id: str) -> list[Row]:
    """What dbt's data tests found; unknown of a build that was held back, so never written."""
    written = build_id in builds(output)
    return build_manifest(output, build_id).get("data_tests", []) if written else []


def reached(connection: DuckDBPyConnection) -> list[Reached]:
    """How many cycles reached each milestone in their own right, and how many by a later one."""
    milestones = connection.execute(
        f"select milestone, milestone_label from {BUILD_SCHEMA}.dim_milestones "
        "order by milestone_rank"
    ).fetchall()
    conditions = ", ".join(
        "count(*), 0"
        if name == _FIRST_MILESTONE
        else f"count({name}_at) filter (where is_counted_{name}), "
        f"count({name}_at) filter (where not is_counted_{name})"
        for name, _ in milestones
    )
    row = connection.execute(
        f"select {conditions} from {BUILD_SCHEMA}.int_funnel_cycles"
    ).fetchone()
    counts = iter(row or ())
    return [(*milestone, next(counts), next(counts)) for milestone in milestones]


def funnel(connection: DuckDBPyConnection) -> Funnel:
    """The milestones that happen by themselves in the tradition, in order.

    Which cycles count for a milestone is the models' decision, the same as in ``funnel_conversion``
    over all of its cohorts; here they are only summed up, for pairs without a name as well.
    """
    found = connection.execute(
        f"""
        select counted_as, list_distinct(list(milestone_label)) as labels
        from {BUILD_SCHEMA}.dim_milestones where counted_as is not null
        group by counted_as order by max(milestone_rank)
        """
    ).fetchall()
    named = connection.execute(
        f"select counted_milestone from {BUILD_SCHEMA}.int_conversion_pairs order by from_rank"
    ).fetchone()
    names = [name for name, _ in found]
    first = names.index(named[0]) if named and named[0] in names else 0
    counts = iter(_counts(connection, names, first))
    steps: list[Step] = []
    for at, (name, labels) in enumerate(found):
        cycles, implied, converted, from_first = (next(counts) for _ in range(4))
        steps.append(
            Step(
                milestone=name,
                label=" / ".join(sorted(labels)),
                cycles=cycles,
                implied=implied,
                entered=steps[-1].cycles if steps else None,
                converted=converted if steps else None,
                from_first=from_first if at > first else None,
            )
        )
    return Funnel(steps, steps[first].label, steps[first].cycles)


def _counts(connection: DuckDBPyConnection, names: list[str], first: int) -> Iterable[int]:
    """Four counts for each milestone: counted, implied, of the one before, of the first."""
    counted = ["true" if name == _FIRST_MILESTONE else f"is_counted_{name}" for name in names]
    is_reached = [
        "true" if name == _FIRST_MILESTONE else f"{name}_at is not null" for name in names
    ]
    conditions = [
        condition
        for at in range(len(names))
        for condition in (
            f"{counted[at]} and {is_reached[at]}",
            f"not {counted[at]} and {is_reached[at]}",
            f"{counted[max(at - 1, 0)]} and {is_reached[at]}",
            f"{counted[first]} and {is_reached[at]}",
        )
    ]
    row = connection.execute(
        f"select {', '.join(f'count(*) filter (where {it})' for it in conditions)} "
        f"from {BUILD_SCHEMA}.int_funnel_cycles"
    ).fetchone()
    return row or ()
