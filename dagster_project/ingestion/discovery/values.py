"""What the cells of an unknown export look like: times, numbers, stages, kinds.

Everything is judged on distinct values of a column, in SQL; nothing is guessed that the values do
not show, and where they leave a choice, the reading says so.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.ingestion.sql_text import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE = 2_000
_ENOUGH = 0.98
_DATES = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%b %d %Y",
    "%Y%m%d",
)
_TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
    ", %I:%M %p",
    "T%H:%M:%S",
    " %H:%M:%S %z",
)
_ISO = r"^\d{4}-\d{1,2}-\d{1,2}"
_PLAIN_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_MARKED_NUMBER = {
    ".": r"^[^0-9+.-]*[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?[^0-9]*$",
    ",": r"^[^0-9+,-]*[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?[^0-9]*$",
}


@dataclass(frozen=True)
class Values:
    """The distinct filled values of one column, most frequent first, and how many rows fill it."""

    counts: tuple[tuple[str, int], ...]
    filled: int
    distinct: int

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.counts]


def values_of(connection: "DuckDBPyConnection", table: str, column: str) -> Values:
    """Look at one text column of a table."""
    totals = connection.execute(
        f"select count(nullif(trim({column}), '')), count(distinct nullif(trim({column}), '')) "
        f"from {table}"
    ).fetchone()
    counts = connection.execute(
        f"""
        select trim({column}) as cell, count(*) as cells
        from {table}
        where nullif(trim({column}), '') is not null
        group by cell
        order by cells desc, cell
        limit {SAMPLE}
        """
    ).fetchall()
    filled, distinct = totals or (0, 0)
    return Values(tuple((text, count) for text, count in counts), filled, distinct)


@dataclass(frozen=True)
class TimeReading:
    """How a column's times read: ``formats`` (none for ISO), and the ``share`` that they fit.

    ``is_ambiguous``: day and month could stand in either order.
    """

    formats: tuple[str, ...]
    share: float
    is_ambiguous: bool = False


def time_reading(connection: "DuckDBPyConnection", texts: Sequence[str]) -> TimeReading:
    """Find the formats that read these values; of equal ones the first of the list."""
    if not texts:
        return TimeReading((), 0.0)
    iso = _share_of_iso(connection, texts)
    if iso >= _ENOUGH:
        return TimeReading((), iso)
    epoch = _epoch_format(texts)
    if epoch:
        return TimeReading((epoch,), 1.0)
    formats = [date + time for date in _DATES for time in _TIMES]
    chosen: list[str] = []
    left, ambiguous = list(texts), False
    while left and len(chosen) < 3:
        hits = _hits(connection, left, formats)
        best = max(formats, key=lambda item: (hits[item], -len(item)))
        if not hits[best]:
            break
        twin = swapped(best)
        ambiguous = ambiguous or (twin != best and hits.get(twin, 0) == hits[best])
        chosen.append(best)
        left = _unread(connection, left, best)
    share = min(1.0, 1 - len(left) / len(texts) + iso)
    return TimeReading(tuple(chosen), share, ambiguous)


def swapped(time_format: str) -> str:
    """The same format with day and month in the other order."""
    return re.sub(
        r"^%([md])([/.-])%([md])", lambda found: f"%{found[3]}{found[2]}%{found[1]}", time_format
    )


def is_month_first(time_format: str) -> bool:
    return time_format.startswith("%m")


def _share_of_iso(connection: "DuckDBPyConnection", texts: Sequence[str]) -> float:
    full = r"regexp_replace(cell, '^([^T ]+[T ]\d{1,2}:\d{2})(Z|[+-]|$| )', '\1:00\2')"
    row = connection.execute(
        f"""
        select avg(cast(
            regexp_matches(cell, '{_ISO}')
            and try_cast(regexp_replace({full}, ' ([+-]\\d)', '\\1') as timestamptz) is not null
            as integer))
        from (select upper(unnest(?)) as cell)
        """,
        [list(texts)],
    ).fetchone()
    return float(row[0] or 0) if row else 0.0


def _epoch_format(texts: Sequence[str]) -> str | None:
    """Whether the values are seconds or milliseconds since 1970 (from 2001 on)."""
    if all(re.fullmatch(r"1\d{9}(\.\d+)?", text) for text in texts):
        return "epoch"
    if all(re.fullmatch(r"1\d{12}", text) for text in texts):
        return "epoch_ms"
    return None


def _hits(
    connection: "DuckDBPyConnection", texts: Sequence[str], formats: Sequence[str]
) -> dict[str, int]:
    counts = ", ".join(f"count(try_strptime(cell, {literal(item)}))" for item in formats)
    row = connection.execute(
        f"select {counts} from (select unnest(?) as cell)", [list(texts)]
    ).fetchone()
    return dict(zip(formats, row or (), strict=True))


def _unread(connection: "DuckDBPyConnection", texts: Sequence[str], time_format: str) -> list[str]:
    rows = connection.execute(
        f"""
        select cell from (select unnest(?) as cell)
        where try_strptime(cell, {literal(time_format)}) is null
        """,
        [list(texts)],
    ).fetchall()
    return [cell for (cell,) in rows]


def decimal_mark(texts: Sequence[str]) -> str | None:
    """The decimal mark of formatted numbers; an empty text if they read as they stand.

    None when they are no numbers.
    """
    if _share(texts, _PLAIN_NUMBER) >= _ENOUGH:
        return ""
    shares = {mark: _share(texts, pattern) for mark, pattern in _MARKED_NUMBER.items()}
    best = max(shares, key=lambda mark: shares[mark])
    return best if shares[best] >= _ENOUGH else None


def first_odd_number(texts: Sequence[str]) -> str:
    """The first value that is no plain number."""
    return next((text for text in texts if not re.match(_PLAIN_NUMBER, text)), "")


def _share(texts: Sequence[str], pattern: str) -> float:
    return sum(bool(re.match(pattern, text)) for text in texts) / len(texts) if texts else 0.0


@dataclass(frozen=True)
class Vocabulary:
    """What the policy knows of stages, kinds and signals, for comparing without case."""

    stages: dict[str, str]
    mapped: dict[tuple[str, str, str], str]
    names: tuple[str, ...]
    meanings: dict[str, str]
    by_tradition: dict[str, frozenset[str]]
    kinds: tuple[str, ...]
    signals: tuple[str, ...]
    evidence: dict[str, str]

    def stage(self, raw: str, crm: str = "", header: str = "") -> str | None:
        """The stage that a raw stage means, or None: by the CRM's map, else by the aliases."""
        cell = raw.strip().casefold()
        by_map = self.mapped.get((crm.casefold(), key(header), cell))
        return by_map or self.stages.get(cell) or self.evidence.get(cell)


def read_vocabulary(policy_dir: Path) -> Vocabulary:
    """Read the policy's tables that name things."""
    stages: dict[str, str] = {}
    meanings: dict[str, str] = {}
    by_tradition: dict[str, set[str]] = {}
    evidence: dict[str, str] = {}
    for row in _rows(policy_dir / "stages.csv"):
        stages.setdefault(row["stage"].casefold(), row["stage"])
        stages.setdefault(row["label"].casefold(), row["stage"])
        by_tradition.setdefault(row["tradition"], set()).add(row["stage"])
        meanings[row["stage"]] = row["exit_kind"] or row["milestone"]
        if row["evidence"]:
            evidence.setdefault(row["evidence"], row["stage"])
    for row in _rows(policy_dir / "stage_aliases.csv"):
        stages[row["raw_stage"].casefold()] = row["stage"]
    mapped = {
        (row["crm"].casefold(), key(row["property"]), row["raw_stage"].casefold()): row["stage"]
        for row in _rows(policy_dir / "stage_maps.csv")
    }
    return Vocabulary(
        stages,
        mapped,
        tuple(dict.fromkeys(meanings)),
        meanings,
        {name: frozenset(known) for name, known in by_tradition.items()},
        tuple(row["kind"] for row in _rows(policy_dir / "activity_kinds.csv")),
        tuple(row["signal"] for row in _rows(policy_dir / "signals.csv")),
        evidence,
    )


def key(name: str) -> str:
    """A name without case, spaces and signs; a custom field's ending does not count."""
    return re.sub(r"[\W_]", "", re.sub(r"__c$", "", name.strip(), flags=re.I)).casefold()


def named_in(text: str, names: Iterable[str]) -> str | None:
    """The longest of these names that stands in a text as words of its own."""
    words = f" {re.sub(r'[^a-z0-9]+', ' ', text.casefold()).strip()} "
    found = [
        name
        for name in names
        if f" {re.sub(r'[^a-z0-9]+', ' ', name.casefold()).strip()} " in words
    ]
    return max(found, key=len, default=None)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
