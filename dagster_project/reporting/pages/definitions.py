"""``report/definitions.html``: the page that marketing and sales sign.

It says what every milestone, tier, reason, metric, rule and check of a build means, as the policy
had it when the build was made. It lies with the build and is never written again.
"""

from collections.abc import Sequence
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import BuildError
from dagster_project.reporting.agreement import Agreement, anchor, read_agreement
from dagster_project.reporting.pages import DEFINITIONS_PAGE
from dagster_project.reporting.pages.page import render
from dagster_project.reporting.policy_changes import Change, read_policy, write_policy
from expectations.check import Check

# Raw names of a stage or wordings of a reason that the page lists; the rest is counted.
MOST_NAMES = 40

_NBSP = "\u00a0"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def write_definitions(
    build_directory: Path, warehouse: DuckDBPyConnection, checks: Sequence[Check]
) -> Path:
    """Write the page, and ``policy.json`` beside the build; returns the page's path.

    ``warehouse``: a connection to the warehouse that holds the build. ``checks``: with the limits
    that ``handoff.yml`` sets. Raises ``BuildError`` when the disk is full.
    """
    agreement = read_agreement(warehouse, checks)
    page = build_directory / DEFINITIONS_PAGE
    try:
        changes = write_policy(build_directory, agreement.build, read_policy(warehouse, checks))
        page.parent.mkdir(exist_ok=True)
        page.write_text(definitions_page(agreement, changes), encoding="utf-8")
    except OSError as error:
        raise BuildError(f"writing {page} failed: {error}") from error
    return page


def definitions_page(agreement: Agreement, changes: Sequence[Change] = ()) -> str:
    """The page as HTML. ``changes``: against the builds before, newest first."""
    beside = [row["watch"] for row in (*agreement.rules, *agreement.diagnostics)]
    other = {
        suite: [watch for watch in watches if watch not in beside]
        for suite, watches in agreement.watches.items()
    }
    return render(
        "definitions.html",
        agreement=agreement,
        build=agreement.build,
        changes=changes,
        labels={row["milestone"]: row["milestone_label"] for row in agreement.milestones},
        metrics={row["metric"] for row in agreement.metrics},
        business_checks=[
            watch for watches in other.values() for watch in watches if not watch.is_about_data
        ],
        data_checks={
            suite: about_data
            for suite, watches in other.items()
            if (about_data := [watch for watch in watches if watch.is_about_data])
        },
        anchor=anchor,
        elapsed=elapsed,
        limit=limit,
        most_names=MOST_NAMES,
    )


def elapsed(seconds: float | None) -> str:
    """A length of time in the largest unit that it is a whole number of; days from three on."""
    if seconds is None:
        return "–"
    for size, unit, least in ((_DAY, "day", 3), (_HOUR, "hour", 1), (_MINUTE, "minute", 0)):
        if seconds % size == 0 and seconds >= least * size:
            count = int(seconds // size)
            return f"{count:,}{_NBSP}{unit}{'' if count == 1 else 's'}"
    return f"{seconds / _MINUTE:g}{_NBSP}minutes"


def limit(value: float | None, unit: str) -> str:
    """A number with its unit: ``20 %``, ``3 days``; without one where there is none to name."""
    if value is None:
        return "never"
    if unit in {"share", "ratio", "load", "percent"}:
        return f"{value * (1 if unit == 'percent' else 100):.6g}{_NBSP}%"
    if unit in {"index", "version"}:
        return f"{value:g}"
    return f"{value:g}{_NBSP}{unit.removesuffix('s') if value == 1 else unit}"
