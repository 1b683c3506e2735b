"""The files of an unknown export, read as a run reads them into tables of text, to ask about."""

import fnmatch
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import literal
from dagster_project.ingestion.discovery import readings
from dagster_project.ingestion.discovery.values import (
    DAY_FIRST,
    all_known_headers,
    key,
    language_of,
)
from dagster_project.ingestion.files.archives import member_names
from dagster_project.ingestion.files.client import (
    MEMBER_SUFFIXES,
    DataFile,
    Export,
    table_suffix,
)
from dagster_project.ingestion.files.delimited_text import RejectedRow, TextFormat, names_given
from dagster_project.ingestion.files.resources import id_key
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.ingestion.project_macros import macros

DATA_FILES = (*MEMBER_SUFFIXES, ".zip")
_SAMPLE = 2_000
# How files of one table end: contacts-1, Leads_001, report (2), teil 2.
_PART = re.compile(
    r"(?P<base>.*?)[ _.-]*(?:part|teil|partie|parte)?[ _.-]*(?<!\d)\(?\d{1,4}\)?", re.IGNORECASE
)
# What numbers or names a record, if each of its values is there once.
_ID = re.compile(r"(id|no|nr|number|nummer|num[ée]ro|key|番号)\.?$|mail", re.IGNORECASE)
_ONCE = 0.9
# Files that have this share of the smaller one's records in common are no parts of one table.
_AGAIN = 0.5
# Of a copy whose name tells nothing, so many have to be in the other file.
_COPIED = 0.9
# A header is looked for in the first lines, and has this many names that are known.
_ABOVE = 20
_IS_HEADER = 3
_NO_TITLE = re.compile(r"(sheet|tabelle|feuil|hoja|シート) ?\d*", re.IGNORECASE)
_DATE_AT_END = re.compile(r"(\d{4}[-_.]?\d{2}[-_.]?\d{2}|\d{2}[-_.]\d{2}[-_.]\d{4})$")

# A mail address within a text: Ada Ek (ada@acme.example).
ADDRESS = r"[^\s<>(),;]+@[^\s<>(),;]+"
_YEAR_LAST = re.compile(r"\d{2}[-_.]\d{2}[-_.]\d{4}(?!\d)")


@dataclass(frozen=True)
class Values:
    """The most frequent values of a column with the rows of each, and how many there are at all."""

    rows: dict[str, int]
    filled: int
    distinct: int

    @property
    def texts(self) -> list[str]:
        return list(self.rows)


@dataclass(frozen=True)
class ExportFile:
    """A file, or the parts of one: its headers, and the table that holds its rows as text.

    ``sheet``: of a workbook, if it is not the first; ``title``: what its sheet is called, if that
    says more than the name of the file. ``broken``: by part, the rows that its reader
    set aside.
    """

    names: tuple[str, ...]
    headers: tuple[str, ...]
    table: str
    rows: int
    sheet: str | None = None
    title: str | None = None
    broken: tuple[tuple[str, RejectedRow], ...] = ()
    pattern: str | None = None

    @property
    def name(self) -> str:
        """How the proposal names it."""
        name = self.pattern or ", ".join(self.names)
        return f"{name} ({self.sheet})" if self.sheet else name

    @property
    def stem(self) -> str:
        """The name that tells what it holds."""
        name = self.names[0].rsplit("/", 1)[-1]
        return self.title or name.removesuffix(table_suffix(name) or "")

    @property
    def setting(self) -> str | list[str]:
        """How the settings of files name it."""
        return self.pattern or (self.names[0] if len(self.names) == 1 else list(self.names))

    def column(self, header: str) -> str:
        return f"c{self.headers.index(header)}"

    def header_of(self, names: Iterable[str]) -> str | None:
        """The first of these names that is a header."""
        return next(iter(self.headers_of(names)), None)

    def headers_of(self, names: Iterable[str]) -> list[str]:
        """The headers that go by these names, whatever case, spaces and signs, in their order."""
        by_key = {key(header): header for header in reversed(self.headers)}
        return [by_key[key(name)] for name in names if key(name) in by_key]


@dataclass(frozen=True)
class TimeReading:
    """How a column's times read: their ``share``, and the ``formats`` that have to be named.

    ``is_guess``: nothing tells whether the day or the month comes first in them.
    """

    share: float
    formats: tuple[str, ...] = ()
    is_guess: bool = False


class Exports:
    """The files of a directory that can be read.

    ``problems``: a line for each that can't, and for each that a newer export stands in for.
    """

    def __init__(self, connection: DuckDBPyConnection, directory: Path, scratch: Path) -> None:
        self.connection = connection
        self.problems: list[str] = []
        self._export = Export(FilesSource(kind="files", path=directory), scratch)
        self._tables = 0
        # Every question is asked of the database once.
        self.values: Callable[[ExportFile, str], Values] = functools.cache(self.values_where)
        read = (self._read(*place) for place in self._places())
        self.files = self._with_parts([file for file in read if file])
        self.language = language_of(header for file in self.files for header in file.headers)
        self.times: Callable[[ExportFile, str], TimeReading] = functools.cache(self._times)
        self._order: Callable[[ExportFile], str | None] = functools.cache(self._order_shown)

    def _places(self) -> Iterable[tuple[DataFile, str | None, str | None]]:
        """The files, and the sheets of workbooks; the first sheet is read without its name.

        The title of the only sheet, as of one that was given none, says nothing.
        """
        for file in self._export.present:
            try:
                if file.name.lower().endswith(".zip") and not file.member:
                    member_names(file.name, file.path)
                elif file.name.lower().endswith(".xlsx"):
                    # Brings Arrow, which is costly to import.
                    from dagster_project.ingestion.files.workbooks import sheet_names

                    names = sheet_names(file.name, self._export.local(file))
                    for at, name in enumerate(names):
                        says_nothing = len(names) == 1 or _NO_TITLE.fullmatch(name)
                        yield file, name if at else None, None if says_nothing else name
                elif table_suffix(file.name):
                    yield file, None, None
            except SourceError as error:
                self._give_up(error)

    def _read(self, file: DataFile, sheet: str | None, title: str | None) -> ExportFile | None:
        table = self._next_table()
        try:
            reader = self._export.open(file, TextFormat(), sheet)
            cells = [f"c{at}" for at in range(len(reader.headers))]
            columns = ", ".join(f"{cell} varchar" for cell in cells)
            self.connection.execute(
                f"create table {table} (source_row bigint, {columns}, extra_columns varchar)"
            )
            read = ["source_row", *cells, "null"]
            inserted = reader.insert(self.connection, table, read, "true")
        except SourceError as error:
            # An empty sheet of a workbook is no table of anything.
            if not sheet:
                self._give_up(error)
            return None
        except duckdb.Error as error:
            self.problems.append(f"{file.name}: can't be read: {str(error).splitlines()[0]}")
            return None
        broken = tuple((file.name, row) for row in inserted.rejected)
        rows = inserted.rows
        found = ExportFile((file.name,), reader.headers, table, rows, sheet, title, broken)
        if line := self._header_below(found):
            self.problems.append(
                f"{found.name}: not read, as its header seems to be in line {line}; remove the "
                "lines above it"
            )
            return None
        return found

    def _header_below(self, file: ExportFile) -> int | None:
        """The line of a row that is a header, where a title of few cells stands above it."""
        cells = ", ".join(file.column(header) for header in file.headers)
        lines = self.connection.execute(
            f"select source_row, [{cells}] from {file.table} order by source_row limit {_ABOVE}"
        ).fetchall()
        for _, row in file.broken[:_ABOVE]:
            shown = json.loads(row.row_json).values()
            # What is beyond the header is a list.
            parts = [it if isinstance(it, list) else [it] for it in shown]
            lines.append((int(row.source_row), [*itertools.chain.from_iterable(parts)]))
        named = names_given(file.headers)
        for line, row in sorted(lines):
            texts = [text for text in row if text]
            known = sum(key(text) in all_known_headers() for text in texts)
            if known >= _IS_HEADER and 2 * len(named) <= len(texts):
                return int(line)
        return None

    def _give_up(self, error: SourceError) -> None:
        place = self._export.label("")
        self.problems += [problem.removeprefix(f"{place}/") for problem in error.problems]

    def _next_table(self) -> str:
        self._tables += 1
        return f"export_{self._tables}"

    def _with_parts(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        """The files, with those that are parts of one table as one.

        Of a table that was exported again, only the newest is one of them.
        """
        found = []
        for alike in _groups(files, _base):
            parts = self._newest(alike)
            found.append(self._joined(parts) if len(parts) > 1 else parts[0])
        # Those of several days are parts of nothing, but may hold the same again.
        of_days = [self._newest(alike) for alike in _groups(found, _base_of_days)]
        kept = self._without_copies(itertools.chain.from_iterable(of_days))
        return sorted(kept, key=lambda file: file.names)

    def _without_copies(self, files: Iterable[ExportFile]) -> Iterator[ExportFile]:
        """The files without copies of those that have more rows, whatever their names."""
        by_headers: dict[frozenset[str], list[ExportFile]] = {}
        for file in files:
            by_headers.setdefault(frozenset(file.headers), []).append(file)
        for alike in by_headers.values():
            alike.sort(key=lambda file: (-file.rows, len(file.name), file.name))
            again = self._in_common(alike, are_parts=False) if len(alike) > 1 else set()
            kept: list[int] = []
            for at, file in enumerate(alike):
                other = next((alike[it] for it in kept if (it, at) in again), None)
                if other is None:
                    kept.append(at)
                    yield file
                else:
                    self.problems.append(
                        f"{file.name}: left out, as {other.name} has most of its records, too"
                    )

    def _newest(self, files: Sequence[ExportFile]) -> list[ExportFile]:
        """Files of one name, without those whose records a newer one has, too."""
        if len(files) == 1:
            return list(files)
        again = self._in_common(files)
        kept: list[int] = []
        for at in sorted(range(len(files)), key=lambda at: _age(files[at]), reverse=True):
            newer = next((it for it in kept if (min(at, it), max(at, it)) in again), None)
            if newer is None:
                kept.append(at)
            else:
                self.problems.append(
                    f"{files[at].name}: left out, as it and {files[newer].name}, the newer one by "
                    "its name, have most records in common"
                )
        return [files[at] for at in sorted(kept)]

    def _in_common(
        self, files: Sequence[ExportFile], *, are_parts: bool = True
    ) -> set[tuple[int, int]]:
        """Which of these files, by their places, have most of their records in common.

        Records are the same if their ids are, whatever column has them, and one of their times:
        events about the same leads have times of their own. ``are_parts``: whether their names
        say that they are of one table; where they do not, numbers of rows may look like ids.
        """
        shared = [it for it in files[0].headers if all(it in file.headers for file in files)]
        if not shared:
            return set()
        ids = [it for it in shared if _ID.search(it.strip()) and self._is_once(files, it)]
        times = [it for it in shared if it not in ids and self._is_time(files[0], it)]
        first = shared[0]
        if times and not ids and first not in times and self._is_once(files, first):
            ids = [first]
        if not are_parts:
            times = [it for it in times if self.values(files[0], it).distinct > 1]
            if not times:
                return set()
        share = _AGAIN if are_parts else _COPIED
        # Clicks may be at the times of opens, but there are fewer of them.
        of_larger = 0.0 if are_parts else _AGAIN if ids else _COPIED
        records = [[header] for header in ids] or [shared]
        found = (self._pairs(files, it, times, share, of_larger) for it in records)
        return set.intersection(*found)

    def _pairs(
        self,
        files: Sequence[ExportFile],
        record: Sequence[str],
        times: Sequence[str],
        share: float,
        of_larger: float,
    ) -> set[tuple[int, int]]:
        """Which of these files have records in common: an id, or all cells of several headers.

        ``share``: of the smaller file's records, and of those with one of their ``times`` in
        common; ``of_larger``: of the larger file's.
        """
        selects = []
        for at, file in enumerate(files):
            cells = [f"trim({file.column(name)})" for name in record]
            found = (
                id_key(cells[0]) if len(cells) == 1 else f"cast([{', '.join(cells)}] as varchar)"
            )
            dates = [f"trim({file.column(name)}) as t{n}" for n, name in enumerate(times)]
            columns = ", ".join([f"{at} as part", f"{found} as record", *dates])
            selects.append(f"select {columns} from {file.table}")
        kept = ["part", "record", *(f"any_value(t{n}) as t{n}" for n in range(len(times)))]
        # Without times, ids have to do.
        same = [f"count(*) filter (one.t{n} = other.t{n})" for n in range(len(times))]
        query = f"""
            with records as (
                select {", ".join(kept)}, count(*) over (partition by part) as size
                from ({" union all ".join(selects)})
                where record <> ''
                group by part, record
            )
            select one.part, other.part
            from records as one
            inner join records as other on one.record = other.record and one.part < other.part
            group by one.part, other.part, one.size, other.size
            having
                count(*) >= {share} * least(one.size, other.size)
                and count(*) >= {of_larger} * greatest(one.size, other.size)
                and greatest({", ".join(same or ["count(*)"])}) >= {share} * count(*)
        """
        return set(self.connection.execute(query).fetchall())

    def _is_once(self, files: Sequence[ExportFile], header: str) -> bool:
        """Whether each record of these files has a value of its own in a column."""
        seen = [(file.rows, self.values(file, header)) for file in files]
        return all(it.distinct >= _ONCE * it.filled >= _ONCE**2 * rows for rows, it in seen)

    def _is_time(self, file: ExportFile, header: str) -> bool:
        texts = self.values(file, header).texts
        is_number = all(text.isdigit() and len(text) < 9 for text in texts)
        return not is_number and readings.read_times(self.connection, texts).share > 0.95

    def _joined(self, parts: Sequence[ExportFile]) -> ExportFile:
        names = tuple(file.names[0] for file in parts)
        headers = tuple(dict.fromkeys(header for file in parts for header in file.headers))
        table = self._next_table()
        selects = []
        for part in parts:
            cells = [
                f"{part.column(header) if header in part.headers else 'null'} as c{at}"
                for at, header in enumerate(headers)
            ]
            selects.append(f"select source_row, {', '.join(cells)} from {part.table}")
        self.connection.execute(f"create view {table} as {' union all '.join(selects)}")
        pattern = _pattern(names)
        present = [file.name for file in self._export.present]
        fitting = [name for name in present if pattern and fnmatch.fnmatchcase(name, pattern)]
        return ExportFile(
            names,
            headers,
            table,
            sum(part.rows for part in parts),
            parts[0].sheet,
            parts[0].title,
            tuple(row for part in parts for row in part.broken),
            pattern if sorted(fitting) == sorted(names) else None,
        )

    def values_where(
        self, file: ExportFile, header: str, where: Mapping[str, list[str]] = MappingProxyType({})
    ) -> Values:
        """The values of a column, within some rows of the file: a header's values in any case."""
        condition, accepted = _condition(file, where)
        cell = f"trim({file.column(header)})"
        found = self.connection.execute(
            f"""
            select {cell} as text, count(*) as found,
                sum(found) over () as filled, count(*) over () as texts
            from {file.table}
            where {cell} <> '' and {condition}
            group by text
            order by found desc, text
            limit {_SAMPLE}
            """,
            accepted,
        ).fetchall()
        filled, distinct = found[0][2:] if found else (0, 0)
        return Values({text: rows for text, rows, *_ in found}, filled, distinct)

    def count(self, file: ExportFile, where: Mapping[str, list[str]]) -> int:
        """How many rows of a file fit a condition."""
        condition, accepted = _condition(file, where)
        query = f"select count(*) from {file.table} where {condition}"
        ((rows,),) = self.connection.execute(query, accepted).fetchall()
        return int(rows)

    def shares_found(
        self, file: ExportFile, keys: Mapping[str, str]
    ) -> dict[str, dict[str, float]]:
        """For each header, the share of its rows whose ids some keys have.

        ``keys``: name -> a query of ``key``, in lower case, as a lookup compares them; without a
        name: ids of records, as ``id_key`` writes them, of which a cell may list several.
        """
        named = " union all ".join(
            f"select distinct {literal(name)} as name, key from ({query}) where key <> ''"
            for name, query in keys.items()
        )
        self.connection.execute(f"create or replace temp table known_keys as {named}")
        shares: dict[str, dict[str, float]] = {}
        for header in file.headers:
            cell = file.column(header)
            found = self.connection.execute(
                f"""
                with cells as (
                    select {cell} as cell, count(*) as found
                    from {file.table} where trim({cell}) <> '' group by cell
                ),
                ids as (
                    select cell, found, unnest(list_distinct(
                        [trim(cell)] || {macros().listed_values("cell")}
                    )) as id
                    from cells
                ),
                hits as (
                    select distinct known_keys.name, ids.cell, ids.found
                    from ids
                    inner join known_keys
                        on
                            known_keys.key
                            = if(known_keys.name = '', {id_key("ids.id")}, lower(ids.id))
                            and (known_keys.name = '' or ids.id = trim(ids.cell))
                )
                select name, sum(found) / (select sum(found) from cells) from hits group by name
                """
            ).fetchall()
            shares[header] = {name: float(share) for name, share in found}
        return shares

    def shares_addressed(self, file: ExportFile, keys: str) -> dict[str, float]:
        """For each header, the share of its rows with a mail address that a query of keys has."""
        shares = {}
        for header in file.headers:
            cell = file.column(header)
            address = f"lower(regexp_extract({cell}, {literal(ADDRESS)}))"
            ((share,),) = self.connection.execute(
                f"select avg(cast({address} in ({keys}) as integer)) from {file.table} "
                f"where trim({cell}) <> ''"
            ).fetchall()
            shares[header] = float(share or 0)
        return shares

    def formats(self, file: ExportFile, header: str) -> tuple[str, ...]:
        """The formats of a column's times that are not ISO, but dates of numbers."""
        texts = self.values(file, header).texts
        order = readings.read_times(self.connection, texts).order or "day"
        if order == "undecided":
            return self.times(file, header).formats
        return readings.formats_of(self.connection, texts, order)

    def _times(self, file: ExportFile, header: str) -> TimeReading:
        """How a column's times read; open ones in the file's order of day and month."""
        texts = self.values(file, header).texts
        reading = readings.read_times(self.connection, texts)
        if reading.order != "undecided":
            return TimeReading(reading.share)
        order = self._order(file)
        is_guess = order is None and self.language == "en"
        order = order or ("day" if self.language in DAY_FIRST else "month")
        formats = readings.formats_of(self.connection, texts, order)
        return TimeReading(reading.share, formats, is_guess)

    def _order_shown(self, file: ExportFile) -> str | None:
        """Which of day and month comes first, if columns of the file, else of others, tell."""
        for it in (file, *(other for other in self.files if other is not file)):
            for header in it.headers:
                texts = self.values(it, header).texts
                if any(re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d", text) for text in texts[:50]):
                    reading = readings.read_times(self.connection, texts)
                    if reading.share > 0.95 and reading.order in ("day", "month"):
                        return reading.order
        return None


def _condition(file: ExportFile, where: Mapping[str, list[str]]) -> tuple[str, list[list[str]]]:
    """SQL for the rows whose headers have one of their values, in any case, and the values."""
    terms = [
        f"list_contains(${at}, coalesce(lower(trim({file.column(name)})), ''))"
        for at, name in enumerate(where, start=1)
    ]
    values = [[text.casefold() for text in accepted] for accepted in where.values()]
    return " and ".join(["true", *terms]), values


def _groups(
    files: Iterable[ExportFile], base: Callable[[ExportFile], tuple[str | None, ...]]
) -> Iterator[list[ExportFile]]:
    """The files by what their names share; a file with other headers than the first is alone."""
    by_base: dict[tuple[str | None, ...], list[ExportFile]] = {}
    for file in files:
        by_base.setdefault(base(file), []).append(file)
    for group in by_base.values():
        first = set(group[0].headers)
        alike = [file for file in group if 2 * len(first & set(file.headers)) > len(first)]
        yield from ([file] for file in group if file not in alike)
        yield alike


def _base_of_days(file: ExportFile) -> tuple[str | None, ...]:
    """What exports of one table share: the name without a date at its end."""
    stem, suffix, sheet = _base(file)
    return (_DATE_AT_END.sub("", stem), suffix, sheet) if len(file.names) == 1 else file.names


def _age(file: ExportFile) -> tuple[list[int], str]:
    """What puts exports of one table in order: the numbers in their names; of a date, the year."""
    name = file.names[0]
    numbers = re.findall(r"\d+", name.removesuffix(table_suffix(name) or ""))
    if _YEAR_LAST.search(name):
        numbers.reverse()
    return [int(number) for number in numbers], name


def _base(file: ExportFile) -> tuple[str, str, str | None]:
    """What parts of one table share: the name without a number at its end, and its ending."""
    name = file.names[0]
    suffix = table_suffix(name) or ""
    stem = name.removesuffix(name[-len(suffix) :]) if suffix else name
    found = None if _DATE_AT_END.search(stem) else _PART.fullmatch(stem)
    return (found["base"] if found else stem).casefold(), suffix, file.sheet


def _pattern(names: Sequence[str]) -> str | None:
    """A pattern of these names: what they begin with, a star, and their ending."""
    if any(re.search(r"[*?\[]", name) for name in names):
        return None
    start = names[0]
    while not all(name.startswith(start) for name in names):
        start = start[:-1]
    start = re.sub(r"\d+$", "", start)
    return f"{start}*{table_suffix(names[0])}" if start else None
