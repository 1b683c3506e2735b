"""A proposal as a commented ``handoff.yml``."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import yaml

from dagster_project.config.plain_text import printable
from dagster_project.config.sql_text import identifier, literal
from dagster_project.ingestion.discovery.exports import ADDRESS, ExportFile
from dagster_project.ingestion.discovery.plans import (
    UNKNOWN_CRM,
    Condition,
    LatestTime,
    Proposal,
    StageDatePlan,
    TablePlan,
    needs_query,
)
from dagster_project.ingestion.files.client import table_suffix

# A time with its offset, which DuckDB reads in UTC.
_ZONED = r"\d:\d\d.*(Z|[+-]\d\d:?\d\d)$"


def render(proposal: Proposal) -> str:
    """The whole file; it reads without a change, as far as the proposal goes."""
    return "\n".join([*_head(proposal), *_source(proposal), *_left(proposal), ""])


def _head(proposal: Proposal) -> Iterator[str]:
    is_known = proposal.crm != UNKNOWN_CRM
    yield f"""\
# Proposed by `handoff init` for {_line(proposal.directory.name)}: exports of \
{proposal.crm if is_known else "an unknown system"}.
{_next_step(proposal)}

lifecycle:
  tradition: {proposal.tradition}  # the dialect that has the stages seen

warehouse:
  output: var/{re.sub(r"[^A-Za-z0-9_-]+", "-", proposal.directory.name)}

sources:
  - kind: files
    name: {proposal.crm.lower() if is_known else "files"}"""


def _next_step(proposal: Proposal) -> str:
    if not proposal.plan("leads"):
        return "# Without leads it can't run: name their file under tables, as leads."
    return f"""\
# Check the mapping, the stage names and the notes at the end; then:
#
#   handoff run --config {_line(proposal.out_file.name)}"""


def _source(proposal: Proposal) -> Iterator[str]:
    # Relative where it lies below the file.
    path, base = proposal.directory.resolve(), proposal.out_file.parent.resolve()
    shown = path.relative_to(base) if path.is_relative_to(base) else path
    yield from entry("path", str(shown), 4)
    yield "    # timezone: Europe/Amsterdam  # of times without an offset; UTC by default"
    yield "    tables:" + ("" if proposal.plans else " {}")
    for name, plans in proposal.tables.items():
        rows = sum({plan.file: plan.file.rows for plan in plans}.values())
        files = _line(", ".join(dict.fromkeys(plan.file.name for plan in plans)))
        yield f"      {name}:  # {rows:,} rows in {files}"
        yield from _query(plans) if needs_query(plans) else _mapping(plans[0])
        yield from _meanings(plans)
    yield from _stage_dates(proposal)
    yield from _stage_names(proposal)
    yield ""


def _mapping(plan: TablePlan) -> Iterator[str]:
    yield from entry("file", plan.file.setting, 8)
    if plan.file.sheet:
        yield from entry("sheet", plan.file.sheet, 8)
    if plan.columns:
        yield "        columns:"
    for column, header in plan.columns.items():
        yield from entry(column, header, 10, plan.remarks.get(column, ""))
    for setting, value, remark in (
        ("constants", plan.constants, ""),
        ("where", plan.where, "other rows of the file are not read for this table"),
        ("only_when", plan.only_when, ""),
        ("merged_ids", plan.merged_ids, ""),
        ("previous_owner", plan.previous_owner, ""),
    ):
        if value:
            yield from entry(setting, value, 8, remark)


def _meanings(plans: Sequence[TablePlan]) -> Iterator[str]:
    """What is said of a table's columns, wherever they come from."""
    lookups: dict[str, object] = {}
    formats: dict[str, list[str]] = {}
    marks: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    for plan in plans:
        lookups |= plan.lookups
        marks |= plan.decimal_marks
        for column, found in plan.time_formats.items():
            known = formats.setdefault(column, [])
            known += [item for item in found if item not in known]
        for column, meant in plan.values.items():
            values[column] = values.get(column, {}) | meant
    named = {column: found[0] if len(found) == 1 else found for column, found in formats.items()}
    for setting, value in (
        ("lookups", lookups),
        ("time_formats", named),
        ("decimal_marks", marks),
        ("values", values),
    ):
        if value:
            yield from entry(setting, value, 8)


def _query(plans: Sequence[TablePlan]) -> Iterator[str]:
    """Several files of a table, each with columns of its own, as one query."""
    selects = [_select(plan, name) for plan in plans for name in plan.file.names]
    query = "\nunion all by name\n".join(selects)
    lines = query.split("\n")
    if "${" in query or not all(line.isprintable() for line in lines):
        # As a block, it would not be read back as it is.
        yield from entry("sql", query, 8)
    else:
        yield "        sql: |"
        yield from (f"          {line}" for line in lines)


def _select(plan: TablePlan, name: str) -> str:
    """One file as rows of the contract."""
    cells = {column: identifier(header) for column, header in plan.columns.items()}
    cells |= {column: literal(it) if it else "null" for column, it in plan.constants.items()}
    for column, headers in plan.joined.items():
        cells[column] = f"concat_ws(' ', {', '.join(map(identifier, headers))})"
    for column, cases in plan.by_case.items():
        branches = (
            f"\n    when {_condition(rows)}\n      then {identifier(header)}"
            for header, rows in cases.items()
        )
        otherwise = f"\n    else {cells[column]}" if column in plan.constants else ""
        cells[column] = f"case{''.join(branches)}{otherwise}\n  end"
    for column, conditions in plan.only_when.items():
        if column in cells and column not in plan.by_case:
            cells[column] = f"case when {_condition(conditions)} then {cells[column]} end"
    view = identifier(_view(name))
    if plan.addressed:
        cells["lead_id"] = _addressed(plan.addressed, cells["lead_id"])
    if plan.latest:
        cells["changed_at"] = _latest(plan, plan.latest, view)
    if plan.reasons_of:
        leads, reason, stages = plan.reasons_of
        is_exit = _condition({plan.columns["to_stage"]: stages})
        reasons = _all_of(
            leads.file,
            identifier(reason),
            f" as reasons where trim(reasons.{identifier(leads.columns['lead_id'])}) = "
            f"trim({view}.{cells['lead_id']}) and {identifier(reason)} <> ''",
        )
        found = f"(select min({identifier(reason)}) from ({reasons}))"
        cells["reason"] = f"case when {is_exit} then {found} end"
    shown = ",\n  ".join(f"{cell} as {column}" for column, cell in cells.items())
    where = f"\nwhere {_condition(plan.where)}" if plan.where else ""
    return f"select\n  {shown}\nfrom {view}{where}"


def _addressed(leads: TablePlan, cell: str) -> str:
    """The lead whose mail address is in a text."""
    lead_id, email = (identifier(leads.columns[name]) for name in ("lead_id", "email"))
    people = _all_of(leads.file, f"{lead_id} as id, {email} as address")
    return (
        f"(select min(id) from ({people}) "
        f"where lower(trim(address)) = lower(regexp_extract({cell}, {literal(ADDRESS)})))"
    )


def _latest(plan: TablePlan, latest: LatestTime, view: str) -> str:
    """The latest time of a lead, as it is written; a second after its creation if it has no other.

    So it was in a stage before it left.
    """
    times = f"[{', '.join(map(identifier, latest.headers))}]"
    if history := latest.history:
        lead, time = (identifier(history.columns[name]) for name in ("lead_id", "changed_at"))
        of_lead = f"trim({view}.{identifier(plan.columns['lead_id'])})"
        where = f" where trim({lead}) = {of_lead}"
        changes = _all_of(history.file, f"{time} as moment", where)
        times = f"list_concat({times}, (select list(moment) from ({changes})))"
    formats = f"[{', '.join(map(literal, latest.formats))}]"
    read = "try_cast(moment as timestamp)"
    if latest.formats:
        read = f"coalesce(try_strptime(moment, {formats}), {read})"
    is_zoned = f"regexp_matches(max_by(moment, {read}), '{_ZONED}')"
    after = f"strftime(max({read}) + interval 1 second, '%Y-%m-%d %H:%M:%S')"
    return (
        f"(select case when max({read}) > min({read}) then max_by(moment, {read}) "
        f"else {after} || if({is_zoned}, 'Z', '') end from (select unnest({times}) as moment))"
    )


def _all_of(file: ExportFile, select: str, rest: str = "") -> str:
    """A query over all parts of a file."""
    parts = (f"select {select} from {identifier(_view(name))}{rest}" for name in file.names)
    return " union all ".join(parts)


def _condition(conditions: Mapping[str, Condition]) -> str:
    terms = []
    for header, condition in conditions.items():
        cell = f"coalesce(lower(trim({identifier(header)})), '')"
        is_among = "not in" if isinstance(condition, dict) else "in"
        values = condition["not"] if isinstance(condition, dict) else condition
        named = ", ".join(literal(value.lower()) for value in values)
        is_filled = isinstance(values, str)
        terms.append(f"{cell} <> ''" if is_filled else f"{cell} {is_among} ({named})")
    return " and ".join(terms)


def _view(name: str) -> str:
    """How a query names a file: without its directory and ending, in lower case."""
    base = name.rsplit("/", 1)[-1].lower()
    return base.removesuffix(table_suffix(base) or "")


def _formats(formats: Sequence[str]) -> str | list[str]:
    return formats[0] if len(formats) == 1 else list(formats)


def _stage_dates(proposal: Proposal) -> Iterator[str]:
    lines = [line for plan in proposal.stage_dates for line in _stage_date(plan, proposal)]
    leads = proposal.plan("leads")
    changes = proposal.tables.get("stage_changes", [])
    if lines and any(leads is None or plan.file != leads.file for plan in changes):
        yield "    # Left out, as the stage changes are there; use them where these are too short:"
        yield "    # stage_dates:"
        yield from (f"    # {line[4:]}" for line in lines)
    elif lines:
        yield "    stage_dates:  # each date says when the stage was entered"
        yield from lines


def _stage_date(plan: StageDatePlan, proposal: Proposal) -> Iterator[str]:
    yield f"      - stage: {plan.stage}"
    yield from entry("column", plan.header, 8)
    leads = proposal.plan("leads")
    if not leads or plan.file != leads.file:
        yield from entry("file", plan.file.setting, 8)
        if plan.file.sheet:
            yield from entry("sheet", plan.file.sheet, 8)
        yield from entry("lead_id", plan.lead_header, 8)
    if plan.formats:
        yield from entry("time_format", _formats(plan.formats), 8)


def _stage_names(proposal: Proposal) -> Iterator[str]:
    known = [item for item in proposal.stages if item.stage]
    unknown = [item for item in proposal.stages if not item.stage]
    if known:
        yield "    stage_names:  # ignored: the value carries no stage"
    for item in known:
        yield from entry(item.raw, item.stage, 6, f"{item.rows:,} rows")
    if unknown:
        if not known:
            yield "    # stage_names:"
        yield "      # Not known; choose a stage, or ignored:"
    for item in unknown:
        why = "perhaps" if item.guess else "no guess"
        lines = entry(item.raw, item.guess or "ignored", 0, f"{item.rows:,} rows; {why}")
        yield from (f"      # {line}" for line in lines)


class _Dumper(yaml.SafeDumper):
    """Writes each text so that handoff.yml reads it back, on one line."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() else '"'
    # As it stands, it would be a variable of the environment.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text.replace("${", "$${"), style)


_Dumper.add_representer(str, _text)


def entry(key: str, value: object, indent: int, remark: str = "") -> list[str]:
    """A key and its value as lines of YAML, with a comment behind."""

    def dumped(*, allow_unicode: bool) -> str:
        return yaml.dump(
            {key: value},
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=allow_unicode,
            width=float("inf"),
        )

    text = dumped(allow_unicode=True)
    if text != printable(text):
        text = dumped(allow_unicode=False)
    lines = [" " * indent + line for line in text.rstrip("\n").split("\n")]
    if remark:
        lines[0 if isinstance(value, dict) else -1] += f"  # {_line(remark)}"
    return lines


def _left(proposal: Proposal) -> Iterator[str]:
    lines = [*proposal.unplaced]
    if proposal.unread:
        lines.append(
            f"not read, as they look like none of the tables: {', '.join(proposal.unread)}"
        )
    if lines:
        yield "# What could not be placed, or needs checking:"
    for line in lines:
        yield from textwrap.wrap(
            _line(line),
            100,
            initial_indent="# - ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _line(text: str) -> str:
    """A text on one line, for a comment."""
    return " ".join(printable(text).split())
