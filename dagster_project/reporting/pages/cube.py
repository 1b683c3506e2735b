"""What the report's filters need: counts small enough to travel in the page.

A **cube** is a query over a mart, added up by the filters (source system, lead source, segment,
owner, month) and keys of its own. A **breakdown** lists some of its keys and the measures shown
for each: sums, and rates as one sum over another. The page computes a breakdown again when a filter
changes; without one it shows what the marts say. Only what can be added up can be filtered: no
median and no interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.words import Kind, plain

NOBODY = "(none)"
MOST_OWNERS = 50
MOST_VALUES = 200
MOST_MONTHS = 36
# The filters in the order of the page, and how many values each has before the rest is one.
_LIMITS = {
    "source_system": MOST_VALUES,
    "lead_source": MOST_VALUES,
    "segment": MOST_VALUES,
    "owner_id": MOST_OWNERS,
}
_LABELS = {
    "source_system": "System",
    "lead_source": "Source",
    "segment": "Segment",
    "owner_id": "Owner",
}
_REST = {
    "source_system": "other systems",
    "lead_source": "other sources",
    "segment": "other segments",
    "owner_id": "other owners",
}


@dataclass(frozen=True)
class Filter:
    """One filter: its values in the order of their codes; ``grouped``: how many are in the last."""

    name: str
    label: str
    values: tuple[str, ...]
    grouped: int = 0


@dataclass(frozen=True)
class Cube:
    """Sums by filters and keys. ``codes``: a row's filter codes; ``keys`` and ``sums`` by name."""

    name: str
    codes: Mapping[str, Sequence[int]]
    keys: Mapping[str, Sequence[str]]
    sums: Mapping[str, Sequence[float]]

    def added_up(self, by: Sequence[str]) -> dict[tuple[str, ...], dict[str, float]]:
        """The sums by some of the keys, whatever the filters."""
        totals: dict[tuple[str, ...], dict[str, float]] = {}
        keys = zip(*(self.keys[name] for name in by), strict=True)
        rows = zip(*self.sums.values(), strict=True)
        for key, values in zip(keys, rows, strict=True):
            total = totals.setdefault(key, dict.fromkeys(self.sums, 0))
            for name, value in zip(self.sums, values, strict=True):
                total[name] += value
        return totals

    def packed(self) -> dict[str, Any]:
        """The cube as the page carries it: columns of small integers, texts once."""
        texts = {name: sorted(set(values)) for name, values in self.keys.items()}
        places = {name: {text: at for at, text in enumerate(texts[name])} for name in texts}
        return {
            "codes": dict(self.codes),
            "texts": texts,
            "keys": {
                name: [places[name][text] for text in values] for name, values in self.keys.items()
            },
            "sums": dict(self.sums),
        }


@dataclass(frozen=True)
class Measure:
    """A number of a breakdown: the sum ``of`` a column, or that sum over the sum ``per``."""

    name: str
    of: str
    per: str | None = None
    kind: Kind = "count"


@dataclass(frozen=True)
class Breakdown:
    """Measures of a cube by some of its keys; ``rows``: the keys, and texts to show beside them."""

    name: str
    cube: Cube
    by: tuple[str, ...]
    rows: tuple[Row, ...]
    measures: tuple[Measure, ...]

    @cached_property
    def filled(self) -> list[Row]:
        """The rows with their measures, for all leads."""
        totals = self.cube.added_up(self.by)
        nothing = dict.fromkeys(self.cube.sums, 0)
        return [
            {
                **row,
                "key": self.key(row),
                **_measured(self.measures, totals.get(self._values(row), nothing)),
            }
            for row in self.rows
        ]

    def key(self, row: Row) -> str:
        """What names a row on the page."""
        return "|".join(self._values(row))

    def row(self, *key: str) -> Row:
        """The filled row with these keys. Raises ``KeyError`` where there is none."""
        wanted = "|".join(key)
        for row in self.filled:
            if row["key"] == wanted:
                return row
        raise KeyError(wanted)

    def packed(self) -> dict[str, Any]:
        """What the page needs to fill the rows itself."""
        return {
            "cube": self.cube.name,
            "by": self.by,
            "rows": [{name: plain(value) for name, value in row.items()} for row in self.rows],
            "measures": [
                {"name": item.name, "of": item.of, "per": item.per, "kind": item.kind}
                for item in self.measures
            ],
        }

    def _values(self, row: Row) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.by)


def _measured(measures: Sequence[Measure], sums: Mapping[str, float]) -> Row:
    """Each measure's value, and as ``<name>_cases`` what a rate is of."""
    found: Row = {}
    for measure in measures:
        value = sums[measure.of]
        if measure.per is None:
            found[measure.name] = value
        else:
            cases = sums[measure.per]
            found[measure.name] = value / cases if cases else None
            found[f"{measure.name}_cases"] = cases
    return found


class Cubes:
    """Makes the cubes of a page, all with the same filters."""

    def __init__(self, marts: Marts) -> None:
        self._marts = marts
        self.filters = [self._filter(name) for name in _LIMITS]
        self.months = self._months()

    def cube(self, name: str, query: str, keys: Sequence[str], sums: Sequence[str]) -> Cube:
        """A cube of a query.

        The query has the columns ``source_system``, ``lead_source``, ``segment``, ``owner_id``,
        ``happened_on`` (a date), the keys (text) and the sums (numbers; 0/1 counts cases).
        """
        joins = " ".join(
            f"left join filter_{item} on coalesce(facts.{item}, '{NOBODY}') = filter_{item}.value"
            for item in _LIMITS
        )
        codes = ", ".join(
            f"coalesce(least(filter_{item}.code, {limit}), {limit}) as {item}"
            for item, limit in _LIMITS.items()
        )
        columns = "".join(f", cast(facts.{item} as varchar) as {item}" for item in keys)
        measures = ", ".join(
            f"cast(coalesce(sum(facts.{item}), 0) as double) as {item}" for item in sums
        )
        rows = self._marts.rows(
            f"""
            with facts as ({query})
            select
                {codes},
                coalesce(least(filter_month.code, {MOST_MONTHS}), {MOST_MONTHS}) as month
                {columns}, {measures}
            from facts {joins}
            left join filter_month
                on date_trunc('month', facts.happened_on) = filter_month.value
            group by all
            order by all
            """
        )
        return Cube(
            name,
            {item: [row[item] for row in rows] for item in (*_LIMITS, "month")},
            {item: [row[item] for row in rows] for item in keys},
            {item: [_whole(row[item]) for row in rows] for item in sums},
        )

    def _filter(self, name: str) -> Filter:
        self._marts.execute(
            f"""
            create temp table filter_{name} as
            select
                coalesce({name}, '{NOBODY}') as value,
                row_number() over (order by count(*) desc, value) - 1 as code
            from fct_lead_cycles
            group by value
            """
        )
        label = "value"
        if name == "owner_id" and self._marts.has("dim_reps", "rep_name"):
            label = (
                "coalesce((select any_value(rep_name) from dim_reps where rep_id = value), value)"
            )
        rows = self._marts.rows(f"select {label} as label from filter_{name} order by code")
        values = [row["label"] for row in rows]
        limit = _LIMITS[name]
        grouped = max(len(values) - limit, 0)
        if grouped:
            values = [*values[:limit], f"{_REST[name]} ({grouped:,})"]
        return Filter(name, _LABELS[name], tuple(values), grouped)

    def _months(self) -> list[date]:
        """The months that can be chosen, newest first; what is older has the code after them."""
        self._marts.execute(
            """
            create temp table filter_month as
            select
                value,
                row_number() over (order by value desc) - 1 as code
            from (
                select distinct date_trunc('month', entered_at) as value from fct_lead_stages
            )
            """
        )
        rows = self._marts.rows(
            f"select value from filter_month where code < {MOST_MONTHS} order by code"
        )
        return [row["value"] for row in rows]


def _whole(value: float) -> float:
    return int(value) if value == int(value) else round(value, 2)
