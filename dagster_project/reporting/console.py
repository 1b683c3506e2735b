"""Tables for the console: columns of text without lines, and titles above them."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dagster_project.config.plain_text import printable


def grid(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of plain cells, whatever signs they hold; columns without any text are left out.

    A column whose name begins with ``>`` holds figures, aligned to the right. The first column and
    figures stay on one line, other cells wrap. Without names there is no header.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    filled = [at for at in range(len(columns)) if any(row[at].plain for row in cells)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.show_header = any(columns)
    for at in filled:
        is_figure = columns[at].startswith(">")
        table.add_column(
            columns[at].removeprefix(">"),
            justify="right" if is_figure else "left",
            no_wrap=is_figure or at == 0,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(row[at] for at in filled))
    return table


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text("" if cell is None else printable(str(cell)))


def facts(lines: Iterable[tuple[str, str]]) -> Table:
    """Names and what is known of them, one a line; what is not known is left out."""
    return grid(["", ""], [(Text(name, style="dim"), text) for name, text in lines if text])


def titled(sections: Iterable[tuple[str, RenderableType]]) -> Group:
    """Sections below each other, with their titles."""
    parts: list[RenderableType] = []
    for title, body in sections:
        parts += [Text(f"\n{title}", style="bold"), Padding(body, (0, 0, 0, 2), expand=False)]
    return Group(*parts)
