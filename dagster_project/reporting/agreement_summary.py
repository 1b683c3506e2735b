"""The definitions of a published build in short, for the console."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from rich.console import Group, RenderableType

from dagster_project.reporting.console import facts, grid, titled
from dagster_project.reporting.pages.marts import Marts, Row, open_marts


def summary(published_file: Path) -> RenderableType:
    """What milestones are called, by which stages they are reached and whose these are; metrics."""
    with open_marts(published_file) as marts:
        [build] = marts.rows("from build_info")
        stages = marts.rows("from dim_stages order by path_order, stage")
        sections = [
            ("Milestones", _milestones(marts, stages)),
            ("Exits", _exits([stage for stage in stages if stage["is_exit"]])),
            ("Metrics", _metrics(marts)),
        ]
    return Group(_head(build), titled(sections))


def _head(build: Row) -> RenderableType:
    version = "no version in force"
    if build["definition_version"] is not None:
        version = f"version {build['definition_version']}, since {build['definition_valid_from']}"
    return facts(
        [
            ("definitions", version),
            ("tradition", f"{build['tradition_label']} ({build['tradition']})"),
            (
                "acceptance",
                f"{build['acceptance_mode']}, window {build['acceptance_window_hours']:g} h",
            ),
            ("build", f"{build['build_id']}, as of {build['as_of']:%Y-%m-%d %H:%M} UTC"),
        ]
    )


def _milestones(marts: Marts, stages: list[Row]) -> RenderableType:
    rows = []
    for row in marts.rows("from dim_milestones order by milestone_rank"):
        own = [stage for stage in stages if stage["milestone"] == row["milestone"]]
        reached_by = _listed(stage["stage_label"] for stage in own)
        if not own and row["counted_as"] not in (None, row["milestone"]):
            reached_by = f"counted as {row['counted_as']}"
        teams = _listed(stage["owner_team"] for stage in own)
        rows.append((row["milestone"], row["milestone_label"], reached_by, teams))
    return grid(["milestone", "here", "stages", "queue"], rows)


def _exits(stages: list[Row]) -> RenderableType:
    by_kind = groupby(
        sorted(stages, key=lambda row: row["exit_kind"]), lambda row: row["exit_kind"]
    )
    return grid(
        ["kind", "stages"],
        [(kind, _listed(stage["stage_label"] for stage in listed)) for kind, listed in by_kind],
    )


def _metrics(marts: Marts) -> RenderableType:
    rows = marts.rows("select metric, label, mart from metric_catalog order by mart, metric")
    return grid(["metric", "called", "mart"], [tuple(row.values()) for row in rows])


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(name for name in names if name))
