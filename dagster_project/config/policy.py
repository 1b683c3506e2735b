"""The lifecycle policy: read, fingerprinted, and refused when it cannot work.

The policy is the CSV files of ``seeds/policy``; the models join them, so a mistake in them would
show up as wrong numbers. ``validate`` finds it first and says which row of which file, why, and
how to mend it. Rows are numbered as a spreadsheet shows them: the header is row 1.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dagster_project.config.errors import ConfigError
from dagster_project.config.policy_tables import (
    MILESTONES,
    OPTIONAL_TABLES,
    RULE_PARAMETERS,
    TABLES,
    ConversionPair,
    DefinitionVersion,
    MilestoneLabel,
    PolicyRow,
    ReasonAlias,
    ScoreBand,
    Segment,
    SlaPolicy,
    Stage,
    StageAlias,
    Tradition,
    TransitionOverride,
    WorkingHours,
)
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT

Row = TypeVar("Row", bound=PolicyRow)

# The tier of a handoff without any engagement, and the code that a missing reason counts as.
DEFAULT_TIER = "standard"
DEFAULT_REASON = "other"


@dataclass
class Table:
    """A policy table as read: every row's cells, and those that its model accepts."""

    name: str
    place: str
    is_readable: bool = True
    cells: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    rows: list[tuple[int, PolicyRow]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True when nothing of the table is missing or refused."""
        return self.is_readable and not self.problems

    def column(self, name: str) -> set[str]:
        """The values of a column, of refused rows too."""
        return {cells.get(name, "") for _, cells in self.cells} - {""}


def fingerprint(policy_dir: Path = POLICY_DIR) -> str:
    """Identify what a policy says, as a SHA-256 in hex.

    The order of rows and columns, line ends, quoting, blank lines and outer spaces do not count.
    Raises ``ConfigError`` when a table cannot be read.
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


def write_plainly(table: Path, target: Path) -> None:
    """Copy a policy table in the plainest form of CSV that every reader understands.

    People edit these tables with spreadsheets and editors, which leave a byte order mark, mixed
    line ends or blank lines behind. Raises ``ConfigError`` when the table cannot be read.
    """
    header, records = _read(table)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([cell.strip() for cell in record] for _, record in records)


def traditions(policy_dir: Path = POLICY_DIR) -> list[str]:
    """The traditions that a policy knows, in its order."""
    table = _load_table(policy_dir, "traditions")
    return list(dict.fromkeys(cells.get("tradition", "") for _, cells in table.cells))


def stages(policy_dir: Path, tradition: str) -> list[str]:
    """The stages of a tradition, in its order."""
    table = _load_table(policy_dir, "stages")
    return [
        cells.get("stage", "") for _, cells in table.cells if cells.get("tradition") == tradition
    ]


def validate(policy_dir: Path = POLICY_DIR, tradition: str | None = None) -> list[str]:
    """List what keeps a policy from working: one line per problem, none when it is sound.

    A line reads ``seeds/policy/stages.csv, row 12: why (mend)``. Raises ``ConfigError`` when
    ``tradition`` is given and the policy does not know it.
    """
    if not policy_dir.is_dir():
        return [_no_policy(policy_dir)]
    tables = {name: _load_table(policy_dir, name) for name in TABLES}
    known = tables["traditions"].column("tradition")
    if tradition is not None and tables["traditions"].is_readable and tradition not in known:
        raise ConfigError(
            f"tradition {tradition!r} is not in {tables['traditions'].place} "
            f"(known: {', '.join(traditions(policy_dir))}; a new one is a row there)"
        )
    policy = _Policy(tables)
    for check in _CHECKS:
        for table, number, problem in check(policy):
            tables[table].problems.append((number, problem))
    return [
        f"{table.place}, row {number}: {problem}" if number else f"{table.place}: {problem}"
        for table in tables.values()
        for number, problem in sorted(table.problems)
    ]


class _Policy:
    """The tables of a policy, for the checks between rows and between tables."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables

    def rows(self, model: type[Row]) -> list[tuple[int, Row]]:
        """The accepted rows of a model's table, with their numbers."""
        name = next(name for name, candidate in TABLES.items() if candidate is model)
        return [(number, row) for number, row in self.tables[name].rows if isinstance(row, model)]

    def whole(self, *names: str) -> bool:
        """True when nothing is missing from these tables, so that absence means something."""
        return all(self.tables[name].is_whole for name in names)

    def column(self, table: str, column: str) -> set[str]:
        """The values of a column, of refused rows too."""
        return self.tables[table].column(column)


Problem = tuple[str, int, str]
Check = Callable[[_Policy], Iterator[Problem]]


# Reading


def _no_policy(policy_dir: Path) -> str:
    return f"{_place(policy_dir)}: no policy tables here (set lifecycle.policy_dir in handoff.yml)"


def _place(path: Path) -> str:
    """A path as messages show it: from the project's root where it lies inside."""
    resolved = path.resolve()
    if resolved.is_relative_to(PROJECT_ROOT):
        return resolved.relative_to(PROJECT_ROOT).as_posix()
    return str(path)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the numbered records of a CSV file, without blank lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ConfigError(f"{_place(path)}: cannot be read: {reason} (save it as CSV UTF-8)") from (
            error
        )
    header = [name.strip() for name in lines[0]] if lines else []
    records = enumerate(lines[1:], start=2)
    return header, [(at, line) for at, line in records if any(cell.strip() for cell in line)]


def _load_table(policy_dir: Path, name: str) -> Table:
    """Read one table and judge its rows one by one."""
    path = policy_dir / f"{name}.csv"
    table = Table(name, _place(path))
    columns = list(TABLES[name].model_fields)
    if not path.is_file() and name in OPTIONAL_TABLES:
        return table
    if not path.is_file():
        return _unreadable(table, 0, f"missing (create it with the header {','.join(columns)})")
    try:
        header, records = _read(path)
    except ConfigError as error:
        return _unreadable(table, 0, error.problems[0].removeprefix(f"{table.place}: "))
    problems = list(_header_problems(header, columns))
    if problems:
        table.problems.extend((1, problem) for problem in problems)
        table.is_readable = False
        return table
    for number, record in records:
        _judge(table, number, header, record)
    return table


def _unreadable(table: Table, number: int, problem: str) -> Table:
    table.is_readable = False
    table.problems.append((number, problem))
    return table


def _header_problems(header: list[str], columns: list[str]) -> Iterator[str]:
    """Name missing, unknown and repeated columns."""
    expected = f"expected: {','.join(columns)}"
    for column in columns:
        if column not in header:
            yield f"column '{column}' is missing ({expected})"
    for column in dict.fromkeys(header):
        if column not in columns:
            yield f"column '{column}' is unknown ({expected})"
        elif header.count(column) > 1:
            yield f"column '{column}' stands twice ({expected})"


def _judge(table: Table, number: int, header: list[str], record: list[str]) -> None:
    """Keep a row, or say what is wrong with it."""
    if len(record) != len(header):
        table.problems.append(
            (number, f"has {len(record)} cells, the header {len(header)} (quote cells with commas)")
        )
        return
    for column, cell in zip(header, record, strict=True):
        if cell != cell.strip():
            problem = f"column '{column}': {cell!r} has spaces around it (remove them)"
            table.problems.append((number, problem))
    cells = {column: cell.strip() for column, cell in zip(header, record, strict=True)}
    table.cells.append((number, cells))
    values = {column: text or None for column, text in cells.items()}
    try:
        table.rows.append((number, TABLES[table.name].model_validate(values)))
    except ValidationError as error:
        table.problems.extend((number, _explain(item)) for item in error.errors())


def _explain(item: ErrorDetails) -> str:
    """What pydantic found wrong with a cell, in the words of this project."""
    context = item.get("ctx", {})
    if not item["loc"]:
        return str(context["error"])
    column, value = item["loc"][0], item["input"]
    if value is None:
        return f"column '{column}' is empty (fill it)"
    wanted = {
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "float_parsing": "must be a number",
        "finite_number": "must be a number",
        "greater_than_equal": f"must be {context.get('ge', 0):g} or more",
        "greater_than": f"must be above {context.get('gt', 0):g}",
        "literal_error": f"is unknown (known: {_plain(context.get('expected', ''))})",
        "value_error": str(context.get("error", "")),
    }.get(item["type"], item["msg"])
    return f"column '{column}': {value!r} {wanted}"


def _plain(expected: str) -> str:
    """Pydantic's list of allowed values without its quotes."""
    return expected.replace("'", "").replace(" or ", ", ")


# Checks between rows and between tables


def _fold(text: str | None) -> str:
    """The form in which the models compare text: without case and outer spaces."""
    return (text or "").strip().lower()


def _duplicate_keys(policy: _Policy) -> Iterator[Problem]:
    """Rows that a table cannot hold twice."""
    for name, model in TABLES.items():
        seen: dict[tuple[str, ...], int] = {}
        for number, cells in policy.tables[name].cells if model.KEY else []:
            key = tuple(_fold(cells.get(column)) for column in model.KEY)
            if key in seen:
                described = ", ".join(f"{column} '{cells[column]}'" for column in model.KEY)
                yield name, number, f"{described} stands in row {seen[key]} already (keep one)"
            else:
                seen[key] = number


def _unknown_traditions(policy: _Policy) -> Iterator[Problem]:
    """Rows of a tradition that nobody declared."""
    if not policy.tables["traditions"].is_readable:
        return
    known = policy.column("traditions", "tradition")
    for name in ("stages", "milestone_labels", "transition_overrides", "conversion_pairs"):
        for number, cells in policy.tables[name].cells:
            if cells["tradition"] and cells["tradition"] not in known:
                yield (
                    name,
                    number,
                    f"tradition '{cells['tradition']}' is unknown "
                    f"(known: {', '.join(sorted(known))}; add it to traditions.csv)",
                )


def _incomplete_traditions(policy: _Policy) -> Iterator[Problem]:
    """A tradition needs stages, a handoff among them, and labels for what it means by them."""
    if not policy.whole("stages"):
        return
    by_tradition = _stages_by_tradition(policy)
    for number, tradition in policy.rows(Tradition):
        own = by_tradition.get(tradition.tradition, [])
        if not own:
            problem = f"tradition '{tradition.tradition}' has no stages (add them to stages.csv)"
            yield "traditions", number, problem
        elif not any(stage.milestone == "handed_off" for _, stage in own):
            yield (
                "traditions",
                number,
                f"tradition '{tradition.tradition}' has no stage with the milestone handed_off, "
                "so nothing is ever handed to sales (give one in stages.csv that milestone)",
            )


def _missing_labels(policy: _Policy) -> Iterator[Problem]:
    """A milestone that a tradition uses has a label in it."""
    if not policy.whole("milestone_labels"):
        return
    labelled = {(row.tradition, row.milestone) for _, row in policy.rows(MilestoneLabel)}
    known = policy.column("traditions", "tradition")
    uses: dict[tuple[str, str], tuple[str, int]] = {}
    for number, stage in policy.rows(Stage):
        if stage.milestone:
            uses.setdefault((stage.tradition, stage.milestone), ("stages", number))
    for number, pair in policy.rows(ConversionPair):
        uses.setdefault((pair.tradition, pair.from_milestone), ("conversion_pairs", number))
        uses.setdefault((pair.tradition, pair.to_milestone), ("conversion_pairs", number))
    for (tradition, milestone), (name, number) in uses.items():
        if tradition in known and (tradition, milestone) not in labelled:
            yield (
                name,
                number,
                f"milestone '{milestone}' has no label in tradition '{tradition}' "
                f"(add {tradition},{milestone},<label> to milestone_labels.csv)",
            )


def _stages_by_tradition(policy: _Policy) -> dict[str, list[tuple[int, Stage]]]:
    """The stages of each tradition, in the order of the path."""
    grouped: dict[str, list[tuple[int, Stage]]] = {}
    for number, stage in policy.rows(Stage):
        grouped.setdefault(stage.tradition, []).append((number, stage))
    for own in grouped.values():
        own.sort(key=lambda item: (item[1].path_order, item[0]))
    return grouped


def _path_order(policy: _Policy) -> Iterator[Problem]:
    """Milestones come in their order along the path, and exits after the path."""
    for own in _stages_by_tradition(policy).values():
        path = [(number, stage) for number, stage in own if stage.milestone]
        for at, (number, stage) in enumerate(path):
            ahead = [item for item in path[:at] if _rank(item[1]) > _rank(stage)]
            ahead = [item for item in ahead if item[1].path_order < stage.path_order]
            if ahead:
                before, other = ahead[-1]
                yield (
                    "stages",
                    number,
                    f"'{stage.stage}' ({stage.milestone}) has path order {stage.path_order}, after "
                    f"'{other.stage}' ({other.milestone}) with {other.path_order} in row {before}, "
                    f"but {stage.milestone} comes before {other.milestone} (reorder one of them)",
                )
        yield from _exits_before_the_path(own, path)


def _exits_before_the_path(
    own: list[tuple[int, Stage]], path: list[tuple[int, Stage]]
) -> Iterator[Problem]:
    if not path:
        return
    last_number, last = path[-1]
    for number, stage in own:
        if stage.exit_kind and stage.path_order <= last.path_order:
            yield (
                "stages",
                number,
                f"the exit '{stage.stage}' has path order {stage.path_order}, not after the path, "
                f"which ends with '{last.stage}' ({last.path_order}, row {last_number}) "
                f"(give it more than {last.path_order})",
            )


def _rank(stage: Stage) -> int:
    return MILESTONES.index(stage.milestone) if stage.milestone else len(MILESTONES)


def _ambiguous_stages(policy: _Policy) -> Iterator[Problem]:
    """One proof and one label lead to one stage of a tradition."""
    for tradition, own in _stages_by_tradition(policy).items():
        for what in ("evidence", "label"):
            seen: dict[str, tuple[int, Stage]] = {}
            for number, stage in sorted(own, key=lambda item: item[0]):
                text = _fold(getattr(stage, what))
                first, other = seen.setdefault(text, (number, stage))
                if text and _fold(other.stage) != _fold(stage.stage):
                    yield (
                        "stages",
                        number,
                        f"{what} '{getattr(stage, what)}' of '{stage.stage}' is also that of "
                        f"'{other.stage}' in row {first} of tradition '{tradition}' "
                        "(only one stage can have it)",
                    )


def _references(
    policy: _Policy, table: str, column: str, target: str, target_column: str, mend: str
) -> Iterator[Problem]:
    """Cells that name a row of another table that does not exist."""
    if not policy.tables[target].is_readable:
        return
    known = policy.column(target, target_column)
    for number, cells in policy.tables[table].cells:
        value = cells[column]
        if value and value not in known:
            near = [name for name in known if _fold(name) == _fold(value)]
            if near and not policy.whole(target):
                continue  # the row that is meant is refused already
            hint = f"write {near[0]}" if near else mend
            yield table, number, f"{column} '{value}' is not in {target}.csv ({hint})"


def _unknown_references(policy: _Policy) -> Iterator[Problem]:
    """Aliases, signals and pairs point at something."""
    yield from _references(
        policy, "stage_aliases", "stage", "stages", "stage", "name a stage of any tradition"
    )
    yield from _references(
        policy, "reason_aliases", "reason_code", "reason_codes", "reason_code", "name a code"
    )
    yield from _references(
        policy,
        "signals",
        "intent_tier",
        "sla_policies",
        "intent_tier",
        "name a tier or leave empty",
    )


def _conflicting_aliases(policy: _Policy) -> Iterator[Problem]:
    """One raw text means one thing."""
    aliases: list[tuple[str, Iterable[tuple[int, str, str]]]] = [
        ("stage_aliases", ((at, row.raw_stage, row.stage) for at, row in policy.rows(StageAlias))),
        (
            "reason_aliases",
            ((at, row.reason_raw, row.reason_code) for at, row in policy.rows(ReasonAlias)),
        ),
    ]
    for table, rows in aliases:
        seen: dict[str, tuple[int, str]] = {}
        for number, raw, target in rows:
            first, other = seen.setdefault(_fold(raw), (number, target))
            if other != target:
                yield (
                    table,
                    number,
                    f"'{raw}' means '{target}' here and '{other}' in row {first} "
                    "(case and outer spaces do not count; keep one)",
                )


def _impossible_overrides(policy: _Policy) -> Iterator[Problem]:
    """An override is about a move between two stages of its tradition."""
    if not policy.tables["stages"].is_readable:
        return
    known = {(cells["tradition"], cells["stage"]) for _, cells in policy.tables["stages"].cells}
    declared = policy.column("traditions", "tradition")
    for number, row in policy.rows(TransitionOverride):
        if row.tradition not in declared:
            continue
        for column, stage in (("from_stage", row.from_stage), ("to_stage", row.to_stage)):
            if stage and (row.tradition, stage) not in known:
                own = sorted(name for tradition, name in known if tradition == row.tradition)
                yield (
                    "transition_overrides",
                    number,
                    f"{column} '{stage}' is no stage of tradition '{row.tradition}' "
                    f"(its stages: {', '.join(own)})",
                )
        if row.from_stage == row.to_stage:
            problem = f"'{row.to_stage}' to itself is no move (remove the row)"
            yield "transition_overrides", number, problem


def _service_level(policy: _Policy) -> Iterator[Problem]:
    """Tiers can be told apart by urgency, and a clock that needs working hours has some."""
    ranks: dict[int, tuple[int, str]] = {}
    open_days = len(policy.rows(WorkingHours))
    for number, tier in policy.rows(SlaPolicy):
        first, other = ranks.setdefault(tier.tier_rank, (number, tier.intent_tier))
        if _fold(other) != _fold(tier.intent_tier):
            yield (
                "sla_policies",
                number,
                f"tier '{tier.intent_tier}' has rank {tier.tier_rank}, as '{other}' in row "
                f"{first} has (the most urgent tier must be clear: give each its own)",
            )
        if tier.clock != "calendar" and not open_days and policy.whole("working_hours"):
            yield (
                "sla_policies",
                number,
                f"clock '{tier.clock}' of tier '{tier.intent_tier}' needs working hours, and "
                "working_hours.csv has none (add the days that are worked)",
            )
    tiers = policy.column("sla_policies", "intent_tier")
    if policy.tables["sla_policies"].is_readable and DEFAULT_TIER not in tiers:
        yield (
            "sla_policies",
            0,
            f"tier '{DEFAULT_TIER}' is missing: a handoff without engagements has it (add it)",
        )


def _missing_rows(policy: _Policy) -> Iterator[Problem]:
    """Rows that the models count on."""
    names = policy.column("rule_parameters", "parameter")
    if policy.tables["rule_parameters"].is_readable:
        for parameter, units in RULE_PARAMETERS.items():
            if parameter not in names:
                problem = f"parameter '{parameter}' is missing (add it, in {' or '.join(units)})"
                yield "rule_parameters", 0, problem
    codes = policy.column("reason_codes", "reason_code")
    if policy.tables["reason_codes"].is_readable and DEFAULT_REASON not in codes:
        yield (
            "reason_codes",
            0,
            f"code '{DEFAULT_REASON}' is missing: a lead without a reason counts as it (add it)",
        )


def _bands(policy: _Policy) -> Iterator[Problem]:
    """Each score falls into one band."""
    seen: dict[float | None, tuple[int, str]] = {}
    for number, band in policy.rows(ScoreBand):
        first, other = seen.setdefault(band.min_score, (number, band.score_band))
        if _fold(other) != _fold(band.score_band):
            same = "no minimum" if band.min_score is None else f"the minimum {band.min_score:g}"
            yield (
                "score_bands",
                number,
                f"band '{band.score_band}' has {same}, as '{other}' in row {first} has: they "
                "overlap (give each its own)",
            )
    if policy.whole("score_bands") and None not in seen:
        yield (
            "score_bands",
            0,
            "no band is without a minimum, so low scores have none (empty min_score of the lowest)",
        )


def _segments(policy: _Policy) -> Iterator[Problem]:
    """Each company size from the smallest segment up falls into one segment."""
    ordered = sorted(policy.rows(Segment), key=lambda item: (item[1].smallest, item[0]))
    for (before, lower), (number, upper) in pairwise(ordered):
        if _fold(lower.segment) == _fold(upper.segment):
            continue
        top = lower.max_employees
        if top is None or top >= upper.smallest:
            shown = "no maximum" if top is None else f"up to {top}"
            yield (
                "segments",
                number,
                f"segment '{upper.segment}' from {upper.smallest} overlaps '{lower.segment}' "
                f"in row {before} ({shown}) (end it at {upper.smallest - 1})",
            )
        elif top + 1 < upper.smallest and policy.whole("segments"):
            yield (
                "segments",
                number,
                f"no segment holds {top + 1} to {upper.smallest - 1} employees, between "
                f"'{lower.segment}' in row {before} and '{upper.segment}' (close the gap)",
            )


def _benchmark_segments(policy: _Policy) -> Iterator[Problem]:
    """A benchmark is about a segment that exists, about all, or about those without one."""
    if not policy.tables["segments"].is_readable:
        return
    known = policy.column("segments", "segment") | {"all", "unknown"}
    for number, cells in policy.tables["benchmarks"].cells:
        if cells["segment"] and cells["segment"] not in known:
            yield (
                "benchmarks",
                number,
                f"segment '{cells['segment']}' is unknown (known: {', '.join(sorted(known))})",
            )


def _definition_dates(policy: _Policy) -> Iterator[Problem]:
    """Each version of the definitions has a day of its own to begin."""
    seen: dict[date, tuple[int, int]] = {}
    for number, row in policy.rows(DefinitionVersion):
        first, other = seen.setdefault(row.valid_from, (number, row.version))
        if other != row.version:
            yield (
                "definition_versions",
                number,
                f"version '{row.version}' is valid from {row.valid_from}, as version '{other}' in "
                f"row {first} is (give each its own day)",
            )


_CHECKS: tuple[Check, ...] = (
    _duplicate_keys,
    _unknown_traditions,
    _incomplete_traditions,
    _missing_labels,
    _path_order,
    _ambiguous_stages,
    _unknown_references,
    _conflicting_aliases,
    _impossible_overrides,
    _service_level,
    _missing_rows,
    _bands,
    _segments,
    _benchmark_segments,
    _definition_dates,
)
