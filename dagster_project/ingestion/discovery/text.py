"""A proposal as a commented ``handoff.yml``."""

import re
import textwrap
from collections.abc import Iterator, Sequence

import yaml

from dagster_project.config.plain_text import printable
from dagster_project.ingestion.discovery.placing import (
    UNKNOWN_CRM,
    Proposal,
    StageDatePlan,
    TablePlan,
)


def render(proposal: Proposal) -> str:
    """The whole file; it reads without a change, as far as the proposal goes."""
    return "\n".join([*_head(proposal), *_source(proposal), *_left(proposal), ""])


def _head(proposal: Proposal) -> Iterator[str]:
    is_known = proposal.crm != UNKNOWN_CRM
    yield f"""\
# Proposed by `handoff init` for {_line(proposal.directory.name)}: exports of \
{proposal.crm if is_known else "an unknown system"}.
# Check the mapping, the stage names and the notes at the end; then:
#
#   handoff run --config {_line(proposal.out_file.name)}

lifecycle:
  tradition: {proposal.tradition}  # the dialect that has the stages seen

warehouse:
  output: var/{re.sub(r"[^A-Za-z0-9_-]+", "-", proposal.directory.name)}

sources:
  - kind: files
    name: {proposal.crm.lower() if is_known else "files"}"""


def _source(proposal: Proposal) -> Iterator[str]:
    # Relative where it lies below the file.
    path, base = proposal.directory.resolve(), proposal.out_file.parent.resolve()
    shown = path.relative_to(base) if path.is_relative_to(base) else path
    yield from entry("path", str(shown), 4)
    yield "    # timezone: Europe/Amsterdam  # of times without an offset; UTC by default"
    yield "    tables:" + ("" if proposal.tables else " {}")
    for plan in proposal.tables.values():
        yield f"      {plan.table.name}:  # {plan.file.rows:,} rows in the file"
        yield from _table(plan)
    yield from _stage_dates(proposal)
    yield from _stage_names(proposal)
    yield ""


def _table(plan: TablePlan) -> Iterator[str]:
    yield from _file(plan, 8)
    if plan.columns:
        yield "        columns:"
    for column, header in plan.columns.items():
        yield from entry(column, header, 10, plan.remarks.get(column, ""))
    formats = {column: _formats(formats) for column, formats in plan.time_formats.items()}
    for key, value, remark in (
        ("time_formats", formats, ""),
        ("decimal_marks", plan.decimal_marks, ""),
        ("where", plan.where, "other rows of the file are not read for this table"),
        ("values", plan.values, ""),
        ("only_when", plan.only_when, ""),
    ):
        if value:
            yield from entry(key, value, 8, remark)


def _file(plan: TablePlan | StageDatePlan, indent: int) -> Iterator[str]:
    yield from entry("file", plan.file.name, indent)
    if plan.file.encoding != "utf-8":
        yield from entry("encoding", plan.file.encoding, indent, "not UTF-8; a guess")


def _formats(formats: Sequence[str]) -> str | list[str]:
    return formats[0] if len(formats) == 1 else list(formats)


def _stage_dates(proposal: Proposal) -> Iterator[str]:
    lines = [line for plan in proposal.stage_dates for line in _stage_date(plan, proposal)]
    if lines and "stage_changes" in proposal.tables:
        yield "    # Left out, as the stage changes are there; use them where these are too short:"
        yield "    # stage_dates:"
        yield from (f"    # {line[4:]}" for line in lines)
    elif lines:
        yield "    stage_dates:  # each date says when the stage was entered"
        yield from lines


def _stage_date(plan: StageDatePlan, proposal: Proposal) -> Iterator[str]:
    yield f"      - stage: {plan.stage}"
    yield from entry("column", plan.header, 8)
    if plan.file != proposal.tables["leads"].file:
        yield from _file(plan, 8)
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
    if proposal.unplaced:
        yield "# What could not be placed, or needs checking:"
    for line in proposal.unplaced:
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
