"""What the values of a column can be read as, decided by the macros that the models use."""

from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from dagster_project.config.sql_text import literal
from dagster_project.ingestion.project_macros import macros

# A format of numbers is named where its order of day and month has to be: these are tried.
_DATES = {
    "day": ("%d{0}%m{0}%Y", "%d{0}%m{0}%y"),
    "month": ("%m{0}%d{0}%Y", "%m{0}%d{0}%y"),
}
_TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
    ", %I:%M %p",
)
_MOST_FORMATS = 3


@dataclass(frozen=True)
class TimeReading:
    """The ``share`` of a column's values that are times, whatever their order of day and month.

    ``order``: ``day`` or ``month`` first, as the column shows it; ``undecided`` where it has
    values such as 01/02/2026 and does not; None where it has none.
    """

    share: float
    order: str | None


@dataclass(frozen=True)
class NumberReading:
    """The ``share`` of a column's values that are numbers, and the ``mark`` of their decimals.

    ``mark``: ``dot`` or ``comma``, as the column shows it; ``undecided`` where it has values such
    as 7,500 and does not; None where it has none.
    """

    share: float
    mark: str | None


def read_times(connection: DuckDBPyConnection, texts: Sequence[str]) -> TimeReading:
    """How these values read as times."""
    query = f"""
        with written as (
            select {macros().written_date("text")} as written from (select unnest(?) as text)
        ),
        shown as (
            select
                {macros().day_order_shown("written")} as shown,
                {macros().iso_text("written", "'day'")} as iso
            from written
        )
        select
            avg(cast({macros().iso_moment("iso")} is not null as integer)),
            count(*) filter (shown = 'day'),
            count(*) filter (shown = 'month'),
            count(*) filter (shown = 'either')
        from shown
    """
    ((share, *counts),) = connection.execute(query, [list(texts)]).fetchall()
    return TimeReading(float(share or 0), _decided(counts, "day", "month"))


def read_numbers(
    connection: DuckDBPyConnection, texts: Sequence[str], *, is_money: bool
) -> NumberReading:
    """How these values read as numbers."""
    query = f"""
        with bare as (
            select {macros().bare_number("text", is_money)} as bare
            from (select unnest(?) as text)
        ),
        shown as (select bare, {macros().decimal_mark_shown("bare")} as shown from bare)
        select
            avg(cast({macros().plain_number("bare", "shown", "'dot'")} is not null as integer)),
            count(*) filter (shown = 'dot'),
            count(*) filter (shown = 'comma'),
            count(*) filter (shown = 'either')
        from shown
    """
    ((share, *counts),) = connection.execute(query, [list(texts)]).fetchall()
    return NumberReading(float(share or 0), _decided(counts, "dot", "comma"))


def marks_shown(
    connection: DuckDBPyConnection, texts: Sequence[str], *, is_money: bool
) -> dict[str, str]:
    """The first of these values for each mark that a number shows: dot, comma or either."""
    query = f"""
        with bare as (
            select place, text, {macros().bare_number("text", is_money)} as bare
            from (select unnest(?) as text, generate_subscripts(?, 1) as place)
        )
        select {macros().decimal_mark_shown("bare")} as shown, min_by(text, place)
        from bare where shown is not null group by shown
    """
    return dict(connection.execute(query, [list(texts)] * 2).fetchall())


def _decided(counts: Sequence[int], first: str, second: str) -> str | None:
    """What a column decides, as the model of formats does."""
    shows_first, shows_second, shows_either = counts
    if bool(shows_first) != bool(shows_second):
        return first if shows_first else second
    return "undecided" if shows_first or shows_either else None


def read_flags(
    connection: DuckDBPyConnection, texts: Sequence[str], *, of_deals: bool = False
) -> dict[str, bool | None]:
    """What these values mean as truth values; of deals, ``won`` is one, too."""
    words = [macros().deal_words(outcome) if of_deals else [] for outcome in ("won", "lost")]
    query = f"select text, {macros().parse_boolean('text', *words)} from (select unnest(?) as text)"
    return dict(connection.execute(query, [list(texts)]).fetchall())


def formats_of(connection: DuckDBPyConnection, texts: Sequence[str], order: str) -> tuple[str, ...]:
    """The formats that read the most of these dates of numbers, with the day or month first."""
    dates = [date.format(mark) for date in _DATES[order] for mark in "/.-"]
    formats = [date + time for date in dates for time in _TIMES]
    lists = ", ".join(
        f"list(text) filter (try_strptime(text, {literal(item)}) is not null)" for item in formats
    )
    (row,) = connection.execute(
        f"select {lists} from (select unnest(?) as text)", [list(texts)]
    ).fetchall()
    reads = {item: set(found or ()) for item, found in zip(formats, row, strict=True)}
    left, chosen = set(texts), list[str]()
    while left and len(chosen) < _MOST_FORMATS:
        best = max(formats, key=lambda item: (len(reads[item] & left), -len(item)))
        if not reads[best] & left:
            break
        chosen.append(best)
        left -= reads[best]
    return tuple(chosen)
