"""Data Docs that need no network: Great Expectations' results with templates of our own.

Its own page loads styles, scripts and pictures from a dozen hosts: behind a firewall it stays
empty, and elsewhere it tells those hosts who looks. The templates beside this module load nothing,
and the index lists every check with what it found.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import Environment, FileSystemLoader

from expectations.check import Outcome

_TEMPLATES = Path(__file__).parent / "templates"

_MEANING = {
    "errored": "could not run",
    "blocked": "block the publication",
    "warned": "warn",
    "not_judged": "not judged: too few cases",
    "passed": "pass",
}


class OfflinePageView(DefaultJinjaPageView):
    """The results of a suite, in ``page.html``."""

    _template = "page.html"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "custom_views_directory": str(_TEMPLATES)})


def site_configuration(directory: Path) -> dict[str, Any]:
    """How Great Expectations writes its pages into ``directory``: one of results per suite."""
    view = {"module_name": __name__, "class_name": OfflinePageView.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(directory.resolve()),
        },
        "site_section_builders": {
            "expectations": "None",
            "validations": {"view": view},
            "profiling": "None",
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def write_index(directory: Path, outcomes: list[Outcome], run_name: str | None) -> None:
    """Write ``index.html``: what fails first, then the other checks, by suite."""
    statuses = list(_MEANING)
    groups: dict[str, list[Outcome]] = {"To look at": []}
    for outcome in sorted(outcomes, key=lambda item: statuses.index(item.status)):
        if outcome.passed is False:
            groups["To look at"].append(outcome)
    for outcome in outcomes:
        if outcome.passed is not False:
            groups.setdefault(outcome.check.suite, []).append(outcome)
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    page = environment.get_template("checks.html").render(
        run_name=run_name,
        meaning=_MEANING,
        counts=Counter(outcome.status for outcome in outcomes),
        groups={title: listed for title, listed in groups.items() if listed},
        pages={
            page.relative_to(directory / "validations").parts[0]: page.relative_to(directory)
            for page in (directory / "validations").rglob("*.html")
        },
    )
    (directory / "index.html").write_text(page, encoding="utf-8")
