"""The lifecycle policy: read, fingerprinted, and refused when it can't work.

The policy is the CSV files of ``seeds/policy``; the models join them, so a mistake in them would
show up as wrong numbers. ``validate`` finds it first and says which row of which file, why, and
how to fix it. Rows are numbered as a spreadsheet shows them: the header is row 1.
"""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dagster_project.config.errors import ConfigError
from dagster_project.config.policy_tables import (
    LATER_PARAMETERS,
    MILESTONES,
    OPTIONAL_TABLES,
    OWN_TABLES,
    RULE_PARAMETERS,
    TABLES,
    PolicyRow,
    Reference,
    RuleParameter,
    ScoreBand,
    Segment,
    SlaPolicy,
    Stage,
    Tradition,
    Unique,
)
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT

Row = TypeVar("Row", bound=PolicyRow)


@dataclass
class Table:
    """A policy table as read: every row's cells, and those that its model accepts."""

    place: str
    model: type[PolicyRow]
    is_readable: bool = True
    cells: dict[int, dict[str, str]] = field(default_factory=dict)
    rows: list[PolicyRow] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True when nothing of the table is missing or refused, so that absence means something."""
        return self.is_readable and not self.problems

    def column(self, name: str) -> set[str]:
        """The values of a column, of refused rows too."""
        return {cells.get(name, "") for cells in self.cells.values()} - {""}

    def refuse(self, number: int, problem: str) -> None:
        """Note what is wrong with a row, or with the whole table (0)."""
        self.problems.append((number, problem))


Tables = dict[str, Table]


def _rows(tables: Tables, model: type[Row]) -> list[Row]:
    """The accepted rows of a model's table."""
    return [row for row in tables[model.TABLE].rows if isinstance(row, model)]


def fingerprint(policy_dir: Path = POLICY_DIR) -> str:
    """Identify what a policy says, as a SHA-256 in hex.

    The order of rows and columns, line ends, quoting, blank lines and outer spaces do not count.
    Raises ``ConfigError`` when a table can't be read.
    """
    content: dict[str, list[str]] = {}
    for path in sorted(policy_dir.glob("*.csv")):
        header, records = _read(path)
        content[path.stem] = sorted(
            json.dumps(sorted(zip(header, map(str.strip, record), strict=False)))
            for _, record in records
        )
        content[path.stem].append(json.dumps(sorted(header)))
    if not content:
        raise ConfigError(_no_policy(policy_dir))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_whole(policy_dir: Path, target: Path) -> None:
    """Copy a policy to an existing directory as the models read it, every table plainly.

    A table that a company's own policy leaves out is the one that ships; of those that each company
    agrees on itself, none of the rows that ship. Raises ``ConfigError`` when one can't be read.
    """
    for shipped in POLICY_DIR.glob("*.csv"):
        own = policy_dir / shipped.name
        is_left_out = not own.is_file()
        write_plainly(
            shipped if is_left_out else own,
            target / shipped.name,
            only_header=is_left_out and shipped.stem in OWN_TABLES,
        )


def write_plainly(table: Path, target: Path, *, only_header: bool = False) -> None:
    """Copy a policy table without what editors leave: byte order mark, blank lines, outer spaces.

    ``only_header``: without its rows. Raises ``ConfigError`` when the table can't be read.
    """
    header, records = _read(table)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        kept = [] if only_header else records
        writer.writerows([cell.strip() for cell in record] for _, record in kept)


def cells(policy_dir: Path, table: str) -> list[dict[str, str]]:
    """The rows of a policy table as text, by column; none when it can't be read."""
    return list(_load_table(policy_dir, table).cells.values())


def traditions(policy_dir: Path = POLICY_DIR) -> list[str]:
    """The traditions that a policy knows, in its order."""
    return list(dict.fromkeys(row["tradition"] for row in cells(policy_dir, "traditions")))


def stages(policy_dir: Path, tradition: str) -> list[str]:
    """The stages of a tradition, in its order."""
    rows = cells(policy_dir, "stages")
    return [row["stage"] for row in rows if row["tradition"] == tradition]


def validate(policy_dir: Path = POLICY_DIR, tradition: str | None = None) -> list[str]:
    """List what keeps a policy from working: one line per problem, none when it is sound.

    A line reads ``seeds/policy/stages.csv, row 12: why (fix)``. Raises ``ConfigError`` when
    ``tradition`` is given and the policy does not know it.
    """
    if not policy_dir.is_dir():
        return [_no_policy(policy_dir)]
    tables = {name: _load_table(policy_dir, name) for name in TABLES}
    known = tables["traditions"]
    if tradition and known.is_readable and tradition not in known.column("tradition"):
        raise ConfigError(
            f"tradition {tradition!r} is not in {known.place} "
            f"(known: {', '.join(traditions(policy_dir))}; a new one is a row there)"
        )
    for check in (
        _duplicate_keys,
        _dangling_references,
        _incomplete_traditions,
        _path_order,
        _ambiguous_rows,
        _clocks_without_hours,
        _missing_rows,
        _unread_parameters,
        _segments,
    ):
        check(tables)
    return [
        f"{table.place}, row {number}: {problem}" if number else f"{table.place}: {problem}"
        for table in tables.values()
        for number, problem in sorted(table.problems)
    ]


# Reading


def _no_policy(policy_dir: Path) -> str:
    return f"{_place(policy_dir)}: no policy tables here (set lifecycle.policy_dir in handoff.yml)"


def _place(path: Path) -> str:
    """A path as messages show it: from the project's root where it lies inside."""
    full = path.resolve()
    is_inside = full.is_relative_to(PROJECT_ROOT)
    return full.relative_to(PROJECT_ROOT).as_posix() if is_inside else str(path)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the numbered records of a CSV file, without blank lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ConfigError(f"{_place(path)}: can't be read: {reason} (save it as CSV UTF-8)") from (
            error
        )
    header = [name.strip() for name in lines[0]] if lines else []
    records = enumerate(lines[1:], start=2)
    return header, [(at, line) for at, line in records if any(cell.strip() for cell in line)]


def _load_table(policy_dir: Path, name: str) -> Table:
    """Read one table and judge its rows one by one."""
    path = policy_dir / f"{name}.csv"
    table = Table(_place(path), TABLES[name])
    columns = list(table.model.model_fields)
    header, records = columns, list[tuple[int, list[str]]]()
    if path.is_file():
        try:
            header, records = _read(path)
        except ConfigError as error:
            table.refuse(0, error.problems[0].removeprefix(f"{table.place}: "))
    elif name not in OPTIONAL_TABLES:
        table.refuse(0, f"missing (create it with the header {','.join(columns)})")
    for problem in _header_problems(header, table.model):
        table.refuse(1, problem)
    table.is_readable = not table.problems
    for number, record in records if table.is_readable else []:
        _judge(table, number, header, record)
    return table


def _header_problems(header: list[str], model: type[PolicyRow]) -> Iterator[str]:
    """Name missing, unknown and repeated columns."""
    columns = list(model.model_fields)
    expected = f"(expected: {','.join(columns)})"
    for column in columns:
        if column not in header and column not in model.LATER:
            yield f"column '{column}' is missing {expected}"
    for column in dict.fromkeys(header):
        if column not in columns and column not in model.FORMER:
            yield f"column '{column}' is unknown {expected}"
        elif header.count(column) > 1:
            yield f"column '{column}' appears twice {expected}"


def _judge(table: Table, number: int, header: list[str], record: list[str]) -> None:
    """Keep a row, or say what is wrong with it."""
    if len(record) != len(header):
        problem = f"has {len(record)} cells, the header {len(header)} (quote cells with commas)"
        table.refuse(number, problem)
        return
    cells = {}
    for column, cell in zip(header, record, strict=True):
        cells[column] = cell.strip()
        if cell != cells[column]:
            table.refuse(number, f"column '{column}': {cell!r} has spaces around it (remove them)")
    table.cells[number] = cells
    try:
        row = table.model.read(number, cells)
    except ValidationError as error:
        problems = [_explain(item) for item in error.errors()]
    else:
        problems = list(row.problems())
        if not problems:
            table.rows.append(row)
    for problem in problems:
        table.refuse(number, problem)


def _explain(item: ErrorDetails) -> str:
    """What pydantic found wrong with a cell, in the words of this project."""
    context = item.get("ctx", {})
    column, value = item["loc"][0], item["input"]
    if value is None:
        return f"column '{column}' is empty (fill it)"
    known = context.get("expected", "").replace("'", "").replace(" or ", ", ")
    wanted = {
        "int_parsing": "must be a whole number",
        "float_parsing": "must be a number",
        "finite_number": "must be a number",
        "greater_than_equal": f"must be {context.get('ge', 0):g} or more",
        "greater_than": f"must be above {context.get('gt', 0):g}",
        "string_pattern_mismatch": "must be a time of day such as 09:00",
        "literal_error": f"is unknown (known: {known})",
        "value_error": str(context.get("error")),
    }.get(item["type"], item["msg"])
    return f"column '{column}': {value!r} {wanted}"


# Rules between rows and between tables


def _fold(text: object) -> str:
    """The form in which the models compare text: without case and outer spaces."""
    return "" if text is None else str(text).strip().lower()


def _duplicate_keys(tables: Tables) -> None:
    for table in tables.values():
        key = table.model.KEY
        seen: dict[tuple[str, ...], int] = {}
        for number, cells in table.cells.items() if key else []:
            first = seen.setdefault(tuple(_fold(cells.get(column)) for column in key), number)
            if first != number:
                described = ", ".join(f"{column} '{cells[column]}'" for column in key)
                table.refuse(number, f"{described} is already in row {first} (keep one)")


def _ambiguous_rows(tables: Tables) -> None:
    for table in tables.values():
        for column, rule in table.model.rules(Unique):
            seen: dict[tuple[str, str], PolicyRow] = {}
            for row in table.rows:
                value = getattr(row, column)
                if value is None and not rule.counts_empty:
                    continue
                scope = table.cells[row.number].get(rule.within, "")
                first = seen.setdefault((_fold(scope), _fold(value)), row)
                meaning, other = getattr(row, rule.of), getattr(first, rule.of)
                if _fold(other) != _fold(meaning):
                    cell = table.cells[row.number][column]
                    shown = f"{column} '{cell}'" if cell else f"an empty {column}"
                    table.refuse(
                        row.number,
                        f"{shown} belongs to {rule.of} '{meaning}' here and to '{other}' in row "
                        f"{first.number} ({rule.fix})",
                    )


def _dangling_references(tables: Tables) -> None:
    """Rows that name a row of another table which does not exist, each one at its first use."""
    for table in tables.values():
        for column, rule in table.model.rules(Reference):
            target = tables[rule.table]
            found: dict[str, set[str]] = defaultdict(set)
            for cells in target.cells.values():
                found[cells.get(rule.within, "")].add(cells[target.model.KEY[-1]])
            refused = {number for number, _ in table.problems} if rule.within else set()
            reported: set[tuple[str, str]] = set()
            for number, cells in table.cells.items() if target.is_readable else []:
                scope, cell = cells.get(rule.within, ""), cells[column]
                known = found[scope] | rule.also
                is_fine = not cell or cell in known or (scope, cell) in reported
                near = [name for name in known if _fold(name) == _fold(cell)]
                # A row that is meant in another case may be refused already.
                if is_fine or number in refused or (near and not target.is_whole):
                    continue
                reported.add((scope, cell))
                names = ", ".join(sorted(known))
                fix = rule.fix.format(known=names, cell=cell, tradition=scope)
                fix = f"write {near[0]}" if near else fix
                place = f" of {rule.within} '{scope}'" if scope else ""
                problem = f"{column} '{cell}'{place} is not in {rule.table}.csv ({fix})"
                table.refuse(number, problem)


def _missing_rows(tables: Tables) -> None:
    for table in tables.values():
        for value, why in table.model.REQUIRED.items() if table.is_readable else ():
            column = table.model.KEY[0]
            if value not in table.column(column):
                table.refuse(0, f"{column} '{value}' is missing: {why}")
    bands = tables["score_bands"]
    if bands.is_whole and all(band.min_score is not None for band in _rows(tables, ScoreBand)):
        problem = "no band is without a minimum, so low scores have none"
        bands.refuse(0, f"{problem} (empty min_score of the lowest)")


def _unread_parameters(tables: Tables) -> None:
    """A parameter with a typo, or of another version, would have no effect and say nothing."""
    read = {*RULE_PARAMETERS, *LATER_PARAMETERS}
    for row in _rows(tables, RuleParameter):
        if row.parameter not in read:
            near = get_close_matches(row.parameter, read, n=1)
            fix = f"write {near[0]}" if near else "remove the row"
            problem = f"no rule reads the parameter '{row.parameter}' ({fix})"
            tables[RuleParameter.TABLE].refuse(row.number, problem)


def _incomplete_traditions(tables: Tables) -> None:
    """A tradition needs stages, a handoff among them."""
    stages = _rows(tables, Stage)
    for row in _rows(tables, Tradition) if tables["stages"].is_whole else []:
        own = {stage.milestone for stage in stages if stage.tradition == row.tradition}
        lacks = f"tradition '{row.tradition}' has no stage"
        if not own:
            tables["traditions"].refuse(row.number, f"{lacks} (add its stages to stages.csv)")
        elif "handed_off" not in own:
            tables["traditions"].refuse(
                row.number,
                f"{lacks} with the milestone handed_off, so nothing is ever handed to sales "
                "(give one in stages.csv that milestone)",
            )


def _path_order(tables: Tables) -> None:
    """Milestones come in their order along the path, and exits after the path."""
    stages = sorted(_rows(tables, Stage), key=lambda stage: stage.path_order)
    for stage in stages:
        path = [one for one in stages if one.milestone and one.tradition == stage.tradition]
        before = [one for one in path if one.path_order < stage.path_order]
        later = MILESTONES[MILESTONES.index(stage.milestone) + 1 :] if stage.milestone else ()
        ahead = [one for one in before if one.milestone in later]
        if ahead:
            other = ahead[-1]
            problem = (
                f"'{stage.stage}' ({stage.milestone}) has path order {stage.path_order}, after "
                f"'{other.stage}' ({other.milestone}) with {other.path_order} in row "
                f"{other.number}, but {stage.milestone} comes before {other.milestone} "
                "(reorder one of them)"
            )
        elif stage.exit_kind and before != path:
            last = path[-1]
            problem = (
                f"the exit '{stage.stage}' has path order {stage.path_order}, not after the path, "
                f"which ends with '{last.stage}' ({last.path_order}, row {last.number}) "
                f"(give it more than {last.path_order})"
            )
        else:
            continue
        tables["stages"].refuse(stage.number, problem)


def _clocks_without_hours(tables: Tables) -> None:
    """A clock that needs working hours has some."""
    hours = tables["working_hours"]
    for tier in _rows(tables, SlaPolicy) if hours.is_whole and not hours.rows else []:
        if tier.clock != "calendar":
            tables["sla_policies"].refuse(
                tier.number,
                f"clock '{tier.clock}' of tier '{tier.intent_tier}' needs working hours, and "
                "working_hours.csv has none (add the working days)",
            )


def _segments(tables: Tables) -> None:
    """Each company size from the smallest segment up falls into one segment."""
    ordered = sorted(_rows(tables, Segment), key=lambda segment: segment.min_employees)
    for lower, upper in pairwise(ordered):
        top, start = lower.max_employees, upper.min_employees
        if _fold(lower.segment) == _fold(upper.segment):
            continue
        if top is None or top >= start:
            shown = "no maximum" if top is None else f"up to {top}"
            problem = (
                f"segment '{upper.segment}' from {start} overlaps '{lower.segment}' in row "
                f"{lower.number} ({shown}) (end it at {start - 1})"
            )
        elif top + 1 < start and tables["segments"].is_whole:
            problem = (
                f"no segment holds {top + 1} to {start - 1} employees, between "
                f"'{lower.segment}' in row {lower.number} and '{upper.segment}' (close the gap)"
            )
        else:
            continue
        tables["segments"].refuse(upper.number, problem)
