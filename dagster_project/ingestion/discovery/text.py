"""A proposal as a commented ``handoff.yml``."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from dagster_project.ingestion.discovery.proposal import (
    Proposal,
    StageDatePlan,
    TablePlan,
    relative_to,
)

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_ ./()-]*(?<! )$")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def render(proposal: Proposal) -> str:
    """The whole file; it reads without a change, as far as the proposal goes."""
    return "\n".join([*_head(proposal), *_source(proposal), *_left(proposal), ""])


def _head(proposal: Proposal) -> Iterator[str]:
    system = "an unknown system" if proposal.crm == "unknown" else proposal.crm
    yield f"# Proposed by `handoff init` for {proposal.directory.name}: exports of {system}."
    yield "# Check the mapping, the stage names and the notes at the end; then:"
    yield "#"
    yield f"#   handoff run --config {proposal.out_file.name}"
    yield ""
    yield "lifecycle:"
    yield f"  tradition: {proposal.tradition}  # the dialect that has the stages seen"
    yield ""
    yield "warehouse:"
    yield f"  output: {_text('var/' + (re.sub(r'[^A-Za-z0-9_-]+', '-', proposal.directory.name)))}"
    yield ""


def _source(proposal: Proposal) -> Iterator[str]:
    name = "files" if proposal.crm == "unknown" else proposal.crm.lower()
    path = relative_to(proposal.directory, proposal.out_file.parent)
    yield "sources:"
    yield "  - kind: files"
    yield f"    name: {name}"
    yield f"    path: {_text(path)}"
    yield "    # timezone: Europe/Amsterdam  # of times without an offset; UTC unless you say so"
    yield "    tables:" + ("" if proposal.tables else " {}")
    for plan in proposal.tables.values():
        yield from _table(plan)
    yield from _stage_dates(proposal)
    yield from _stage_names(proposal)
    yield ""


def _table(plan: TablePlan) -> Iterator[str]:
    yield f"      {plan.table.name}:  # {plan.look.rows:,} rows in the file"
    yield f"        file: {_text(plan.look.path.name)}"
    if plan.look.encoding != "utf-8":
        yield f"        encoding: {plan.look.encoding}  # not UTF-8; a guess"
    if plan.columns:
        yield "        columns:"
        for column, header in plan.columns.items():
            remark = plan.remarks.get(column)
            yield f"          {column}: {_text(header)}" + (
                f"  # {_line(remark)}" if remark else ""
            )
    if plan.time_formats:
        yield "        time_formats:"
        for column, formats in plan.time_formats.items():
            yield f"          {column}: {_formats(formats)}"
    if plan.decimal_marks:
        yield from _mapping("decimal_marks", plan.decimal_marks)
    if plan.where:
        yield "        where:  # other rows of the file are not read for this table"
        for header, accepted in plan.where.items():
            yield f"          {_text(header)}: {_list(accepted)}"
    if plan.values:
        yield "        values:"
        for column, meanings in plan.values.items():
            yield f"          {column}:"
            for given, meant in meanings.items():
                yield f"            {_text(given)}: {_text(meant)}"
    if plan.only_when:
        yield "        only_when:"
        for column, beside in plan.only_when.items():
            yield f"          {column}:"
            for header, accepted in beside.items():
                yield f"            {_text(header)}: {_list(accepted)}"


def _mapping(key: str, pairs: Mapping[str, str]) -> Iterator[str]:
    yield f"        {key}:"
    for name, value in pairs.items():
        yield f"          {name}: {_text(value)}"


def _stage_dates(proposal: Proposal) -> Iterator[str]:
    needed = [plan for plan in proposal.stage_dates if plan.is_needed]
    if needed:
        yield "    stage_dates:  # each date says when the stage was entered"
        for plan in needed:
            yield from _stage_date(plan, proposal)
    spare = [plan for plan in proposal.stage_dates if not plan.is_needed]
    if spare:
        yield "    # Left out, as the stage changes are there; use them where these are too short:"
        yield "    # stage_dates:"
        for plan in spare:
            yield from (f"    # {line[4:]}" for line in _stage_date(plan, proposal))


def _stage_date(plan: StageDatePlan, proposal: Proposal) -> Iterator[str]:
    yield f"      - stage: {plan.stage}"
    yield f"        column: {_text(plan.header)}"
    if plan.look is not proposal.tables["leads"].look:
        yield f"        file: {_text(plan.look.path.name)}"
        yield f"        lead_id: {_text(plan.lead_header)}"
        if plan.look.encoding != "utf-8":
            yield f"        encoding: {plan.look.encoding}"
    if plan.formats:
        yield f"        time_format: {_formats(plan.formats)}"


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
            meant = item.guess or "ignored"
            why = "perhaps" if item.guess else "no guess"
            yield f"      # {_text(item.raw)}: {meant}  # {item.rows:,} rows; {why}"


def _left(proposal: Proposal) -> Iterator[str]:
    if not proposal.unplaced:
        return
    yield "# What found no place, or needs a look:"
    for line in proposal.unplaced:
        wrapped = textwrap.wrap(_line(line), 96, break_long_words=False, break_on_hyphens=False)
        yield from (f"# {'- ' if at == 0 else '  '}{piece}" for at, piece in enumerate(wrapped))


def _formats(formats: Sequence[str]) -> str:
    return _text(formats[0]) if len(formats) == 1 else _list(formats)


def _list(items: Sequence[str]) -> str:
    return f"[{', '.join(json.dumps(item, ensure_ascii=False) for item in items)}]"


def _text(text: str) -> str:
    """A text as YAML: plain where nothing can be misread, else in double quotes."""
    if _PLAIN.match(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    return json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """A text on one line, for a comment."""
    return " ".join(text.split())
