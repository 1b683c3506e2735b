"""The files of an export: which file holds which table, and how each is opened.

A reader gives a file's headers and inserts its rows in bulk; what differs between formats ends
there.
"""

from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.errors import SourceError
from dagster_project.ingestion.files.delimited_text import CsvTable, TextFormat, open_csv
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.ingestion.files.typed_records import TypedTable, open_jsonl, open_parquet

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl")
# Why a directory cannot be read, and how to fix it.
_UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "no such directory; name the directory of the export with --input DIR or in "
    "sources.path",
    NotADirectoryError: "not a directory; name the directory that holds the files",
    PermissionError: "no permission to read the directory; fix its permissions",
}


Reader = CsvTable | TypedTable


def open_file(label: str, path: Path, scratch: Path, text_format: TextFormat) -> Reader:
    """A reader for a file, by its ending; files of other endings are CSV.

    ``label`` begins every message, ``scratch`` is a directory for copies.
    """
    match path.suffix.lower():
        case ".parquet":
            return open_parquet(label, path)
        case ".jsonl":
            return open_jsonl(label, path)
    return open_csv(label, path, scratch, text_format)


class Export:
    """The directory of a source: its files by table, each opened once per load.

    Raises ``SourceError`` when the directory or the leads are missing, a mapped file does not
    exist, or one table has two files.
    """

    def __init__(self, source: FilesSource, scratch: Path) -> None:
        self.source = source
        self._scratch = scratch
        self._readers: dict[tuple[Path, str | None, str], Reader] = {}
        self.present = _files_in(source)
        found = {name: self._file_of(name) for name in CONTRACT_TABLES}
        self.tables = {name: path for name, path in found.items() if path}
        if "leads" not in self.tables:
            expected = ", ".join(f"leads{suffix}" for suffix in SUFFIXES)
            raise SourceError(
                f"{self.label(source.path)}: no leads table; expected one of {expected} (there: "
                f"{self._listing}), or name the file in tables.leads.file"
            )

    def label(self, path: Path) -> str:
        """How messages name a file of this source."""
        return f"source {self.source.name}: {path}"

    def mapped_file(self, name: str, setting: str) -> Path:
        """A file that a setting names."""
        path = self.source.path / name
        if not path.is_file():
            raise SourceError(
                f"{self.label(path)}: no such file, named in {setting}; the directory holds: "
                f"{self._listing}"
            )
        return path

    def open(self, path: Path, text_format: TextFormat) -> Reader:
        """The reader for a file; one per file and way of reading, for the whole load."""
        key = (path, text_format.delimiter, text_format.encoding)
        if key not in self._readers:
            label = self.label(path)
            try:
                self._readers[key] = open_file(label, path, self._scratch, text_format)
            except OSError as error:
                why = error.strerror or error
                raise SourceError(f"{label}: cannot be read: {why}") from error
        return self._readers[key]

    @property
    def _listing(self) -> str:
        return ", ".join(path.name for path in self.present) or "nothing"

    def _file_of(self, table: str) -> Path | None:
        """The file of one table: as mapped, else by its name."""
        mapping = self.source.tables.get(table)
        if mapping and mapping.file:
            return self.mapped_file(mapping.file, f"tables.{table}.file")
        names = {table + suffix for suffix in SUFFIXES}
        fitting = [path for path in self.present if path.name.lower() in names]
        if len(fitting) > 1:
            raise SourceError(
                f"{self.label(self.source.path)}: table {table} has {len(fitting)} files: "
                f"{', '.join(path.name for path in fitting)}; remove all but one, or name the one "
                f"to read in tables.{table}.file"
            )
        return fitting[0] if fitting else None


def _files_in(source: FilesSource) -> list[Path]:
    """The files of the source's directory, by name."""
    try:
        return sorted(path for path in source.path.iterdir() if path.is_file())
    except OSError as error:
        why = _UNREADABLE.get(type(error), error.strerror)
        raise SourceError(f"source {source.name}: {source.path}: {why}") from error
