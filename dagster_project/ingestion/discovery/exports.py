"""The files of an unknown export: each is read into a table of text, whose values are looked up."""

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.ingestion.discovery.values import (
    TimeReading,
    is_month_first,
    key,
    swapped,
    time_reading,
)
from dagster_project.ingestion.files.client import open_file
from dagster_project.ingestion.files.delimited_text import TextFormat

DATA_FILES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet", ".jsonl")
_ENCODINGS = ("utf-8", "cp1252")
_SAMPLE = 2_000


@dataclass(frozen=True)
class Values:
    """The distinct values of a column, the most frequent first, and how many rows fill it."""

    texts: list[str]
    filled: int
    distinct: int


@dataclass(frozen=True)
class ExportFile:
    """One file: its headers, and the table that holds its rows as text."""

    path: Path
    headers: tuple[str, ...]
    table: str
    rows: int
    encoding: str

    @property
    def name(self) -> str:
        return self.path.name

    def column(self, header: str) -> str:
        return f"c{self.headers.index(header)}"

    def header_of(self, names: Iterable[str]) -> str | None:
        """The first of these names that is a header, whatever case, spaces and signs."""
        by_key = {key(header): header for header in reversed(self.headers)}
        return next((by_key[key(name)] for name in names if key(name) in by_key), None)


class Exports:
    """The files of a directory that can be read. ``problems``: a line for each that cannot."""

    def __init__(self, connection: DuckDBPyConnection, directory: Path, scratch: Path) -> None:
        self.connection = connection
        self.files: list[ExportFile] = []
        self.problems: list[str] = []
        # Every question is asked of the database once.
        self.values: Callable[[ExportFile, str], Values] = functools.cache(self._values)
        self._is_month_first: Callable[[ExportFile], bool | None] = functools.cache(self._order)
        paths = [path for path in sorted(directory.iterdir()) if path.is_file()]
        for path in (path for path in paths if path.name.lower().endswith(DATA_FILES)):
            self._add(path, scratch)

    def _add(self, path: Path, scratch: Path) -> None:
        for encoding in _ENCODINGS:
            try:
                self.files.append(self._read(path, scratch, encoding))
                return
            except SourceError as error:
                problem = str(error)
                if "not UTF-8" not in problem:
                    break
        self.problems.append(problem)

    def _read(self, path: Path, scratch: Path, encoding: str) -> ExportFile:
        reader = open_file(path.name, path, scratch, TextFormat(encoding=encoding))
        table = f"export_{len(self.files)}"
        cells = [f"c{at}" for at in range(len(reader.headers))]
        columns = ", ".join(f"{cell} varchar" for cell in cells)
        self.connection.execute(
            f"create or replace table {table} (n bigint, {columns}, extra_columns varchar)"
        )
        columns_read = ["source_row", *cells, "null"]
        inserted = reader.insert(self.connection, table, columns_read, "true")
        return ExportFile(path, reader.headers, table, inserted.rows, encoding)

    def _values(self, file: ExportFile, header: str) -> Values:
        cell = f"trim({file.column(header)})"
        found = self.connection.execute(
            f"""
            select {cell} as text, sum(count(*)) over () as filled, count(*) over () as texts
            from {file.table}
            where {cell} <> ''
            group by text
            order by count(*) desc, text
            limit {_SAMPLE}
            """
        ).fetchall()
        _, filled, distinct = found[0] if found else ("", 0, 0)
        return Values([text for text, *_ in found], filled, distinct)

    def values_where(
        self, file: ExportFile, header: str, where: dict[str, list[str]]
    ) -> list[tuple[str, int]]:
        """The most frequent values of a column and their rows, within some rows of the file."""
        conditions = [
            f"list_contains(${at}, lower(trim({file.column(name)})))"
            for at, name in enumerate(where, start=1)
        ]
        cell = f"trim({file.column(header)})"
        return self.connection.execute(
            f"""
            select {cell} as text, count(*) as found
            from {file.table}
            where {" and ".join([f"{cell} <> ''", *conditions])}
            group by text
            order by found desc, text
            limit 100
            """,
            [[text.casefold() for text in accepted] for accepted in where.values()],
        ).fetchall()

    def share_found(
        self, file: ExportFile, header: str, other: ExportFile, other_header: str
    ) -> float:
        """Share of the distinct values of a column that the other column has."""
        cell, other_cell = f"trim({file.column(header)})", f"trim({other.column(other_header)})"
        ((share,),) = self.connection.execute(
            f"""
            select count(distinct {cell}) filter ({cell} in (
                select {other_cell} from {other.table} where {other_cell} is not null
            )) / nullif(count(distinct {cell}), 0)
            from {file.table}
            where {cell} <> ''
            """
        ).fetchall()
        return float(share or 0)

    def times(self, file: ExportFile, header: str) -> TimeReading:
        """How a column's times read, in the file's order of day and month where they are open."""
        reading = time_reading(self.connection, self.values(file, header).texts)
        if not reading.is_ambiguous:
            return reading
        month_first = self._is_month_first(file)
        if month_first is None or is_month_first(reading.formats[0]) == month_first:
            return reading
        return TimeReading(tuple(map(swapped, reading.formats)), reading.share, True)

    def order_is_known(self, file: ExportFile) -> bool:
        """True when some column of the file tells whether the month comes first."""
        return self._is_month_first(file) is not None

    def _order(self, file: ExportFile) -> bool | None:
        for header in file.headers:
            texts = self.values(file, header).texts
            if any(re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d", text) for text in texts[:50]):
                reading = time_reading(self.connection, texts)
                if reading.share > 0.95 and not reading.is_ambiguous:
                    return is_month_first(reading.formats[0])
        return None
