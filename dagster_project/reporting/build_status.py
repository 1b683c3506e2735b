"""Everything that is known of a build, and of what is published: what ``handoff status`` shows.

The summary at the end of a run is the short form of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.text import Text

from dagster_project.config.warehouse import PUBLISHED_FILE
from dagster_project.reporting.build_figures import BuildFigures, last_build
from dagster_project.reporting.console import Section, grid, listed, status, titled
from dagster_project.reporting.pages import DEFINITIONS_PAGE, HELD_BACK_PAGE, REPORT_PAGE
from dagster_project.reporting.run_summary import (
    check_counts,
    counts_text,
    finding,
    funnel_table,
    how_much_was_judged,
    noticed,
    quarantined,
)
from dagster_project.running.audit import DATA_DOCS_DIRECTORY
from dagster_project.running.publishing import (
    PARQUET_DIRECTORY,
    PUBLISHED_DIRECTORY,
    blocking_failures,
    build_manifest,
    builds,
    notices,
    published_manifest,
    without_leads,
)


def published_lines(output: Path) -> list[tuple[str, str]]:
    """What is published and what there is to open, as names and texts."""
    return [("output", str(output)), *_published(published_manifest(output)), *places(output)]


def status_page(output: Path) -> RenderableType:
    """Which builds are kept, and everything that the last one found, published or not."""
    manifest = published_manifest(output)
    try:
        figures, is_held = last_build(output), False
    except duckdb.IOException:
        figures, is_held = None, True
    sections: list[Section] = []
    if kept := builds(output):
        sections.append(("Kept builds", _kept(output, kept, manifest)))
    if is_held:
        sections.append(
            (Text("A run is writing here; what it finds shows when it has ended"), None)
        )
    is_published = bool(manifest and figures and figures.build["build_id"] == manifest["build_id"])
    if manifest and not is_published:
        sections += _of_manifest(manifest)
    if figures and not is_published:
        sections.append(_last_build(output, figures, manifest))
    if figures:
        sections += _sections(figures)
    if manifest:
        rows = [(name, f"{count:,}") for name, count in manifest["row_counts"].items()]
        sections.append(("Published rows", grid(["mart", ">rows"], rows)))
    return titled(sections)


def long_summary(output: Path) -> RenderableType | None:
    """Everything that the last build found; None where it was not audited."""
    figures = last_build(output)
    return titled(_sections(figures)) if figures else None


def places(output: Path) -> Iterator[tuple[str, str]]:
    """What there is to open of what is published, and of the last audit: name and path."""
    published = output / PUBLISHED_DIRECTORY
    if (published / PUBLISHED_FILE).is_file():
        has_parquet = any((published / PARQUET_DIRECTORY).glob("*.parquet"))
        beside = f", {PARQUET_DIRECTORY}/ beside it" if has_parquet else ""
        yield "marts", f"{_from_here(published / PUBLISHED_FILE)}{beside}"
    report, definitions = published / REPORT_PAGE, published / DEFINITIONS_PAGE
    if report.is_file():
        beside = f", {definitions.name} beside it" if definitions.is_file() else ""
        yield "report", f"{_from_here(report)}{beside}"
    if (output / HELD_BACK_PAGE).is_file():
        yield "why not", str(_from_here(output / HELD_BACK_PAGE))
    if (output / DATA_DOCS_DIRECTORY / "index.html").is_file():
        yield "checks", str(_from_here(output / DATA_DOCS_DIRECTORY / "index.html"))


def _from_here(path: Path) -> Path:
    """A path as short as it can be typed: from the working directory, where it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def where_to_look(output: Path, *, is_published: bool) -> list[str]:
    """The last lines of a run that was audited: what readers get now, and what to open."""
    manifest = published_manifest(output)
    build = f"build {manifest['build_id']}, as of {manifest['as_of']}" if manifest else ""
    if not is_published:
        before = f"; readers keep {build}" if build else ", and nothing was before"
        first = [f"Nothing was published{before}"]
    elif blocking := len(blocking_failures(manifest or {})):
        checks = "a check blocks" if blocking == 1 else f"{blocking} checks block"
        first = [f"Published although {checks} (--audit warn):", f"  {build}"]
    else:
        first = [f"Published {build}"]
    shown = [place for place in places(output) if is_published or place[0] in ("why not", "checks")]
    width = max((len(name) for name, _ in shown), default=0)
    return [*first, *(f"  {name:<{width}}  {path}" for name, path in shown)]


def _published(manifest: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if manifest is None:
        yield "published", "nothing is published yet (handoff run)"
        return
    yield "build", manifest["build_id"]
    yield "as of", manifest["as_of"]
    yield "published", manifest["published_at"]
    if manifest.get("rolled_back_from"):
        yield "", f"rolled back from {manifest['rolled_back_from']}"
    yield "tradition", f"{manifest['tradition']}, acceptance {manifest['acceptance_mode']}"
    yield "audit", manifest["audit_mode"]
    for line in notices(manifest):
        yield "", line


def _kept(output: Path, kept: list[str], manifest: Mapping[str, Any] | None) -> RenderableType:
    rows = []
    for build_id in reversed(kept):
        own = build_manifest(output, build_id)
        is_current = manifest is not None and manifest["build_id"] == build_id
        rows.append((build_id, own.get("as_of"), "published" if is_current else "kept"))
    return grid(["build", "as of", ""], rows)


def _of_manifest(manifest: Mapping[str, Any]) -> list[Section]:
    """What the published build found, where the warehouse holds another by now."""
    checks = [*manifest["checks"], *manifest.get("data_tests", [])]
    title = Text("Checks of the published build: ", style="bold")
    title.append_text(counts_text(check["status"] for check in manifest["checks"]))
    notes = [("noted", noticed(note)) for note in manifest.get("notes", [])]
    return [
        (title, _not_passing(checks)),
        *([("Noticed in the published build", listed(notes))] if notes else []),
    ]


def _last_build(output: Path, figures: BuildFigures, manifest: Mapping[str, Any] | None) -> Section:
    """The last build where another one is published, or none: which it is, and why."""
    build_id = figures.build["build_id"]
    title = Text("The last build is not published: ", style="bold red").append(build_id)
    found = {"checks": figures.checks, "data_tests": figures.data_tests}
    causes = [("error", cause) for cause in without_leads(output)[:1]]
    causes += [("blocked", name) for name in blocking_failures(found)]
    if build_id in builds(output):
        own, served = build_manifest(output, build_id), manifest or {}
        if served.get("rolled_back_from") == build_id:
            kept = "it was rolled back"
        # Its manifest is ready before the switch, so what it was to replace may still be served.
        elif "published_at" not in own or own.get("replaces") == served.get("build_id"):
            kept = f"its run ended before it was published; rollback --to {build_id} publishes it"
        else:
            kept = "it is kept, an earlier one is published"
        causes = [("", kept)]
    return title, listed(causes or [("", "its run ended before it was published")])


def _not_passing(checks: list[dict[str, Any]]) -> RenderableType | None:
    """Each check that does not pass, those that block first."""
    order = ("blocked", "errored", "warned")
    rows = [
        (check["status"], f"{check['check_name']}: {check['message']}")
        for check in sorted(checks, key=lambda check: check["check_name"])
        if check["status"] in order
    ]
    rows.sort(key=lambda row: order.index(row[0]))
    return listed(rows) if rows else None


def _sections(figures: BuildFigures) -> list[Section]:
    broken = [
        (row["rule"], status(row["severity"]), f"{row['findings']:,}")
        for row in figures.broken_rules
    ]
    read = [
        (
            row["table_name"],
            *(f"{row[name]:,}" for name in ("rows_read", "rows_quarantined", "exact_duplicates")),
        )
        for row in figures.rows_read
    ]
    stands_out = listed(line for row in figures.stands_out for line in finding(row))
    return [
        (
            "What stands out",
            Group(
                stands_out if figures.stands_out else Text("nothing"),
                Text(how_much_was_judged(figures), style="dim"),
            ),
        ),
        ("", funnel_table(figures.funnel)),
        (check_counts(figures), _not_passing([*figures.checks, *figures.data_tests])),
        *([("Broken rules", grid(["rule", "severity", ">findings"], broken))] if broken else []),
        *_texts("Noticed", ((note["severity"], noticed(note)) for note in figures.noticed)),
        *_texts("In quarantine", (("", quarantined(note)) for note in figures.quarantined)),
        ("Rows", grid(["table", ">read", ">quarantined", ">duplicates"], read)),
    ]


def _texts(title: str, rows: Iterable[tuple[str, str]]) -> list[Section]:
    shown = [*rows]
    return [(title, listed(shown))] if shown else []
