"""What a run says at its end: the funnel, the broken rules, the checks, what was set aside.

Everything is read from the warehouse of the build, whether it was published or not.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dagster_project.config.warehouse import BUILD_SCHEMA, QUALITY_SCHEMA, connect, warehouse_path

# The milestone that every cycle has reached by being one.
_FIRST_MILESTONE = "captured"


@dataclass(frozen=True)
class Summary:
    """The figures of a build.

    ``funnel``: milestone, its label and the cycles that reached it, in order. ``broken_rules``:
    rule, severity, findings. ``row_counts``: table, rows read, quarantined, exact duplicates.
    """

    funnel: list[tuple[str, str, int]]
    broken_rules: list[tuple[str, str, int]]
    checks: list[dict[str, Any]]
    row_counts: list[tuple[str, int, int, int]]


def read_summary(output: Path, build_id: str | None = None) -> Summary:
    """Read the figures of the build in an output's warehouse; ``build_id``: whose checks."""
    with connect(warehouse_path(output), read_only=True) as connection:
        build_id = build_id or _build_id(connection)
        return Summary(
            funnel=funnel(connection),
            broken_rules=connection.execute(
                f"select rule, severity, count(*) from {BUILD_SCHEMA}.lifecycle_violations "
                "group by all order by severity, count(*) desc, rule"
            ).fetchall(),
            checks=_checks(connection, build_id),
            row_counts=connection.execute(
                "select table_name, sum(rows_read)::bigint, sum(rows_quarantined)::bigint, "
                f"sum(exact_duplicates)::bigint from {QUALITY_SCHEMA}.row_counts "
                "group by table_name having sum(rows_read) > 0 order by table_name"
            ).fetchall(),
        )


def _build_id(connection: DuckDBPyConnection) -> str | None:
    row = connection.execute(f"select build_id from {BUILD_SCHEMA}.build_info").fetchone()
    return row[0] if row else None


def funnel(connection: DuckDBPyConnection, build: str = BUILD_SCHEMA) -> list[tuple[str, str, int]]:
    """The milestones of the build in a schema, their labels and the cycles that reached them."""
    milestones = connection.execute(
        f"select milestone, milestone_label from {build}.dim_milestones order by milestone_rank"
    ).fetchall()
    counts = ", ".join(
        "count(*)" if milestone == _FIRST_MILESTONE else f"count({milestone}_at)"
        for milestone, _ in milestones
    )
    row = connection.execute(f"select {counts} from {build}.fct_lead_cycles").fetchone()
    return [(*milestone, count) for milestone, count in zip(milestones, row or (), strict=True)]


def _checks(connection: DuckDBPyConnection, build_id: str | None) -> list[dict[str, Any]]:
    found = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_schema = ? and table_name = 'check_results'",
        [QUALITY_SCHEMA],
    ).fetchone()
    if not found or not found[0]:
        return []
    result = connection.execute(
        "select check_name, table_name, severity, status, message "
        f"from {QUALITY_SCHEMA}.check_results where build_id = ? "
        "order by status, severity, check_name",
        [build_id],
    )
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def render_summary(summary: Summary) -> RenderableType:
    """The figures for the console."""

    parts: list[RenderableType] = []
    for title, table in (
        ("Funnel", _funnel_table(summary)),
        ("Broken rules", _rules_table(summary)),
        (f"Checks: {check_counts(summary.checks)}", _checks_table(summary)),
        ("Rows", _rows_table(summary)),
    ):
        if table is not None:
            parts += [Text(f"\n{title}", style="bold"), table]
    return Group(*parts)


def check_counts(checks: list[dict[str, Any]]) -> str:
    """How many checks passed, warned, failed; and how many were not judged."""
    counts = Counter(check["status"] for check in checks)
    failed = counts["blocked"] + counts["errored"]
    said = f"{counts['passed']} passed, {counts['warned']} warned, {failed} failed"
    return said + (f", {counts['not_judged']} not judged" if counts["not_judged"] else "")


def _grid(*columns: tuple[str, str]) -> Table:

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1), header_style="dim")
    for name, side in columns:
        table.add_column(
            name, justify="right" if side == "right" else "left", no_wrap=name != "observed"
        )
    return table


def _funnel_table(summary: Summary) -> Table:
    table = _grid(
        ("milestone", "left"), ("here", "left"), ("cycles", "right"), ("of the one before", "right")
    )
    before: int | None = None
    for milestone, label, count in summary.funnel:
        rate = f"{count:,} of {before:,} {count / before:7.1%}" if before else ""
        table.add_row(milestone, label, f"{count:,}", rate)
        before = count
    return table


def _rules_table(summary: Summary) -> Table | None:
    if not summary.broken_rules:
        return None
    table = _grid(("rule", "left"), ("severity", "left"), ("findings", "right"))
    for rule, severity, count in summary.broken_rules:
        table.add_row(rule, severity, f"{count:,}")
    return table


def _checks_table(summary: Summary) -> Table | None:

    if not summary.checks:
        return None
    table = _grid(("check", "left"), ("", "left"), ("observed", "left"))
    for check in summary.checks:
        if check["status"] not in {"passed", "not_judged"}:
            table.add_row(check["check_name"], check["status"], escape(check["message"] or ""))
    return table


def _rows_table(summary: Summary) -> Table:
    table = _grid(
        ("table", "left"), ("read", "right"), ("quarantined", "right"), ("duplicates", "right")
    )
    for name, read, quarantined, duplicates in summary.row_counts:
        table.add_row(name, f"{read:,}", f"{quarantined:,}", f"{duplicates:,}")
    return table
