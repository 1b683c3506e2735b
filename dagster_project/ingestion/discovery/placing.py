"""Which CRM an export comes from, which file is which table, which header is which column.

Files and columns are told apart by their names (``known_headers.csv``); which column links to the
leads is decided by the values.
"""

import csv
import functools
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.ingestion.discovery.exports import ExportFile, Exports
from dagster_project.ingestion.discovery.values import key

UNKNOWN_CRM = "unknown"

# A column links to another when at least this share of its values is there.
LINKED = 0.5


@dataclass
class TablePlan:
    """The mapping proposed for one table. ``remarks``: comments on its columns."""

    table: ContractTable
    file: ExportFile
    columns: dict[str, str] = field(default_factory=dict)
    time_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal_marks: dict[str, str] = field(default_factory=dict)
    where: dict[str, list[str]] = field(default_factory=dict)
    only_when: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    def about(self, column: str) -> str:
        """How a note names a column: its file and its place in the contract."""
        return f"{self.file.name}: {self.table.name}.{column}"


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


@dataclass
class Proposal:
    """What ``handoff init`` believes of an export.

    ``unplaced``: one line for everything that found no place or needs a look. ``text`` is the
    commented configuration, as written to ``out_file``.
    """

    directory: Path
    out_file: Path
    crm: str = UNKNOWN_CRM
    tradition: str = ""
    tables: dict[str, TablePlan] = field(default_factory=dict)
    stage_dates: list[StageDatePlan] = field(default_factory=list)
    stages: list[StageSeen] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    text: str = ""


@functools.cache
def known_headers() -> dict[str, dict[str, list[str]]]:
    """Table -> column -> the headers it goes by, best first; also (crm), (name) and (header)."""
    known: dict[str, dict[str, list[str]]] = {}
    with Path(__file__).with_name("known_headers.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            known.setdefault(row["table"], {})[row["column"]] = row["headers"].split("|")
    return known


def names_of(table: str, column: str) -> list[str]:
    """The contract's own name of a column first, then what others call it."""
    return [column, *known_headers().get(table, {}).get(column, [])]


def crm_of(exports: Exports) -> str:
    """The CRM whose telling headers are there; a header that several CRMs share counts less."""
    present = {header.casefold() for file in exports.files for header in file.headers}
    telling = {
        crm: {header.casefold() for header in headers}
        for crm, headers in known_headers()["(crm)"].items()
    }
    owners = Counter(itertools.chain.from_iterable(telling.values()))

    def points(crm: str) -> float:
        return sum(1 / owners[name] ** 2 for name in telling[crm] & present)

    best = max(telling, key=points)
    return best if points(best) >= 2 else UNKNOWN_CRM


def place_files(exports: Exports, proposal: Proposal) -> None:
    """Choose the file of each table, and the columns that link the tables."""
    _place_best(exports, proposal)
    _share_history(exports, proposal)
    if "leads" not in proposal.tables:
        _stand_in_for_leads(exports, proposal)
    _link_tables(exports, proposal)


def _place_best(exports: Exports, proposal: Proposal) -> None:
    """Give each table the file that fits it best, each file at most one table."""
    offers = []
    for file, table in itertools.product(exports.files, CONTRACT_TABLES.values()):
        columns = _match(file, table)
        score = _score(file, table, columns)
        if score > 0 and table.required <= columns.keys():
            offers.append((score, file.rows, TablePlan(table, file, columns)))
    used: set[ExportFile] = set()
    for _, _, plan in sorted(offers, key=lambda offer: (-offer[0], -offer[1])):
        if plan.file not in used and plan.table.name not in proposal.tables:
            used.add(plan.file)
            proposal.tables[plan.table.name] = plan


def _match(file: ExportFile, table: ContractTable) -> dict[str, str]:
    """Contract column -> header, each header once."""
    columns: dict[str, str] = {}
    for column in table.columns:
        headers = (file.header_of([name]) for name in names_of(table.name, column))
        free = (header for header in headers if header and header not in columns.values())
        if header := next(free, None):
            columns[column] = header
    return columns


def _score(file: ExportFile, table: ContractTable, columns: dict[str, str]) -> float:
    """How well a file fits a table; 0 when neither its name nor its headers tell."""
    known = known_headers().get(table.name, {})
    present = {key(header) for header in file.headers}
    telling = len({key(header) for header in known.get("(header)", [])} & present)
    stem = file.name.rsplit("/", 1)[-1].split(".", 1)[0].casefold()
    words = set(re.split(r"[^a-z0-9]+", stem)) | {stem}
    named = len(words & set(known.get("(name)", []))) > 0
    own = len({key(name) for name in table.columns} & present)
    if not telling and not named and own < 3:
        return 0
    return 4 * named + 20 * (stem == table.name) + 2 * telling + len(columns) + own


def _share_history(exports: Exports, proposal: Proposal) -> None:
    """One history of several fields: stage changes and owner changes are rows of it."""
    tables, known = proposal.tables, known_headers()["history"]
    plan = tables.get("stage_changes") or tables.get("owner_changes")
    header = plan.file.header_of(known["field"]) if plan else None
    if not plan or not header:
        return
    fields = exports.values(plan.file, header).texts
    for table, role in (("stage_changes", "stage"), ("owner_changes", "owner")):
        names = {key(name) for name in known[role]}
        found = [text for text in fields if key(text) in names]
        if tables.get(table, plan) is not plan:
            continue
        tables.pop(table, None)
        if found:
            contract = CONTRACT_TABLES[table]
            columns = _match(plan.file, contract)
            columns.pop("change_id", None)
            tables[table] = TablePlan(contract, plan.file, columns, where={header: found})


def _stand_in_for_leads(exports: Exports, proposal: Proposal) -> None:
    """Without a file of leads: an unknown file with an id and a time, else the deals."""
    table = CONTRACT_TABLES["leads"]
    used = {plan.file for plan in proposal.tables.values()}
    free = [file for file in exports.files if file not in used]
    for file in sorted(free, key=lambda file: -file.rows):
        columns = _match(file, table)
        _add_id_and_time(exports, file, columns)
        if table.required <= columns.keys():
            proposal.tables["leads"] = TablePlan(table, file, columns)
            return
    deals = proposal.tables.get("opportunities")
    if deals:
        deals.columns["lead_id"] = deals.columns["opportunity_id"]
        linked = {name: deals.columns[name] for name in ("lead_id", "created_at")}
        columns = _match(deals.file, table) | linked
        proposal.tables["leads"] = TablePlan(table, deals.file, columns)
        proposal.unplaced.append(
            f"{deals.file.name}: there is no file of leads, so each deal counts as a lead"
        )


def _add_id_and_time(exports: Exports, file: ExportFile, columns: dict[str, str]) -> None:
    """An id from a column that is unique, a creation from the earliest full time column."""
    seen = {header: exports.values(file, header) for header in file.headers}
    unique = [header for header in file.headers if seen[header].distinct == file.rows > 0]
    named = [header for header in unique if re.search(r"id$", header.strip(), re.I)]
    email = [header for header in unique if header == columns.get("email")]
    if "lead_id" not in columns and (named or email):
        columns["lead_id"] = (named or email)[0]
    for header in file.headers if "created_at" not in columns else ():
        is_full = seen[header].filled >= 0.95 * file.rows > 0
        if is_full and exports.times(file, header).share > 0.95:
            columns["created_at"] = header
            return


def _link_tables(exports: Exports, proposal: Proposal) -> None:
    """Choose, by the values, the columns that point to the leads and to the reps."""
    leads, reps = proposal.tables.get("leads"), proposal.tables.get("reps")
    if not leads:
        return
    for plan in proposal.tables.values():
        if plan is not leads and "lead_id" in plan.table.columns:
            _link(exports, proposal, plan, "lead_id", leads.columns["lead_id"])
    if reps and "owner_id" in leads.columns:
        _link(exports, proposal, reps, "rep_id", leads.columns["owner_id"])


def _link(exports: Exports, proposal: Proposal, plan: TablePlan, column: str, to: str) -> None:
    """Point a column at the header whose values are found most often in the leads' column."""
    leads = proposal.tables["leads"].file
    own = plan.columns.get(column)
    shares = exports.shares_found(plan.file, leads, to)
    taken = set(plan.columns.values()) - {own}
    best = max(
        (header for header in shares if header not in taken or shares[header] == 1),
        key=lambda header: (shares[header], header == own),
        default=None,
    )
    if best and shares[best] > shares.get(own or "", 0.0) and shares[best] >= LINKED:
        plan.columns = {name: used for name, used in plan.columns.items() if used != best}
        plan.columns[column] = own = best
    target = f"{to} of {leads.name}"
    if own is None:
        proposal.unplaced.append(f"{plan.about(column)}: no column points to {target}")
    elif shares[own] < 0.9:
        several = any(";" in text for text in exports.values(plan.file, own).texts[:200])
        proposal.unplaced.append(
            f"{plan.about(column)}: only {shares[own]:.0%} of {own} are found in {target}"
            + ("; some cells hold several ids" if several else "")
        )
