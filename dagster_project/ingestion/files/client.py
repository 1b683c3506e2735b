"""The files of an export: which files hold which table, and how each is opened.

A reader gives a file's headers and inserts its rows in bulk; what differs between formats ends
there. A member of a ZIP archive is a file named ``export.zip/contacts.csv``.
"""

import contextlib
import errno
import functools
import glob
import gzip
import hashlib
import itertools
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.archives import member_names, unpack
from dagster_project.ingestion.files.delimited_text import (
    CsvTable,
    TextFormat,
    encoding_of,
    open_csv,
)
from dagster_project.ingestion.files.resources import Headers, contract_columns
from dagster_project.ingestion.files.settings import (
    UNFINISHED_SUFFIXES,
    FilesSource,
    TableMapping,
)
from dagster_project.ingestion.files.typed_records import TypedTable, open_jsonl, open_parquet

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".xlsx")
# What is read when a whole archive is named; a file that is named itself may have any ending.
MEMBER_SUFFIXES = (*SUFFIXES, ".tsv", ".txt")
# Why a directory can't be read, and how to fix it.
_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "no such directory; name the directory of the export with --input DIR or in "
    "sources.path",
    NotADirectoryError: "not a directory; name the directory that holds the files",
    PermissionError: "no permission to read the directory; fix its permissions",
}
_IN_ARCHIVE = re.compile(r"(.+?\.zip)/(.+)", re.IGNORECASE)

# A header is in the beginning of a file.
_BEGINNING = 1 << 16

Reader = CsvTable | TypedTable


def refuse_other_exports(source: FilesSource) -> None:
    """Refuse a directory that has no leads, or whose leads lack the contract's required columns.

    For a source without a mapping; of text files only the beginning is read. Raises
    ``SourceError``.
    """
    leads = CONTRACT_TABLES["leads"]
    with tempfile.TemporaryDirectory(prefix="handoff-") as scratch:
        export = Export(source, Path(scratch))
        for file in export.tables[leads.name]:
            label, path = export.label_of(file), file.path
            name = path.name.lower()
            if file.member or not name.endswith((".csv", ".csv.gz", ".parquet")):
                continue  # to be opened in full only, by the load
            with _reading(label):
                if not name.endswith(".parquet"):
                    path = _beginning_of(path, Path(scratch))
                reader = open_file(label, path, Path(scratch), TextFormat(expected=leads.columns))
            contract_columns(Headers(label, reader.headers), leads, TableMapping())


def _beginning_of(path: Path, scratch: Path) -> Path:
    """A copy of the first lines of a text file, unpacked; a file that can't be is given itself."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as file:
            beginning = file.read(_BEGINNING)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return path  # whose reader says what is wrong with it
    copy = scratch / "beginning.csv"
    copy.write_bytes(_whole_lines(beginning) if len(beginning) == _BEGINNING else beginning)
    return copy


def _whole_lines(text: bytes) -> bytes:
    """The lines of a text that is cut: behind its last line end there may be half a letter."""
    size = 2 if encoding_of(text).startswith("utf-16") else 1
    ends = {fill(end, size, b"\0") for fill in (bytes.ljust, bytes.rjust) for end in (b"\n", b"\r")}
    for end in range(len(text), 0, -size):
        if text[end - size : end] in ends:
            return text[:end]
    return text


def open_file(
    label: str, path: Path, scratch: Path, text_format: TextFormat, sheet: str | None = None
) -> Reader:
    """A reader for a file, by its ending; files of other endings are CSV.

    ``label`` begins every message, ``scratch`` is a directory for copies.
    """
    match path.suffix.lower():
        case ".parquet":
            return open_parquet(label, path)
        case ".jsonl":
            return open_jsonl(label, path)
        case ".xlsx":
            # Brings Arrow, which is costly to import.
            from dagster_project.ingestion.files.workbooks import open_workbook

            return open_workbook(label, path, scratch, sheet)
    return open_csv(label, path, scratch, text_format)


@dataclass(frozen=True)
class DataFile:
    """One file of an export. ``name``: how lineage and messages name it.

    ``path``: the file, or the archive that has it as ``member``. ``query_for``: the table whose
    query gives the rows, for which there is no file.
    """

    name: str
    path: Path
    member: str | None = None
    query_for: str | None = None


class Export:
    """The directory of a source: its files by table, each opened once per load.

    Raises ``SourceError`` when the directory is missing; where its tables are asked for, when the
    leads are missing, a mapped file does not exist, or one table has two files and no mapping.
    """

    def __init__(self, source: FilesSource, scratch: Path) -> None:
        self.source = source
        self.used: set[DataFile] = set()
        self._scratch = scratch
        self._numbers = itertools.count(1)
        self._readers: dict[tuple[DataFile, str | None, str | None, str | None], Reader] = {}
        self._remarks: dict[DataFile, list[str]] = {}
        # Of the length of one load: files change between loads.
        self.local: Callable[[DataFile], Path] = functools.cache(self._local)
        self.fingerprint: Callable[[DataFile], str] = functools.cache(self._fingerprint)
        self._first_sheet: Callable[[DataFile], str | None] = functools.cache(
            self._sheet_by_default
        )
        self.present = self._files_in_directory()

    @functools.cached_property
    def tables(self) -> dict[str, list[DataFile]]:
        """The files of each table that has some."""
        source = self.source
        found = {name: self._files_of(name) for name in CONTRACT_TABLES}
        tables = {name: files for name, files in found.items() if files}
        if source.leads_of:
            tables.pop("leads", None)
        elif "leads" not in tables:
            expected = ", ".join(f"leads{suffix}" for suffix in SUFFIXES)
            raise SourceError(
                f"source {source.name}: {source.path}: no leads table; expected one of {expected} "
                f"(there: {self._listing}), name the file in tables.leads.file, or name the source "
                "that has the leads in leads_of"
            )
        if not tables and not source.stage_dates:
            raise SourceError(
                f"source {source.name}: {source.path}: no file of any table (there: "
                f"{self._listing}); name the files in tables"
            )
        return tables

    def label(self, name: str) -> str:
        """How messages name a file of this source."""
        return f"source {self.source.name}: {self.source.path / name}"

    def label_of(self, file: DataFile) -> str:
        if file.query_for:
            return f"source {self.source.name}: {file.name}"
        return self.label(file.name)

    def files(self, names: Sequence[str], setting: str) -> list[DataFile]:
        """The files that a setting names, by name or pattern, each once."""
        found: dict[str, DataFile] = {}
        for name in names:
            fitting = self._fitting(name, setting)
            if not fitting:
                what = "no file of this pattern" if glob.has_magic(name) else "no such file"
                raise SourceError(
                    f"{self.label(name)}: {what}, named in {setting}; the directory holds: "
                    f"{self._listing}"
                )
            found.update((file.name, file) for file in fitting)
        return list(found.values())

    def open(self, file: DataFile, text_format: TextFormat, sheet: str | None = None) -> Reader:
        """The reader for a file; one per file and way of reading, for the whole load."""
        key = (file, text_format.delimiter, text_format.encoding, sheet)
        if key not in self._readers:
            path = self.local(file)
            with _reading(self.label_of(file)) as label:
                self._readers[key] = open_file(label, path, self._scratch, text_format, sheet)
        return self._readers[key]

    def sheet(self, file: DataFile, named: str | None) -> str | None:
        """The name of the sheet that is read of a workbook; None of any other file."""
        first = self._first_sheet(file)
        return first and (named or first)

    def remarks(self, file: DataFile, reader: Reader) -> list[str]:
        """What was noticed in making a file ready and opening it."""
        return [*self._remarks.get(file, ()), *reader.remarks]

    def _local(self, file: DataFile) -> Path:
        """The file on disk: a member of an archive is unpacked, a query is run."""
        self.used.add(file)
        number = next(self._numbers)
        if file.query_for:
            # Brings Arrow, which is costly to import.
            from dagster_project.ingestion.files.queries import answer

            target = self._scratch / f"query-{number}.parquet"
            table = CONTRACT_TABLES[file.query_for]
            sql = self.source.tables[table.name].sql or ""
            views = self._views()
            self._remarks[file] = answer(self.label_of(file), sql, views, table, target)
            return target
        if file.member:
            suffix = table_suffix(file.member) or ".csv"
            target = self._scratch / f"member-{number}{suffix}"
            with _reading(self.label_of(file)) as label:
                unpack(label, file.path, file.member, target)
            return target
        return file.path

    def _fingerprint(self, file: DataFile) -> str:
        """What tells one content from another."""
        path = self.local(file)
        with _reading(self.label_of(file)), path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    def _sheet_by_default(self, file: DataFile) -> str | None:
        """The first sheet of a workbook; None of any other file."""
        if file.query_for or not file.name.lower().endswith(".xlsx"):
            return None
        # Brings Arrow, which is costly to import.
        from dagster_project.ingestion.files.workbooks import sheet_names

        path = self.local(file)
        with _reading(self.label_of(file)) as label:
            return sheet_names(label, path)[0]

    def _views(self) -> dict[str, Callable[[], Reader]]:
        """The files as a query names them: by their stem, in lower case."""
        by_stem: dict[str, list[DataFile]] = {}
        for file in self.present:
            if suffix := table_suffix(file.name):
                stem = _base(file.name).removesuffix(suffix)
                by_stem.setdefault(stem, []).append(file)
        return {
            stem: functools.partial(self._open_view, stem, files) for stem, files in by_stem.items()
        }

    def _open_view(self, stem: str, files: list[DataFile]) -> Reader:
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise SourceError(
                f"source {self.source.name}: {self.source.path}: a query names {stem}, and several "
                f"files are called so: {names}; rename all but one"
            )
        return self.open(files[0], TextFormat())

    @property
    def _listing(self) -> str:
        return ", ".join(file.name for file in self.present) or "nothing"

    def _files_of(self, table: str) -> list[DataFile]:
        """The files of one table: as mapped, else by its name."""
        mapping = self.source.tables.get(table)
        if mapping and mapping.sql:
            setting = f"tables.{table}.sql"
            return [DataFile(setting, self.source.path, query_for=table)]
        if mapping and mapping.file:
            return self.files(mapping.file, f"tables.{table}.file")
        names = {table + suffix for suffix in SUFFIXES}
        fitting = [file for file in self.present if _base(file.name) in names]
        if len(fitting) > 1:
            raise SourceError(
                f"source {self.source.name}: {self.source.path}: table {table} has {len(fitting)} "
                f"files: {', '.join(file.name for file in fitting)}; remove all but one, or name "
                f"those to read in tables.{table}.file"
            )
        return fitting

    def _fitting(self, name: str, setting: str) -> list[DataFile]:
        """The files of a name or pattern, which may lead into archives."""
        inside = None if (self.source.path / name).is_file() else _IN_ARCHIVE.fullmatch(name)
        outer, member = inside.groups() if inside else (name, None)
        found: list[DataFile] = []
        for path in self._paths(outer):
            shown = Path(path).name if Path(path).is_absolute() else path
            if path.lower().endswith(".zip"):
                found += self._members(shown, self.source.path / path, member, setting)
            else:
                found.append(DataFile(shown, self.source.path / path))
        return found

    def _paths(self, name: str) -> list[str]:
        """The files of a name, else of a pattern; hidden and unfinished ones do not fit those."""
        if (self.source.path / name).is_file():
            return [name]
        found = glob.glob(  # noqa: PTH207 - Path.glob takes hidden files and no absolute pattern
            name, root_dir=self.source.path, recursive=True
        )
        return sorted(
            path
            for path in found
            if (self.source.path / path).is_file()
            and not path.lower().endswith(UNFINISHED_SUFFIXES)
        )

    def _members(
        self, archive: str, path: Path, member: str | None, setting: str
    ) -> list[DataFile]:
        """The members of an archive that a name or pattern fits; all of them without one."""
        label = self.label(archive)
        with _reading(label):
            there = member_names(label, path)
        if member is None:
            names = there
            if odd := [name for name in names if not table_suffix(name)]:
                raise SourceError(
                    f"{label}: {', '.join(odd)} in it is no table file "
                    f"({', '.join(MEMBER_SUFFIXES)}); name the members to read in {setting}, such "
                    f"as {archive}/*.csv"
                )
        else:
            exact = [name for name in there if name == member]
            names = exact or [name for name in there if fnmatchcase(name, member)]
        if not names:
            raise SourceError(
                f"{label}: no file {member or 'in it'}, named in {setting}; the archive holds: "
                f"{', '.join(there) or 'nothing'}"
            )
        return [DataFile(f"{archive}/{name}", path, member=name) for name in names]

    def _files_in_directory(self) -> list[DataFile]:
        """The files of the source's directory and the members of its archives, by name."""
        source = self.source
        try:
            paths = sorted(path for path in source.path.iterdir() if path.is_file())
        except OSError as error:
            why = _UNREADABLE.get(type(error), error.strerror)
            raise SourceError(f"source {source.name}: {source.path}: {why}") from error
        found = []
        for path in paths:
            members = _members_or_none(path)
            found += [DataFile(f"{path.name}/{name}", path, member=name) for name in members]
            if not members:
                found.append(DataFile(path.name, path))
        return found


@contextlib.contextmanager
def _reading(label: str) -> Iterator[str]:
    """A file that can't be read as one line that names it; a full disk is not its fault."""
    try:
        yield label
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise SourceError(f"{label}: can't be read: {error.strerror or error}") from error


def _members_or_none(path: Path) -> list[str]:
    """The members of an archive; of a damaged one none, as it may not be needed."""
    try:
        return member_names(path.name, path) if path.suffix.lower() == ".zip" else []
    except (SourceError, OSError):
        return []


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def table_suffix(name: str) -> str | None:
    """The ending of a table file, if it is one."""
    return next((suffix for suffix in MEMBER_SUFFIXES if name.lower().endswith(suffix)), None)
