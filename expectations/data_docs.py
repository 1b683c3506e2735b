"""Data Docs that read well without a network: Great Expectations' pages in a dress of their own.

Its own templates load styles, scripts and pictures from a dozen hosts; behind a firewall their
index stays empty, and elsewhere it tells those hosts who looks. So its pages are rendered with the
templates beside this module, and the index lists every check with what it found.
"""

from pathlib import Path
from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, select_autoescape

from expectations.observation import Observation

TEMPLATES = Path(__file__).parent / "templates"

_MEANING = {
    "errored": "could not run",
    "blocked": "block the publication",
    "warned": "warn",
    "passed": "pass",
}


class OfflinePageView(DefaultJinjaPageView):
    """A page with the templates beside this module in place of Great Expectations' own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        own = FileSystemLoader(TEMPLATES)
        self.env.loader = ChoiceLoader([own, self.env.loader] if self.env.loader else [own])


def site_configuration(directory: Path) -> dict[str, Any]:
    """How Great Expectations writes its pages into ``directory``."""
    view = {"module_name": __name__, "class_name": OfflinePageView.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(directory.resolve()),
        },
        "site_section_builders": {
            "expectations": {"view": view},
            "validations": {"view": view},
            "profiling": "None",
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def write_index(directory: Path, observations: list[Observation], run_name: str | None) -> None:
    """Write ``index.html``: what fails first, then the checks that pass, by suite."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(["html"])
    )
    failing = sorted(
        (item for item in observations if item.status != "passed"),
        key=lambda item: list(_MEANING).index(item.status),
    )
    groups = [{"title": "To look at", "rows": [_row(directory, item) for item in failing]}]
    for suite in dict.fromkeys(item.suite for item in observations):
        passed = [item for item in observations if item.suite == suite and item.status == "passed"]
        groups.append({"title": suite, "rows": [_row(directory, item) for item in passed]})
    page = environment.get_template("checks.html").render(
        run_name=run_name,
        meaning=_MEANING,
        counts={status: sum(item.status == status for item in observations) for status in _MEANING},
        groups=[group for group in groups if group["rows"]],
    )
    (directory / "index.html").write_text(page, encoding="utf-8")


def _row(directory: Path, item: Observation) -> dict[str, str | None]:
    """One line of the index."""
    check = item.check
    page = next((directory / "validations" / item.suite).rglob("*.html"), None)
    blocks = check.severity == "error" and check.block is not None
    return {
        "status": item.status,
        "name": check.name,
        "page": page.relative_to(directory).as_posix() if page else None,
        "description": check.description,
        "window": check.window.capitalize(),
        "problem": item.problem,
        "runbook": None if item.status == "passed" else check.runbook,
        "observed": check.shown(item.observed),
        "share": f"{item.failing:,} of {item.cases:,}",
        "warn": check.shown(check.warn),
        "block": check.shown(check.block) if blocks else "never",
        "owner": check.owner,
    }
