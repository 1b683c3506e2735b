"""What the report's filters need: counts small enough to travel in the page.

A **cube** is a query over a mart, added up by the filters (source system, lead source, segment,
owner, month) and keys of its own. A **breakdown** lists some of its keys and the measures shown
for each: sums, and rates as one sum over another. The page computes a breakdown again when a filter
changes; without one it shows what the marts say. Only what can be added up can be filtered: no
median and no interval.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.words import Kind, plain

NOBODY = "(none)"
# A page lists no more rows of a table and no more values of a filter.
MOST_VALUES = 200
# So many combinations of filters keep a page small and quick, each section with keys of its own
# for each of them; a larger company gets less detail.
_MOST_CELLS = 10_000
_LABELS = {
    "source_system": ("System", "other systems"),
    "lead_source": ("Lead source", "other sources"),
    "segment": ("Segment", "other segments"),
    "owner_id": ("Owner", "other owners"),
}


@dataclass(frozen=True)
class _Detail:
    """How finely the filters tell things apart: most periods, owners and other values of each."""

    period: str
    periods: int
    owners: int
    values: int

    def limit(self, name: str) -> int:
        """How many values of a filter stand alone before the rest is one."""
        return self.owners if name == "owner_id" else self.values


# The first that is small enough is taken, the last in any case.
_DETAILS = (
    _Detail("month", 36, 50, MOST_VALUES),
    _Detail("month", 36, 50, 20),
    _Detail("quarter", 16, 50, 20),
    _Detail("quarter", 8, 50, 10),
    _Detail("quarter", 8, 50, 5),
    _Detail("quarter", 8, 20, 5),
    _Detail("quarter", 8, 5, 5),
)


@dataclass(frozen=True)
class Filter:
    """One filter: its values in the order of their codes; ``grouped``: how many are in the last."""

    name: str
    label: str
    values: tuple[str, ...]
    grouped: int = 0


@dataclass(frozen=True)
class Cube:
    """Sums by filters and keys. ``codes``: a row's filter codes; ``keys`` and ``sums`` by name.

    A filter is a key, too: its values are its codes as text.
    """

    name: str
    codes: Mapping[str, Sequence[int]]
    keys: Mapping[str, Sequence[str]]
    sums: Mapping[str, Sequence[float]]

    def added_up(self, by: Sequence[str]) -> dict[tuple[str, ...], dict[str, float]]:
        """The sums by some of the keys, whatever the filters."""
        totals: dict[tuple[str, ...], dict[str, float]] = {}
        columns = [self._column(name) for name in by]
        rows = zip(*self.sums.values(), strict=True)
        for at, values in enumerate(rows):
            key = tuple(column[at] for column in columns)
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

    def _column(self, name: str) -> Sequence[str]:
        return self.keys[name] if name in self.keys else [str(code) for code in self.codes[name]]


@dataclass(frozen=True)
class Measure:
    """A number of a breakdown: the sum ``of`` a column, or that sum over the sum ``per``.

    ``is_of_all``: ``per`` is summed over all keys, for a part of the whole.
    """

    name: str
    of: str
    per: str | None = None
    kind: Kind = "count"
    is_of_all: bool = False


@dataclass(frozen=True)
class Breakdown:
    """Measures of a cube by some of its keys; ``rows``: the keys, and texts to show beside them.

    By no key it has one row, for sentences about the whole.
    """

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
        whole = self.cube.added_up(()).get((), nothing)
        return [
            {
                **row,
                "key": self.key(row),
                **_measured(self.measures, totals.get(self._values(row), nothing), whole),
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
                {
                    "name": item.name,
                    "of": item.of,
                    "per": item.per,
                    "kind": item.kind,
                    "is_of_all": item.is_of_all,
                }
                for item in self.measures
            ],
        }

    def _values(self, row: Row) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.by)


def _measured(
    measures: Sequence[Measure], sums: Mapping[str, float], whole: Mapping[str, float]
) -> Row:
    """Each measure's value, and as ``<name>_cases`` what a rate is of."""
    found: Row = {}
    for measure in measures:
        value = sums[measure.of]
        if measure.per is None:
            found[measure.name] = value
        else:
            cases = (whole if measure.is_of_all else sums)[measure.per]
            found[measure.name] = value / cases if cases else None
            found[f"{measure.name}_cases"] = cases
    return found


class Cubes:
    """Makes the cubes of a page, all with the same filters.

    ``filters``: those of values; ``periods``: the first days of months or quarters, newest first,
    where what is older has the code after them; ``period`` says which of the two. They are of the
    build's time zone, none is left out, and the last is that of its moment.
    """

    def __init__(self, marts: Marts) -> None:
        self._marts = marts
        self._made: dict[str, Cube] = {}
        for name in _LABELS:
            marts.execute(
                f"""
                create temp table filter_{name} as
                select
                    coalesce({name}, '{NOBODY}') as value,
                    row_number() over (order by count(*) desc, value) - 1 as code
                from fct_lead_cycles
                group by value
                """
            )
        for period in ("month", "quarter"):
            marts.execute(
                f"""
                create temp table filter_{period} as
                with days as (
                    select {local_date("entered_at")} as day from fct_lead_stages
                    union all
                    select {local_date("as_of")} from build_info
                ),

                periods as (
                    select unnest(
                        generate_series(
                            date_trunc('{period}', min(day)),
                            date_trunc('{period}', max(day)),
                            interval 1 {period}
                        )
                    )::date as value
                    from days
                )

                select value, row_number() over (order by value desc) - 1 as code
                from periods
                """
            )
        self._detail = next(filter(self._is_small, _DETAILS), _DETAILS[-1])
        self.period = self._detail.period
        self.filters = [self._filter(name) for name in _LABELS]
        found = marts.rows(f"select value from filter_{self.period} order by code")
        self.periods: list[date] = [row["value"] for row in found[: self._detail.periods]]
        self.has_older = len(found) > len(self.periods)

    def filter(self, name: str) -> Filter:
        """A filter of values by its name, such as ``owner_id``."""
        return next(item for item in self.filters if item.name == name)

    def cube(self, name: str, query: str, keys: Sequence[str], sums: Sequence[str]) -> Cube:
        """A cube of a query; sections that need the same one share it by its name.

        The query has the columns ``source_system``, ``lead_source``, ``segment``, ``owner_id``,
        ``happened_on`` (a date), the keys (text) and the sums (numbers; 0/1 counts cases).
        """
        if name not in self._made:
            self._made[name] = self._make(name, query, keys, sums)
        return self._made[name]

    def _make(self, name: str, query: str, keys: Sequence[str], sums: Sequence[str]) -> Cube:
        columns = "".join(
            f", coalesce(cast(facts.{item} as varchar), '{NOBODY}') as {item}" for item in keys
        )
        measures = ", ".join(
            f"cast(coalesce(sum(facts.{item}), 0) as double) as {item}" for item in sums
        )
        codes, joins = self._coded(self._detail, "facts.happened_on")
        rows = self._marts.rows(
            f"""
            with facts as ({query})
            select {codes} {columns}, {measures}
            from facts {joins}
            group by all
            order by all
            """
        )
        return Cube(
            name,
            {item: [row[item] for row in rows] for item in (*_LABELS, "period")},
            {item: [row[item] for row in rows] for item in keys},
            {item: [_whole(row[item]) for row in rows] for item in sums},
        )

    def _coded(self, detail: _Detail, day: str) -> tuple[str, str]:
        """The columns with the codes of the filters, and the joins that they need."""
        columns, joins = [], []
        for name in _LABELS:
            limit = detail.limit(name)
            columns.append(f"coalesce(least(filter_{name}.code, {limit}), {limit}) as {name}")
            joins.append(
                f"left join filter_{name} "
                f"on coalesce(facts.{name}, '{NOBODY}') = filter_{name}.value"
            )
        table, limit = f"filter_{detail.period}", detail.periods
        columns.append(f"coalesce(least({table}.code, {limit}), {limit}) as period")
        joins.append(f"left join {table} on date_trunc('{detail.period}', {day}) = {table}.value")
        return ", ".join(columns), " ".join(joins)

    def _is_small(self, detail: _Detail) -> bool:
        codes, joins = self._coded(detail, local_date("facts.cycle_started_at"))
        cells = self._marts.value(
            f"select count(*) from (select distinct {codes} from fct_lead_cycles as facts {joins})"
        )
        return int(cells) <= _MOST_CELLS

    def _filter(self, name: str) -> Filter:
        shown = "value"
        if name == "owner_id" and self._marts.has("dim_reps", "rep_name"):
            # Two sources may know two people by one id.
            only = "case when count(distinct rep_name) = 1 then min(rep_name) end"
            shown = f"coalesce((select {only} from dim_reps where rep_id = value), value)"
        found = self._marts.rows(f"select value, {shown} as shown from filter_{name} order by code")
        known, limit = Counter(row["shown"] for row in found), self._detail.limit(name)
        # Two people of one name are two owners.
        values = [
            row["shown"] if known[row["shown"]] == 1 else f"{row['shown']} ({row['value']})"
            for row in found
        ]
        label, rest = _LABELS[name]
        grouped = max(len(values) - limit, 0)
        if grouped:
            values = [*values[:limit], f"{rest} ({grouped:,})"]
        return Filter(name, label, tuple(values), grouped)


def _whole(value: float) -> float:
    return int(value) if value == int(value) else round(value, 2)
