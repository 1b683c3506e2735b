"""What the cells of an unknown export look like: times, numbers, stages, kinds.

Everything is judged by the distinct values of a column. Nothing is guessed that the values do not
show; where they leave a choice, the reading says so.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.config import policy
from dagster_project.config.sql_text import literal

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
# Seconds and milliseconds since 1970, from 2001 on.
_EPOCHS = {"epoch": r"1\d{9}(\.\d+)?", "epoch_ms": r"1\d{12}"}
_ISO = r"^\d{4}-\d{1,2}-\d{1,2}"
_PLAIN_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_MARKED_NUMBER = {
    ".": r"^[^0-9+.-]*[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?[^0-9]*$",
    ",": r"^[^0-9+,-]*[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?[^0-9]*$",
}


@dataclass(frozen=True)
class TimeReading:
    """How a column's times read: ``formats`` (none for ISO), and the ``share`` that they fit.

    ``is_ambiguous``: day and month could be in either order.
    """

    formats: tuple[str, ...]
    share: float
    is_ambiguous: bool = False


def time_reading(connection: DuckDBPyConnection, texts: Sequence[str]) -> TimeReading:
    """Find the formats that read these values; of equal ones the first of the list."""
    if not texts:
        return TimeReading((), 0.0)
    iso = _share_of_iso(connection, texts)
    if iso >= _ENOUGH:
        return TimeReading((), iso)
    for epoch, pattern in _EPOCHS.items():
        if all(re.fullmatch(pattern, text) for text in texts):
            return TimeReading((epoch,), 1.0)
    formats = [date + time for date in _DATES for time in _TIMES]
    reads = _reads(connection, texts, formats)
    chosen: list[str] = []
    left, ambiguous = set(texts), False
    while left and len(chosen) < 3:
        best = max(formats, key=lambda item: (len(reads[item] & left), -len(item)))
        if not reads[best] & left:
            break
        twin = swapped(best)
        if twin != best and len(reads.get(twin, set()) & left) == len(reads[best] & left):
            ambiguous = True
        chosen.append(best)
        left -= reads[best]
    share = min(1.0, 1 - len(left) / len(texts) + iso)
    return TimeReading(tuple(chosen), share, ambiguous)


def _reads(
    connection: DuckDBPyConnection, texts: Sequence[str], formats: Sequence[str]
) -> dict[str, set[str]]:
    """The values that each format reads."""
    lists = ", ".join(
        f"list(cell) filter (try_strptime(cell, {literal(item)}) is not null)" for item in formats
    )
    query = f"select {lists} from (select unnest(?) as cell)"
    (row,) = connection.execute(query, [list(texts)]).fetchall()
    return {item: set(found or ()) for item, found in zip(formats, row, strict=True)}


def swapped(time_format: str) -> str:
    """The same format with day and month in the other order."""
    return re.sub(
        r"^%([md])([/.-])%([md])", lambda found: f"%{found[3]}{found[2]}%{found[1]}", time_format
    )


def is_month_first(time_format: str) -> bool:
    return time_format.startswith("%m")


def _share_of_iso(connection: DuckDBPyConnection, texts: Sequence[str]) -> float:
    full = r"regexp_replace(cell, '^([^T ]+[T ]\d{1,2}:\d{2})(Z|[+-]|$| )', '\1:00\2')"
    query = f"""
        select avg(cast(
            regexp_matches(cell, '{_ISO}')
            and try_cast(regexp_replace({full}, ' ([+-]\\d)', '\\1') as timestamptz) is not null
            as integer))
        from (select upper(unnest(?)) as cell)
    """
    ((share,),) = connection.execute(query, [list(texts)]).fetchall()
    return float(share or 0)


def decimal_mark(texts: Sequence[str]) -> str | None:
    """The decimal mark of formatted numbers; empty if they need none, None for no numbers."""
    if _share(texts, _PLAIN_NUMBER) >= _ENOUGH:
        return ""
    shares = {mark: _share(texts, pattern) for mark, pattern in _MARKED_NUMBER.items()}
    best = max(shares, key=lambda mark: shares[mark])
    return best if shares[best] >= _ENOUGH else None


def _share(texts: Sequence[str], pattern: str) -> float:
    return sum(bool(re.match(pattern, text)) for text in texts) / len(texts) if texts else 0.0


@dataclass(frozen=True)
class Vocabulary:
    """What the policy knows of stages, kinds and signals, for comparing in any case.

    ``stages``: a stage's name, label or alias -> stage. ``mapped``: CRM, property and value ->
    stage. ``meanings``: stage -> its milestone or exit kind. ``evidence``: what an opportunity
    proves -> stage.
    """

    stages: dict[str, str]
    mapped: dict[tuple[str, str, str], str]
    meanings: dict[str, str]
    by_tradition: dict[str, set[str]]
    kinds: tuple[str, ...]
    signals: tuple[str, ...]
    evidence: dict[str, str]

    def stage(self, raw: str, crm: str = "", header: str = "") -> str | None:
        """The stage that a raw stage means, or None: by the CRM's map, else by the aliases."""
        cell = raw.strip().casefold()
        by_map = self.mapped.get((crm.casefold(), key(header), cell))
        return by_map or self.stages.get(cell) or self.evidence.get(cell)


def read_vocabulary(policy_dir: Path) -> Vocabulary:
    """Read the policy's tables that name things; of two meanings of a name the first counts."""
    stages = policy.cells(policy_dir, "stages")
    by_tradition: dict[str, set[str]] = defaultdict(set)
    for row in stages:
        by_tradition[row["tradition"]].add(row["stage"])
    names = [(row[name], row["stage"]) for name in ("label", "stage") for row in reversed(stages)]
    names += [(row["raw_stage"], row["stage"]) for row in policy.cells(policy_dir, "stage_aliases")]
    return Vocabulary(
        stages={name.casefold(): stage for name, stage in names},
        mapped={
            (row["crm"].casefold(), key(row["property"]), row["raw_stage"].casefold()): row["stage"]
            for row in policy.cells(policy_dir, "stage_maps")
        },
        meanings={row["stage"]: row["exit_kind"] or row["milestone"] for row in stages},
        by_tradition=by_tradition,
        kinds=tuple(row["kind"] for row in policy.cells(policy_dir, "activity_kinds")),
        signals=tuple(row["signal"] for row in policy.cells(policy_dir, "signals")),
        evidence={row["evidence"]: row["stage"] for row in reversed(stages) if row["evidence"]},
    )


def key(name: str) -> str:
    """A name without case, spaces and signs; a custom field's ending does not count."""
    return re.sub(r"[\W_]", "", re.sub(r"__c$", "", name.strip(), flags=re.I)).casefold()


def named_in(text: str, names: Iterable[str]) -> str | None:
    """The longest of these names that occurs in a text as whole words."""

    def words(name: str) -> str:
        return f" {re.sub(r'[^a-z0-9]+', ' ', name.casefold()).strip()} "

    return max((name for name in names if words(name) in words(text)), key=len, default=None)
