"""The page of a build that was held back: why, what is served instead, and what to do.

It lies beside what is published, in ``held_back/``, since nothing of such a build is published,
and goes when a later build is.
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.config.warehouse import QUALITY_SCHEMA, connect, records, warehouse_path
from dagster_project.reporting.pages import HELD_BACK_PAGE, REPORT_PAGE
from dagster_project.reporting.pages.heading import STOPPING, TELLING, check_counts, noticed
from dagster_project.reporting.pages.page import render
from dagster_project.reporting.pages.section import Link, Points, Text, text
from dagster_project.running import publishing
from dagster_project.running.audit import DATA_DOCS_DIRECTORY
from expectations.check import whole_name


def write_held_back(
    output: Path, build_id: str, data_tests: Sequence[Mapping[str, Any]] = ()
) -> Path | None:
    """Write the page of a build if its audit held it back; returns its path, else None.

    ``data_tests``: how dbt's ended, as the manifest lists checks. For whoever holds the output.
    Raises ``OSError`` and ``duckdb.Error``.
    """
    if build_id in publishing.builds(output) or not warehouse_path(output).is_file():
        return None
    audited = _rows(output, "check_results", "where build_id = ? order by check_name", build_id)
    stopping = [check for check in (*audited, *data_tests) if check["status"] in STOPPING]
    causes = publishing.without_leads(output, build_id.rpartition("-")[2])
    if not stopping and not causes:
        return None
    served = publishing.published_manifest(output)
    page = render(
        "held_back.html",
        build_id=build_id,
        as_of=audited[0]["as_of"] if audited else None,
        cause=causes[0] if causes else "",
        counts=check_counts(audited),
        stopping=Points(tuple(_point(output, check) for check in stopping)),
        noticed=[
            (noticed(note), note["what_to_do"] or "")
            for note in _rows(output, "notes", f"order by {publishing.NOTES_ORDER}")
            if note["severity"] in TELLING
        ],
        served=served,
        served_as_of=datetime.fromisoformat(served["as_of"]) if served else None,
        links=_links(output),
    )
    target = output / HELD_BACK_PAGE
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(target)
    return target


def forget_held_back(output: Path) -> None:
    """Remove the page: a later build is published."""
    shutil.rmtree((output / HELD_BACK_PAGE).parent, ignore_errors=True)


def _rows(output: Path, table: str, rest: str, *values: str) -> list[dict[str, Any]]:
    """Rows of a table of the audit; none where the run did not get that far."""
    with connect(warehouse_path(output), read_only=True) as connection:
        try:
            return records(connection, f"select * from {QUALITY_SCHEMA}.{table} {rest}", values)
        except duckdb.CatalogException:
            return []


def _point(output: Path, check: Mapping[str, Any]) -> tuple[str, Text, str]:
    """The status, what was expected and found, and what to do by whom."""
    expected = check.get("description") or f"Every row of {check['table_name']} passes."
    name = check["check_name"]
    # Tests of the data have no page.
    page = Path(DATA_DOCS_DIRECTORY, f"{check.get('suite')}.html")
    # A check's windows share an entry.
    place = f"../{page.as_posix()}#{whole_name(name)}"
    named = Link(name, place) if (output / page).is_file() else name
    told = text(f"{expected} Found: {check['message']} (", named, ")")
    owner = check.get("owner") or "data"
    return check["status"], told, f"{check.get('runbook') or 'Look at the rows.'} Owner: {owner}."


def _links(output: Path) -> list[Link]:
    """What there is to open, from the page's own directory."""
    places = {
        "Failing leads, owners and history of each check": Path(DATA_DOCS_DIRECTORY, "index.html"),
        "The report that is still served": Path(publishing.PUBLISHED_DIRECTORY, REPORT_PAGE),
    }
    return [
        Link(label, f"../{place.as_posix()}")
        for label, place in places.items()
        if (output / place).is_file()
    ]
