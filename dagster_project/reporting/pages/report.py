"""Writes the report of a build: one page that works from a disk, a mail or a share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.config.locations import handoff_home
from dagster_project.config.warehouse import PUBLISHED_FILE
from dagster_project.reporting.pages.charts import CONFIG, drawing_library
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.heading import heading
from dagster_project.reporting.pages.marts import open_marts
from dagster_project.reporting.pages.page import asset, page_data, render
from dagster_project.reporting.pages.sections import sections
from dagster_project.reporting.pages.sections.data_quality import CHECKS, HISTORY
from dagster_project.reporting.pages.words import FEWEST_CASES, NOTHING, TOO_FEW


@dataclass(frozen=True)
class _Choice:
    """A filter as the page offers it: labels with the codes that each stands for."""

    name: str
    label: str
    choices: list[tuple[str, list[int]]]
    note: str = ""


def write_report(
    build: Path,
    manifest: Mapping[str, Any],
    target: Path,
    cache: Path | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the report of a build to a file.

    ``manifest``: what the build's manifest says, or will say; ``cache``: where the library that
    draws charts is kept, in the home by default; ``history``: what the checks found in the last
    builds, as ``check_history`` reads it.
    """
    library = drawing_library(cache or handoff_home() / "cache" / "pages")
    with open_marts(build / PUBLISHED_FILE, manifest.get("currency")) as marts:
        marts.add(CHECKS, _checks(manifest))
        marts.add(HISTORY, history)
        cubes = Cubes(marts)
        found = list(sections(marts, cubes))
        data = page_data(found, CONFIG) | {
            "fewest_cases": FEWEST_CASES,
            "too_few": TOO_FEW,
            "nothing": NOTHING,
        }
        page = render(
            "report.html",
            scripts=(library, asset("report.js")),
            head=heading(marts, manifest),
            sections=found,
            tiles=[tile for section in found for tile in section.tiles],
            filters=[item for item in _choices(cubes) if len(item.choices) > 1],
            data=data,
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(target)


def _checks(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The checks, and the tests of the data that did not pass."""
    failed = [test for test in manifest.get("data_tests", ()) if test["status"] != "passed"]
    return [*manifest.get("checks", ()), *failed]


def _choices(cubes: Cubes) -> list[_Choice]:
    choices = [
        _Choice(
            item.name,
            item.label,
            sorted(
                ((label, [code]) for code, label in enumerate(item.values)),
                # What is grouped comes last.
                key=lambda choice: (
                    choice[1] == [len(item.values) - 1] and item.grouped > 0,
                    choice,
                ),
            ),
            note=f"{item.label}: the {len(item.values) - 1:,} with the most cycles; "
            f"{item.grouped:,} are one."
            if item.grouped
            else "",
        )
        for item in cubes.filters
    ]
    return [*choices, _Choice("period", "Period", _periods(cubes))]


def _periods(cubes: Cubes) -> list[tuple[str, list[int]]]:
    """Quarters and, where there are, months, newest first; what is older than these is one.

    Of a single period, which is its quarter, too, there is nothing to choose.
    """
    if len(cubes.periods) + cubes.has_older < 2:
        return []
    quarters: dict[str, list[int]] = {}
    for code, start in enumerate(cubes.periods):
        quarters.setdefault(f"{start.year} Q{(start.month + 2) // 3}", []).append(code)
    months = [
        (f"{start:%B %Y}", [code])
        for code, start in enumerate(cubes.periods)
        if cubes.period == "month"
    ]
    return [
        *quarters.items(),
        *months,
        *([("before", [len(cubes.periods)])] if cubes.has_older else []),
    ]
