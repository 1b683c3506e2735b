"""Tables for the console: columns of text without lines, and titles above them."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dagster_project.config.plain_text import on_one_line, printable

# A title and what stands below it.
Section = tuple[str | Text, RenderableType | None]

# What a status or a severity looks like where there are colours.
_STYLES = {
    "passed": "green",
    "warned": "yellow",
    "warning": "yellow",
    "watch": "yellow",
    "act": "bold yellow",
    "blocked": "bold red",
    "errored": "bold red",
    "error": "red",
    "ok": "green",
}


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]], *, cut: bool = False) -> Table:
    """A table of plain cells, whatever signs they hold; columns without any text are left out.

    A column whose name begins with ``>`` holds figures, aligned to the right. The first column and
    figures stay on one line, other cells wrap; with ``cut`` the last one ends where the line does.
    Without names there is no header.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    filled = [at for at in range(len(columns)) if any(row[at].plain for row in cells)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.show_header, table.expand = any(columns), cut
    for at in filled:
        is_figure = columns[at].startswith(">")
        is_last = at == filled[-1]
        table.add_column(
            columns[at].removeprefix(">"),
            width=max(row[at].cell_len for row in cells) if cut and not is_last else None,
            ratio=1 if cut and is_last else None,
            justify="right" if is_figure else "left",
            no_wrap=is_figure or at == 0 or cut,
            overflow="ellipsis" if cut else "fold",
        )
    for row in cells:
        table.add_row(*(row[at] for at in filled))
    return table


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text("" if cell is None else printable(str(cell)))


def status(word: str) -> Text:
    """A status or a severity, in its colour."""
    return Text(word.replace("_", " "), style=_STYLES.get(word, ""))


def listed(rows: Iterable[tuple[str, str]], *, cut: bool = False) -> Table:
    """Texts with the status that each has; with ``cut`` a line each, however long they are."""
    shown = ((status(word), on_one_line(text)) for word, text in rows)
    return grid(["", ""], shown, cut=cut)


def facts(lines: Iterable[tuple[str, str]]) -> Table:
    """Names and what is known of them, one a line; what is not known is left out."""
    return grid(["", ""], [(Text(name, style="dim"), text) for name, text in lines if text])


def titled(sections: Iterable[Section], *, apart: bool = True) -> Group:
    """Sections below each other, with their titles; ``apart``: with an empty line between them.

    One without a title says itself what it is.
    """
    parts: list[RenderableType] = []
    for title, body in sections:
        parts += [Text("")] if apart else []
        if title:
            parts += [title if isinstance(title, Text) else Text(title, style="bold")]
        if body is not None:
            parts += [Padding(body, (0, 0, 0, 2), expand=False) if title else body]
    return Group(*parts)


def lines_of(texts: Iterable[str], width: int) -> int:
    """How many lines a terminal of a width takes for texts that it wraps itself."""
    return sum(max(1, -(-cell_len(text) // width)) for text in texts)


class Widest:
    """The first of some tables that fits the width; else the last."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = list(tables)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich, which knows the width."""
        *wide, last = self._tables
        yield next(
            (
                table
                for table in wide
                if Measurement.get(console, options.update(width=1000), table).maximum
                <= options.max_width
            ),
            last,
        )

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Called by rich: whatever it takes."""
        return Measurement(1, options.max_width)


class Shortest:
    """The first of some renderables that takes no more lines than there are; else the last."""

    def __init__(self, choices: Sequence[RenderableType], lines: int) -> None:
        self._choices, self._lines = choices, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich, which knows the width."""
        *long, last = self._choices
        yield next(
            (
                choice
                for choice in long
                if len(console.render_lines(choice, options, pad=False)) <= self._lines
            ),
            last,
        )
