"""Files in the ``sources`` of ``handoff.yml``: where they are, what columns and values mean."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.section import Encoding, Moment, Section, TimeZone
from dagster_project.config.sources import SourceSection

TimeFormats = str | list[str]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
LoadMode = Literal["snapshot", "append"]

# The parts of a table's mapping whose keys are contract columns.
_COLUMN_KEYS = ("columns", "constants", "time_formats", "values", "decimal_marks", "only_when")


class TableMapping(Section):
    """How one table of an export fits the table of the contract (docs/contracts.md).

    ``file``: by default the table's name with ``.csv``, ``.csv.gz``, ``.parquet`` or ``.jsonl``.
    ``columns``: contract column -> the export's header. ``constants``: contract column -> value of
    every row. ``time_formats``: contract column -> strptime format, or several to try in order
    (also ``epoch`` and ``epoch_ms``). ``values``: contract column -> {the export's value, whatever
    its case: the contract's value, empty for none}. ``decimal_marks``: contract column -> the
    decimal mark of its numbers; other marks and currency signs are dropped. ``where``: header ->
    the values of the rows to read (others are not rows of this table). ``only_when``: contract
    column -> {header: the values beside which the column counts, else it is empty}.
    """

    file: str | None = None
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"
    mode: LoadMode | None = None
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    time_formats: dict[str, TimeFormats] = {}
    values: dict[str, dict[str, str]] = {}
    decimal_marks: dict[str, Literal[".", ","]] = {}
    where: dict[str, list[str]] = {}
    only_when: dict[str, dict[str, list[str]]] = {}


class StageDate(Section):
    """A date column that says when a stage was entered; becomes a stage change.

    ``file``: by default the file of the leads. ``lead_id``: the header of the lead's id there, by
    default that of the leads.
    """

    stage: str
    column: str
    file: str | None = None
    lead_id: str | None = None
    time_format: TimeFormats | None = None
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"


class FilesSource(SourceSection):
    """A CRM export: a directory with one file per table.

    ``stage_names``: the export's stage -> stage. ``mode``: ``snapshot`` (the latest load is the
    truth) or ``append`` (every load adds); a table's own ``mode`` overrides it. ``timezone``: of
    times written without an offset, as CRMs export them in the user's local time; a date alone
    stays that date. ``as_of``: when the export was taken, the default moment of a run; only for
    the only source. ``watch``: new files start a run where Dagster's daemon runs.
    """

    kind: Literal["files"]
    name: str = "files"
    path: Path
    as_of: Moment | None = None
    mode: LoadMode = "snapshot"
    timezone: TimeZone | None = None
    watch: bool = False
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
        return value


Source = FilesSource
