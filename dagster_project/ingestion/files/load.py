"""Source kind ``files``: a directory with one file per contract table, read in bulk into raw.

A mapping fits other exports to the contract: file and column names, constants, time formats, value
maps, stage names, and date columns that say when a stage was entered. A load of a source is one
transaction: if any file cannot be read, raw stays as it was.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.files.client import SUFFIXES, Export, Reader
from dagster_project.ingestion.files.delimited_text import Inserted, RejectedRow, TextFormat
from dagster_project.ingestion.files.resources import (
    Headers,
    contract_columns,
    listed,
    moment_text,
)
from dagster_project.ingestion.files.settings import FilesSource, StageDate, TableMapping
from dagster_project.ingestion.files.typed_records import first_line, time_text
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.raw_schema import (
    EXTRA_COLUMNS,
    ensure_raw_schema,
    rows_changed,
    transaction,
)
from dagster_project.ingestion.result import IngestionResult, Progress, TableResult

_READ_BUFFER = 1 << 20


def ingest(
    connection: DuckDBPyConnection,
    source: FilesSource,
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Read an export into the raw contract tables.

    Raises ``SourceError`` when the directory, a needed table, a needed or mapped column is
    missing, or a file cannot be read; then nothing has changed.
    """
    load = RawLoad(connection, source.name, load_id, progress)
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch:
        reader = _ExportReader(load, Export(source, Path(scratch)))
        with transaction(connection):
            reader.read()
    return load.result


def check(source: FilesSource) -> list[Finding]:
    """What a load would trip over, seen in the files' headers; nothing is loaded.

    Raises ``SourceError`` when the directory or the leads are missing.
    """
    findings = []
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch, duckdb.connect() as connection:
        export = Export(source, Path(scratch))
        ensure_raw_schema(connection)
        load = RawLoad(connection, source.name, 0)
        reader = _ExportReader(load, export)
        for name, path in export.tables.items():
            try:
                reader.open_table(CONTRACT_TABLES[name], path)
                findings.append(Finding("ok", f"{name}: {path.name}, {_about_rows(path)}"))
            except SourceError as error:
                findings += [Finding("error", problem) for problem in error.problems]
        findings += [Finding("ok", note.message) for note in load.result.notes]
    absent = [name for name in CONTRACT_TABLES if name not in export.tables]
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


# The date columns of one file that say when a stage was entered, with their settings.
_StageDates = list[tuple[str, StageDate]]


def _fingerprint(path: Path) -> str:
    """What tells one content from another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _ExportReader:
    """Reads one export: table by table, then the stage dates."""

    def __init__(self, load: RawLoad, export: Export) -> None:
        self._load = load
        self._export = export
        self._source = export.source

    def read(self) -> None:
        self._load.replace_settings("stage_map", self._source.stage_names.items())
        for name, path in self._export.tables.items():
            self._read_table(CONTRACT_TABLES[name], path)
        for path, dates in self._stage_dates().items():
            self._read_stage_dates(path, dates)
        self._drop_absent_tables()
        self._note_unread_files()

    # Tables

    def _read_table(self, table: ContractTable, path: Path) -> None:
        """Read one file into the raw table of its name."""
        fingerprint = _fingerprint(path)
        if self._is_loaded(table.name, fingerprint):
            self._load.note(f"{path.name}: loaded before, skipped", table.name, "info")
            self._load.result.tables[table.name] = TableResult(
                table.name, skipped_files=(path.name,)
            )
            return
        self._load.say(f"reading {path.name}")
        reader, columns, condition = self.open_table(table, path)
        self._clear(table.name)
        select = [literal(self._source.name), str(self._load.load_id), literal(path.name)]
        inserted = self._insert(
            path, reader, f"{RAW_SCHEMA}.{table.name}", [*select, "source_row", *columns], condition
        )
        self._record(table, path, fingerprint, inserted)
        if not inserted.rows and not inserted.rejected:
            self._load.note(f"{path.name}: a header and no rows; the table is empty", table.name)

    def open_table(self, table: ContractTable, path: Path) -> tuple[Reader, list[str], str]:
        """A table's file, SQL for its contract columns and the extra ones, and for its rows."""
        mapping = self._mapping(table.name)
        expected = [*table.columns, *mapping.columns.values()]
        reader = self._open(path, table.name, expected)
        headers = Headers(self._export.label(path), reader.headers)
        columns, taken = contract_columns(headers, table, mapping)
        extra = self._extra(table, path, headers, taken)
        condition = headers.condition(mapping.where, f"tables.{table.name}.where")
        return reader, [*columns.values(), extra], condition

    def _extra(self, table: ContractTable, path: Path, headers: Headers, taken: set[str]) -> str:
        """SQL for the JSON object of the columns that the contract does not know, noted once."""
        used = taken | {
            headers.configured(item.column, f"stage_dates.{item.stage}")
            for item in self._source.stage_dates
            if (self._source.path / item.file == path if item.file else table.name == "leads")
        }
        unknown = [(at, header) for at, header in enumerate(headers.names) if header not in used]
        if not unknown:
            return "null"
        self._load.note(
            f"{path.name}: columns that the contract does not know are kept in {EXTRA_COLUMNS}: "
            f"{listed([header for _, header in unknown])}",
            table.name,
            "info",
        )
        pairs = ", ".join(f"{literal(header)}, c{at}" for at, header in unknown)
        return f"cast(json_object({pairs}) as varchar)"

    # Stage dates

    def _stage_dates(self) -> dict[Path, _StageDates]:
        """The date columns by file, so that each file is read once."""
        by_file: dict[Path, _StageDates] = {}
        for at, item in enumerate(self._source.stage_dates):
            setting = f"stage_dates[{at}]"
            path = self._export.tables["leads"]
            if item.file:
                path = self._export.mapped_file(item.file, f"{setting}.file")
            by_file.setdefault(path, []).append((setting, item))
        return by_file

    def _read_stage_dates(self, path: Path, dates: _StageDates) -> None:
        """Make stage changes of the date columns of one file."""
        table = CONTRACT_TABLES["stage_changes"]
        meaning = repr([item.model_dump() for _, item in dates])
        fingerprint = f"{_fingerprint(path)}:{hashlib.sha256(meaning.encode()).hexdigest()[:16]}"
        if self._is_loaded(table.name, fingerprint):
            self._load.note(f"{path.name}: stage dates loaded before, skipped", table.name, "info")
            return
        self._load.say(f"reading stage dates of {path.name}")
        self._clear(table.name)
        self._record(table, path, fingerprint, self._insert_dates(path, dates))

    def _insert_dates(self, path: Path, dates: _StageDates) -> Inserted:
        """Read lead ids and dates of a file, and insert one stage change per date given."""
        reader = self._open_for_dates(path, dates)
        headers = Headers(self._export.label(path), reader.headers)
        own = self._mapping("leads").columns.get("lead_id", "lead_id")
        changes = []
        for setting, item in dates:
            header = headers.configured(item.column, f"{setting}.column")
            lead = headers.cell(headers.configured(item.lead_id or own, f"{setting}.lead_id"))
            moment = moment_text(headers.cell(header), item.time_format)
            change_id = f"{literal(f'stage_date:{header}:')} || trim({lead})"
            changes.append(f"row({change_id}, {lead}, {moment}, {literal(item.stage)})")
        self._load.connection.execute(
            """
            create or replace temp table stage_dates (
                load_id bigint,
                source_file varchar,
                source_row bigint,
                changes struct(
                    change_id varchar, lead_id varchar, changed_at varchar, to_stage varchar
                )[],
                extra_columns varchar
            )
            """
        )
        select = [str(self._load.load_id), literal(path.name), "source_row"]
        select += [f"[{', '.join(changes)}]", "null"]
        read = self._insert(path, reader, "stage_dates", select)
        made = rows_changed(
            self._load.connection,
            f"""
            insert into {RAW_SCHEMA}.stage_changes by name
            select ? as source_system, *
            from (
                select load_id, source_file, source_row, unnest(changes, recursive := true)
                from stage_dates
            )
            where changed_at is not null
            """,
            [self._source.name],
        )
        self._load.connection.execute("drop table stage_dates")
        # Broken rows of a table's own file are counted there already.
        return Inserted(made, () if path in self._export.tables.values() else read.rejected)

    def _open_for_dates(self, path: Path, dates: _StageDates) -> Reader:
        """The reader that the file's own table uses, else one by what the stage dates say."""
        for name, own in self._export.tables.items():
            if own == path:
                return self._open(path, name, CONTRACT_TABLES[name].columns)
        setting, first = dates[0]
        expected = [item.column for _, item in dates]
        text_format = TextFormat(first.delimiter, first.encoding, f"{setting}.encoding", expected)
        return self._export.open(path, text_format)

    # What both share

    def _mapping(self, table: str) -> TableMapping:
        return self._source.tables.get(table, TableMapping())

    def _mode(self, table: str) -> str:
        return self._mapping(table).mode or self._source.mode

    def _open(self, path: Path, table: str, expected: Sequence[str]) -> Reader:
        mapping = self._mapping(table)
        setting = f"tables.{table}.encoding"
        text_format = TextFormat(mapping.delimiter, mapping.encoding, setting, expected)
        return self._export.open(path, text_format)

    def _is_loaded(self, table: str, fingerprint: str) -> bool:
        """Whether, in append mode, a table of this source holds this content already."""
        if self._mode(table) != "append":
            return False
        found = self._load.connection.execute(
            f"""
            select 1 from {RAW_SCHEMA}.loads
            where source_system = ? and table_name = ? and fingerprint = ? and is_current
            """,
            [self._source.name, table, fingerprint],
        ).fetchone()
        return found is not None

    def _clear(self, table: str) -> None:
        """In snapshot mode, make room for the new rows."""
        if self._mode(table) == "snapshot":
            self._load.remove_earlier_rows(table)

    def _insert(
        self,
        path: Path,
        reader: Reader,
        target: str,
        select: Sequence[str],
        condition: str = "true",
    ) -> Inserted:
        """Run a reader; what DuckDB says of the file becomes a message that names it."""
        mine = f"load_id = {self._load.load_id} and source_file = {literal(path.name)}"
        try:
            return reader.insert(self._load.connection, target, select, mine, condition)
        except (
            duckdb.InvalidInputException,
            duckdb.ConversionException,
            duckdb.IOException,
        ) as error:
            if isinstance(error, duckdb.IOException) and path.name not in str(error):
                raise
            label = self._export.label(path)
            raise SourceError(f"{label}: {first_line(error, path)}") from error

    def _record(
        self, table: ContractTable, path: Path, fingerprint: str, inserted: Inserted
    ) -> None:
        """Keep the rejected rows and the record of what one file gave a table."""
        rejected = len(inserted.rejected)
        rows = inserted.rows + rejected
        self._load.record(
            table.name,
            path.name,
            rows,
            mode=self._mode(table.name),
            newest=self._newest(table),
            rejected=rejected,
            size=path.stat().st_size,
            fingerprint=fingerprint,
        )
        self._load.say(f"{path.name}: {rows:,} rows into {table.name}")
        if rejected:
            with self._load.staged(RejectedRow._fields, inserted.rejected) as staged:
                cells = "cast(source_row as bigint), null, reason, row_json"
                query = f"select ?, ?, {cells} from {staged}"
                self._load.insert("rejected_rows", query, [table.name, path.name])
            self._load.note(f"{path.name}: broken rows set aside: {rejected:,}", table.name)

    def _newest(self, table: ContractTable) -> str | None:
        """The latest time in what this load brought, ISO text in UTC."""
        if not table.newest_by:
            return None
        value = f"coalesce({', '.join(table.newest_by)})"
        row = self._load.connection.execute(
            f"""
            select {time_text("newest")}
            from (
                select max(try_cast(try_cast({value} as timestamptz) as timestamp)) as newest
                from {RAW_SCHEMA}.{table.name}
                where source_system = ? and load_id = ?
            )
            """,
            [self._source.name, self._load.load_id],
        ).fetchone()
        return row[0] if row else None

    def _drop_absent_tables(self) -> None:
        """In snapshot mode a table that the export no longer has is empty."""
        for name in CONTRACT_TABLES:
            is_absent = name not in self._load.result.tables and self._mode(name) == "snapshot"
            if is_absent and self._load.retire_loads(name):
                self._load.remove_earlier_rows(name)
                self._load.note(f"the export no longer has {name}; the table is empty now", name)

    def _note_unread_files(self) -> None:
        """Name data files that no table and no stage date reads."""
        dates = (self._source.path / item.file for item in self._source.stage_dates if item.file)
        used = {*self._export.tables.values(), *dates}
        unread = [
            path.name
            for path in self._export.present
            if path not in used and path.name.lower().endswith(SUFFIXES)
        ]
        if unread:
            message = f"not read, as no table has the name: {', '.join(unread)}"
            self._load.note(message, None, "info")
