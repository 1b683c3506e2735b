"""A proposal as a commented ``handoff.yml``."""

import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster_project.ingestion.discovery.placing import (
    UNKNOWN_CRM,
    Proposal,
    StageDatePlan,
    TablePlan,
)

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_ ./()-]*(?<! )$")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def render(proposal: Proposal) -> str:
    """The whole file; it reads without a change, as far as the proposal goes."""
    return "\n".join([*_head(proposal), *_source(proposal), *_left(proposal), ""])


def _head(proposal: Proposal) -> Iterator[str]:
    system = "an unknown system" if proposal.crm == UNKNOWN_CRM else proposal.crm
    output = "var/" + re.sub(r"[^A-Za-z0-9_-]+", "-", proposal.directory.name)
    yield f"""\
# Proposed by `handoff init` for {proposal.directory.name}: exports of {system}.
# Check the mapping, the stage names and the notes at the end; then:
#
#   handoff run --config {proposal.out_file.name}

lifecycle:
  tradition: {proposal.tradition}  # the dialect that has the stages seen

warehouse:
  output: {_text(output)}
"""


def _source(proposal: Proposal) -> Iterator[str]:
    name = "files" if proposal.crm == UNKNOWN_CRM else proposal.crm.lower()
    path = _relative(proposal.directory, proposal.out_file.parent)
    yield f"""\
sources:
  - kind: files
    name: {name}
    path: {_text(path)}
    # timezone: Europe/Amsterdam  # of times without an offset; UTC unless you say so
    tables:{"" if proposal.tables else " {}"}"""
    for plan in proposal.tables.values():
        yield f"      {plan.table.name}:  # {plan.file.rows:,} rows in the file"
        yield from _lines(_table(plan), 8, plan.remarks)
    yield from _stage_dates(proposal)
    yield from _stage_names(proposal)
    yield ""


def _relative(path: Path, base: Path) -> str:
    """A path as the configuration should say it: relative where it lies below the file."""
    target, start = path.resolve(), base.resolve()
    return os.path.relpath(target, start) if target.is_relative_to(start) else str(target)


def _table(plan: TablePlan) -> dict[str, Any]:
    return {
        **_file(plan),
        "columns": plan.columns,
        "time_formats": plan.time_formats,
        "decimal_marks": plan.decimal_marks,
        "where": plan.where,
        "values": plan.values,
        "only_when": plan.only_when,
    }


def _file(plan: TablePlan | StageDatePlan) -> dict[str, str]:
    encoding = plan.file.encoding
    return {"file": plan.file.name, "encoding": "" if encoding == "utf-8" else encoding}


# Comments behind keys of a table's mapping.
_REMARKS = {
    "encoding": "not UTF-8; a guess",
    "where": "other rows of the file are not read for this table",
}


def _lines(
    items: Mapping[str, Any], indent: int, remarks: Mapping[str, str], key: str = ""
) -> Iterator[str]:
    """A mapping as YAML, without what is empty; ``remarks`` stand behind its columns."""
    for name, value in items.items():
        remark = remarks.get(name) if key == "columns" else None if key else _REMARKS.get(name)
        comment = f"  # {_line(remark)}" if remark else ""
        start = f"{' ' * indent}{_text(name)}:"
        if isinstance(value, Mapping) and value:
            yield start + comment
            yield from _lines(value, indent + 2, remarks, key or name)
        elif value or key:
            yield f"{start} {_value(value)}{comment}"


def _stage_dates(proposal: Proposal) -> Iterator[str]:
    needed = [plan for plan in proposal.stage_dates if plan.is_needed]
    spare = [plan for plan in proposal.stage_dates if not plan.is_needed]
    if needed:
        yield "    stage_dates:  # each date says when the stage was entered"
    for plan in needed:
        yield from _stage_date(plan, proposal)
    if spare:
        yield "    # Left out, as the stage changes are there; use them where these are too short:"
        yield "    # stage_dates:"
    for plan in spare:
        yield from (f"    # {line[4:]}" for line in _stage_date(plan, proposal))


def _stage_date(plan: StageDatePlan, proposal: Proposal) -> Iterator[str]:
    items: dict[str, Any] = {"stage": plan.stage, "column": plan.header}
    if plan.file != proposal.tables["leads"].file:
        items |= {**_file(plan), "lead_id": plan.lead_header}
    first, *others = _lines(items | {"time_format": plan.formats}, 8, {})
    yield f"      - {first.strip()}"
    yield from others


def _stage_names(proposal: Proposal) -> Iterator[str]:
    known = [item for item in proposal.stages if item.stage]
    unknown = [item for item in proposal.stages if not item.stage]
    if known:
        yield "    stage_names:  # ignored: the value carries no stage"
    for item in known:
        yield f"      {_text(item.raw)}: {item.stage}  # {item.rows:,} rows"
    if unknown:
        if not known:
            yield "    # stage_names:"
        yield "      # Not known; choose a stage, or ignored:"
    for item in unknown:
        why = "perhaps" if item.guess else "no guess"
        meant = item.guess or "ignored"
        yield f"      # {_text(item.raw)}: {meant}  # {item.rows:,} rows; {why}"


def _left(proposal: Proposal) -> Iterator[str]:
    if proposal.unplaced:
        yield "# What found no place, or needs a look:"
    for line in proposal.unplaced:
        yield from textwrap.wrap(
            _line(line),
            100,
            initial_indent="# - ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _value(value: str | Sequence[str]) -> str:
    """A text or a list as YAML; of time formats a single one is written without the list."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple) and len(value) == 1:
        return _text(value[0])
    return f"[{', '.join(json.dumps(item, ensure_ascii=False) for item in value)}]"


def _text(text: str) -> str:
    """A text as YAML: plain where nothing can be misread, else in double quotes."""
    if _PLAIN.match(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    return json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """A text on one line, for a comment."""
    return " ".join(text.split())
