"""Files in the ``sources`` of ``handoff.yml``: where they are, what columns and values mean."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
from pydantic import BeforeValidator, Field, field_validator, model_validator

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.section import Encoding, Moment, Section, TimeZone
from dagster_project.config.sources import SourceSection

Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
LoadMode = Literal["snapshot", "append"]

# Files that are still being written are not part of an export.
UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".filepart")

# The parts of a table's mapping whose keys are contract columns.
_COLUMN_KEYS = (
    "columns",
    "constants",
    "time_formats",
    "values",
    "decimal_marks",
    "only_when",
    "lookups",
)
# Headers that are kept beside the contract's columns, and the tables that have a use for them.
KEPT_FOR = {"merged_ids": ("leads", "opportunities"), "previous_owner": ("owner_changes",)}
_CONDITIONS = {"filled": {"not": [""]}, "empty": {"values": [""]}}


def _file_names(value: Any) -> Any:
    """One name or several, as a list."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(it, str) for it in names):
        raise ValueError("write the name of a file, a pattern such as contacts-*.csv, or a list")
    return names


def _time_formats(value: Any) -> Any:
    """One format or several, as a list."""
    formats = [value] if isinstance(value, str) else value
    if not isinstance(formats, list) or not all(isinstance(item, str) for item in formats):
        raise ValueError("write a format such as %d/%m/%Y, or a list of them")
    with duckdb.connect() as connection:
        for item in formats:
            if item not in ("epoch", "epoch_ms") and (problem := _format_problem(connection, item)):
                raise ValueError(
                    f"{item!r} {problem}; use one such as %d/%m/%Y or %Y-%m-%d %H:%M:%S, epoch or "
                    "epoch_ms"
                )
    return formats


def _format_problem(connection: duckdb.DuckDBPyConnection, time_format: str) -> str | None:
    """Why no time can be read in a format; None when it can."""
    try:
        # Null where what was written can't be read back, such as the name of a zone.
        found = connection.execute(
            "select year(try_strptime(strftime(timestamp '2031-03-02 13:04:05', $it), $it)) = 2031",
            {"it": time_format},
        ).fetchone()
    except duckdb.Error as error:
        return f"is not a strptime format ({str(error).splitlines()[0].rpartition(': ')[2]})"
    return "has no year (%Y or %y)" if found == (False,) else None


def _texts(value: Any) -> Any:
    """Values to compare with; YAML has turned what looks like a number into one."""
    if not isinstance(value, list) or not value:
        raise ValueError("write a list with at least one value")
    return [_text_of_export(item) for item in value]


def _text_of_export(value: Any) -> Any:
    """A value of the export; how one was written that YAML reads as a truth value is lost."""
    if isinstance(value, bool):
        raise ValueError(
            "YAML reads yes, no, true and false as truth values; put the value in quotes"
        )
    return str(value) if isinstance(value, int) else value


def _text_of_contract(value: Any) -> Any:
    """A value of the contract, whatever YAML made of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, int | float) else value


def _condition(value: Any) -> Any:
    """A condition as it is written in the file."""
    if isinstance(value, list):
        return {"values": value}
    if isinstance(value, str) and value in _CONDITIONS:
        return _CONDITIONS[value]
    if isinstance(value, Condition) or (isinstance(value, dict) and set(value) == {"not"}):
        return value
    raise ValueError("write a list of values, filled, empty, or {not: [values]}")


Texts = Annotated[list[str], BeforeValidator(_texts)]
ExportText = Annotated[str, BeforeValidator(_text_of_export)]
ContractText = Annotated[str, BeforeValidator(_text_of_contract)]
TimeFormats = Annotated[list[str], BeforeValidator(_time_formats)]


class Condition(Section):
    """Which values of a header count: ``values``, or all but those ``excluded``.

    An empty text stands for an empty cell.
    """

    values: Texts | None = None
    excluded: Texts | None = Field(default=None, alias="not")

    @property
    def is_about_filling(self) -> bool:
        """Whether it asks for cells that are filled, or empty, whatever their values."""
        return [""] in (self.values, self.excluded)


FileNames = Annotated[list[str], BeforeValidator(_file_names)]
Conditions = dict[str, Annotated[Condition, BeforeValidator(_condition)]]


class Opening(Section):
    """How a file is opened.

    ``delimiter`` and ``encoding`` of a CSV file are found where they are not given. ``sheet``: of
    a workbook, by default the first.
    """

    delimiter: Delimiter | None = None
    encoding: Encoding | None = None
    sheet: str | None = None


class Lookup(Opening):
    """A value found in another file: that of the row whose ``key`` is the cell of ``from``.

    ``file``: the other file or files. ``key`` and ``value``: headers there. ``from``: a header of
    the table's file, by default the one that the column is read from.
    """

    file: FileNames
    key: str
    value: str
    from_: str | None = Field(default=None, alias="from")


class TableMapping(Opening):
    """How one table of an export fits the table of the contract (docs/sources/files.md).

    ``file``: a file, a pattern or a list of them, by default the table's name with the ending of a
    table file. ``sql``: instead, a query over the files of the export. ``columns``: contract
    column -> the export's header. ``lookups``: contract column -> the other file that holds its
    value. ``constants``: contract column -> value of every row. ``time_formats``: contract column
    -> strptime format, or several to try in order (also ``epoch`` and ``epoch_ms``). ``values``:
    contract column -> {the export's value, whatever its case: the contract's value, empty for
    none}. ``decimal_marks``: contract column -> the decimal mark of its numbers that have two
    readings (7,500). ``where``: header -> the values of the rows to read (others are not
    rows of this table). ``only_when``: contract column -> {header: the values beside which the
    column counts, else it is empty}. ``merged_ids``, of leads and opportunities: the header that
    lists the ids of the records that were merged into a row's. ``previous_owner``, of owner
    changes: the header of the owner before; before its first change a lead was this one's.
    """

    file: FileNames | None = None
    sql: str | None = None
    mode: LoadMode | None = None
    columns: dict[str, str] = {}
    lookups: dict[str, Lookup] = {}
    constants: dict[str, ContractText] = {}
    time_formats: dict[str, TimeFormats] = {}
    values: dict[str, dict[ExportText, ContractText]] = {}
    decimal_marks: dict[str, Literal[".", ","]] = {}
    where: Conditions = {}
    only_when: dict[str, Conditions] = {}
    merged_ids: str | None = None
    previous_owner: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "TableMapping":
        if self.sql and self.file:
            raise ValueError("file and sql exclude each other; the query names its files itself")
        return self


class StageDate(Opening):
    """A date column that says when a stage was entered; becomes a stage change.

    ``file``: by default the files of the leads. ``lead_id``: the header of the lead's id there, by
    default that of the leads.
    """

    stage: str
    column: str
    file: FileNames | None = None
    lead_id: str | None = None
    time_format: TimeFormats | None = None


class FilesSource(SourceSection):
    """A CRM export: a directory with the files of each table.

    ``stage_names``: the export's stage -> stage. ``mode``: ``snapshot`` (the latest load is the
    truth) or ``append`` (every load adds); a table's own ``mode`` overrides it. ``timezone``: of
    times written without an offset, as CRMs export them in the user's local time; a date alone
    stays that date. ``as_of``: when the export was taken, the default moment of a run; only for
    the only source. ``watch``: new files start a run where Dagster's daemon runs. ``leads_of``:
    the source whose leads the rows are about, where this export has none of its own.
    """

    kind: Literal["files"]
    name: str = "files"
    path: Path
    as_of: Moment | None = None
    mode: LoadMode = "snapshot"
    timezone: TimeZone | None = None
    watch: bool = False
    leads_of: str | None = None
    tables: dict[str, TableMapping] = {}
    stage_names: dict[str, str] = {}
    stage_dates: list[StageDate] = []

    @field_validator("tables")
    @classmethod
    def _known_columns(cls, value: dict[str, TableMapping]) -> dict[str, TableMapping]:
        for name, mapping in value.items():
            if name not in CONTRACT_TABLES:
                raise ValueError(f"no table {name!r}; allowed: {', '.join(CONTRACT_TABLES)}")
            allowed = CONTRACT_TABLES[name].columns
            for key in _COLUMN_KEYS:
                for column in getattr(mapping, key):
                    if column not in allowed:
                        raise ValueError(
                            f"{name}.{key}: no column {column!r}; allowed: {', '.join(allowed)}"
                        )
            for key, tables in KEPT_FOR.items():
                if getattr(mapping, key) and name not in tables:
                    raise ValueError(f"{name}.{key}: only of {' and '.join(tables)}")
        return value

    @model_validator(mode="after")
    def _leads_are_elsewhere(self) -> "FilesSource":
        """What describes leads and their stages belongs to the source that has the leads."""
        if self.leads_of is None:
            return self
        if "leads" in self.tables:
            raise ValueError(f"tables.leads: leads_of says that {self.leads_of} has the leads")
        if self.stage_names:
            raise ValueError(
                f"stage_names: with leads_of the stages are those of {self.leads_of}; name them "
                "there, or map them in tables.stage_changes.values"
            )
        for at, item in enumerate(self.stage_dates):
            if not (item.file and item.lead_id):
                raise ValueError(
                    f"stage_dates.{at}: with leads_of it needs a file and a lead_id of its own"
                )
        return self


Source = FilesSource
