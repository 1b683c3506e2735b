"""``handoff init``: look at somebody's exports and propose the configuration that reads them.

Files are told apart by their names and headers (``known_headers.csv``), columns by headers, and
what the headers leave open by the values: time formats, which column links to the leads, what a
stage is called. The proposal says what it could not place. It asks nothing and overwrites nothing.
"""

import csv
import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.errors import ConfigError, SourceError
from dagster_project.config.warehouse import POLICY_DIR
from dagster_project.ingestion.discovery import values
from dagster_project.ingestion.discovery.values import TimeReading, Values, Vocabulary, key
from dagster_project.ingestion.files.client import open_file
from dagster_project.ingestion.files.delimited_text import TextFormat

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KNOWN_HEADERS = Path(__file__).with_name("known_headers.csv")
_DATA_FILES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet", ".jsonl")
_UNKNOWN_CRM = "unknown"
_LINKED = 0.5
_FALLBACK_ENCODING = "cp1252"
_TRUE = ("true", "yes", "1")
_STAGE_DATE_HEADERS = (
    r"^(?:date )?became an? (?P<stage>.+?)(?: date)?$",
    r'^date entered "?(?P<stage>.+?)"?(?: \(.*\))?$',
    r"^hs (?:v2 )?date entered (?P<stage>.+?)$",
    r"^hs lifecyclestage (?P<stage>.+?) date$",
    r"^(?:date|time|entered) (?:of |became |entered )?(?P<stage>.+?)$",
    r"^(?P<stage>.+?) (?:date|at|on|time|timestamp|since|date time)$",
)
_HISTORY_FIELD = "history"


@dataclass
class Look:
    """One file: its headers, and its rows as text in a table of the look's own database."""

    path: Path
    headers: tuple[str, ...]
    table: str
    rows: int
    encoding: str

    def column(self, header: str) -> str:
        return f"c{self.headers.index(header)}"

    def header_of(self, names: Iterable[str]) -> str | None:
        """The first of these names that is a header, whatever case, spaces and signs."""
        by_key = {key(header): header for header in reversed(self.headers)}
        return next((by_key[key(name)] for name in names if key(name) in by_key), None)


@dataclass
class TablePlan:
    """The mapping proposed for one table."""

    table: ContractTable
    look: Look
    columns: dict[str, str] = field(default_factory=dict)
    time_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal_marks: dict[str, str] = field(default_factory=dict)
    where: dict[str, list[str]] = field(default_factory=dict)
    only_when: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StageDatePlan:
    """A date column proposed as the moment a stage was entered."""

    stage: str
    header: str
    look: Look
    lead_header: str
    formats: tuple[str, ...]
    is_needed: bool


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
    crm: str
    tradition: str
    tables: dict[str, TablePlan] = field(default_factory=dict)
    stage_dates: list[StageDatePlan] = field(default_factory=list)
    stages: list[StageSeen] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    text: str = ""


def propose(directory: Path, out_file: Path, policy_dir: Path = POLICY_DIR) -> Proposal:
    """Look at the exports in a directory and write a commented configuration for them.

    Raises ``ConfigError`` if ``out_file`` exists or cannot be written, ``SourceError`` if the
    directory holds no export that can be read.
    """
    from dagster_project.ingestion.discovery.text import render

    if out_file.exists():
        raise ConfigError(
            f"{out_file}: exists already and is left as it is; name another file, or move it away"
        )
    proposal = look_at(directory, out_file, policy_dir)
    proposal.text = render(proposal)
    try:
        with out_file.open("x", encoding="utf-8") as file:
            file.write(proposal.text)
    except OSError as error:
        raise ConfigError(f"{out_file}: cannot be written: {error.strerror}") from error
    return proposal


def look_at(directory: Path, out_file: Path, policy_dir: Path = POLICY_DIR) -> Proposal:
    """The proposal for the exports in a directory, without writing anything."""
    import duckdb

    if not directory.is_dir():
        raise SourceError(f"{directory}: no such directory; name the one that holds the exports")
    vocabulary = values.read_vocabulary(policy_dir)
    with (
        tempfile.TemporaryDirectory(prefix="handoff-") as scratch,
        duckdb.connect(str(Path(scratch) / "look.duckdb")) as connection,
    ):
        connection.execute("set timezone = 'UTC'")
        proposal = Proposal(directory, out_file, _UNKNOWN_CRM, "")
        looks = list(_look_at_files(connection, directory, Path(scratch), proposal.unplaced))
        if not looks:
            raise SourceError(
                f"{directory}: no export that can be read; expected files that end in "
                f"{', '.join(_DATA_FILES)}" + "".join(f"; {line}" for line in proposal.unplaced)
            )
        return _Discovery(connection, looks, proposal, vocabulary).run()


def _look_at_files(
    connection: "DuckDBPyConnection", directory: Path, scratch: Path, unplaced: list[str]
) -> Iterator[Look]:
    """Read every data file of the directory into a table of text."""
    paths = [path for path in sorted(directory.iterdir()) if path.is_file()]
    for at, path in enumerate(path for path in paths if path.name.lower().endswith(_DATA_FILES)):
        try:
            yield _look_at_file(connection, path, scratch, f"look_{at}", "utf-8")
        except SourceError as error:
            if "not UTF-8" not in str(error):
                unplaced.append(str(error))
                continue
            connection.execute(f"drop table if exists look_{at}")
            try:
                yield _look_at_file(connection, path, scratch, f"look_{at}", _FALLBACK_ENCODING)
            except SourceError as second:
                unplaced.append(str(second))


def _look_at_file(
    connection: "DuckDBPyConnection", path: Path, scratch: Path, table: str, encoding: str
) -> Look:
    reader = open_file(path.name, path, scratch, TextFormat(encoding=encoding))
    cells = [f"c{at}" for at in range(len(reader.headers))]
    columns = ", ".join(f"{cell} varchar" for cell in cells)
    connection.execute(f"create table {table} (n bigint, {columns}, extra_columns varchar)")
    inserted = reader.insert(connection, table, ["source_row", *cells, "null"], "true")
    return Look(path, reader.headers, table, inserted.rows, encoding)


class _Known:
    """``known_headers.csv``: table -> column -> the headers it goes by, best first."""

    def __init__(self) -> None:
        self.headers: dict[str, dict[str, list[str]]] = {}
        with _KNOWN_HEADERS.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                known = self.headers.setdefault(row["table"], {})
                known[row["column"]] = row["headers"].split("|")

    def of(self, table: str, column: str) -> list[str]:
        """The contract's own name first, then what others call it."""
        return [column, *self.headers.get(table, {}).get(column, [])]


class _Discovery:
    """The steps from files to a proposal; each adds to the proposal what it found."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        looks: list[Look],
        proposal: Proposal,
        vocabulary: Vocabulary,
    ) -> None:
        self.connection = connection
        self.looks = looks
        self.proposal = proposal
        self.vocabulary = vocabulary
        self.known = _Known()
        self.seen: dict[tuple[str, str], Values] = {}
        self.month_first: dict[str, bool | None] = {}

    def run(self) -> Proposal:
        self.proposal.crm = self._crm()
        self._place_files()
        self._share_history()
        self._stand_in_for_leads()
        self._link_tables()
        for plan in self.proposal.tables.values():
            self._read_values(plan)
        self._close_opportunities()
        self._name_stages()
        self._name_kinds()
        self._date_stages()
        self.proposal.tradition = self._tradition()
        self._say_what_is_left()
        placed = self.proposal.tables
        self.proposal.tables = {name: placed[name] for name in CONTRACT_TABLES if name in placed}
        return self.proposal

    # Which system, which file is which table

    def _crm(self) -> str:
        """The CRM whose telling headers are there, rare ones counting more than shared ones."""
        telling = self.known.headers["(crm)"]
        owners: dict[str, int] = {}
        for headers in telling.values():
            for name in {header.casefold() for header in headers}:
                owners[name] = owners.get(name, 0) + 1
        present = {header.casefold() for look in self.looks for header in look.headers}
        points = {
            crm: sum(
                1 / owners[name] ** 2 for name in {item.casefold() for item in headers} & present
            )
            for crm, headers in telling.items()
        }
        best = max(points, key=lambda crm: points[crm])
        return best if points[best] >= 2 else _UNKNOWN_CRM

    def _place_files(self) -> None:
        """Give each table the file that fits it best, each file at most one table."""
        offers = []
        for look, table in itertools.product(self.looks, CONTRACT_TABLES.values()):
            columns = self._match(look, table)
            score = self._score(look, table, columns)
            if score > 0 and table.required <= columns.keys():
                offers.append((score, look.rows, look, table, columns))
        offers.sort(key=lambda offer: (-offer[0], -offer[1]))
        used: set[Path] = set()
        for _, _, look, table, columns in offers:
            if look.path not in used and table.name not in self.proposal.tables:
                used.add(look.path)
                self.proposal.tables[table.name] = TablePlan(table, look, columns)

    def _match(self, look: Look, table: ContractTable) -> dict[str, str]:
        """Contract column -> header, each header once."""
        columns: dict[str, str] = {}
        for column in table.columns:
            free = [
                name
                for name in self.known.of(table.name, column)
                if (header := look.header_of([name])) and header not in columns.values()
            ]
            header = look.header_of(free)
            if header:
                columns[column] = header
        return columns

    def _score(self, look: Look, table: ContractTable, columns: dict[str, str]) -> float:
        """How well a file fits a table; 0 when neither its name nor its headers tell."""
        known = self.known.headers.get(table.name, {})
        present = {key(header) for header in look.headers}
        telling = len({key(header) for header in known.get("(header)", [])} & present)
        stem = look.path.name.split(".", 1)[0].casefold()
        words = set(re.split(r"[^a-z0-9]+", stem)) | {stem}
        named = len(words & set(known.get("(name)", []))) > 0
        own = len({key(name) for name in table.columns} & present)
        if not telling and not named and own < 3:
            return 0
        return 4 * named + 20 * (stem == table.name) + 2 * telling + len(columns) + own

    def _share_history(self) -> None:
        """One history of several fields: stage changes and owner changes are rows of it."""
        plan = self.proposal.tables.get("stage_changes") or self.proposal.tables.get(
            "owner_changes"
        )
        known = self.known.headers[_HISTORY_FIELD]
        header = plan.look.header_of(known["field"]) if plan else None
        if not plan or not header:
            return
        fields = self.values(plan.look, header).texts
        for table, role in (("stage_changes", "stage"), ("owner_changes", "owner")):
            names = {key(name) for name in known[role]}
            found = [text for text in fields if key(text) in names]
            if not found:
                if self.proposal.tables.get(table) is plan:
                    del self.proposal.tables[table]
                continue
            taken = self.proposal.tables.get(table)
            if taken is None or taken is plan:
                contract = CONTRACT_TABLES[table]
                columns = self._match(plan.look, contract)
                columns.pop("change_id", None)
                self.proposal.tables[table] = TablePlan(
                    contract, plan.look, columns, where={header: found}
                )

    def _stand_in_for_leads(self) -> None:
        """Without a file of leads: an unknown file with an id and a time, else the deals."""
        if "leads" in self.proposal.tables:
            return
        table = CONTRACT_TABLES["leads"]
        used = {plan.look.path for plan in self.proposal.tables.values()}
        free = sorted(
            (look for look in self.looks if look.path not in used), key=lambda look: -look.rows
        )
        for look in free:
            columns = self._match(look, table)
            self._add_id_and_time(look, columns)
            if table.required <= columns.keys():
                self.proposal.tables["leads"] = TablePlan(table, look, columns)
                return
        deals = self.proposal.tables.get("opportunities")
        if deals:
            columns = self._match(deals.look, table)
            columns["lead_id"] = deals.columns["opportunity_id"]
            columns["created_at"] = deals.columns["created_at"]
            self.proposal.tables["leads"] = TablePlan(table, deals.look, columns)
            deals.columns["lead_id"] = deals.columns["opportunity_id"]
            self.proposal.unplaced.append(
                f"{deals.look.path.name}: there is no file of leads, so each deal stands for a lead"
            )

    def _add_id_and_time(self, look: Look, columns: dict[str, str]) -> None:
        """An id from a column that is unique, a creation from the earliest full time column."""
        if "lead_id" not in columns:
            unique = [
                header
                for header in look.headers
                if self.values(look, header).distinct == look.rows > 0
            ]
            named = [header for header in unique if re.search(r"id$", header.strip(), re.I)]
            email = [columns["email"]] if columns.get("email") in unique else []
            if named or email:
                columns["lead_id"] = (named or email)[0]
        if "created_at" not in columns:
            for header in look.headers:
                seen = self.values(look, header)
                if seen.filled >= 0.95 * look.rows > 0 and self._reading(look, header).share > 0.95:
                    columns["created_at"] = header
                    return

    def _link_tables(self) -> None:
        """Choose, by the values, the columns that point to the leads and to the reps."""
        leads = self.proposal.tables.get("leads")
        if not leads:
            return
        for plan in self.proposal.tables.values():
            if plan is leads or "lead_id" not in plan.table.columns:
                continue
            self._link(plan, "lead_id", leads.look, leads.columns["lead_id"])
        reps = self.proposal.tables.get("reps")
        if reps and "owner_id" in leads.columns:
            self._link(reps, "rep_id", leads.look, leads.columns["owner_id"])

    def _link(self, plan: TablePlan, column: str, other: Look, header: str) -> None:
        """Point a column at the header whose values are found most often on the other side."""
        shares = {
            candidate: self._overlap(plan.look, candidate, other, header)
            for candidate in plan.look.headers
        }
        taken = set(plan.columns.values()) - {plan.columns.get(column)}
        best = max(
            (candidate for candidate in shares if candidate not in taken or shares[candidate] == 1),
            key=lambda candidate: (shares[candidate], candidate == plan.columns.get(column)),
            default=None,
        )
        own = plan.columns.get(column)
        if best and shares[best] > shares.get(own or "", 0.0) and shares[best] >= _LINKED:
            plan.columns = {name: used for name, used in plan.columns.items() if used != best}
            plan.columns[column] = own = best
        share = shares.get(own or "", 0.0)
        about = f"{plan.look.path.name}: {plan.table.name}.{column}"
        if own is None:
            self.proposal.unplaced.append(
                f"{about}: no column points to {header} of {other.path.name}"
            )
        elif share < 0.9:
            several = any(";" in text for text in self.values(plan.look, own).texts[:200])
            self.proposal.unplaced.append(
                f"{about}: only {share:.0%} of {own} are found in {header} of {other.path.name}"
                + ("; some cells hold several ids" if several else "")
            )

    def _overlap(self, look: Look, header: str, other: Look, other_header: str) -> float:
        """Share of the filled distinct values of a column that the other column has."""
        row = self.connection.execute(
            f"""
            with mine as (
                select distinct trim({look.column(header)}) as cell from {look.table}
                where nullif(trim({look.column(header)}), '') is not null
            )
            select avg(cast(cell in (
                select trim({other.column(other_header)}) from {other.table}
                where {other.column(other_header)} is not null
            ) as integer)) from mine
            """
        ).fetchone()
        return float(row[0] or 0) if row else 0.0

    # What the values say

    def values(self, look: Look, header: str) -> Values:
        """The distinct values of a column, looked at once."""
        place = (look.table, header)
        if place not in self.seen:
            self.seen[place] = values.values_of(self.connection, look.table, look.column(header))
        return self.seen[place]

    def _reading(self, look: Look, header: str) -> TimeReading:
        """How a column's times read, in the file's order of day and month where it is open."""
        reading = values.time_reading(self.connection, self.values(look, header).texts)
        if not reading.is_ambiguous:
            return reading
        order = self._order_of(look)
        if order is None or values.is_month_first(reading.formats[0]) == order:
            return reading
        formats = tuple(values.swapped(item) for item in reading.formats)
        return TimeReading(formats, reading.share, reading.is_ambiguous)

    def _order_of(self, look: Look) -> bool | None:
        """Whether the file writes the month first, as far as any of its columns tells."""
        if look.table not in self.month_first:
            self.month_first[look.table] = None
            for header in look.headers:
                texts = self.values(look, header).texts
                if not any(re.match(r"\d{1,2}[/.-]\d{1,2}[/.-]\d", text) for text in texts[:50]):
                    continue
                reading = values.time_reading(self.connection, texts)
                if reading.share > 0.95 and not reading.is_ambiguous:
                    self.month_first[look.table] = values.is_month_first(reading.formats[0])
                    break
        return self.month_first[look.table]

    def _read_values(self, plan: TablePlan) -> None:
        """Time formats and decimal marks of the mapped columns."""
        for column, header in list(plan.columns.items()):
            texts = self.values(plan.look, header).texts
            if not texts:
                plan.remarks[column] = "empty in this export"
            elif column in plan.table.times:
                self._read_times(plan, column, header)
            elif column in plan.table.numbers:
                self._read_numbers(plan, column, header)

    def _read_times(self, plan: TablePlan, column: str, header: str) -> None:
        reading = self._reading(plan.look, header)
        example = self.values(plan.look, header).texts[0]
        if reading.formats:
            plan.time_formats[column] = reading.formats
        plan.remarks[column] = f"for example {example}"
        about = f"{plan.look.path.name}: {plan.table.name}.{column}"
        if reading.share < 0.95:
            self.proposal.unplaced.append(
                f"{about}: only {reading.share:.0%} of the times in {header} can be read, "
                f"for example {example}"
            )
        elif reading.is_ambiguous and self._order_of(plan.look) is None:
            order = "month" if values.is_month_first(reading.formats[0]) else "day"
            plan.remarks[column] += f"; {order} first is a guess, the values allow both"
            self.proposal.unplaced.append(f"{about}: {order} first is a guess (such as {example})")

    def _read_numbers(self, plan: TablePlan, column: str, header: str) -> None:
        texts = self.values(plan.look, header).texts
        mark = values.decimal_mark(texts)
        if mark:
            plan.decimal_marks[column] = mark
        elif mark is None:
            del plan.columns[column]
            self.proposal.unplaced.append(
                f"{plan.look.path.name}: {header} would be {plan.table.name}.{column}, but has "
                f"values that are no numbers (such as {values.first_odd_number(texts)})"
            )

    def _close_opportunities(self) -> None:
        """Tell won, lost and open deals apart; an open deal's expected close is no close."""
        plan = self.proposal.tables.get("opportunities")
        header = plan.columns.get("is_won") if plan else None
        if not plan or not header:
            return
        flag = plan.look.header_of(self.known.headers["opportunity"]["closed_flag"])
        if self._is_truth(plan.look, header):
            if flag and "closed_at" in plan.columns:
                plan.only_when["closed_at"] = {flag: list(_TRUE)}
                return
            named = plan.look.header_of(
                name
                for name in self.known.of("opportunities", "is_won")
                if (other := plan.look.header_of([name])) and not self._is_truth(plan.look, other)
            )
            if not named:
                return
            header = plan.columns["is_won"] = named
        seen = self.values(plan.look, header)
        meant = {text: self._outcome(text) for text in seen.texts}
        plan.values["is_won"] = {
            text: {"won": "true", "lost": "false"}.get(outcome or "", "")
            for text, outcome in meant.items()
        }
        closed = [text for text, outcome in meant.items() if outcome]
        if "closed_at" in plan.columns and closed:
            plan.only_when["closed_at"] = {header: closed}
        if not closed:
            self.proposal.unplaced.append(
                f"{plan.look.path.name}: no value of {header} reads as won or lost: "
                f"{', '.join(seen.texts[:10])}"
            )

    def _is_truth(self, look: Look, header: str) -> bool:
        """Whether a column holds truth values, or nothing."""
        seen = {text.casefold() for text in self.values(look, header).texts}
        return seen <= {"true", "false", "yes", "no", "1", "0"}

    def _outcome(self, text: str) -> str | None:
        """Won or lost, if a deal stage says so: by the policy, else by the word in it."""
        stage = self.vocabulary.stage(text)
        meaning = self.vocabulary.meanings.get(stage or "")
        if meaning in {"won", "lost"}:
            return meaning
        return values.named_in(text, ("won", "lost"))

    def _name_stages(self) -> None:
        """Collect the raw stages of the leads and the history, and what they mean."""
        counts: dict[str, tuple[int, str]] = {}
        for table, columns in (
            ("stage_changes", ("to_stage", "from_stage")),
            ("leads", ("current_stage",)),
        ):
            plan = self.proposal.tables.get(table)
            for column in columns if plan else ():
                header = plan.columns.get(column) if plan else None
                if not plan or not header:
                    continue
                field_name = next((item[0] for item in plan.where.values()), header)
                for text, rows in self._stage_values(plan, header):
                    known = counts.get(text, (0, field_name))
                    counts[text] = (known[0] + rows, known[1])
        for raw, (rows, header) in counts.items():
            stage = self.vocabulary.stage(raw, self.proposal.crm, header)
            word = values.named_in(raw, self.vocabulary.stages)
            guess = self.vocabulary.stages.get((word or "").casefold())
            self.proposal.stages.append(StageSeen(raw, rows, stage, guess))
        unknown = [item.raw for item in self.proposal.stages if item.stage is None]
        if unknown:
            self.proposal.unplaced.append(
                f"stage_names: not known what these mean: {', '.join(unknown[:20])}"
            )

    def _stage_values(self, plan: TablePlan, header: str) -> list[tuple[str, int]]:
        """Raw stages and their rows, within the rows that the table reads."""
        conditions = ["true"]
        for name, accepted in plan.where.items():
            listed = ", ".join(values.literal(text.casefold()) for text in accepted)
            conditions.append(f"lower(trim({plan.look.column(name)})) in ({listed})")
        cell = f"trim({plan.look.column(header)})"
        return self.connection.execute(
            f"""
            select {cell} as raw_stage, count(*) as stage_rows
            from {plan.look.table}
            where nullif({cell}, '') is not null and {" and ".join(conditions)}
            group by raw_stage
            order by stage_rows desc, raw_stage
            limit 100
            """
        ).fetchall()

    def _name_kinds(self) -> None:
        """Activity kinds, directions and engagement kinds, in the policy's words."""
        activities = self.proposal.tables.get("activities")
        if activities:
            self._translate(activities, "kind", self.vocabulary.kinds)
            self._translate(activities, "direction", ("inbound", "outbound"))
        engagements = self.proposal.tables.get("engagements")
        if engagements:
            self._translate(engagements, "kind", self.vocabulary.signals)

    def _translate(self, plan: TablePlan, column: str, words: tuple[str, ...]) -> None:
        """Map the values that contain one of the policy's words; name the others."""
        header = plan.columns.get(column)
        if not header:
            return
        aliases = {"incoming": "inbound", "outgoing": "outbound", "forwarded": "outbound"}
        aliases = {alias: word for alias, word in aliases.items() if word in words}
        unknown = []
        for text in self.values(plan.look, header).texts[:100]:
            if text.casefold() in words:
                continue
            found = values.named_in(text.replace("_", " "), [*words, *aliases])
            if found:
                plan.values.setdefault(column, {})[text] = aliases.get(found, found)
            else:
                unknown.append(text)
        if unknown:
            self.proposal.unplaced.append(
                f"{plan.look.path.name}: {plan.table.name}.{column}: not known: "
                f"{', '.join(unknown[:10])} (the policy knows {', '.join(words)})"
            )

    def _date_stages(self) -> None:
        """Date columns that say when a stage was entered, in the leads and in files beside."""
        leads = self.proposal.tables.get("leads")
        if not leads:
            return
        has_history = "stage_changes" in self.proposal.tables
        lead_header = leads.columns["lead_id"]
        used = {plan.look.path for plan in self.proposal.tables.values()}
        deals = self.proposal.tables.get("opportunities")
        for look in self.looks:
            if deals and look is deals.look:
                # Won and lost are told by the opportunities themselves.
                continue
            if look is leads.look:
                link = lead_header
            elif look.path in used:
                continue
            else:
                link = max(
                    look.headers,
                    key=lambda header: self._overlap(look, header, leads.look, lead_header),
                )
                if self._overlap(look, link, leads.look, lead_header) < _LINKED:
                    continue
            mapped = set(leads.columns.values()) if look is leads.look else set()
            self.proposal.stage_dates += self._dates_of(look, link, mapped, not has_history)

    def _dates_of(
        self, look: Look, link: str, mapped: set[str], is_needed: bool
    ) -> Iterator[StageDatePlan]:
        for header in look.headers:
            stage = self._stage_of_header(header)
            if not stage or header == link or header in mapped:
                continue
            if not self.values(look, header).texts:
                continue
            reading = self._reading(look, header)
            if reading.share > 0.95:
                yield StageDatePlan(stage, header, look, link, reading.formats, is_needed)

    def _stage_of_header(self, header: str) -> str | None:
        """The stage that a header such as "Became a Customer Date" speaks of."""
        plain = re.sub(r"__c$", "", header.strip(), flags=re.I)
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
        plain = re.sub(r"[_\s]+", " ", plain.replace("-", " ")).casefold().strip()
        for pattern in _STAGE_DATE_HEADERS:
            found = re.match(pattern, plain)
            if found:
                named = found["stage"].strip()
                stage = self.vocabulary.stage(named) or self.vocabulary.stage(
                    named.replace(" ", "")
                )
                stage = stage or self._stage_of_deal_word(named)
                if stage:
                    return stage
        return None

    def _stage_of_deal_word(self, named: str) -> str | None:
        word = values.named_in(named, self.vocabulary.evidence)
        return self.vocabulary.evidence.get(word or "")

    def _tradition(self) -> str:
        """The tradition with most of the stages seen; of equal ones the CRM's, else the first."""
        seen = {item.stage for item in self.proposal.stages if item.stage}
        seen |= {item.stage for item in self.proposal.stage_dates}
        traditions = self.vocabulary.by_tradition
        own = self.proposal.crm.casefold()
        return max(traditions, key=lambda name: (len(seen & traditions[name]), name == own))

    def _say_what_is_left(self) -> None:
        """Name the files and the columns that found no place."""
        leads = self.proposal.tables.get("leads")
        if not leads:
            self.proposal.unplaced.insert(
                0, "no file looks like leads: it needs an id and a creation time per lead"
            )
        dated = {(item.look.table, item.header) for item in self.proposal.stage_dates}
        for look in self.looks:
            plans = [plan for plan in self.proposal.tables.values() if plan.look is look]
            used = {header for plan in plans for header in plan.columns.values()}
            used |= {header for plan in plans for header in plan.where}
            used |= {
                header for plan in plans for item in plan.only_when.values() for header in item
            }
            used |= {header for table, header in dated if table == look.table}
            used |= {item.lead_header for item in self.proposal.stage_dates if item.look is look}
            if not used:
                self.proposal.unplaced.append(
                    f"{look.path.name}: not read; it looks like none of the tables "
                    f"(its header: {', '.join(look.headers[:12])})"
                )
                continue
            left = [header for header in look.headers if header not in used]
            if left:
                self.proposal.unplaced.append(
                    f"{look.path.name}: columns without a place: {', '.join(left[:40])}"
                    + (f" and {len(left) - 40} more" if len(left) > 40 else "")
                )


def relative_to(path: Path, base: Path) -> str:
    """A path as the configuration should say it: relative where it lies below the file."""
    target, start = path.resolve(), base.resolve()
    return os.path.relpath(target, start) if target.is_relative_to(start) else str(target)
