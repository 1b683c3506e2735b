"""What a section of a page is made of. Sections fill these; the templates show them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dagster_project.reporting.pages.cube import MOST_VALUES, Breakdown
from dagster_project.reporting.pages.marts import Row
from dagster_project.reporting.pages.words import Kind, plain, shown


@dataclass(frozen=True)
class Value:
    """A number in a sentence, which a filter changes: one measure of one row of a breakdown."""

    breakdown: Breakdown
    key: tuple[str, ...]
    measure: str

    @property
    def row(self) -> str:
        """The key as the page names it."""
        return "|".join(self.key)

    def __str__(self) -> str:
        row = self.breakdown.row(*self.key)
        kind = next(m.kind for m in self.breakdown.measures if m.name == self.measure)
        return shown(row[self.measure], kind, row.get(f"{self.measure}_cases"))


@dataclass(frozen=True)
class Link:
    """A place to look at, in a sentence or alone; ``href`` is relative to the page."""

    label: str
    href: str

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Only:
    """A part of a sentence that is true under some filters alone, since they fix what it names.

    ``when``: ``all``: no filter is set; ``filtered``: one is; ``any_time``: none of the period is;
    ``period``: one of the period is.
    """

    when: Literal["all", "filtered", "any_time", "period"]
    parts: tuple[str | Value, ...]

    @property
    def is_at_first(self) -> bool:
        """Whether it is said when the page opens, without a filter."""
        return self.when in {"all", "any_time"}

    def __str__(self) -> str:
        return "".join(map(str, self.parts)) if self.is_at_first else ""


# A sentence: texts and numbers in turn.
Text = tuple[str | Value | Link | Only, ...]


def text(*parts: str | Value | Link | Only) -> Text:
    """A sentence of texts and numbers."""
    return parts


def said(sentence: Text) -> str:
    """A sentence as plain text, for all leads."""
    return "".join(map(str, sentence))


# Columns that a phone has room for.
_SIDE_BY_SIDE = 3


@dataclass(frozen=True)
class Squares:
    """A cell with a square for each build: its status, and what it was. ``words``: of all."""

    marks: tuple[tuple[str, str], ...]
    words: str


@dataclass(frozen=True)
class Column:
    """A column of a table: ``name`` is the field of its rows.

    ``link``: the field with an anchor of the definitions page that explains the row. ``is_long``:
    its texts are sentences, which need room on a phone.
    """

    name: str
    label: str
    kind: Kind = "text"
    # The field with what a share is of; below the fewest cases it reads "too few".
    cases: str | None = None
    link: str | None = None
    is_long: bool = False

    @property
    def is_number(self) -> bool:
        return self.kind not in {"text", "date", "squares"}

    def shown(self, row: Row) -> str:
        """The cell of a row."""
        return shown(row.get(self.name), self.kind, row.get(self.cases) if self.cases else None)


@dataclass(frozen=True)
class Table:
    """A table; with a breakdown its numbers follow the filters, else ``rows`` are as given.

    Of more rows than a page should list the first are shown and the rest is counted. What is
    folded opens with a click.
    """

    caption: Text
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    breakdown: Breakdown | None = None
    note: str = ""
    is_folded: bool = False

    @property
    def is_stacked(self) -> bool:
        """Whether a phone shows the cells of a row below each other, since they have no room."""
        return len(self.columns) > _SIDE_BY_SIDE

    @property
    def all_rows(self) -> list[Row]:
        return self.breakdown.filled if self.breakdown else list(self.rows)

    @property
    def shown_rows(self) -> list[Row]:
        return self.all_rows[:MOST_VALUES]

    @property
    def left_out(self) -> int:
        return len(self.all_rows) - len(self.shown_rows)


@dataclass(frozen=True)
class Chart:
    """A chart: its heading is its finding, ``subtitle`` says what is drawn, with units.

    ``spec``: a Vega-Lite specification over the data named ``rows``, as ``charts.specification``
    makes it. The table has the same data. ``cases``: the field of a row with what its rates are of;
    rows below the fewest cases are in the table only, and without others nothing is drawn.
    ``total``: a field whose sum over all rows has to be as many, where each row may be few.
    ``legend``: what each colour stands for, in the order of the colours; a legend of Vega's own
    does not wrap on a phone.
    """

    name: str
    finding: Text
    subtitle: str
    spec: dict[str, Any]
    table: Table
    cases: str | None = None
    total: str | None = None
    legend: tuple[str, ...] = ()

    @property
    def data(self) -> list[Row]:
        """The rows as the chart reads them."""
        return [{name: plain(value) for name, value in row.items()} for row in self.table.all_rows]


@dataclass(frozen=True)
class Points:
    """Sentences in order, each with what to do and a mark such as "act"."""

    points: tuple[tuple[str, Text, str], ...]


@dataclass(frozen=True)
class Tile:
    """A key figure for the top of the page."""

    label: str
    value: Value | str
    note: Text
    anchor: str = ""


Part = Chart | Table | Points


@dataclass(frozen=True)
class Section:
    """A part of a page that answers one question.

    ``title``: its fixed word in the table of contents; ``finding``: what the numbers say;
    ``marts``: where they are from; ``definitions``: anchors of the definitions page;
    ``is_filtered``: whether all its numbers follow the filters.
    """

    anchor: str
    title: str
    finding: Text
    parts: tuple[Part, ...] = ()
    marts: tuple[str, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    tiles: tuple[Tile, ...] = ()
    is_filtered: bool = False
    note: str = ""

    def charts(self) -> Iterator[Chart]:
        """Its charts."""
        return (part for part in self.parts if isinstance(part, Chart))

    def breakdowns(self) -> Iterator[Breakdown]:
        """All breakdowns that its numbers come from; one may come twice."""
        yield from _in_text(self.finding)
        for tile in self.tiles:
            yield from _in_text((tile.value, *tile.note))
        for part in self.parts:
            if isinstance(part, Points):
                for _, sentence, _ in part.points:
                    yield from _in_text(sentence)
                continue
            table = part.table if isinstance(part, Chart) else part
            yield from _in_text(part.finding if isinstance(part, Chart) else part.caption)
            if table.breakdown:
                yield table.breakdown


def _in_text(sentence: Text) -> Iterator[Breakdown]:
    for part in sentence:
        if isinstance(part, Value):
            yield part.breakdown
        elif isinstance(part, Only):
            yield from _in_text(part.parts)
