"""CSV files as text, record by record, through DuckDB's reader; broken records are set aside.

A record that cannot be split into the header's fields (too few, too many, a quote that never
closes) must neither be lost nor shift its neighbours. DuckDB's strict reader refuses such records,
but what it makes of the lines behind an open quote cannot be relied on. So a file with any refusal
is audited: a pattern runs over it and steps over stretches of sound records at once; each broken
one is replaced by a placeholder record in a copy, and the copy is read instead. Every other record
keeps its number, the placeholders become rejected rows, and a quote that never closes costs its
own line only.

Three habits of the reader (DuckDB 1.5) decide how it is called:

- ``parallel = false``: with quoted line breaks the parallel scan splits records wrongly at buffer
  boundaries, without an error.
- A quote that is still open at the end of the file makes the single-threaded scan drop the tail
  without an error: where the last quote of a file does not look like a closing one, the file is
  audited first.
- Line ends of several kinds outside quotes are an error, which would end the caller's transaction:
  where the bytes allow for it, that is tried on a connection of its own first.

Record numbers: the header is record 1, the first data record 2, as an editor shows them in files
without quoted line breaks. Blank lines are not counted.
"""

import codecs
import contextlib
import csv
import gzip
import itertools
import json
import mmap
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dagster_project.config.errors import SourceError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DELIMITERS = (",", ";", "\t", "|")

# First cell of a placeholder record; begins with a control character that no export holds.
_PLACEHOLDER = "\x02handoff:rejected:"
_CHUNK = 8 << 20
_HEADER_LIMIT = 1 << 20
_MAX_PASSES = 4
_MAX_RECORD = 2_000_000
_RUN_LENGTH = 100_000
_BEYOND_HEADER = "(beyond the header)"

_scan_numbers = itertools.count(1)


@dataclass(frozen=True)
class RejectedRow:
    """A record that the reader could not use."""

    source_row: int
    reason: str
    row_json: str


@dataclass(frozen=True)
class Inserted:
    """What a reader wrote into a table."""

    rows: int
    rejected: tuple[RejectedRow, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """A stretch of the file that holds one broken record; ``fields`` when it can be split."""

    start: int
    end: int
    text: str
    fields: tuple[str, ...] | None


@dataclass
class CsvTable:
    """One CSV file: plain UTF-8 text on disk, its delimiter and its header.

    ``label`` begins every message; ``scratch`` is a directory for copies.
    """

    label: str
    path: Path
    delimiter: str
    headers: tuple[str, ...]
    scratch: Path
    encoding_key: str
    _broken: list[_Piece] = field(default_factory=list)

    def insert(
        self,
        connection: "DuckDBPyConnection",
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
        if _tail_is_doubtful(path, self.delimiter) or self._line_ends_differ():
            path = self._copy(path, self._broken_pieces())
        for _ in range(_MAX_PASSES):
            rows, refused = self._scan(connection, path, target, select, condition)
            if not refused:
                rejected = self._collect(connection, target, mine)
                return Inserted(rows - len(rejected), rejected)
            connection.execute(f"delete from {target} where {mine}")
            pieces = (
                self._broken_pieces() if path == self.path else self._refused_pieces(path, refused)
            )
            path = self._copy(path, pieces)
        raise SourceError(
            f"{self.label}: the rows cannot be made out; export the file again, with every quote "
            'inside a value doubled ("")'
        )

    def _scan(
        self,
        connection: "DuckDBPyConnection",
        path: Path,
        target: str,
        select: Sequence[str],
        condition: str,
    ) -> tuple[int, list[int]]:
        """One pass: the rows inserted, and the offsets of the records that the reader refused."""
        number = next(_scan_numbers)
        rejects, scans = f"csv_rejects_{number}", f"csv_scans_{number}"
        *values, extra = select
        if self._broken:
            extra = f"case when {self._is_placeholder} then c0 else {extra} end"
            condition = f"({condition} or {self._is_placeholder})"
        row = connection.execute(
            f"""
            insert into {target}
            select {", ".join([*values, extra])}
            from (
                select row_number() over () as source_row, *
                from {self._reader(path, rejects, scans)}
            )
            where source_row > 1 and {condition}
            """
        ).fetchone()
        found = connection.execute(
            f"select line_byte_position - 1, error_type from {rejects} order by 1"
        ).fetchall()
        connection.execute(f"drop table {rejects}")
        connection.execute(f"drop table {scans}")
        for offset, kind in found:
            if kind == "INVALID ENCODING":
                self._check_encoding(path, offset)
        return (row[0] if row else 0), sorted({offset for offset, _ in found})

    def _reader(self, path: Path, rejects: str, scans: str) -> str:
        """The call of DuckDB's reader: every cell as text, nothing guessed."""
        columns = ", ".join(f"'c{at}': 'varchar'" for at in range(len(self.headers)))
        return f"""
            read_csv(
                {literal(str(path))},
                auto_detect = false,
                header = false,
                delim = {literal(self.delimiter)},
                quote = '"',
                escape = '"',
                columns = {{{columns}}},
                strict_mode = true,
                parallel = false,
                store_rejects = true,
                rejects_table = '{rejects}',
                rejects_scan = '{scans}'
            )
        """

    def _line_ends_differ(self) -> bool:
        """Whether lines end in several ways, which the strict reader refuses.

        The bytes tell for nearly every file. Where they don't (line breaks within quotes), the
        reader is tried on a connection of its own, since an error ends the caller's transaction.
        """
        import duckdb

        with _mapped(self.path) as text:
            returns = _count(text, b"\r")
            if returns in (0, _count(text, b"\r\n")) and returns in (0, _count(text, b"\n")):
                return False
        with duckdb.connect() as trial:
            try:
                trial.execute(f"select count(*) from {self._reader(self.path, 'r', 's')}")
            except duckdb.InvalidInputException as error:
                return "state machine" in str(error)
        return False

    @property
    def _is_placeholder(self) -> str:
        return f"starts_with(c0, {literal(_PLACEHOLDER)})"

    def _broken_pieces(self) -> Iterator[_Piece]:
        """Walk over the file from broken record to broken record."""
        sound = _sound_records(self.delimiter, len(self.headers))
        record = _any_record(self.delimiter)
        with _mapped(self.path) as text:
            at = len(codecs.BOM_UTF8) if text[:3] == codecs.BOM_UTF8 else 0
            while text[at : at + 1] in (b"\r", b"\n"):
                at += 1
            header = record.match(text, at)
            at = header.end() if header else at
            while at < len(text):
                found = sound.match(text, at)
                if found and found.end() > at:
                    at = found.end()
                    continue
                piece = self._piece(self.path, text, record, at)
                yield piece
                at = piece.end

    def _refused_pieces(self, path: Path, offsets: list[int]) -> Iterator[_Piece]:
        """The records of an audited copy that the reader refused all the same (too long)."""
        record = _any_record(self.delimiter)
        with _mapped(path) as text:
            for offset in offsets:
                start = offset
                while text[start : start + 1] in (b"\r", b"\n"):
                    start += 1
                yield self._piece(path, text, record, start)

    def _piece(self, path: Path, text: mmap.mmap, record: re.Pattern[bytes], start: int) -> _Piece:
        """The record that begins here; if its quotes do not balance, the line."""
        found = record.match(text, start)
        end = found.end() if found else _line_end(text, start)
        try:
            content = text[start:end].decode()
        except UnicodeDecodeError:
            self._check_encoding(path, start)
            raise
        fields = None
        if found and len(content) < _MAX_RECORD:
            with contextlib.suppress(csv.Error):
                fields = tuple(
                    next(csv.reader([content], delimiter=self.delimiter, skipinitialspace=True), [])
                )
        return _Piece(start, end, content, fields)

    def _copy(self, path: Path, pieces: Iterable[_Piece]) -> Path:
        """Copy the text with placeholders for the pieces and with line feeds as line ends."""
        filler = self.delimiter * (len(self.headers) - 1)
        copy = self.scratch / f"copy-{next(_scan_numbers)}.csv"
        with _mapped(path) as text, copy.open("wb") as target:
            write = self._writer(text, target)
            at = 0
            for piece in pieces:
                write(at, piece.start)
                if piece.text.strip():
                    target.write(f"{_PLACEHOLDER}{len(self._broken)}{filler}".encode())
                    self._broken.append(piece)
                at = piece.end
            write(at, len(text))
        if path != self.path:
            path.unlink()
        return copy

    def _writer(self, text: mmap.mmap, target: IO[bytes]) -> Callable[[int, int], None]:
        """A function that copies a stretch of sound records, with line feeds as line ends."""
        if text.find(b"\r") < 0:

            def copy_as_is(start: int, end: int) -> None:
                for at in range(start, end, _CHUNK):
                    target.write(text[at : min(at + _CHUNK, end)])

            return copy_as_is

        run = _sound_records(self.delimiter, None)
        up_to_return = _up_to_carriage_return(self.delimiter)

        def copy_with_line_feeds(start: int, end: int) -> None:
            at = start
            while at < end:
                found = run.match(text, at, end)
                stop = found.end() if found and found.end() > at else end
                target.write(up_to_return.sub(_with_line_feed, text[at:stop]))
                at = stop

        return copy_with_line_feeds

    def _collect(
        self, connection: "DuckDBPyConnection", target: str, mine: str
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
        return tuple(
            self._rejected(row, self._broken[int(mark.removeprefix(_PLACEHOLDER))])
            for row, mark in sorted(found)
        )

    def _rejected(self, source_row: int, piece: _Piece) -> RejectedRow:
        """The rejected row for a broken record, with the cells that can be made out."""
        if piece.fields is None:
            reason = (
                "the row is longer than the reader takes (2 MB)"
                if len(piece.text) >= _MAX_RECORD
                else "the row is broken: a quote is not closed, or not doubled"
            )
            return RejectedRow(
                source_row, reason, json.dumps({"row": piece.text}, ensure_ascii=False)
            )
        wanted, given = len(self.headers), len(piece.fields)
        cells: dict[str, str | list[str]] = dict(zip(self.headers, piece.fields, strict=False))
        if given > wanted:
            cells[_BEYOND_HEADER] = list(piece.fields[wanted:])
        return RejectedRow(
            source_row,
            f"the row has {given} fields, the header has {wanted}",
            json.dumps(cells, ensure_ascii=False),
        )

    def _check_encoding(self, path: Path, offset: int) -> None:
        """Raise ``SourceError`` if the text from an offset on is not UTF-8, naming the byte."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        with _mapped(path) as text:
            for at in range(offset, len(text), _CHUNK):
                pending = len(decoder.getstate()[0])
                stop = min(at + _CHUNK, len(text))
                try:
                    decoder.decode(text[at:stop], final=stop == len(text))
                except UnicodeDecodeError as error:
                    bad = at - pending + error.start
                    line = _count(text, b"\n", bad) + 1
                    raise _not_decodable(
                        self.label, "UTF-8", line, text[bad], self.encoding_key
                    ) from error


def open_csv(
    label: str,
    path: Path,
    scratch: Path,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    expected: Sequence[str] = (),
    encoding_key: str = "encoding",
) -> CsvTable:
    """Make a CSV file ready to be read: unpacked, UTF-8, delimiter and header known.

    ``expected``: names that tell the delimiter where it is not given. ``encoding_key``: the
    setting that a message points to. Raises ``SourceError`` for a file that is empty, has no
    header, cannot be unpacked or decoded, or names a column twice.
    """
    text = _unpacked(label, path, scratch) if path.suffix.lower() == ".gz" else path
    text = _as_utf8(label, text, scratch, encoding, encoding_key)
    head = _header_text(label, text, encoding_key)
    delimiter = delimiter or _guess_delimiter(head, expected)
    if not _any_record(delimiter).match(head.lstrip().encode()):
        raise SourceError(f"{label}: the header line is broken: its quotes do not balance")
    cells = next((row for row in csv.reader(_lines(head), delimiter=delimiter) if row), [])
    headers = tuple(cell.strip() or f"column {at}" for at, cell in enumerate(cells, start=1))
    repeated = sorted({name for name in headers if headers.count(name) > 1})
    if repeated:
        raise SourceError(
            f"{label}: the header names a column twice: {', '.join(repeated)}; rename one of them"
        )
    return CsvTable(label, text, delimiter, headers, scratch, encoding_key)


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _unpacked(label: str, path: Path, scratch: Path) -> Path:
    target = scratch / f"unpacked-{next(_scan_numbers)}.csv"
    try:
        with gzip.open(path, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{label}: the gzip file is damaged or cut off ({error}); export it again"
        ) from error
    return target


def _as_utf8(label: str, path: Path, scratch: Path, encoding: str, encoding_key: str) -> Path:
    """The file itself if it is UTF-8, else a copy that is."""
    with path.open("rb") as source:
        start = source.read(4)
    name = codecs.lookup(encoding).name
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    if name in {"utf-8", "ascii", "utf-8-sig"}:
        return path
    target = scratch / f"utf8-{next(_scan_numbers)}.csv"
    decoder = codecs.getincrementaldecoder(name)()
    line = 1
    with path.open("rb") as source, target.open("wb") as copy:
        while True:
            chunk = source.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                bad = error.object[error.start]
                raise _not_decodable(label, name, line, bad, encoding_key) from error
            line += text.count("\n")
            copy.write(text.encode())
            if not chunk:
                return target


def _header_text(label: str, path: Path, encoding_key: str) -> str:
    """The beginning of the file, enough for the header."""
    with path.open("rb") as source:
        start = source.read(_HEADER_LIMIT)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError as error:
        line = start[: error.start].count(b"\n") + 1
        bad = start[error.start]
        raise _not_decodable(label, "UTF-8", line, bad, encoding_key) from error
    if not text.strip():
        raise SourceError(f"{label}: the file is empty; it needs at least a header line")
    return text


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends, split at line ends only (not at other separators)."""
    return iter(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text))


def _guess_delimiter(head: str, expected: Sequence[str]) -> str:
    """The delimiter under which the header shows most expected names, else most columns."""
    names = {name.strip().casefold() for name in expected}

    def worth(delimiter: str) -> tuple[int, int]:
        try:
            cells = next((row for row in csv.reader(_lines(head), delimiter=delimiter) if row), [])
        except csv.Error:
            return (0, 0)
        return (sum(cell.strip().casefold() in names for cell in cells), len(cells))

    return max(DELIMITERS, key=worth)


def _cell(delimiter: str) -> bytes:
    """Pattern of one cell: in balanced quotes (spaces around them allowed), or without any."""
    return rb'(?: *+"[^"]*+(?:""[^"]*+)*+" *+|(?! *+")[^\r\n%b]*+)' % re.escape(delimiter.encode())


def _any_record(delimiter: str) -> re.Pattern[bytes]:
    """A record whose quotes are balanced, up to (not including) its line end."""
    cell, stop = _cell(delimiter), re.escape(delimiter.encode())
    return re.compile(rb"%b(?:%b%b)*+(?=[\r\n]|\Z)" % (cell, stop, cell))


def _sound_records(delimiter: str, width: int | None) -> re.Pattern[bytes]:
    """A stretch of records of so many cells each (None: any number), and of blank lines.

    One delimiter too many at the end of a record is allowed, as the reader allows it.
    """
    cell, stop = _cell(delimiter), re.escape(delimiter.encode())
    more = b"*+" if width is None else b"{%d}+%b?" % (width - 1, stop)
    record = rb"%b(?:%b%b)%b(?:\r\n|\n|\r|\Z)" % (cell, stop, cell, more)
    return re.compile(rb"(?:(?!\Z)(?:[\r\n]|%b)){0,%d}+" % (record, _RUN_LENGTH))


def _up_to_carriage_return(delimiter: str) -> re.Pattern[bytes]:
    """Cells, delimiters and line feeds up to a carriage return outside quotes, or the end."""
    stop = re.escape(delimiter.encode())
    return re.compile(
        rb'((?: *+"[^"]*+(?:""[^"]*+)*+"|[^"\r\n%b][^\r\n%b]*+|[\n%b])*+)(\r\n?|\Z)'
        % (stop, stop, stop)
    )


def _with_line_feed(found: re.Match[bytes]) -> bytes:
    return found[1] + (b"\n" if found[2] else b"")


def _line_end(text: mmap.mmap, start: int) -> int:
    """Where the line ends that begins here."""
    ends = [at for at in (text.find(b"\n", start), text.find(b"\r", start)) if at >= 0]
    return min(ends, default=len(text))


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


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield text


def _count(text: mmap.mmap, what: bytes, end: int | None = None) -> int:
    """How often one or two bytes occur before an offset."""
    stop = len(text) if end is None else end
    overlap = len(what) - 1
    return sum(
        text[at : min(at + _CHUNK + overlap, stop)].count(what) for at in range(0, stop, _CHUNK)
    )


def _not_decodable(label: str, name: str, line: int, byte: int, key: str) -> SourceError:
    return SourceError(f"{label}: line {line}: byte 0x{byte:02x} is not {name}; {_mend(key)}")


def _mend(key: str) -> str:
    return f"save the file as UTF-8 or name its encoding (for example cp1252) in {key}"
