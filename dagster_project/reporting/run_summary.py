"""What a run prints at its end: what stands out, what it noticed, the funnel, the broken rules, the
checks, what was set aside.

Everything is read from the warehouse of the build, whether it was published or not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from duckdb import CatalogException, DuckDBPyConnection
from rich.console import Group, RenderableType
from rich.text import Text

from dagster_project.config.warehouse import BUILD_SCHEMA, QUALITY_SCHEMA, connect, warehouse_path
from dagster_project.reporting.console import grid, titled
from dagster_project.running.publishing import NOTES_ORDER

# The milestone that every cycle has reached by being one.
_FIRST_MILESTONE = "captured"

_STANDS_OUT = f"""
    select status, concat_ws(chr(10), sentence, 'next: ' || next_step)
    from {BUILD_SCHEMA}.what_stands_out order by place
"""
_JUDGED = f"""
    select
        count_if(status in ('ok', 'watch', 'act')), count(*),
        count_if(status = 'too_few'), count_if(status = 'not_applicable')
    from {BUILD_SCHEMA}.funnel_diagnostics
"""
_BROKEN_RULES = f"""
    select rule, severity, format('{{:,}}', count(*)) from {BUILD_SCHEMA}.lifecycle_violations
    group by all order by severity, count(*) desc, rule
"""
_CHECKS = f"""
    select check_name, status, message from {QUALITY_SCHEMA}.check_results
    where build_id = (select build_id from {BUILD_SCHEMA}.build_info)
    order by status, severity, check_name
"""
_NOTES = f"""
    select
        source_system, place, concat_ws(chr(10), note, 'fix: ' || what_to_do),
        format('{{:,}}', row_count), samples
    from {QUALITY_SCHEMA}.notes
    where kind <> 'rows_in_quarantine'
    order by {NOTES_ORDER}
"""
_QUARANTINED = f"""
    select
        source_system, place, reason, format('{{:,}}', row_count), samples, what_to_do
    from {QUALITY_SCHEMA}.notes
    where kind = 'rows_in_quarantine'
    order by {NOTES_ORDER}
"""
# How many notes are shown, and how many reasons of rows in quarantine.
_TOP_NOTES, _TOP_REASONS = 5, 3
_ROW_COUNTS = f"""
    select
        table_name,
        format('{{:,}}', sum(rows_read)::bigint),
        format('{{:,}}', sum(rows_quarantined)::bigint),
        format('{{:,}}', sum(exact_duplicates)::bigint)
    from {QUALITY_SCHEMA}.row_counts
    group by table_name having sum(rows_read) > 0 order by table_name
"""

# A milestone, its label and the cycles that reached it.
Reached = tuple[str, str, int]


def run_summary(output: Path) -> RenderableType | None:
    """The figures of the build in an output's warehouse, for the console.

    None where the build was not audited: a model that failed a data test keeps those after it from
    being built, so what they hold is not of this build.
    """
    with connect(warehouse_path(output), read_only=True) as connection:
        if not _is_audited(connection):
            return None
        milestones = funnel(connection)
        judgements = connection.execute(_JUDGED).fetchall()[0]
        findings, notes, quarantined, broken, checks, read = (
            connection.execute(query).fetchall()
            for query in (_STANDS_OUT, _NOTES, _QUARANTINED, _BROKEN_RULES, _CHECKS, _ROW_COUNTS)
        )
    judged = _judged(bool(findings), *judgements)
    failing = [check for check in checks if check[1] not in {"passed", "not_judged"}]
    counts = _check_counts(status for _, status, _ in checks)
    stands_out = Group(*([grid(["", "finding"], findings)] if findings else []), Text(judged))
    sections = [
        *([("What stands out", stands_out)] if findings else []),
        *([("Noticed", _shown_notes(notes))] if notes else []),
        *([("In quarantine", _shown_reasons(quarantined))] if quarantined else []),
        *([] if findings else [("What stands out", stands_out)]),
        (
            "Funnel",
            grid(["milestone", "here", ">cycles", ">of the one before"], _funnel_rows(milestones)),
        ),
        *([("Broken rules", grid(["rule", "severity", ">findings"], broken))] if broken else []),
        (f"Checks: {counts}", grid(["check", "", "observed"], failing)),
        ("Rows", grid(["table", ">read", ">quarantined", ">duplicates"], read)),
    ]
    return titled(sections)


def _is_audited(connection: DuckDBPyConnection) -> bool:
    """Whether the checks have judged the build."""
    try:
        return bool(connection.execute(_CHECKS).fetchall())
    except CatalogException:
        return False


def _judged(stands_out: bool, judged: int, every: int, too_few: int, not_applicable: int) -> str:
    """How much of the diagnosis was possible: what is not judged may be well or not."""
    rest = [f"{too_few} had too few cases"] if too_few else []
    rest += [f"{not_applicable} can't be told from this data"] if not_applicable else []
    text = f"judged {judged} of {every} diagnostics" + (f"; {', '.join(rest)}" if rest else "")
    return text if stands_out else f"nothing; {text}"


def _shown_notes(notes: list[tuple[object, ...]]) -> RenderableType:
    """The most important notes, and how many more there are."""
    shown = grid(["source", "where", "what", ">rows", "such as"], notes[:_TOP_NOTES])
    return _with_rest(shown, len(notes) - _TOP_NOTES, "notes")


def _shown_reasons(reasons: list[tuple[object, ...]]) -> RenderableType:
    """Why most rows are in quarantine, and how many more reasons there are."""
    columns = ["source", "where", "why", ">rows", "such as", "what to do"]
    shown = grid(columns, reasons[:_TOP_REASONS])
    return _with_rest(shown, len(reasons) - _TOP_REASONS, "quarantine")


def _with_rest(shown: RenderableType, more: int, table: str) -> RenderableType:
    """What is shown, and where the rest is."""
    if more <= 0:
        return shown
    return Group(shown, Text(f"and {more} more, in {QUALITY_SCHEMA}.{table}", style="dim"))


def funnel(connection: DuckDBPyConnection, build: str = BUILD_SCHEMA) -> list[Reached]:
    """The milestones of the build in a schema, in order."""
    milestones = connection.execute(
        f"select milestone, milestone_label from {build}.dim_milestones order by milestone_rank"
    ).fetchall()
    counts = ", ".join(
        "count(*)" if milestone == _FIRST_MILESTONE else f"count({milestone}_at)"
        for milestone, _ in milestones
    )
    row = connection.execute(f"select {counts} from {build}.fct_lead_cycles").fetchone()
    return [(*milestone, count) for milestone, count in zip(milestones, row or (), strict=True)]


def _funnel_rows(milestones: list[Reached]) -> Iterator[tuple[str, str, str, str]]:
    for (_, _, before), (name, label, count) in pairwise([("", "", 0), *milestones]):
        rate = f"{count:,} of {before:,} {count / before:7.1%}" if before else ""
        yield name, label, f"{count:,}", rate


def _check_counts(statuses: Iterable[str]) -> str:
    """How many checks passed, warned, failed; and how many were not judged."""
    counts = Counter(statuses)
    failed = counts["blocked"] + counts["errored"]
    text = f"{counts['passed']} passed, {counts['warned']} warned, {failed} failed"
    return text + (f", {counts['not_judged']} not judged" if counts["not_judged"] else "")
