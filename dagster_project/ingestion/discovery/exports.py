"""The files of an unknown export: each is read into a table of text, whose values are looked up."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.discovery.values import (
    TimeReading,
    is_month_first,
    key,
    swapped,
    time_reading,
)
from dagster_project.ingestion.files.archives import member_names, unpack
from dagster_project.ingestion.files.client import MEMBER_SUFFIXES, open_file, table_suffix
from dagster_project.ingestion.files.delimited_text import TextFormat

DATA_FILES = (*MEMBER_SUFFIXES, ".zip")
_ENCODINGS = ("utf-8", "cp1252")
_SAMPLE = 2_000


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
    """One file: its headers, and the table that holds its rows as text."""

    name: str
    headers: tuple[str, ...]
    table: str
    rows: int
    encoding: str

    def column(self, header: str) -> str:
        return f"c{self.headers.index(header)}"

    def header_of(self, names: Iterable[str]) -> str | None:
        """The first of these names that is a header, whatever case, spaces and signs."""
        by_key = {key(header): header for header in reversed(self.headers)}
        return next((by_key[key(name)] for name in names if key(name) in by_key), None)


class Exports:
    """The files of a directory that can be read. ``problems``: a line for each that can't."""

    def __init__(self, connection: DuckDBPyConnection, directory: Path, scratch: Path) -> None:
        self.connection = connection
        self.files: list[ExportFile] = []
        self.problems: list[str] = []
        # Every question is asked of the database once.
        self.values: Callable[[ExportFile, str], Values] = functools.cache(self.values_where)
        self._month_first: Callable[[ExportFile], bool | None] = functools.cache(self._order)
        for path in sorted(directory.iterdir()):
            if path.is_file() and path.name.lower().endswith(".zip"):
                self._add_members(path, scratch)
            elif path.is_file() and path.name.lower().endswith(DATA_FILES):
                self._add(path.name, path, scratch)

    def _add_members(self, archive: Path, scratch: Path) -> None:
        try:
            for at, member in enumerate(member_names(archive.name, archive)):
                if suffix := table_suffix(member):
                    name = f"{archive.name}/{member}"
                    target = scratch / f"{archive.stem}-{at}{suffix}"
                    unpack(name, archive, member, target)
                    self._add(name, target, scratch)
        except SourceError as error:
            self.problems.append(str(error))

    def _add(self, name: str, path: Path, scratch: Path) -> None:
        for encoding in _ENCODINGS:
            try:
                self.files.append(self._read(name, path, scratch, encoding))
                return
            except SourceError as error:
                problem = str(error)
                if "not UTF-8" not in problem:
                    break
        self.problems.append(problem)

    def _read(self, name: str, path: Path, scratch: Path, encoding: str) -> ExportFile:
        reader = open_file(name, path, scratch, TextFormat(encoding=encoding))
        table = f"export_{len(self.files)}"
        cells = [f"c{at}" for at in range(len(reader.headers))]
        columns = ", ".join(f"{cell} varchar" for cell in cells)
        self.connection.execute(
            f"create or replace table {table} (source_row bigint, {columns}, extra_columns varchar)"
        )
        columns_read = ["source_row", *cells, "null"]
        inserted = reader.insert(self.connection, table, columns_read, "true")
        return ExportFile(name, reader.headers, table, inserted.rows, encoding)

    def values_where(
        self, file: ExportFile, header: str, where: Mapping[str, list[str]] = MappingProxyType({})
    ) -> Values:
        """The values of a column, within some rows of the file: a header's values in any case."""
        conditions = [
            f"list_contains(${at}, lower(trim({file.column(name)})))"
            for at, name in enumerate(where, start=1)
        ]
        cell = f"trim({file.column(header)})"
        found = self.connection.execute(
            f"""
            select {cell} as text, count(*) as found,
                sum(found) over () as filled, count(*) over () as texts
            from {file.table}
            where {" and ".join([f"{cell} <> ''", *conditions])}
            group by text
            order by found desc, text
            limit {_SAMPLE}
            """,
            [[text.casefold() for text in accepted] for accepted in where.values()],
        ).fetchall()
        filled, distinct = found[0][2:] if found else (0, 0)
        return Values({text: rows for text, rows, *_ in found}, filled, distinct)

    def shares_found(
        self, file: ExportFile, other: ExportFile, other_header: str
    ) -> dict[str, float]:
        """For each header, the share of its distinct values that a column of another file has."""
        shares = {}
        for header in file.headers:
            cell = f"trim({file.column(header)})"
            ((share,),) = self.connection.execute(
                f"""
                select count(distinct {cell}) filter (
                    {cell} in (select trim({other.column(other_header)}) from {other.table})
                ) / nullif(count(distinct {cell}), 0)
                from {file.table}
                where {cell} <> ''
                """
            ).fetchall()
            shares[header] = float(share or 0)
        return shares

    def times(self, file: ExportFile, header: str) -> TimeReading:
        """How a column's times read, in the file's order of day and month where they are open."""
        reading = time_reading(self.connection, self.values(file, header).texts)
        month_first = self._month_first(file) if reading.is_ambiguous else None
        if month_first is None:
            return reading
        is_right = is_month_first(reading.formats[0]) == month_first
        formats = reading.formats if is_right else tuple(map(swapped, reading.formats))
        return TimeReading(formats, reading.share)

    def _order(self, file: ExportFile) -> bool | None:
        """Whether the month comes before the day, if a column of the file tells."""
        for header in file.headers:
            texts = self.values(file, header).texts
            if any(re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d", text) for text in texts[:50]):
                reading = time_reading(self.connection, texts)
                if reading.share > 0.95 and not reading.is_ambiguous:
                    return is_month_first(reading.formats[0])
        return None
