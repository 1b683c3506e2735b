"""Source kind ``files``: a directory with one file per contract table, read in bulk into raw.

A mapping fits other exports to the contract: file and column names, constants, time formats, value
maps, stage names, and date columns that say when a stage was entered. A load of a source is one
transaction: if any file can't be read, raw stays as it was.
"""

import hashlib
import json
import tempfile
import textwrap
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.diagnosis import Finding
from dagster_project.ingestion.files.client import SUFFIXES, DataFile, Export, Reader
from dagster_project.ingestion.files.delimited_text import (
    CsvTable,
    Inserted,
    RejectedRow,
    TextFormat,
)
from dagster_project.ingestion.files.ids import troubles_of_ids
from dagster_project.ingestion.files.resources import (
    Headers,
    contract_columns,
    id_key,
    is_no_id,
    listed,
    mapped_header,
    moment_text,
)
from dagster_project.ingestion.files.settings import (
    KEPT_FOR,
    FilesSource,
    Lookup,
    Opening,
    StageDate,
    TableMapping,
)
from dagster_project.ingestion.files.typed_records import first_line
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.raw_schema import (
    EXTRA_COLUMNS,
    LINEAGE_COLUMNS,
    ensure_raw_schema,
    rows_changed,
    transaction,
)
from dagster_project.ingestion.result import IngestionResult, Progress, TableResult

_READ_BUFFER = 1 << 20
_LINEAGE = [f"{column} {kind}" for column, kind in LINEAGE_COLUMNS.items()]
# How many values a note about a filter names.
_TOP_VALUES = 5


def ingest(
    connection: DuckDBPyConnection,
    source: FilesSource,
    load_id: int,
    progress: Progress | None = None,
) -> IngestionResult:
    """Read an export into the raw contract tables.

    Raises ``SourceError`` when the directory, a needed table, a needed or mapped column is
    missing, or a file can't be read; then nothing has changed.
    """
    load = RawLoad(connection, source.leads_of or source.name, load_id, progress, source.name)
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch:
        reader = _ExportReader(load, Export(source, Path(scratch)))
        with transaction(connection):
            reader.read()
    return load.result


def check(source: FilesSource) -> list[Finding]:
    """What a load would trip over, seen in the files' headers and filters; nothing is loaded.

    Raises ``SourceError`` when the directory or the leads are missing.
    """
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch, duckdb.connect() as connection:
        export = Export(source, Path(scratch))
        ensure_raw_schema(connection)
        load = RawLoad(connection, source.name, 0)
        reader = _ExportReader(load, export)
        checks: list[Callable[[], list[Finding]]] = [
            partial(reader.check_table, CONTRACT_TABLES[name], files)
            for name, files in export.tables.items()
        ]
        for look in [*checks, reader.check_stage_dates]:
            try:
                found = look()
            except SourceError as error:
                found = [Finding("error", problem) for problem in error.problems]
            findings += [finding for finding in found if finding not in findings]
        reader.note_gaps()
        reader.note_unread_files()
        findings += [
            Finding("warning" if note.severity == "warning" else "ok", note.message)
            for note in load.result.notes
        ]
    absent = [name for name in CONTRACT_TABLES if name not in export.tables]
    if absent:
        findings.append(Finding("ok", f"without {', '.join(absent)}: these tables stay empty"))
    return findings


def _about_rows(path: Path) -> str:
    """How many rows a file has, as far as the lines of its beginning tell."""
    size = path.stat().st_size
    if path.suffix not in {".csv", ".jsonl"}:
        return f"{size:,} bytes"
    with path.open("rb") as file:
        start = file.read(_READ_BUFFER)
    lines = start.count(b"\n") + (size == len(start) and not start.endswith(b"\n"))
    rows = max(lines * size // max(len(start), 1) - (path.suffix == ".csv"), 0)
    return f"about {_counted(rows, 'row', 'rows')}"


def _counted(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _top(texts: Sequence[str]) -> str:
    """The first texts for a message."""
    shown = [textwrap.shorten(text, 60) for text in texts[:_TOP_VALUES]]
    return ", ".join([*shown, *(["and others"] if len(texts) > _TOP_VALUES else [])])


# A file, and of a workbook the sheet.
_Place = tuple[DataFile, str | None]
# The date columns of one place that say when a stage was entered, with their settings.
_StageDates = list[tuple[str, StageDate]]


class _ExportReader:
    """Reads one export: table by table, then the stage dates."""

    def __init__(self, load: RawLoad, export: Export) -> None:
        self._load = load
        self._export = export
        self._source = export.source
        self._lookup_tables: dict[str, str] = {}
        # By the files of a table and a header: one file that has it, and those that lack it.
        self._gaps: dict[tuple[tuple[DataFile, ...], str], tuple[DataFile, list[DataFile]]] = {}
        # By the name of a CSV file with rows: whether its last line has a line end.
        self._ends_in_line: dict[str, bool] = {}

    def read(self) -> None:
        if not self._source.leads_of:
            self._load.replace_settings("stage_map", self._source.stage_names.items())
        self._load.replace_settings(
            "decimal_marks",
            [
                (table, column, mark)
                for table, mapping in self._source.tables.items()
                for column, mark in mapping.decimal_marks.items()
            ],
        )
        for name, files in self._export.tables.items():
            self._read_table(CONTRACT_TABLES[name], files)
        for place, dates in self._stage_dates().items():
            self._read_stage_dates(place, dates)
        self.note_gaps()
        self._note_open_ends()
        self._drop_absent_tables()
        self.note_unread_files()
        for relation in self._lookup_tables.values():
            self._load.connection.execute(f"drop table {relation}")

    # Tables

    def _read_table(self, table: ContractTable, files: Sequence[DataFile]) -> None:
        """Read the files of a table into the raw table of its name."""
        new = [file for file in files if not self._is_skipped(table, file)]
        if not new:
            return
        self._clear(table.name)
        rows, left_out = map(sum, zip(*(self._read_file(table, file) for file in new), strict=True))
        if rows and left_out and self._mapping(table.name).where:
            found = f"{left_out:,} of {rows + left_out:,} rows"
            setting = f"tables.{table.name}.where"
            names = listed([file.name for file in new], 5)
            self._load.note(f"{names}: {found} are left out by {setting}", table.name, "info")
        self.note_unmatched_lookups(table, new)
        if not rows and not self.note_unfitting_filter(table, new):
            names = ", ".join(file.name for file in new)
            self._load.note(f"{names}: a header and no rows; the table is empty", table.name)

    def _is_skipped(self, table: ContractTable, file: DataFile) -> bool:
        """Whether a file was loaded before, noted."""
        if not self._is_loaded(table.name, self._export.fingerprint(file)):
            return False
        self._load.note(f"{file.name}: loaded before, skipped", table.name, "info")
        before = self._load.result.tables.get(table.name, TableResult(table.name))
        self._load.result.tables[table.name] = replace(
            before, skipped_files=(*before.skipped_files, file.name)
        )
        return True

    def _read_file(self, table: ContractTable, file: DataFile) -> tuple[int, int]:
        """Read one file of a table.

        Returns how many rows it has, broken ones included, and how many of it are left out.
        """
        self._load.say(f"reading {file.name}")
        reader, headers, columns, condition = self.open_table(table, file)
        inserted = self._insert(
            file, reader, f"{RAW_SCHEMA}.{table.name}", [*self._lineage(file), *columns], condition
        )
        rejected = self._naming_leads(table, headers, inserted.rejected)
        self._record(
            table, file, self._export.fingerprint(file), replace(inserted, rejected=rejected)
        )
        if inserted.again:
            places = listed([str(row) for row in inserted.again], 5)
            message = f"the header stands again in row {places}, and is left out there"
            self._load.note(f"{file.name}: {message}", table.name, "info")
        rows = inserted.rows + len(rejected)
        if rows and isinstance(reader, CsvTable):
            self._ends_in_line[file.name] = reader.ends_in_line
        # What is no row of one table may be a row of another one that reads the same file.
        is_alone = self._tables_of(file) == [table.name]
        return rows, inserted.left_out if is_alone else 0

    def _naming_leads(
        self, table: ContractTable, headers: Headers, rejected: Sequence[RejectedRow]
    ) -> tuple[RejectedRow, ...]:
        """The rejected rows, with the id of their lead, where it can be read, as `~lead_id`.

        A row of leads counts for that lead if it has a time as `~created_at`, too. That is given
        only where no cell stands before the id, which could have moved it, and every row is a lead.
        """
        mapping = self._mapping(table.name)
        made = {*mapping.lookups, *mapping.only_when, *mapping.constants}
        if not rejected or "lead_id" not in table.columns or "lead_id" in made:
            return tuple(rejected)
        lead, created = (
            headers.matching(mapping.columns.get(column, column))
            for column in ("lead_id", "created_at")
        )
        names = {"~lead_id": lead}
        counts = table.name == "leads" and lead == headers.names[0] and not mapping.where
        if counts and "created_at" not in made:
            names["~created_at"] = created
        named = []
        for row in rejected:
            cells = dict(row.cells)
            found = {key: cells[it] for key, it in names.items() if it and it in cells}
            if found:
                shown = {**json.loads(row.row_json), **found}
                row = row._replace(row_json=json.dumps(shown, ensure_ascii=False))
            named.append(row)
        return tuple(named)

    def open_table(
        self, table: ContractTable, file: DataFile
    ) -> tuple[Reader, Headers, list[str], str]:
        """A table's file, SQL for the columns that raw has of it, and for its rows."""
        mapping = self._mapping(table.name)
        expected = [*table.columns, *mapping.columns.values()]
        parts = self._export.tables[table.name]
        reader, headers = self._open_part(
            file, parts, lambda part: self._open(part, table.name, expected)
        )
        columns, taken = contract_columns(
            headers, table, mapping, self._lookups(table.name), reader.instants
        )
        extra = self._extra(table, file, headers, taken, reader.instants)
        condition = headers.condition(mapping.where, f"tables.{table.name}.where")
        return reader, headers, [*columns.values(), extra], condition

    def _extra(
        self,
        table: ContractTable,
        file: DataFile,
        headers: Headers,
        taken: set[str],
        instants: Set[str],
    ) -> str:
        """SQL for the JSON object of the columns that the contract does not know, noted once."""
        mapping = self._mapping(table.name)
        kept = {
            key: header
            for key in KEPT_FOR
            if (name := getattr(mapping, key))
            and (header := headers.of_any_part(name, f"tables.{table.name}.{key}"))
        }
        used = taken | {
            headers.of_any_part(item.column, f"{setting}.column")
            for setting, item in self._dates_of_table(table.name, file)
        }
        used |= set(kept.values())
        unknown = [(header, at) for at, header in enumerate(headers.names) if header not in used]
        # What another table reads of the same rows is known, too.
        known: set[str | None] = set()
        for name in self._tables_at((file, self._export.sheet(file, mapping.sheet))):
            its = self._mapping(name)
            if name != table.name:
                lookups = self._lookups(name)
                known |= contract_columns(headers, CONTRACT_TABLES[name], its, lookups, instants)[1]
            for condition in (its.where, *its.only_when.values()):
                known |= {headers.matching(asked) for asked in condition}
        if noted := [header for header, _ in unknown if header not in known]:
            self._note_once(
                f"{file.name}: columns that the contract does not know are kept in "
                f"{EXTRA_COLUMNS}: {listed(noted)}",
                table.name,
                "info",
            )
        extra = [
            *unknown,
            *((f"~{key}", headers.names.index(header)) for key, header in kept.items()),
        ]
        pairs = ", ".join(f"{literal(key)}, c{at}" for key, at in extra)
        return f"cast(json_object({pairs}) as varchar)" if extra else "null"

    # Filters and lookups

    def note_unfitting_filter(self, table: ContractTable, files: Sequence[DataFile]) -> bool:
        """Note a ``where`` that fits no row of its files, with the values that there are.

        Returns whether there is one.
        """
        where = self._mapping(table.name).where
        setting = f"tables.{table.name}.where"
        if not where:
            return False
        readings = []
        for file in files:
            reader, headers, _, condition = self.open_table(table, file)
            named = [headers.cell(headers.configured(name, setting)) for name in where]
            readings.append((file, reader, [f"cast({condition} as varchar)", *named]))
        self._collect("filter_rows", readings)
        query = self._load.connection.execute
        [(rows, fitting)] = query(
            "select count(*), count(*) filter (v0 = 'true') from filter_rows"
        ).fetchall()
        if fitting or not rows:
            return False
        there = []
        for at, (name, meant) in enumerate(where.items(), start=1):
            filled = f"if(v{at} is null, '(empty)', '(filled)')"
            shown = filled if meant.is_about_filling else f"coalesce(trim(v{at}), '(empty)')"
            values = query(
                f"""
                select {shown} as value, count(*) as found
                from filter_rows group by value order by found desc, value limit {_TOP_VALUES + 1}
                """
            ).fetchall()
            texts = _top([f"{value} ({found:,})" for value, found in values])
            there.append(f"{name}: {texts}")
        names = ", ".join(file.name for file in files)
        self._load.note(
            f"{setting} fits none of the {rows:,} rows of {names}, so none is read; the values "
            f"there are {'; '.join(there)}",
            table.name,
        )
        return True

    def note_unmatched_lookups(self, table: ContractTable, files: Sequence[DataFile]) -> None:
        """Note how many values of a table's files their lookups do not have."""
        for column, relation in self._lookups(table.name).items():
            lookup = self._mapping(table.name).lookups[column]
            readings = []
            for file in files:
                reader, headers, _, condition = self.open_table(table, file)
                header = mapped_header(headers, table, column, self._mapping(table.name))
                cell = f"if({condition}, {headers.cell(header)}, null)" if header else "null"
                readings.append((file, reader, [cell]))
            self._collect("lookup_rows", readings)
            missed = self._load.connection.execute(
                f"""
                select min(trim(v0)) as value, count(*) as found, sum(count(*)) over () as rows
                from lookup_rows
                where v0 is not null and {id_key("v0")} not in (select key from {relation})
                group by {id_key("v0")}
                order by found desc, value
                limit {_TOP_VALUES + 1}
                """
            ).fetchall()
            if missed:
                rows = _counted(int(missed[0][2]), "row has", "rows have")
                self._load.note(
                    f"tables.{table.name}.lookups.{column}: {rows} a value that "
                    f"{', '.join(lookup.file)} does not have as {lookup.key}: "
                    f"{_top([f'{value} ({found:,})' for value, found, _ in missed])}; it stays as "
                    "it is",
                    table.name,
                )

    def _lookups(self, table: str) -> dict[str, str]:
        """The relation of keys and values of each column that another file has."""
        for column, lookup in self._mapping(table).lookups.items():
            setting = f"tables.{table}.lookups.{column}"
            if setting not in self._lookup_tables:
                self._lookup_tables[setting] = self._read_lookup(setting, lookup)
        return {
            column: self._lookup_tables[f"tables.{table}.lookups.{column}"]
            for column in self._mapping(table).lookups
        }

    def _read_lookup(self, setting: str, lookup: Lookup) -> str:
        """Keep the keys that have one value in a temporary table, and return its name."""
        readings = []
        for file in self._export.files(lookup.file, f"{setting}.file"):
            reader = self._open_as(file, lookup, setting, [lookup.key, lookup.value])
            headers = Headers(self._export.label_of(file), reader.headers)
            names = ((lookup.key, f"{setting}.key"), (lookup.value, f"{setting}.value"))
            cells = [headers.cell(headers.configured(name, where)) for name, where in names]
            readings.append((file, reader, cells))
        self._collect("lookup_rows", readings)
        relation = f"lookup_{len(self._lookup_tables)}"
        query = self._load.connection.execute
        query(
            f"""
            create or replace temp table {relation} as
            select
                {id_key("v0")} as key,
                min(trim(v0)) as shown,
                min(trim(v1)) as value,
                count(distinct trim(v1)) as values_found
            from lookup_rows
            where v0 is not null and v1 is not null
                -- Any number of other keys may look like one that a spreadsheet shortened.
                and not {is_no_id("v0")}
            group by key
            """
        )
        # Their rows are no surprise: without a value, they find none, and are not missed.
        several = query(
            f"update {relation} set value = null where values_found > 1 returning shown"
        ).fetchall()
        if several:
            self._note_once(
                f"{setting}: {_counted(len(several), 'value of', 'values of')} {lookup.key} with "
                f"several {lookup.value}: {_top(sorted(shown for (shown,) in several))}; rows that "
                "have it keep it",
                None,
                "warning",
            )
        return relation

    def _collect(
        self, relation: str, readings: Sequence[tuple[DataFile, Reader, list[str]]]
    ) -> None:
        """Read some cells of files into a temporary table as ``v0``, ``v1`` .."""
        cells = [f"v{at} varchar" for at in range(len(readings[0][2]))]
        columns = [*_LINEAGE, *cells, "extra_columns varchar"]
        self._load.connection.execute(
            f"create or replace temp table {relation} ({', '.join(columns)})"
        )
        for file, reader, values in readings:
            self._insert(file, reader, relation, [*self._lineage(file), *values, "null"])

    def check_table(self, table: ContractTable, files: Sequence[DataFile]) -> list[Finding]:
        """What there is of a table; filters, lookups and ids that do not work are noted."""
        findings = []
        for file in files:
            self.open_table(table, file)
            rows = _about_rows(self._export.local(file))
            findings.append(Finding("ok", f"{table.name}: {file.name}, {rows}"))
        self.note_unmatched_lookups(table, files)
        self.note_unfitting_filter(table, files)
        self.note_ids(table, files)
        return findings

    def note_ids(self, table: ContractTable, files: Sequence[DataFile]) -> None:
        """Note the ids of a table's files that can't be read, or that several rows have."""
        if not table.ids:
            return
        places = [table.columns.index(column) for column in table.ids]
        readings = []
        for file in files:
            reader, _, cells, condition = self.open_table(table, file)
            ids = [f"if({condition}, {cells[at]}, null)" for at in places]
            readings.append((file, reader, ids))
        self._collect("id_rows", readings)
        ids = [f"v{at} as {column}" for at, column in enumerate(table.ids)]
        rows = f"(select file_id, {', '.join(ids)} from id_rows)"
        mapped = self._mapping(table.name).columns
        headers = {column: mapped.get(column, column) for column in table.ids}
        for line in troubles_of_ids(self._load.connection, rows, table, headers):
            self._load.note(line, table.name)

    # Stage dates

    def _stage_dates(self) -> dict[_Place, _StageDates]:
        """The date columns by place, so that each is read once."""
        by_place: dict[_Place, _StageDates] = {}
        for at, item in enumerate(self._source.stage_dates):
            setting = f"stage_dates[{at}]"
            files = self._export.tables.get("leads", [])
            if item.file:
                files = self._export.files(item.file, f"{setting}.file")
            for file in files:
                of_tables = [self._mapping(name).sheet for name in self._tables_of(file)]
                sheet = item.sheet or next(iter(of_tables), None)
                place = (file, self._export.sheet(file, sheet))
                by_place.setdefault(place, []).append((setting, item))
        return by_place

    def _tables_of(self, file: DataFile) -> list[str]:
        """The tables that a file has rows of, leads first."""
        return [name for name, files in self._export.tables.items() if file in files]

    def _tables_at(self, place: _Place) -> list[str]:
        """The same of one sheet."""
        file, sheet = place
        return [
            name
            for name in self._tables_of(file)
            if self._export.sheet(file, self._mapping(name).sheet) == sheet
        ]

    def _dates_of_table(self, table: str, file: DataFile) -> _StageDates:
        """The date columns in a table's own file."""
        return [
            date
            for place, dates in self._stage_dates().items()
            if place[0] == file and table in self._tables_at(place)
            for date in dates
        ]

    def _read_stage_dates(self, place: _Place, dates: _StageDates) -> None:
        """Make stage changes of the date columns of one file or sheet."""
        file, _ = place
        table = CONTRACT_TABLES["stage_changes"]
        meaning = repr([item.model_dump() for _, item in dates])
        content = self._export.fingerprint(file)
        fingerprint = f"{content}:{hashlib.sha256(meaning.encode()).hexdigest()[:16]}"
        if self._is_loaded(table.name, fingerprint):
            self._load.note(f"{file.name}: stage dates loaded before, skipped", table.name, "info")
            return
        self._load.say(f"reading stage dates of {file.name}")
        self._clear(table.name)
        self._record(table, file, fingerprint, self._insert_dates(place, dates))

    def _insert_dates(self, place: _Place, dates: _StageDates) -> Inserted:
        """Read lead ids and dates of a place, and insert one stage change per date given."""
        file, _ = place
        reader, changes, condition = self._open_dates(place, dates)
        self._load.connection.execute(
            f"""
            create or replace temp table stage_dates (
                {", ".join(_LINEAGE)},
                changes struct(
                    change_id varchar, lead_id varchar, changed_at varchar, to_stage varchar,
                    stage_date varchar
                )[],
                extra_columns varchar
            )
            """
        )
        select = [*self._lineage(file), f"[{', '.join(changes)}]", "null"]
        read = self._insert(file, reader, "stage_dates", select, condition)
        made = rows_changed(
            self._load.connection,
            f"""
            insert into {RAW_SCHEMA}.stage_changes by name
            select
                * exclude (stage_date),
                cast(json_object('~stage_date', stage_date) as varchar) as extra_columns
            from (
                select * exclude (changes, extra_columns), unnest(changes, recursive := true)
                from stage_dates
            )
            where changed_at is not null
            """,
        )
        self._load.connection.execute("drop table stage_dates")
        # Broken rows of a table's own file are counted there already.
        return Inserted(made, () if self._tables_at(place) else read.rejected)

    def check_stage_dates(self) -> list[Finding]:
        """Nothing; raises ``SourceError`` when a file or column of a stage date is missing."""
        for place, dates in self._stage_dates().items():
            self._open_dates(place, dates)
        return []

    def _open_dates(self, place: _Place, dates: _StageDates) -> tuple[Reader, list[str], str]:
        """A place of stage dates, SQL for the stage change of each column, and for its rows.

        In the leads' own file only the rows that are leads have stages.
        """
        parts = dict(it for it, found in self._stage_dates().items() if found == dates)
        reader, headers = self._open_part(
            place[0], list(parts), lambda part: self._dates_reader((part, parts[part]), dates)
        )
        leads = self._mapping("leads")
        own = leads.columns.get("lead_id", "lead_id")
        where = leads.where if "leads" in self._tables_at(place) else {}
        changes = []
        for setting, item in dates:
            header = headers.of_any_part(item.column, f"{setting}.column")
            if header is None:
                continue
            lead = headers.cell(headers.configured(item.lead_id or own, f"{setting}.lead_id"))
            moment = moment_text(headers.cell(header), item.time_format)
            name = f"{item.stage}:{header}"
            change_id = f"{literal(f'stage_date:{name}:')} || trim({lead})"
            cells = (change_id, lead, moment, literal(item.stage), literal(name))
            changes.append(f"row({', '.join(cells)})")
        return reader, changes, headers.condition(where, "tables.leads.where")

    def _dates_reader(self, place: _Place, dates: _StageDates) -> Reader:
        """The reader that the place's own table uses, else one by what the stage dates say."""
        file, _ = place
        for name in self._tables_at(place):
            return self._open(file, name, CONTRACT_TABLES[name].columns)
        setting, first = dates[0]
        return self._open_as(file, first, setting, [item.column for _, item in dates])

    # What both share

    def _note_once(self, message: str, table: str | None, severity: str) -> None:
        """Note what may be noticed again when a file is opened for another purpose."""
        if all(note.message != message for note in self._load.result.notes):
            self._load.note(message, table, severity)

    def _mapping(self, table: str) -> TableMapping:
        return self._source.tables.get(table, TableMapping())

    def _mode(self, table: str) -> str:
        return self._mapping(table).mode or self._source.mode

    def _open(self, file: DataFile, table: str, expected: Sequence[str]) -> Reader:
        return self._open_as(file, self._mapping(table), f"tables.{table}", expected)

    def _open_as(
        self, file: DataFile, opening: Opening, setting: str, expected: Sequence[str]
    ) -> Reader:
        """A file opened as a setting says; what was noticed is noted once."""
        text_format = TextFormat(
            opening.delimiter, opening.encoding, f"{setting}.encoding", expected
        )
        reader = self._export.open(file, text_format, opening.sheet)
        for remark in self._export.remarks(file, reader):
            self._note_once(f"{file.name}: {remark}", None, "info")
        return reader

    def _open_part(
        self, file: DataFile, parts: Sequence[DataFile], reader_of: Callable[[DataFile], Reader]
    ) -> tuple[Reader, Headers]:
        """One of the files of a table; what only the others have is kept when it is asked for."""

        def is_elsewhere(name: str) -> bool:
            gap = (tuple(parts), name)
            if gap not in self._gaps:
                others = (it for it in parts if it != file)
                having = next((it for it in others if headers_of(it).matching(name)), None)
                if having is None:
                    return False
                self._gaps[gap] = (having, [])
            lacking = self._gaps[gap][1]
            if file not in lacking:
                lacking.append(file)
            return True

        def headers_of(part: DataFile) -> Headers:
            return Headers(self._export.label_of(part), reader_of(part).headers)

        reader = reader_of(file)
        return reader, Headers(self._export.label_of(file), reader.headers, is_elsewhere)

    def note_gaps(self) -> None:
        """Note each column that some files of a table lack and others have."""
        for (parts, name), (having, lacking) in self._gaps.items():
            self._load.note(
                f"no column {name!r} in {len(lacking)} of {len(parts)} files "
                f"({listed([file.name for file in lacking], 5)}), which {having.name} has; their "
                "rows have no value there"
            )

    def _note_open_ends(self) -> None:
        """Note the files whose last line has no line end, where that is not the export's way."""
        if any(self._ends_in_line.values()):
            for name, ends_in_line in self._ends_in_line.items():
                if not ends_in_line:
                    message = "the last line has no line end, as those of other files have; look"
                    self._load.note(f"{name}: {message} whether it was cut off", None, "info")

    def _is_loaded(self, table: str, fingerprint: str) -> bool:
        """Whether, in append mode, a table of this source holds this content already."""
        if self._mode(table) != "append":
            return False
        found = self._load.connection.execute(
            f"""
            select 1 from {RAW_SCHEMA}.loads
            where loaded_by = ? and table_name = ? and fingerprint = ? and is_current
            """,
            [self._source.name, table, fingerprint],
        ).fetchone()
        return found is not None

    def _clear(self, table: str) -> None:
        """In snapshot mode, make room for the new rows."""
        if self._mode(table) == "snapshot":
            self._load.remove_earlier_rows(table)

    def _lineage(self, file: DataFile) -> list[str]:
        """SQL for the lineage columns of a file's rows."""
        return [str(self._load.load_id), str(self._load.file_id(file.name)), "source_row"]

    def _insert(
        self,
        file: DataFile,
        reader: Reader,
        target: str,
        select: Sequence[str],
        condition: str = "true",
    ) -> Inserted:
        """Run a reader; what DuckDB says of the file becomes a message that names it."""
        mine = f"load_id = {self._load.load_id} and file_id = {self._load.file_id(file.name)}"
        try:
            return reader.insert(self._load.connection, target, select, mine, condition)
        except (
            duckdb.InvalidInputException,
            duckdb.ConversionException,
            duckdb.IOException,
        ) as error:
            path = self._export.local(file)
            if isinstance(error, duckdb.IOException) and path.name not in str(error):
                raise
            label = self._export.label_of(file)
            raise SourceError(f"{label}: {first_line(error, path)}") from error

    def _record(
        self, table: ContractTable, file: DataFile, fingerprint: str, inserted: Inserted
    ) -> None:
        """Keep the rejected rows and the record of what one file gave a table."""
        rejected = len(inserted.rejected)
        rows = inserted.rows + rejected
        self._load.record(
            table.name,
            file.name,
            rows,
            mode=self._mode(table.name),
            rejected=rejected,
            size=self._export.local(file).stat().st_size,
            fingerprint=fingerprint,
        )
        self._load.say(f"{file.name}: {rows:,} rows into {table.name}")
        if rejected:
            texts = [(row.source_row, row.reason, row.row_json) for row in inserted.rejected]
            with self._load.staged(("source_row", "reason", "row_json"), texts) as staged:
                cells = "cast(source_row as bigint), null, reason, row_json"
                query = f"select ?, ?, {cells} from {staged}"
                self._load.insert("rejected_rows", query, [table.name, file.name])
            self._load.say(f"{file.name}: {rejected:,} broken rows into quarantine")

    def _drop_absent_tables(self) -> None:
        """In snapshot mode a table that the export no longer has is empty."""
        for name in CONTRACT_TABLES:
            is_absent = name not in self._load.result.tables and self._mode(name) == "snapshot"
            if is_absent and self._load.retire_loads(name):
                self._load.remove_earlier_rows(name)
                self._load.note(f"the export no longer has {name}; the table is empty now", name)

    def note_unread_files(self) -> None:
        """Name data files that nothing reads."""
        unread = [
            file.name
            for file in self._export.present
            if file not in self._export.used and file.name.lower().endswith((*SUFFIXES, ".zip"))
        ]
        if unread:
            message = f"not read, as no table has the name: {', '.join(unread)}"
            self._load.note(message, None, "info")
