"""Source kind ``files``: a directory with one file per contract table, read in bulk into raw.

A mapping fits other exports to the contract: file and column names, constants, time formats, value
maps, stage names, and date columns that say when a stage was entered. A load of a source is one
transaction: if any file cannot be read, raw stays as it was.
"""

import hashlib
import re
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.errors import SourceError
from dagster_project.config.sources import FilesSource, StageDate, TableMapping, TimeFormats
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.files.csv import Inserted, RejectedRow, literal, open_csv
from dagster_project.ingestion.files.typed import first_line, open_jsonl, open_parquet, time_text
from dagster_project.ingestion.finding import Finding
from dagster_project.ingestion.result import IngestionResult, Note, Progress, TableResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl")
_STAGE_DATE_TABLE = "stage_changes"
_READ_BUFFER = 1 << 20


class Reader(Protocol):
    """What every file format gives: header names, and a bulk insert over ``c0``, ``c1`` .."""

    @property
    def headers(self) -> tuple[str, ...]: ...

    def insert(
        self,
        connection: "DuckDBPyConnection",
        target: str,
        select: Sequence[str],
        mine: str,
        condition: str = "true",
    ) -> Inserted: ...


@dataclass(frozen=True)
class _Column:
    """One contract column of one file: where its value comes from, as SQL over the reader."""

    sql: str
    header: str | None


@dataclass
class _Load:
    """The state of one load of one source."""

    connection: "DuckDBPyConnection"
    source: FilesSource
    load_id: int
    scratch: Path
    result: IngestionResult
    progress: Progress | None = None
    readers: dict[tuple[Path, str | None, str], Reader] = field(default_factory=dict)
    prints: dict[Path, str] = field(default_factory=dict)

    def say(self, message: str) -> None:
        if self.progress:
            self.progress(f"{self.source.name}: {message}")

    def note(self, table: str | None, message: str, severity: str = "warning") -> None:
        raw_schema.record_note(
            self.connection, self.source.name, self.load_id, table, message, severity
        )
        self.result.notes.append(Note(message, table, severity))

    def label(self, path: Path) -> str:
        """How messages name a file of this source."""
        return f"source {self.source.name}: {path}"

    def fingerprint(self, path: Path) -> str:
        """What tells one content from another."""
        if path not in self.prints:
            with path.open("rb") as file:
                self.prints[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.prints[path]

    def mode(self, table: str) -> str:
        mapping = self.source.tables.get(table)
        return (mapping.mode if mapping else None) or self.source.mode

    def is_loaded(self, table: str, fingerprint: str) -> bool:
        """Whether a table of this source holds this content already (append mode)."""
        row = self.connection.execute(
            f"""
            select count(*) from {RAW_SCHEMA}.loads
            where source_system = ? and table_name = ? and fingerprint = ? and is_current
            """,
            [self.source.name, table, fingerprint],
        ).fetchone()
        return bool(row and row[0])


def ingest(
    connection: "DuckDBPyConnection",
    source: FilesSource,
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Read an export into the raw contract tables.

    Raises ``SourceError`` when the directory, a needed table, a needed or mapped column is
    missing, or a file cannot be read; then nothing has changed.
    """
    result = IngestionResult(source.name, load_id)
    files = find_tables(source)
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch:
        load = _Load(connection, source, load_id, Path(scratch), result, progress)
        with raw_schema.transaction(connection):
            raw_schema.write_stage_map(connection, source.name, source.stage_names)
            for table in CONTRACT_TABLES.values():
                if table.name in files:
                    _load_table(load, table, files[table.name])
            _load_stage_dates(load, files)
            _drop_absent_tables(load)
            _note_unread_files(load, files)
    return result


def check(source: FilesSource) -> list[Finding]:
    """What a load would trip over, seen in the files' headers; nothing is loaded.

    Raises ``SourceError`` when the directory or the leads are missing.
    """
    import duckdb

    files = find_tables(source)
    findings = []
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch, duckdb.connect() as connection:
        raw_schema.ensure_raw_schema(connection)
        load = _Load(connection, source, 0, Path(scratch), IngestionResult(source.name, 0))
        for name, path in files.items():
            try:
                reader, columns = _open_table(load, CONTRACT_TABLES[name], path)
                _extra(load, CONTRACT_TABLES[name], path, reader, columns)
                findings.append(Finding("ok", f"{name}: {path.name}, {_about_rows(path)}"))
            except SourceError as error:
                findings += [Finding("error", problem) for problem in error.problems]
        findings += [Finding("ok", note.message) for note in load.result.notes]
    absent = [name for name in CONTRACT_TABLES if name not in files]
    if absent:
        findings.append(Finding("ok", f"without {', '.join(absent)}: these tables stay empty"))
    return findings


def _about_rows(path: Path) -> str:
    """How many rows a file has, as far as its beginning tells."""
    size = path.stat().st_size
    if path.suffix not in {".csv", ".jsonl"}:
        return f"{size:,} bytes"
    with path.open("rb") as file:
        start = file.read(_READ_BUFFER)
    lines = max(start.count(b"\n"), 1)
    rows = lines * size // max(len(start), 1) - (path.suffix == ".csv")
    return f"{'about ' if size > len(start) else ''}{rows:,} rows"


def find_tables(source: FilesSource) -> dict[str, Path]:
    """The file of each contract table that the export has.

    Raises ``SourceError`` when the directory or the leads are missing, a mapped file does not
    exist, or one table has two files.
    """
    directory = source.path
    where = f"source {source.name}: {directory}"
    if not directory.exists():
        raise SourceError(
            f"{where}: no such directory; name the directory of the export with --input DIR or in "
            "sources.path"
        )
    if not directory.is_dir():
        raise SourceError(f"{where}: not a directory; name the directory that holds the files")
    try:
        present = sorted(path for path in directory.iterdir() if path.is_file())
    except PermissionError as error:
        raise SourceError(
            f"{where}: the directory may not be read; mend its permissions"
        ) from error
    found = {}
    for name in CONTRACT_TABLES:
        path = _file_of(source, name, present)
        if path:
            found[name] = path
    if "leads" not in found:
        names = ", ".join(path.name for path in present) or "nothing"
        raise SourceError(
            f"{where}: no leads table; expected one of "
            f"{', '.join('leads' + suffix for suffix in SUFFIXES)} (there: {names}), or name the "
            "file in tables.leads.file"
        )
    return found


def _file_of(source: FilesSource, table: str, present: list[Path]) -> Path | None:
    """The file of one table: as mapped, else by its name."""
    mapping = source.tables.get(table)
    if mapping and mapping.file:
        return _mapped_file(source, mapping.file, f"tables.{table}.file", present)
    fitting = [path for path in present if path.name.lower() in {table + end for end in SUFFIXES}]
    if len(fitting) > 1:
        raise SourceError(
            f"source {source.name}: {source.path}: table {table} has {len(fitting)} files: "
            f"{', '.join(path.name for path in fitting)}; remove all but one, or name the one to "
            f"read in tables.{table}.file"
        )
    return fitting[0] if fitting else None


def _mapped_file(source: FilesSource, name: str, key: str, present: list[Path]) -> Path:
    path = source.path / name
    if not path.is_file():
        names = ", ".join(item.name for item in present) or "nothing"
        raise SourceError(
            f"source {source.name}: {path}: no such file, named in {key}; the directory holds: "
            f"{names}"
        )
    return path


def _open(
    load: _Load,
    path: Path,
    delimiter: str | None,
    encoding: str,
    expected: Sequence[str],
    encoding_key: str,
) -> Reader:
    """The reader for a file; one per file and way of reading, for the whole load."""
    key = (path, delimiter, encoding)
    if key not in load.readers:
        label = load.label(path)
        try:
            load.readers[key] = open_file(
                label,
                path,
                load.scratch,
                delimiter=delimiter,
                encoding=encoding,
                expected=expected,
                encoding_key=encoding_key,
            )
        except OSError as error:
            raise SourceError(f"{label}: cannot be read: {error.strerror or error}") from error
    return load.readers[key]


def open_file(
    label: str,
    path: Path,
    scratch: Path,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    expected: Sequence[str] = (),
    encoding_key: str = "encoding",
) -> Reader:
    """A reader for a file, by its ending; files of other endings are CSV.

    ``label`` begins every message, ``scratch`` is a directory for copies, ``expected`` are names
    that tell the delimiter of a CSV file, ``encoding_key`` is the setting that messages name.
    """
    path = _without_wildcards(path, scratch)
    match path.suffix.lower():
        case ".parquet":
            return open_parquet(label, path)
        case ".jsonl":
            return open_jsonl(label, path)
    return open_csv(
        label,
        path,
        scratch,
        delimiter=delimiter,
        encoding=encoding,
        expected=expected,
        encoding_key=encoding_key,
    )


def _without_wildcards(path: Path, scratch: Path) -> Path:
    """The file under a name that DuckDB does not take for a pattern."""
    if not any(sign in str(path) for sign in "*?[]{}"):
        return path
    link = scratch / f"file-{len(list(scratch.iterdir()))}{''.join(path.suffixes[-2:])}"
    link.symlink_to(path.resolve())
    return link


def _load_table(load: _Load, table: ContractTable, path: Path) -> None:
    """Read one file into the raw table of its name."""
    mode, fingerprint = load.mode(table.name), load.fingerprint(path)
    if mode == "append" and load.is_loaded(table.name, fingerprint):
        load.note(table.name, f"{path.name}: loaded before, skipped", "info")
        load.result.tables[table.name] = TableResult(table.name, skipped_files=(path.name,))
        return
    load.say(f"reading {path.name}")
    reader, columns = _open_table(load, table, path)
    extra = _extra(load, table, path, reader, columns)
    if mode == "snapshot":
        raw_schema.remove_earlier_rows(load.connection, load.source.name, table.name, load.load_id)
    select = [
        literal(load.source.name),
        str(load.load_id),
        literal(path.name),
        "source_row",
        *(columns[name].sql for name in table.columns),
        extra,
    ]
    where = load.source.tables.get(table.name, TableMapping()).where
    condition = _condition(load, path, reader, where, f"tables.{table.name}.where")
    inserted = _insert(load, path, reader, f"{RAW_SCHEMA}.{table.name}", select, condition)
    _record(load, table, path, mode, fingerprint, inserted)
    if not inserted.rows and not inserted.rejected:
        load.note(table.name, f"{path.name}: a header and no rows; the table is empty")


def _open_table(load: _Load, table: ContractTable, path: Path) -> tuple[Reader, dict[str, _Column]]:
    """The reader of a table's file, and where each contract column comes from."""
    mapping = load.source.tables.get(table.name, TableMapping())
    expected = [*table.columns, *mapping.columns.values()]
    key = f"tables.{table.name}.encoding"
    reader = _open(load, path, mapping.delimiter, mapping.encoding, expected, key)
    return reader, _resolve(load, table, mapping, path, reader)


def _insert(
    load: _Load,
    path: Path,
    reader: Reader,
    target: str,
    select: Sequence[str],
    condition: str = "true",
) -> Inserted:
    """Run a reader; what DuckDB says of the file becomes a message that names it."""
    import duckdb

    mine = f"load_id = {load.load_id} and source_file = {literal(path.name)}"
    try:
        return reader.insert(load.connection, target, select, mine, condition)
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise SourceError(f"{load.label(path)}: {first_line(error, path)}") from error
    except duckdb.IOException as error:
        if path.name not in str(error):
            raise
        raise SourceError(f"{load.label(path)}: {first_line(error, path)}") from error


def _record(
    load: _Load,
    table: ContractTable,
    path: Path,
    mode: str,
    fingerprint: str,
    inserted: Inserted,
) -> None:
    """Keep the rejected rows and the record of a load, and add it to the result."""
    name = load.source.name
    _keep_rejected(load, table.name, path, inserted.rejected)
    rows, rejected = inserted.rows + len(inserted.rejected), len(inserted.rejected)
    size = path.stat().st_size
    raw_schema.record_load(
        load.connection,
        raw_schema.Load(load.load_id, name, table.name, path.name, mode, rows, size, fingerprint),
    )
    before = load.result.tables.get(table.name, TableResult(table.name))
    load.result.tables[table.name] = replace(
        before,
        rows_read=before.rows_read + rows,
        rows_rejected=before.rows_rejected + rejected,
        bytes=before.bytes + size,
        newest=_newest(load, table),
        files=(*before.files, path.name),
    )
    load.say(f"{path.name}: {rows:,} rows into {table.name}")
    if rejected:
        load.note(table.name, f"{path.name}: broken rows set aside: {rejected:,}")


def _keep_rejected(load: _Load, table: str, path: Path, rejected: Sequence[RejectedRow]) -> None:
    if not rejected:
        return
    import pyarrow as pa

    rows = pa.table(
        {
            "source_row": pa.array([row.source_row for row in rejected], pa.int64()),
            "reason": pa.array([row.reason for row in rejected], pa.string()),
            "row_json": pa.array([row.row_json for row in rejected], pa.string()),
        }
    )
    load.connection.register("handoff_rejected", rows)
    load.connection.execute(
        f"""
        insert into {RAW_SCHEMA}.rejected_rows
        select ?, ?, ?, ?, source_row, null, reason, row_json from handoff_rejected
        """,
        [load.source.name, load.load_id, table, path.name],
    )
    load.connection.unregister("handoff_rejected")


def _newest(load: _Load, table: ContractTable) -> str | None:
    """The latest time in what this load brought, ISO text in UTC."""
    if not table.newest_by:
        return None
    value = f"coalesce({', '.join(table.newest_by)})"
    newest = f"max(try_cast(try_cast({value} as timestamptz) as timestamp))"
    row = load.connection.execute(
        f"select {time_text('newest')} from (select {newest} as newest "
        f"from {RAW_SCHEMA}.{table.name} where source_system = ? and load_id = ?)",
        [load.source.name, load.load_id],
    ).fetchone()
    return row[0] if row else None


def _resolve(
    load: _Load, table: ContractTable, mapping: TableMapping, path: Path, reader: Reader
) -> dict[str, _Column]:
    """Where each contract column of a table comes from.

    Raises ``SourceError`` when a mapped header or a required column is missing.
    """
    headers = reader.headers
    taken = {
        column: _header(load, path, headers, name, f"tables.{table.name}.columns.{column}")
        for column, name in mapping.columns.items()
    }
    free = [header for header in headers if header not in taken.values()]
    columns = {}
    for column in table.columns:
        header = taken.get(column) or _matching(load, path, free, column)
        key = f"tables.{table.name}.only_when.{column}"
        beside = mapping.only_when.get(column, {})
        counts = _condition(load, path, reader, beside, key)
        # By the contract's names: a moment, not a date.
        zone = load.source.timezone if column.endswith("_at") else "UTC"
        columns[column] = _column(column, mapping, headers, header, counts, zone)
    missing = [
        column
        for column in table.columns
        if column in table.required and columns[column].sql == "null"
    ]
    if missing:
        raise SourceError(
            f"{load.label(path)}: required column {', '.join(missing)} of table {table.name} is "
            f"missing; the header has: {_listed(headers)}; name the header that holds it in "
            f"tables.{table.name}.columns.{missing[0]}"
        )
    return columns


def _matching(load: _Load, path: Path, headers: Sequence[str], name: str) -> str | None:
    """The header that bears a name: exactly, else without case and outer spaces."""
    if name in headers:
        return name
    plain = name.strip().casefold()
    alike = [header for header in headers if header.strip().casefold() == plain]
    if len(alike) > 1:
        raise SourceError(
            f"{load.label(path)}: several headers read as {name}: {', '.join(alike)}; rename all "
            "but one"
        )
    return alike[0] if alike else None


def _header(load: _Load, path: Path, headers: Sequence[str], name: str, key: str) -> str:
    """A header that the configuration names. Raises ``SourceError`` when the file lacks it."""
    found = _matching(load, path, headers, name)
    if found is None:
        raise SourceError(
            f"{load.label(path)}: no column {name!r}, named in {key}; the header has: "
            f"{_listed(headers)}"
        )
    return found


def _listed(headers: Sequence[str], limit: int = 40) -> str:
    shown = ", ".join(textwrap.shorten(header, 60) for header in headers[:limit])
    return shown if len(headers) <= limit else f"{shown} and {len(headers) - limit} more"


def _condition(
    load: _Load, path: Path, reader: Reader, where: dict[str, list[str]], key: str
) -> str:
    """SQL that holds where each named header has one of its values, whatever their case."""
    terms = ["true"]
    for name, values in where.items():
        header = _header(load, path, reader.headers, name, key)
        accepted = ", ".join(literal(value.strip().lower()) for value in values)
        cell = f"c{reader.headers.index(header)}"
        terms.append(f"coalesce(lower(trim({cell})) in ({accepted}), false)")
    return " and ".join(terms)


def _column(
    column: str,
    mapping: TableMapping,
    headers: Sequence[str],
    header: str | None,
    counts: str,
    zone: str,
) -> _Column:
    """A constant, or a header's cell after value map, format and condition, or nothing."""
    if column in mapping.constants:
        return _Column(literal(mapping.constants[column]), None)
    if header is None:
        return _Column("null", None)
    sql = _cell(headers, header)
    if column in mapping.values:
        sql = _mapped_values(sql, mapping.values[column])
    if column in mapping.time_formats:
        sql = _as_time(sql, mapping.time_formats[column], zone)
    if zone != "UTC":
        sql = _local_time(sql, zone)
    if column in mapping.decimal_marks:
        sql = _as_number(sql, mapping.decimal_marks[column])
    if column in mapping.only_when:
        sql = f"if({counts}, {sql}, null)"
    return _Column(sql, header)


def _cell(headers: Sequence[str], header: str) -> str:
    """A cell as received; one of spaces only is nothing."""
    at = headers.index(header)
    return f"if(trim(c{at}) = '', null, c{at})"


def _mapped_values(sql: str, values: dict[str, str]) -> str:
    """The mapped value, whatever the case and outer spaces; others stay as they are."""
    branches = " ".join(
        f"when {literal(given.strip().lower())} then {literal(meant) if meant else 'null'}"
        for given, meant in values.items()
    )
    return f"case lower(trim({sql})) {branches} else {sql} end"


def _as_number(sql: str, decimal_mark: str) -> str:
    """A number without currency and grouping marks; what is none stays as it was."""
    kept = (
        f"replace(regexp_replace({sql}, '[^0-9{decimal_mark}+-]', '', 'g'), '{decimal_mark}', '.')"
    )
    return f"if(try_cast({kept} as double) is null, {sql}, {kept})"


def _as_time(sql: str, formats: TimeFormats, zone: str) -> str:
    """ISO text (UTC) of a time in one of the formats; one that fits none stays as it was.

    ``zone``: of formats with a clock time and no offset.
    """
    readings = []
    for item in [formats] if isinstance(formats, str) else formats:
        moment = f"try_cast({_parsed(sql, item)} as timestamp)"
        is_local = re.search("%-?[HI]|%[cXT]", item) and not re.search("%[zZ]", item)
        readings.append(_in_utc(moment, zone) if is_local else moment)
    moment = readings[0] if len(readings) == 1 else f"coalesce({', '.join(readings)})"
    return f"coalesce({time_text(moment)}, {sql})"


def _local_time(sql: str, zone: str) -> str:
    """ISO text (UTC) of an ISO time without an offset; anything else stays as it was."""
    written = f"trim({sql})"
    to_the_minute = r"^\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}$"
    whole = f"regexp_replace({written}, '({to_the_minute[1:-1]})$', '\\1:00')"
    moment = _in_utc(f"try_cast({whole} as timestamp)", zone)
    pattern = to_the_minute[:-1] + r"(:\d{2}([.]\d+)?)?$"
    return (
        f"if(regexp_matches({written}, '{pattern}'), coalesce({time_text(moment)}, {sql}), {sql})"
    )


def _in_utc(moment: str, zone: str) -> str:
    """A local timestamp in UTC; of an hour that comes twice in autumn, the second."""
    if zone == "UTC":
        return moment
    return f"(({moment}) at time zone {literal(zone)} at time zone 'UTC')"


def _parsed(sql: str, time_format: str) -> str:
    if time_format == "epoch":
        return f"make_timestamp(try_cast(try_cast({sql} as double) * 1000000 as bigint))"
    if time_format == "epoch_ms":
        return f"make_timestamp(try_cast({sql} as bigint) * 1000)"
    return f"try_strptime(trim({sql}), {literal(time_format)})"


def _extra(
    load: _Load,
    table: ContractTable,
    path: Path,
    reader: Reader,
    columns: dict[str, _Column],
) -> str:
    """SQL for the JSON object of the columns that the contract does not know, noted once."""
    used = {column.header for column in columns.values()}
    used |= {
        _header(load, path, reader.headers, item.column, f"stage_dates.{item.stage}")
        for item in load.source.stage_dates
        if _is_file_of(load.source, item, table, path)
    }
    unknown = [(at, header) for at, header in enumerate(reader.headers) if header not in used]
    if not unknown:
        return "null"
    names = _listed([header for _, header in unknown])
    load.note(
        table.name,
        f"{path.name}: columns that the contract does not know are kept in "
        f"{raw_schema.EXTRA_COLUMNS}: {names}",
        "info",
    )
    pairs = ", ".join(f"{literal(header)}, c{at}" for at, header in unknown)
    return f"cast(json_object({pairs}) as varchar)"


def _is_file_of(source: FilesSource, item: StageDate, table: ContractTable, path: Path) -> bool:
    return (source.path / item.file) == path if item.file else table.name == "leads"


def _load_stage_dates(load: _Load, files: dict[str, Path]) -> None:
    """Make stage changes of the date columns, one pass per file."""
    by_file: dict[Path, list[tuple[int, StageDate]]] = {}
    for at, item in enumerate(load.source.stage_dates):
        path = files["leads"]
        if item.file:
            present = sorted(load.source.path.iterdir())
            path = _mapped_file(load.source, item.file, f"stage_dates[{at}].file", present)
        by_file.setdefault(path, []).append((at, item))
    for path, items in by_file.items():
        _load_dates_of_file(load, path, items, files)


def _load_dates_of_file(
    load: _Load, path: Path, items: list[tuple[int, StageDate]], files: dict[str, Path]
) -> None:
    table = CONTRACT_TABLES[_STAGE_DATE_TABLE]
    mode = load.mode(table.name)
    meaning = repr([item.model_dump() for _, item in items]).encode()
    fingerprint = f"{load.fingerprint(path)}:{hashlib.sha256(meaning).hexdigest()[:16]}"
    if mode == "append" and load.is_loaded(table.name, fingerprint):
        load.note(table.name, f"{path.name}: stage dates loaded before, skipped", "info")
        return
    load.say(f"reading stage dates of {path.name}")
    if mode == "snapshot":
        raw_schema.remove_earlier_rows(load.connection, load.source.name, table.name, load.load_id)
    reader = _open_for_dates(load, path, items, files)
    inserted = _read_dates(load, path, items, files, reader)
    _record(load, table, path, mode, fingerprint, inserted)


def _open_for_dates(
    load: _Load, path: Path, items: list[tuple[int, StageDate]], files: dict[str, Path]
) -> Reader:
    """The reader that the file's own table uses, else one by what the stage dates say."""
    for name, known in files.items():
        if known == path:
            mapping = load.source.tables.get(name, TableMapping())
            known_names = CONTRACT_TABLES[name].columns
            key = f"tables.{name}.encoding"
            return _open(load, path, mapping.delimiter, mapping.encoding, known_names, key)
    at, first = items[0]
    expected = [item.column for _, item in items]
    key = f"stage_dates[{at}].encoding"
    return _open(load, path, first.delimiter, first.encoding, expected, key)


def _read_dates(
    load: _Load,
    path: Path,
    items: list[tuple[int, StageDate]],
    files: dict[str, Path],
    reader: Reader,
) -> Inserted:
    """Read lead ids and dates of a file, and insert one stage change per date given."""
    dates = []
    for at, item in items:
        header = _header(load, path, reader.headers, item.column, f"stage_dates[{at}].column")
        value = _cell(reader.headers, header)
        moment = value
        if item.time_format:
            moment = _as_time(moment, item.time_format, load.source.timezone)
        if load.source.timezone != "UTC":
            moment = _local_time(moment, load.source.timezone)
        dates.append((header, _lead_header(load, path, item, at, reader), item.stage, moment))
    columns = ", ".join(f"lead_{at} varchar, date_{at} varchar" for at in range(len(dates)))
    load.connection.execute(
        "create or replace temp table stage_dates (load_id bigint, source_file varchar, "
        f"source_row bigint, {columns}, extra_columns varchar)"
    )
    select = [str(load.load_id), literal(path.name), "source_row"]
    for _, lead, _, moment in dates:
        select += [_cell(reader.headers, lead), moment]
    read = _insert(load, path, reader, "stage_dates", [*select, "null"])
    made = 0
    for at, (header, _, stage, _) in enumerate(dates):
        made += _insert_stage_changes(load, at, header, stage)
    load.connection.execute("drop table stage_dates")
    # Broken rows of a table's own file are counted there already.
    return Inserted(made, () if path in files.values() else read.rejected)


def _lead_header(load: _Load, path: Path, item: StageDate, at: int, reader: Reader) -> str:
    """The header that holds the lead's id beside a stage date."""
    if item.lead_id:
        return _header(load, path, reader.headers, item.lead_id, f"stage_dates[{at}].lead_id")
    leads = load.source.tables.get("leads", TableMapping())
    name = leads.columns.get("lead_id", "lead_id")
    return _header(load, path, reader.headers, name, f"stage_dates[{at}].lead_id")


def _insert_stage_changes(load: _Load, at: int, header: str, stage: str) -> int:
    values: dict[str, str] = {
        "source_system": literal(load.source.name),
        "load_id": "load_id",
        "source_file": "source_file",
        "source_row": "source_row",
        "change_id": f"{literal(f'stage_date:{header}:')} || trim(lead_{at})",
        "lead_id": f"lead_{at}",
        "changed_at": f"date_{at}",
        "to_stage": literal(stage),
    }
    row = load.connection.execute(
        f"insert into {RAW_SCHEMA}.{_STAGE_DATE_TABLE} ({', '.join(values)}) "
        f"select {', '.join(values.values())} from stage_dates where date_{at} is not null"
    ).fetchone()
    return row[0] if row else 0


def _drop_absent_tables(load: _Load) -> None:
    """In snapshot mode a table that the export no longer has is empty."""
    for name in CONTRACT_TABLES:
        if name in load.result.tables or load.mode(name) != "snapshot":
            continue
        gone = load.connection.execute(
            f"""
            update {RAW_SCHEMA}.loads set is_current = false
            where source_system = ? and table_name = ? and is_current
            """,
            [load.source.name, name],
        ).fetchone()
        if gone and gone[0]:
            raw_schema.remove_earlier_rows(load.connection, load.source.name, name, load.load_id)
            load.note(name, f"the export has no {name} any more; the table is empty now")


def _note_unread_files(load: _Load, files: dict[str, Path]) -> None:
    """Name data files that no table and no stage date reads."""
    used = set(files.values())
    used |= {load.source.path / item.file for item in load.source.stage_dates if item.file}
    unread = [
        path.name
        for path in sorted(load.source.path.iterdir())
        if path not in used and path.name.lower().endswith(SUFFIXES)
    ]
    if unread:
        load.note(None, f"not read, as no table bears the name: {', '.join(unread)}", "info")
