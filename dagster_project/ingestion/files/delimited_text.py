"""CSV files as text, record by record, through DuckDB's reader; broken records are set aside.

A record that can't be split into the header's fields (too few, too many, a quote that never
closes) must neither be lost nor shift its neighbours. DuckDB's strict reader refuses such records,
but what it makes of the lines behind an open quote can't be relied on. So a file with any refusal
is audited: a pattern runs over it and steps over stretches of sound records at once; each broken
one is replaced by a placeholder record in a copy, and the copy is read instead. Every other record
keeps its number, the placeholders become rejected rows, and a quote that never closes costs its
own line only. Where exports were joined, the header stands among the records again: it is no row.

Three habits of the reader (DuckDB 1.5) decide how it is called:

- ``parallel = false``: with quoted line breaks the parallel scan splits records wrongly at buffer
  boundaries, without an error.
- A quote that is still open at the end of the file makes the single-threaded scan drop the tail
  without an error: where the last quote of a file does not look like a closing one, the file is
  audited first.
- Line ends of several kinds outside quotes are an error, which would end the caller's transaction:
  where the file has several kinds, a copy with line feeds only is read.

What the reader takes without a word is looked for here: a separator too many before an empty last
cell, which shifts the cells behind it (set aside, unless all rows of the file end so; one row alone
proves nothing), and quotes, letters and signs that look damaged (remarked).

Record numbers: the header is record 1, the first data record 2, as an editor shows them in files
without quoted line breaks. Blank lines are not counted.
"""

import codecs
import contextlib
import csv
import glob
import gzip
import io
import itertools
import json
import mmap
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import literal
from dagster_project.ingestion.files.footers import footer_length, footer_remark
from dagster_project.ingestion.raw_schema import rows_changed

DELIMITERS = (",", ";", "\t", "|")

# First cell of a placeholder record; begins with a control character that no export holds.
_PLACEHOLDER = "\x02handoff:rejected:"
_CHUNK = 1 << 20
_FOOTER_BYTES = 16_384
_MAX_PASSES = 4
_MAX_RECORD = 2_000_000
_RUN_LENGTH = 100_000
_LINE = re.compile(rb"[^\r\n]*+")
_QUOTED = re.compile(rb'"[^"]*+"')
# Where most values are in quotes, the reader refuses a quote too many itself.
_BYTES_PER_QUOTE = 20
_SEPARATOR_LINE = re.compile(
    rb'(?:\xef\xbb\xbf)?[\r\n]*+"?sep=([,;\t|])"?[ ,;\t|]*+(?:\r\n?|\n)', re.IGNORECASE
)

# What the second byte of a letter in UTF-8 looks like where it was read as cp1252.
_SECOND = "".join(map(re.escape, bytes(range(0x80, 0xC0)).decode("cp1252", "ignore")))
# Letters that were lost or decoded wrongly before the file was written, and signs without a width:
# a sign of each to look for, which is much faster than a pattern, and the pattern.
_ODD_LETTERS = {
    "letters that were lost (\ufffd)": ("\ufffd", "\ufffd"),
    "letters that were decoded twice (Ã¼ for ü)": ("ÃÂâ", f"[ÃÂ][{_SECOND}]|â€[{_SECOND}]"),
    "signs that nobody sees": ("\ufeff\u200b\u2060\0", "[\ufeff\u200b\u2060\0]"),
}

# What may stand around the names of a header that another file was put in front of: of the first
# name the mark of an encoding, behind which its quotes are read as a part of it.
_AROUND_FIRST = '\ufeff"'
_AROUND_NAMES = ("%s", " %s", "%s ", " %s ", "\ufeff%s", '\ufeff"%s"')

_numbers = itertools.count(1)


class RejectedRow(NamedTuple):
    """A record that the reader could not use.

    ``cells``: with their headers; none where it may be the rest of the record before.
    """

    source_row: str
    reason: str
    row_json: str
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Inserted:
    """What a reader wrote into a table.

    ``left_out``: rows that did not meet the condition. ``again``: the numbers of the records that
    are the header again, and so no rows.
    """

    rows: int
    rejected: tuple[RejectedRow, ...] = ()
    left_out: int = 0
    again: tuple[int, ...] = ()


# How files of other formats begin, and what to do with one.
_OTHER_FORMATS = {
    b"PK\x03\x04": "a ZIP archive or a workbook; give it the ending .zip or .xlsx",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Excel workbook; save it as XLSX, or as CSV",
    b"\x1f\x8b": "packed with gzip; give it the ending .csv.gz",
}
_WEB_PAGE = (b"<html", b"<table", b"<!doctype")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class TextFormat:
    """How a text file is written. ``encoding_key``: the setting that messages name.

    ``encoding``: where it is not given, UTF-8, or cp1252 if it is not that. ``expected``: names
    that tell the delimiter where it is not given.
    """

    delimiter: str | None = None
    encoding: str | None = None
    encoding_key: str = "encoding"
    expected: Sequence[str] = ()


@dataclass(frozen=True)
class _Piece:
    """A stretch of the file that holds one broken record; ``fields`` when it can be split."""

    start: int
    end: int
    text: str
    fields: list[str] | None


@dataclass
class CsvTable:
    """One CSV file: plain UTF-8 text on disk, its delimiter and its header.

    ``label`` begins every message; ``scratch`` is a directory for copies. ``remarks``: what was
    noticed in opening it. ``instants``: none, all of it is text. ``above``: how many lines stand
    above the header. ``ends_open``: all rows end with a delimiter more than the header.
    ``ends_in_line``: the last line has a line end.
    """

    label: str
    path: Path
    delimiter: str
    headers: tuple[str, ...]
    scratch: Path
    remarks: tuple[str, ...] = ()
    instants: frozenset[str] = frozenset()
    above: int = 0
    ends_open: bool = False
    ends_in_line: bool = True
    _broken: list[_Piece] = field(default_factory=list)

    def insert(
        self,
        connection: DuckDBPyConnection,
        target: str,
        select: Sequence[str],
        mine: str,
        condition: str = "true",
    ) -> Inserted:
        """Insert every record into ``target``.

        ``select``: expressions over ``c0``, ``c1`` .. and ``source_row``, the last of them for the
        column ``extra_columns``. ``mine``: picks out the rows of this call in the target.
        ``condition``: which records to insert.
        """
        path = self.path
        if _tail_is_doubtful(path, self.delimiter) or _line_ends_differ(path):
            path = self._copy(path, self._broken_pieces())
        elif not self.ends_open and _may_have_surplus(path, self.delimiter, len(self.headers)):
            shifted = list(self._broken_pieces())
            path = self._copy(path, shifted) if shifted else path
        for _ in range(_MAX_PASSES):
            read, refused = self._scan(connection, path, target, select, condition)
            if not refused:
                rejected = self._collect(connection, target, mine)
                return replace(read, rows=read.rows - len(rejected), rejected=rejected)
            is_audited = path != self.path
            pieces = self._refused_pieces(path, refused) if is_audited else self._broken_pieces()
            path = self._copy(path, pieces)
        raise SourceError(
            f"{self.label}: the rows can't be read; export the file again, with every quote "
            'inside a value doubled ("")'
        )

    def _scan(
        self,
        connection: DuckDBPyConnection,
        path: Path,
        target: str,
        select: Sequence[str],
        condition: str,
    ) -> tuple[Inserted, list[int]]:
        """One pass: what it inserted, without the records that are the header again, and the
        offsets of those that the reader refused.

        Where it refused any, nothing is inserted.
        """
        *values, extra = select
        if self._broken:
            extra = f"case when {self._is_placeholder} then c0 else {extra} end"
            condition = f"({condition} or {self._is_placeholder})"
        with self._records(connection, path) as (records, refused):
            if refused:
                return Inserted(0), refused
            is_header = self._is_header(connection, records)
            found = connection.execute(
                f"select rowid + 1 + {self.above} from {records} where rowid > 0 and {is_header}"
            ).fetchall()
            again = tuple(at for (at,) in found)
            if again:
                condition = f"({condition}) and not ({is_header})"
            rows = rows_changed(
                connection,
                f"""
                insert into {target}
                select {", ".join([*values, extra])}
                from (select rowid + 1 + {self.above} as source_row, * from {records})
                where source_row > {self.above + 1} and {condition}
                """,
            )
            [(read,)] = connection.execute(f"select count(*) from {records}").fetchall()
        return Inserted(rows, left_out=read - 1 - len(again) - rows, again=again), []

    def _is_header(self, connection: DuckDBPyConnection, records: str) -> str:
        """SQL that holds for a record that is the header again; it is never null.

        Behind a mark of its encoding, the first cell keeps its quotes. Without another column, a
        value may be the header's name in another case.
        """
        cells = [f"c{at}" for at in range(len(self.headers))]
        plain = [f"trim({cells[0]}, {literal(_AROUND_FIRST)})", *cells[1:]]
        if len(cells) > 1:
            plain = [f"lower(trim({cell}))" for cell in plain]
        plain = [f"coalesce({cell}, '')" for cell in plain]
        header = connection.execute(f"select {', '.join(plain)} from {records} where rowid = 0")
        names = header.fetchone() or ()
        terms = [f"{cell} = {literal(name)}" for cell, name in zip(plain, names, strict=False)]
        # The first name tells nearly every record apart; DuckDB skips what can't be in a list.
        at = next((at for at, name in enumerate(names) if name), None)
        if at is None:
            return "false"
        name = self.headers[at]
        cases = {name, name.lower(), name.upper(), name.title(), name.capitalize()}
        spellings = sorted({around % case for around in _AROUND_NAMES for case in cases})
        return " and ".join([f"{cells[at]} in ({', '.join(map(literal, spellings))})", *terms])

    @contextlib.contextmanager
    def _records(
        self, connection: DuckDBPyConnection, path: Path
    ) -> Iterator[tuple[str, list[int]]]:
        """The records of the file, in its order, and the offsets of those that the reader refused.

        A table numbers its rows as they come, however many threads read and write; but not within
        a transaction that is still open, so the records get a database and a session of their own.
        DuckDB frees it when that transaction ends; what exceeds its memory limit is on disk.
        """
        name = f"records_{next(_numbers)}"
        with connection.cursor() as session:
            is_ordered = "select current_setting('preserve_insertion_order')"
            [(before,)] = session.execute(is_ordered).fetchall()
            session.execute(f"attach ':memory:' as {name}")
            try:
                # The setting is that of the whole database, whichever session changes it.
                session.execute("set preserve_insertion_order = true")
                session.execute(f"create table {name}.records as from {self._reader(path)}")
                session.execute(f"set preserve_insertion_order = {before}")
                refused = session.execute(
                    "select distinct line_byte_position - 1 from reject_errors order by 1"
                ).fetchall()
                yield f"{name}.records", [offset for (offset,) in refused]
            finally:
                session.execute(f"set preserve_insertion_order = {before}")
                session.execute(f"detach {name}")

    def _reader(self, path: Path) -> str:
        """The call of DuckDB's reader: every cell as text, nothing guessed."""
        columns = ", ".join(f"'c{at}': 'varchar'" for at in range(len(self.headers)))
        # A reader that starts in the middle can't know whether it is inside a quoted value.
        with _mapped(path) as text:
            is_parallel = text.find(b'"') == -1
        return f"""
            read_csv(
                {exactly(path)},
                auto_detect = false,
                header = false,
                delim = {literal(self.delimiter)},
                quote = '"',
                escape = '"',
                columns = {{{columns}}},
                strict_mode = true,
                parallel = {str(is_parallel).lower()},
                store_rejects = true
            )
        """

    @property
    def _is_placeholder(self) -> str:
        return f"starts_with(c0, {literal(_PLACEHOLDER)})"

    def _broken_pieces(self) -> Iterator[_Piece]:
        """Walk over the file from broken record to broken record."""
        sound = _sound_records(self.delimiter, len(self.headers), ends_open=self.ends_open)
        record = _any_record(self.delimiter)
        with _mapped(self.path) as text:
            at = _behind_header(text, record)
            while at < len(text):
                found = sound.match(text, at)
                if found and found.end() > at:
                    at = found.end()
                    continue
                piece = self._piece(text, record, at)
                yield piece
                at = piece.end

    def _refused_pieces(self, path: Path, offsets: list[int]) -> Iterator[_Piece]:
        """The records of an audited copy that the reader refused all the same (too long)."""
        record = _any_record(self.delimiter)
        with _mapped(path) as text:
            for offset in offsets:
                yield self._piece(text, record, _after_line_ends(text, offset))

    def _piece(self, text: mmap.mmap, record: re.Pattern[bytes], start: int) -> _Piece:
        """The record that begins here; if its quotes do not balance, the line."""
        found = record.match(text, start) or _LINE.match(text, start)
        start, end = found.span() if found else (start, len(text))
        content = text[start:end].decode()
        fields = None
        if found and found.re is record and len(content) < _MAX_RECORD:
            fields = _cells(content, self.delimiter)
        return _Piece(start, end, content, fields)

    def _copy(self, path: Path, pieces: Iterable[_Piece]) -> Path:
        """Copy the text with placeholders for the pieces and with line feeds as line ends."""
        filler = self.delimiter * (len(self.headers) - 1)
        stretches = _stretches(self.delimiter)
        copy = self.scratch / f"copy-{next(_numbers)}.csv"
        with _mapped(path) as text, copy.open("wb") as target:
            at = 0
            for piece in (*pieces, _Piece(len(text), len(text), "", None)):
                for found in stretches.finditer(text, at, piece.start):
                    target.write(found[1] + (b"\n" if found[2] else b""))
                if piece.text.strip():
                    target.write(f"{_PLACEHOLDER}{len(self._broken)}{filler}".encode())
                    self._broken.append(piece)
                at = piece.end
        if path != self.path:
            path.unlink()
        return copy

    def _collect(
        self, connection: DuckDBPyConnection, target: str, mine: str
    ) -> tuple[RejectedRow, ...]:
        """Take the placeholders out of the target, and give the rows they stand for."""
        if not self._broken:
            return ()
        found = connection.execute(
            f"""
            delete from {target}
            where {mine} and starts_with(extra_columns, {literal(_PLACEHOLDER)})
            returning source_row, extra_columns
            """
        ).fetchall()
        broken_rows = {row for row, _ in found}
        return tuple(
            self._rejected(
                row,
                self._broken[int(mark.removeprefix(_PLACEHOLDER))],
                is_behind_broken=row - 1 in broken_rows,
            )
            for row, mark in sorted(found)
        )

    def _rejected(self, source_row: int, piece: _Piece, *, is_behind_broken: bool) -> RejectedRow:
        """The rejected row for a broken record, with the cells that can be read."""
        wanted = len(self.headers)
        shown: dict[str, object]
        if piece.fields is not None:
            given = len(piece.fields)
            reason = f"the row has {given} fields, the header has {wanted}"
            cells = dict(zip(self.headers, piece.fields, strict=False))
            shown = {**cells}
            if given > wanted:
                shown["(beyond the header)"] = list(piece.fields[wanted:])
            elif is_behind_broken:
                cells = {}
        else:
            reason = (
                "the row is longer than the reader takes (2 MB)"
                if len(piece.text) >= _MAX_RECORD
                else "the row is broken: a quote is not closed, or not doubled"
            )
            cells = self._first_cells(piece.text)
            # A header may have any name.
            shown = {"row": piece.text, **({"cells": cells} if cells else {})}
        row_json = json.dumps(shown, ensure_ascii=False)
        return RejectedRow(str(source_row), reason, row_json, tuple(cells.items()))

    def _first_cells(self, text: str) -> dict[str, str]:
        """The cells of a broken record that stand before what is broken."""
        cell, stop = _cell(self.delimiter), re.escape(self.delimiter.encode())
        sound = re.match(rb"(?:%b%b)*+" % (cell, stop), text[:_MAX_RECORD].encode())
        cells = _cells(sound[0].decode(), self.delimiter) if sound else None
        return dict(zip(self.headers, (cells or [])[:-1], strict=False))


def open_csv(label: str, path: Path, scratch: Path, text_format: TextFormat) -> CsvTable:
    """Make a CSV file ready to be read: unpacked, UTF-8, delimiter and header known.

    Raises ``SourceError`` for a file that is empty, has no header, can't be unpacked or decoded,
    or names a column twice.
    """
    text = _unpacked(label, path, scratch) if path.suffix.lower() == ".gz" else path
    _refuse_other_formats(label, text)
    text, remarks = _as_utf8(label, text, scratch, text_format)
    text, named = _without_separator_line(text, scratch)
    with text.open(encoding="utf-8-sig", newline="") as opened:
        head = opened.read(_CHUNK)
    if not head.strip():
        raise SourceError(f"{label}: the file is empty; it needs at least a header line")
    delimiter = text_format.delimiter or named or _guess_delimiter(head, text_format.expected)
    if not _any_record(delimiter).match(head.lstrip().encode()):
        raise SourceError(f"{label}: the header line is broken: its quotes do not balance")
    header = _first_row(head, delimiter)
    headers = header_names(label, header)
    with _mapped(text) as content:
        ends_in_line = content[-1:] in (b"\n", b"\r")
    text, footer = _without_footer(text, delimiter, len(headers), scratch)
    above = 1 if named else 0
    if named:
        remarks += ("the line sep= above the header is left out",)
    remarks += (*footer, *_stray_quotes(text, delimiter, above))
    ends_open = _all_end_open(text, delimiter, len(headers))
    if ends_open:
        remarks += ("rows end with a separator more than the header; it is left out",)
    return CsvTable(
        *(label, text, delimiter, headers, scratch, remarks),
        above=above,
        ends_open=ends_open,
        ends_in_line=ends_in_line,
    )


def _refuse_other_formats(label: str, path: Path) -> None:
    """Raises ``SourceError`` for a file of another format, whatever its ending says."""
    with path.open("rb") as source:
        start = source.read(64)
        source.seek(max(path.stat().st_size - len(_PARQUET), 0))
        end = source.read()
    found = [what for sign, what in _OTHER_FORMATS.items() if start.startswith(sign)]
    if start.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(_WEB_PAGE):
        found.append("a web page, as some CRMs export it as .xls; save it as XLSX, or as CSV")
    # A header may begin so, too.
    if start.startswith(_PARQUET) and end == _PARQUET:
        found.append("Parquet; give it the ending .parquet")
    if found:
        raise SourceError(f"{label}: the file is {found[0]}")


def header_names(label: str, cells: Sequence[str]) -> tuple[str, ...]:
    """The names of a header's cells. Raises ``SourceError`` for a name that comes twice."""
    headers = tuple(cell.strip() or f"column {at}" for at, cell in enumerate(cells, start=1))
    repeated = sorted({name for name in headers if headers.count(name) > 1})
    if repeated:
        raise SourceError(
            f"{label}: the header names a column twice: {', '.join(repeated)}; rename one of them"
        )
    return headers


def names_given(headers: Sequence[str]) -> list[str]:
    """The names that a header gives; a cell of nothing is called by its place."""
    return [name for at, name in enumerate(headers, start=1) if name != f"column {at}"]


def _without_separator_line(path: Path, scratch: Path) -> tuple[Path, str | None]:
    """The file and no delimiter; or a copy without its first line, ``sep=;``, and that delimiter.

    With such a line Excel knows the delimiter.
    """
    with path.open("rb") as source:
        found = _SEPARATOR_LINE.match(source.read(_CHUNK))
        if not found:
            return path, None
        source.seek(found.end())
        copy = scratch / f"body-{next(_numbers)}.csv"
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    return copy, found[1].decode()


def _without_footer(
    path: Path, delimiter: str, width: int, scratch: Path
) -> tuple[Path, tuple[str, ...]]:
    """The file, or a copy of it without the footer of a report, and a remark about that."""
    with _mapped(path) as text:
        start = max(len(text) - _FOOTER_BYTES, 0)
        # The first line is the header, or was cut.
        upwards = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", text[start:])[:0:-1]
    rows: list[list[str]] = []
    for line in upwards:
        cells = _line_cells(line, delimiter)
        if cells is None:
            break
        rows.append(cells)
    footer = upwards[: footer_length(rows, width)]
    if not footer:
        return path, ()
    copy = scratch / f"body-{next(_numbers)}.csv"
    shutil.copyfile(path, copy)
    os.truncate(copy, path.stat().st_size - sum(map(len, footer)))
    return copy, (footer_remark(sum(1 for line in footer if line.strip())),)


def _line_cells(line: bytes, delimiter: str) -> list[str] | None:
    """The cells of a line; none if a quote in it opens or closes a value of several lines."""
    text = line.decode(errors="replace").strip("\r\n")
    if text.count('"') % 2:
        return None
    with contextlib.suppress(csv.Error):
        return next(csv.reader([text], delimiter=delimiter), [])
    return None


def _cells(record: str, delimiter: str) -> list[str] | None:
    """The cells of a record; none where one is longer than Python takes."""
    with contextlib.suppress(csv.Error):
        return next(csv.reader([record], delimiter=delimiter, skipinitialspace=True), [])
    return None


def _unpacked(label: str, path: Path, scratch: Path) -> Path:
    target = scratch / f"unpacked-{next(_numbers)}.csv"
    try:
        with gzip.open(path, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{label}: the gzip file is damaged or cut off ({error}); export it again"
        ) from error
    return target


def encoding_of(start: bytes, given: str | None = None) -> str:
    """The encoding of a file that begins so, as Python calls it; UTF-8 where nothing tells."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if not given and b"\0" in start[:2]:
        # Without its mark: the first sign of a header is one of ASCII.
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return codecs.lookup(given or "utf-8").name


def _as_utf8(
    label: str, path: Path, scratch: Path, text_format: TextFormat
) -> tuple[Path, tuple[str, ...]]:
    """The file itself if it is UTF-8, else a copy that is, and a remark about a guess.

    Raises ``SourceError`` that names the first byte which the encoding does not have.
    """
    key, given = text_format.encoding_key, text_format.encoding
    with path.open("rb") as source:
        start = source.read(4)
    name = encoding_of(start, given)
    remarks: tuple[str, ...] = ()
    try:
        if name in {"utf-8", "ascii", "utf-8-sig"}:
            try:
                letters = _Letters()
                for text in _decoded(path, "utf-8"):
                    letters.look_at(text)
                return path, letters.remarks(path, "utf-8")
            except _UndecodableError as error:
                if given or start.startswith(codecs.BOM_UTF8):
                    raise
                name = "cp1252"
                remarks = (f"{error}; read as {name}: if letters are wrong, name it in {key}",)
        target = scratch / f"utf8-{next(_numbers)}.csv"
        letters = _Letters()
        with target.open("wb") as copy:
            for text in _decoded(path, name):
                letters.look_at(text)
                copy.write(text.encode())
    except _UndecodableError as error:
        raise SourceError(
            f"{label}: {error}; save the file as UTF-8 or name its encoding (for example cp1252) "
            f"in {key}"
        ) from error
    return target, (*remarks, *letters.remarks(path, name))


class _Letters:
    """Looks for letters that were lost or decoded wrongly, and for signs that nobody sees."""

    def __init__(self) -> None:
        self._at = 0
        # By what was found: how often, and how many characters stand before the first.
        self._found: dict[str, tuple[int, int]] = {}

    def look_at(self, text: str) -> None:
        """Look at the next chunk of a file; its mark at the start is none of its letters."""
        if self._at == 0 and text.startswith("\ufeff"):
            text, self._at = text[1:], 1
        for what, (signs, pattern) in _ODD_LETTERS.items():
            if any(sign in text for sign in signs):
                places = [place.start() for place in re.finditer(pattern, text)]
                if places:
                    number, first = self._found.get(what, (0, self._at + places[0]))
                    self._found[what] = (number + len(places), first)
        self._at += len(text)

    def remarks(self, path: Path, encoding: str) -> tuple[str, ...]:
        """What was found in the file, a line each."""
        return tuple(
            f"{what}, in {number} places (the first: line {_line_of(path, encoding, first)})"
            for what, (number, first) in self._found.items()
        )


def _line_of(path: Path, encoding: str, place: int) -> int:
    """The line of a character, counted only where one is named."""
    line = 1
    for text in _decoded(path, encoding):
        line += text.count("\n", 0, place)
        place -= len(text)
        if place <= 0:
            break
    return line


class _UndecodableError(ValueError):
    """A byte that the encoding of a file does not have."""


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file in chunks. Raises ``_UndecodableError`` for the first wrong byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as source:
        for chunks in itertools.count():
            chunk = source.read(_CHUNK)
            try:
                yield decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # Lines are counted only where one is named: it takes as long as reading.
                before = itertools.islice(_decoded(path, encoding), chunks)
                line = 1 + sum(text.count("\n") for text in before)
                line += error.object[: error.start].count(b"\n")
                name = "UTF-8" if encoding == "utf-8" else encoding
                bad = error.object[error.start]
                raise _UndecodableError(f"line {line}: byte 0x{bad:02x} is not {name}") from error
            if not chunk:
                return


def _first_row(text: str, delimiter: str) -> list[str]:
    """The cells of the first line that is not blank; a line end ends it."""
    lines = io.StringIO(text, newline="")
    return next((row for row in csv.reader(lines, delimiter=delimiter) if row), [])


def _guess_delimiter(head: str, expected: Sequence[str]) -> str:
    """The delimiter under which the header shows most expected names, else most columns."""
    names = {name.strip().casefold() for name in expected}

    def worth(delimiter: str) -> tuple[int, int]:
        try:
            cells = _first_row(head, delimiter)
        except csv.Error:
            return (0, 0)
        return (sum(cell.strip().casefold() in names for cell in cells), len(cells))

    return max(DELIMITERS, key=worth)


def _cell(delimiter: str, *, is_filled: bool = False) -> bytes:
    """Pattern of one cell: in balanced quotes (spaces around them allowed), or without any.

    ``is_filled``: of one that holds more than spaces.
    """
    stop = re.escape(delimiter.encode())
    # Nothing but spaces up to the closing quote, which is none that is doubled; up to the end.
    quoted, plain = (
        (rb'(?! *+"(?!"))', rb"(?! *+(?:[\r\n%b]|\Z))" % stop) if is_filled else (b"", b"")
    )
    return rb'(?: *+"%b[^"]*+(?:""[^"]*+)*+" *+|(?! *+")%b[^\r\n%b]*+)' % (quoted, plain, stop)


def _any_record(delimiter: str) -> re.Pattern[bytes]:
    """A record whose quotes are balanced, up to (not including) its line end."""
    cell, stop = _cell(delimiter), re.escape(delimiter.encode())
    return re.compile(rb"%b(?:%b%b)*+(?=[\r\n]|\Z)" % (cell, stop, cell))


def _sound_records(delimiter: str, width: int, *, ends_open: bool) -> re.Pattern[bytes]:
    """A stretch of records of so many cells each, and of blank lines.

    With ``ends_open`` each has one delimiter more at its end, else it may have one, as the reader
    allows it, where no cell is empty: with an empty one, its cells may be shifted.
    """
    cell, stop = _cell(delimiter), re.escape(delimiter.encode())
    filled, end = _cell(delimiter, is_filled=True), rb"(?:\r\n|\n|\r|\Z)"
    if ends_open:
        record = rb"%b(?:%b%b){%d}+%b%b" % (cell, stop, cell, width - 1, stop, end)
    else:
        record = rb"%b(?:%b%b){%d}+%b" % (cell, stop, cell, width - 1, end)
        record += rb"|%b(?:%b%b){%d}+%b%b" % (filled, stop, filled, width - 1, stop, end)
    return re.compile(rb"(?:(?!\Z)(?:[\r\n]|%b)){0,%d}+" % (record, _RUN_LENGTH))


def _clean_records(delimiter: str) -> re.Pattern[bytes]:
    """A stretch of records of any number of cells, without a quote in a cell that has none."""
    stop = re.escape(delimiter.encode())
    cell = rb'(?: *+"[^"]*+(?:""[^"]*+)*+" *+|[^"\r\n%b]*+)' % stop
    record = rb"%b(?:%b%b)*+(?:\r\n|\n|\r|\Z)" % (cell, stop, cell)
    return re.compile(rb"(?:(?!\Z)%b){0,%d}+" % (record, _RUN_LENGTH))


def _stretches(delimiter: str) -> re.Pattern[bytes]:
    """Whole cells, delimiters and line feeds, up to a carriage return outside quotes."""
    stop = re.escape(delimiter.encode())
    return re.compile(
        rb'((?: *+"[^"]*+(?:""[^"]*+)*+"|[^"\r\n%b][^\r\n%b]*+|[\n%b]){0,%d}+)(\r\n?|)'
        % (stop, stop, stop, _RUN_LENGTH)
    )


def _all_end_open(path: Path, delimiter: str, width: int) -> bool:
    """Whether all rows end with a delimiter more than the header, and there are several.

    Rows of another length and broken ones are set aside, and say nothing about it.
    """
    record, cell, stop = _any_record(delimiter), _cell(delimiter), re.escape(delimiter.encode())
    open_rows = _sound_records(delimiter, width, ends_open=True)
    other_row = re.compile(
        rb"%b(?:%b%b){%d,%d}+(?=[\r\n]|\Z)" % (cell, stop, cell, width - 1, width)
    )
    rows = 0
    with _mapped(path) as text:
        at = _after_line_ends(text, _behind_header(text, record))
        while at < len(text):
            row = record.match(text, at) or _LINE.match(text, at)
            behind = _after_line_ends(text, row.end() if row else len(text))
            found = open_rows.match(text, at)
            if found and found.end() > at:
                rows += 1 if found.end() <= behind else 2
                behind = _after_line_ends(text, found.end())
            elif other_row.match(text, at):
                return False
            at = behind
    return rows > 1


def _may_have_surplus(path: Path, delimiter: str, width: int) -> bool:
    """Whether a row may have a delimiter more than the header, with nothing behind it.

    The reader refuses rows of any other length, so it is enough to count what is not within quotes.
    Blank lines only make it look more closely.
    """
    stop = delimiter.encode()
    with _mapped(path) as text:
        # Line ends of several kinds are another matter, so the first one is that of all.
        end = b"\r" if text.find(b"\r", 0, text.find(b"\n")) >= 0 else b"\n"
        if text.find(stop + end) < 0 and text[-1:] != stop:
            return False
        stops, lines = 0, int(text[-1:] != b"\n")
        for part in _parts(text):
            chunk = text[part : part + _CHUNK]
            stops += chunk.count(stop)
            lines += chunk.count(b"\n")
        for quoted in _QUOTED.finditer(text):
            stops -= quoted[0].count(stop)
            lines -= quoted[0].count(b"\n")
    return stops != lines * (width - 1)


def _stray_quotes(path: Path, delimiter: str, above: int) -> tuple[str, ...]:
    """A remark about quotes within values that have none around them: they stay as they are."""
    record, clean = _any_record(delimiter), _clean_records(delimiter)
    stop = re.escape(delimiter.encode())
    within = re.compile(rb'"(?<=[^\s"%b]")(?! *+[\r\n"%b]| *+\Z)' % (stop, stop))
    lines: list[int] = []
    with _mapped(path) as text:
        at, line = 3 if text[:3] == codecs.BOM_UTF8 else 0, 0
        quotes = sum(text[part : part + _CHUNK].count(b'"') for part in _parts(text))
        # In pairs, and none behind a letter of its value: they stand around values, or are doubled.
        are_few = 0 < quotes * _BYTES_PER_QUOTE < max(len(text), _CHUNK)
        if quotes % 2 == 0 and not (are_few and within.search(text, at + 1)):
            return ()
        while at < len(text):
            start = at
            found = clean.match(text, at)
            if found and found.end() > at:
                at = found.end()
            else:
                found = record.match(text, at) or _LINE.match(text, at)
                # A record that can't be split is set aside, and named there.
                if found and found.re is record:
                    lines.append(line + 1 + above)
                at = _after_line_end(text, found.end() if found else len(text))
            line += text[start:at].count(b"\n")
    if not lines:
        return ()
    return (
        f"{len(lines)} rows with a quote in a value that has none around it (the first: line "
        f"{lines[0]}); it is read as a part of the value",
    )


def _line_ends_differ(path: Path) -> bool:
    """Whether a file may have line ends that the strict reader refuses: several, or old ones."""
    with _mapped(path) as text:
        # Searching for one byte is much faster than a regular expression.
        if text.find(b"\r") < 0:
            return False
        return re.search(rb"\r(?!\n)|(?<!\r)\n", text) is not None


def _tail_is_doubtful(path: Path, delimiter: str) -> bool:
    """Whether the last quote of the file may be one that opens or that lies within a value.

    A quote closes a value for certain if an ordinary character stands before it and a delimiter,
    a line end or nothing behind it.
    """
    with _mapped(path) as text:
        at = text.rfind(b'"')
        if at < 0:
            return False
        before, behind = text[at - 1 : at], text[at + 1 : at + 2]
        stops = (b"\r", b"\n", delimiter.encode(), b"")
        return before in (*stops, b'"', b" ", b"\xbf") or behind not in stops


def _parts(text: mmap.mmap) -> range:
    """Where each chunk of a file begins."""
    return range(0, len(text), _CHUNK)


def _behind_header(text: mmap.mmap, record: re.Pattern[bytes]) -> int:
    """Where the first line that is not blank ends."""
    start = _after_line_ends(text, 3 if text[:3] == codecs.BOM_UTF8 else 0)
    header = record.match(text, start)
    return header.end() if header else start


def _after_line_end(text: mmap.mmap, at: int) -> int:
    """Behind the line end that stands here."""
    return at + (2 if text[at : at + 2] == b"\r\n" else 1)


def _after_line_ends(text: mmap.mmap, at: int) -> int:
    while text[at : at + 1] in (b"\r", b"\n"):
        at += 1
    return at


def exactly(path: Path) -> str:
    """SQL for a path that DuckDB does not take for a pattern."""
    return literal(glob.escape(str(path)))


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield text
