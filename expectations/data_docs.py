"""Data Docs that need no network: what the checks found, with templates of our own.

Great Expectations' own page loads styles, scripts and pictures from a dozen hosts: behind a
firewall it stays empty, and elsewhere it tells those hosts who looks. The templates beside this
module load nothing. The index has what fails first; each suite has a page with its checks, their
failing cases and history, and its results as Great Expectations renders them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import pass_context
from markupsafe import Markup, escape

from expectations.catalogue import Suite
from expectations.check import Check, Outcome, Status, whole_name, worst_of
from expectations.failing_cases import FailingCase
from expectations.site import Build, Result, Site

_TEMPLATES = Path(__file__).parent / "templates"
# From bad to good.
_STATUSES: dict[Status, str] = {
    "errored": "could not run",
    "blocked": "above the blocking threshold",
    "warned": "above the warning threshold",
    "not_judged": "too few cases",
    "passed": "within the thresholds",
}


@dataclass(frozen=True)
class Square:
    """A build in the history of a check."""

    build_id: str
    as_of: str
    status: Status
    found: str


@dataclass(frozen=True)
class Cell:
    """A value of a failing case; ``url``: its page in the CRM."""

    text: str
    url: str | None = None


@dataclass(frozen=True)
class Cases:
    """Failing cases as a table, and how many ``more`` there are."""

    columns: list[str]
    rows: list[list[Cell]]
    more: int


@dataclass(frozen=True)
class Card:
    """What the pages say of a check: its windows, the whole history first.

    ``histories``: of each window, the squares.
    """

    windows: list[Outcome]
    histories: list[list[Square]]
    cases: Cases | None

    @property
    def worst(self) -> Outcome:
        """The window to talk of."""
        return worst_of(self.windows)

    @property
    def check(self) -> Check:
        """The check, over its first window."""
        return self.windows[0].check

    @property
    def finding(self) -> str:
        """What is wrong, in a few words and figures."""
        worst, check = self.worst, self.worst.check
        if worst.status == "errored":
            return f"{self.check.name} could not run"
        return check.headline_of(worst.observed, worst.failing, worst.cases, worst.said)


class OfflinePageView(DefaultJinjaPageView):
    """Our pages, every text in them escaped.

    Great Expectations (1.24) takes a text in a table or a list for HTML: its templates end in
    ``.j2``, for which it leaves escaping off. Here it is on, and what its filters return is marked
    as the HTML that it is.
    """

    def __init__(self) -> None:
        super().__init__(custom_views_directory=str(_TEMPLATES))
        self.env.autoescape = True
        self.env.trim_blocks = self.env.lstrip_blocks = True

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


def write_pages(
    site: Site,
    suites: Iterable[Suite],
    outcomes: Mapping[str, Outcome],
    cases: Mapping[str, list[FailingCase]],
    results: Mapping[str, ExpectationSuiteValidationResult],
) -> None:
    """Write ``index.html`` and a page per suite into the site's directory.

    ``outcomes`` and ``cases``: by check. ``results``: Great Expectations' own, by suite; one that
    it could not validate has none.
    """
    view = OfflinePageView()
    cards = {suite.name: _cards(site, suite, outcomes, cases) for suite in suites}
    every = [card for listed in cards.values() for card in listed]
    common: dict[str, Any] = {
        "site": site,
        "statuses": _STATUSES,
        "as_of": _moment(site, site.as_of),
    }
    failing = [card for card in every if card.worst.passed is False]
    index = view.env.get_template("index.html").render(
        common,
        **_counted(outcomes.values()),
        failing=sorted(failing, key=_worst_first),
        others={
            name: rest
            for name, listed in cards.items()
            if (rest := [card for card in listed if card.worst.passed is not False])
        },
    )
    (site.directory / "index.html").write_text(index, encoding="utf-8")
    for suite in suites:
        listed = [outcomes[check.name] for check in suite.checks]
        rendered = {}
        if suite.name in results:
            renderer = ValidationResultsPageRenderer()
            rendered = renderer.render(results[suite.name]).to_json_dict()
        page = view.env.get_template("suite.html").render(
            {**rendered, **common}, suite=suite, cards=cards[suite.name], **_counted(listed)
        )
        (site.directory / f"{suite.name}.html").write_text(page, encoding="utf-8")


def _worst_first(card: Card) -> tuple[int, bool, int]:
    """What could not run or blocks first, then what may block, then the most failing cases."""
    worst = card.worst
    rank = list(_STATUSES).index(worst.status)
    return rank, worst.check.blocks_above is None, -worst.failing


def _counted(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """How many checks have which status, and that as a sentence."""
    counts = Counter(outcome.status for outcome in outcomes)
    total = sum(counts.values())
    parts = [f"{counts['errored']} errored"] if counts["errored"] else []
    parts.append(f"{counts['blocked'] or 'none'} blocked")
    parts.append(f"{counts['warned'] or 'none'} warned")
    said = f"{total} check{'' if total == 1 else 's'}: {', '.join(parts)}"
    return {"counts": counts, "said": said}


def _cards(
    site: Site,
    suite: Suite,
    outcomes: Mapping[str, Outcome],
    cases: Mapping[str, list[FailingCase]],
) -> list[Card]:
    """The checks of a suite in order, the two windows of a check together."""
    windows: dict[str, list[Outcome]] = {}
    for check in suite.checks:
        whole = whole_name(check.name)
        windows.setdefault(whole, []).append(outcomes[check.name])
    cards = []
    for listed in windows.values():
        # The latest cases come first, so those of the last days are among those of the history.
        first = next((outcome for outcome in listed if outcome.check.name in cases), None)
        cards.append(
            Card(
                listed,
                [_history(site, outcome) for outcome in listed],
                None if first is None else _table(site, first, cases[first.check.name]),
            )
        )
    return cards


def _history(site: Site, outcome: Outcome) -> list[Square]:
    """A square for each build that ran the check, this one last."""
    name = outcome.check.name
    now = Result(outcome.status, outcome.observed, outcome.cases, outcome.failing)
    builds = [*site.before, Build(site.build_id, site.as_of, {name: now})]
    return [
        Square(
            build.build_id,
            _moment(site, build.as_of),
            result.status,
            f"{outcome.check.shown(result.observed)} ({result.failing:,} of {result.cases:,})",
        )
        for build in builds
        if (result := build.results.get(name)) is not None
        # A former release may have known other ones.
        and result.status in get_args(Status)
    ]


def _moment(site: Site, moment: datetime | None) -> str:
    if moment is None:
        return "unknown"
    local = site.local(moment)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def _table(site: Site, outcome: Outcome, cases: Sequence[FailingCase]) -> Cases:
    """Whose lead it is and since when, then what else is known of a case."""
    check, keys = outcome.check, cases[0].keys
    columns: dict[str, Callable[[FailingCase], Cell]] = {}
    if "lead_id" in keys:
        columns["Lead"] = partial(_key, site, check, column="lead_id")
        columns["Owner"] = lambda case: _cell(site, case.owner or "none")
    if any(case.moment for case in cases):
        columns[_in_words(check.newest_by or "")] = partial(_day, site)
    for name in keys:
        if name not in ("lead_id", "source_system"):
            heading = _in_words(check.unit if name == "measure" else name)
            columns[heading] = partial(_key, site, check, column=name)
    for name in cases[0].beside:
        columns[_in_words(name)] = partial(_beside, site, column=name)
    if "source_system" in keys:
        columns["Source"] = partial(_key, site, check, column="source_system")
    return Cases(
        list(columns),
        [[cell(case) for cell in columns.values()] for case in cases],
        max(outcome.failing - len(cases), 0),
    )


def _key(site: Site, check: Check, case: FailingCase, *, column: str) -> Cell:
    """A key of a case, linked to its page in the CRM where there is one."""
    value = case.keys[column]
    if value is None:
        return _cell(site, None)
    if column == "measure":
        return Cell(check.shown(value))
    source = case.keys.get("source_system")
    url = site.links.address(source, column, str(value)) if site.links else None
    return replace(_cell(site, value), url=url)


def _beside(site: Site, case: FailingCase, *, column: str) -> Cell:
    return _cell(site, case.beside.get(column))


def _day(site: Site, case: FailingCase) -> Cell:
    return Cell(f"{site.local(case.moment):%Y-%m-%d}" if case.moment else "–")


def _cell(site: Site, value: Any) -> Cell:
    return Cell("–" if value is None else site.shown(str(value)))


def _in_words(column: str) -> str:
    """A column as a heading: ``handed_off_at`` is *Handed off*."""
    for ending in ("_at", "_id", "_number"):
        column = column.removesuffix(ending)
    return column.replace("_", " ").capitalize().replace("Sla", "SLA")
