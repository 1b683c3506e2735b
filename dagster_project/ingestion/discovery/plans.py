"""What is proposed for an export: the mapping of each table, and all that is said about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.ingestion.discovery.exports import ExportFile
from dagster_project.ingestion.discovery.values import header_by_words, known_headers, names_of

UNKNOWN_CRM = "unknown"


# Which rows count beside a header: one of these values, ``filled``, or none of ``not``.
Condition = list[str] | str | dict[str, list[str]]


@dataclass
class TablePlan:
    """The mapping proposed for one table, or for one file of it, as the settings of files say it.

    ``where``: header -> condition. ``joined``: column -> the headers that make it, with a space
    between. ``by_case``: column -> the headers that make it, each with the rows it does so for;
    of other rows it is the constant, if there is one.
    ``latest``: what dates its exits. ``addressed``: the leads whose mail addresses are
    within the texts of ``lead_id``. ``reasons_of``: of a history, the leads that have
    the reasons, under which header, and the stages that they explain. ``remarks``: comments on its
    columns.
    """

    table: ContractTable
    file: ExportFile
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    lookups: dict[str, dict[str, Any]] = field(default_factory=dict)
    time_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal_marks: dict[str, str] = field(default_factory=dict)
    where: dict[str, Condition] = field(default_factory=dict)
    only_when: dict[str, dict[str, Condition]] = field(default_factory=dict)
    joined: dict[str, tuple[str, ...]] = field(default_factory=dict)
    by_case: dict[str, dict[str, dict[str, Condition]]] = field(default_factory=dict)
    latest: "LatestTime | None" = None
    addressed: "TablePlan | None" = None
    reasons_of: "tuple[TablePlan, str, list[str]] | None" = None
    merged_ids: str | None = None
    previous_owner: str | None = None
    remarks: dict[str, str] = field(default_factory=dict)

    def about(self, column: str) -> str:
        """How a note names a column: its file and its place in the contract."""
        return f"{self.file.name}: {self.table.name}.{column}"

    @property
    def values_of_where(self) -> dict[str, list[str]]:
        return {name: texts for name, texts in self.where.items() if isinstance(texts, list)}


@dataclass(frozen=True)
class LatestTime:
    """The latest of a lead's times: under ``headers``, and in its ``history``.

    ``formats``: of the times that are not ISO.
    """

    headers: tuple[str, ...]
    formats: tuple[str, ...]
    history: TablePlan | None


@dataclass(frozen=True)
class StageDatePlan:
    """A date column proposed as the moment a stage was entered."""

    stage: str
    header: str
    file: ExportFile
    lead_header: str
    formats: tuple[str, ...]


@dataclass(frozen=True)
class StageSeen:
    """A raw stage: how often it was seen, what it means if that is known, else a guess."""

    raw: str
    rows: int
    stage: str | None
    guess: str | None


@dataclass(frozen=True)
class TableTried:
    """What the proposal read of a table: shares of its rows, None where there is nothing to tell.

    ``times``: whose required time can be read. ``leads``: whose lead the leads table has.
    ``stages``: stages mapped, of how many.
    """

    name: str
    files: str
    rows: int
    times: float | None
    leads: float | None
    stages: tuple[int, int] | None


@dataclass
class Proposal:
    """What ``handoff init`` believes of an export.

    ``unplaced``: one line for everything that needs a look. ``unread``: the files that are none of
    the tables. ``spare``: files that look like a table which another file is. ``tried``: what the
    proposal reads of the files. ``text`` is the commented configuration, as written to
    ``out_file``.
    """

    directory: Path
    out_file: Path
    crm: str = UNKNOWN_CRM
    tradition: str = ""
    plans: list[TablePlan] = field(default_factory=list)
    stage_dates: list[StageDatePlan] = field(default_factory=list)
    stages: list[StageSeen] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    spare: dict[ExportFile, str] = field(default_factory=dict)
    tried: list[TableTried] = field(default_factory=list)
    text: str = ""

    @property
    def tables(self) -> dict[str, list[TablePlan]]:
        """The plans by table, in the contract's order."""
        return {
            name: found
            for name in CONTRACT_TABLES
            if (found := [plan for plan in self.plans if plan.table.name == name])
        }

    def plan(self, table: str) -> TablePlan | None:
        """The first plan of a table."""
        return next((plan for plan in self.plans if plan.table.name == table), None)


def needs_query(plans: Sequence[TablePlan]) -> bool:
    """Whether a table is read by SQL: of several files, or for what no other setting says."""
    one = plans[0]
    made = (one.reasons_of, one.joined, one.by_case, one.latest, one.addressed)
    return len(plans) > 1 or any(made)


def match(file: ExportFile, table: ContractTable) -> dict[str, str]:
    """Contract column -> header, each header once: known as a whole, else told by its words."""
    columns: dict[str, str] = {}
    for column in table.columns:
        headers = file.headers_of(names_of(table.name, column))
        free = (header for header in headers if header not in columns.values())
        if header := next(free, None):
            columns[column] = header
    for column in table.columns:
        header = (
            reason_header(file) if "reason" in column else header_by_words(file.headers, column)
        )
        if header and column not in columns and header not in columns.values():
            columns[column] = header
    return columns


def header_for(file: ExportFile, table: str, role: str) -> str | None:
    """The header of a file that plays a role which is no column of the contract."""
    return file.header_of(known_headers()[table][role])


def reason_header(file: ExportFile) -> str | None:
    """The header of the reasons for which leads went out."""
    return header_by_words(file.headers, "reason") or header_for(file, "leads", "(reason)")
