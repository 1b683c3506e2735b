"""Data Docs that need no network: Great Expectations' results with templates of our own.

Its own page loads styles, scripts and pictures from a dozen hosts: behind a firewall it stays
empty, and elsewhere it tells those hosts who looks. The templates beside this module load nothing,
and the index lists every check with what it found.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import Environment, FileSystemLoader, pass_context
from markupsafe import Markup, escape

from expectations.check import Outcome

_TEMPLATES = Path(__file__).parent / "templates"

_MEANING = {
    "errored": "errored: could not run",
    "blocked": "blocked: hold the publication back",
    "warned": "warned",
    "not_judged": "not judged: too few cases",
    "passed": "passed",
}


class OfflinePageView(DefaultJinjaPageView):
    """The results of a suite, in ``page.html``, every text in them escaped.

    Great Expectations (1.24) takes a text in a table or a list for HTML: its templates end in
    ``.j2``, for which it leaves escaping off. Here it is on, and what its filters return is marked
    as the HTML that it is.
    """

    _template = "page.html"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "custom_views_directory": str(_TEMPLATES)})
        self.env.autoescape = True

    @pass_context
    def render_content_block(
        self, jinja_context: Any, content_block: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """A part of the page; a text stays one, for the template to escape, and in its place.

        Signs that can't be seen are written out: one may turn the direction of a text.
        """
        if isinstance(content_block, str):
            return content_block if content_block.isprintable() else repr(content_block)[1:-1]
        if isinstance(content_block, list):
            parts = [
                self.render_content_block(jinja_context, part, *args, **kwargs)
                for part in content_block
            ]
            return Markup().join(parts)
        rendered = super().render_content_block(jinja_context, content_block, *args, **kwargs)
        is_html = isinstance(content_block, dict) and "content_block_type" in content_block
        return Markup(rendered) if is_html else rendered

    def render_string_template(self, template: Any) -> Any:
        """A text with parameters, which Great Expectations escapes, unlike the text itself."""
        if not isinstance(template, dict):
            return template
        text = str(escape(template.get("template", "")))
        return Markup(super().render_string_template({**template, "template": text}))

    def render_styling(self, styling: Any) -> Markup:
        """Attributes of a tag."""
        return Markup(super().render_styling(styling))

    def attributes_dict_to_html_string(self, attributes_dict: Any, prefix: str = "") -> Markup:
        """Attributes of a tag."""
        return Markup(super().attributes_dict_to_html_string(attributes_dict, prefix))


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
