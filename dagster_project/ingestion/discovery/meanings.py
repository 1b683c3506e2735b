"""What the cells of placed columns mean: times, numbers, deals won and lost, stages, kinds."""

import re
from collections import Counter

from dagster_project.ingestion.discovery.exports import ExportFile, Exports
from dagster_project.ingestion.discovery.placing import (
    LINKED,
    Proposal,
    StageDatePlan,
    StageSeen,
    TablePlan,
    known_headers,
    names_of,
)
from dagster_project.ingestion.discovery.values import (
    Vocabulary,
    decimal_mark,
    is_month_first,
    named_in,
)

_TRUE = ("true", "yes", "1")
_DIRECTIONS = {"incoming": "inbound", "outgoing": "outbound", "forwarded": "outbound"}
_STAGE_DATE_HEADERS = (
    r"^(?:date )?became an? (?P<stage>.+?)(?: date)?$",
    r'^date entered "?(?P<stage>.+?)"?(?: \(.*\))?$',
    r"^hs (?:v2 )?date entered (?P<stage>.+?)$",
    r"^hs lifecyclestage (?P<stage>.+?) date$",
    r"^(?:date|time|entered) (?:of |became |entered )?(?P<stage>.+?)$",
    r"^(?P<stage>.+?) (?:date|at|on|time|timestamp|since|date time)$",
)


def read_values(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Add to a proposal what the values of its columns say."""
    for placed in proposal.tables.values():
        _read_columns(exports, proposal, placed)
    _close_opportunities(exports, proposal, vocabulary)
    _name_stages(exports, proposal, vocabulary)
    for table, column, words in (
        ("activities", "kind", vocabulary.kinds),
        ("activities", "direction", ("inbound", "outbound")),
        ("engagements", "kind", vocabulary.signals),
    ):
        plan = proposal.tables.get(table)
        if plan and column in plan.columns:
            _translate(exports, proposal, plan, column, words)
    _date_stages(exports, proposal, vocabulary)
    proposal.tradition = _tradition(proposal, vocabulary)


def _read_columns(exports: Exports, proposal: Proposal, plan: TablePlan) -> None:
    """Time formats and decimal marks of the mapped columns."""
    for column, header in list(plan.columns.items()):
        texts = exports.values(plan.file, header).texts
        kind = plan.table.kinds.get(column)
        if not texts:
            plan.remarks[column] = "empty in this export"
        elif kind in ("time", "date"):
            _read_times(exports, proposal, plan, column)
        elif kind in ("number", "whole", "money"):
            mark = decimal_mark(texts)
            if mark:
                plan.decimal_marks[column] = mark
            elif mark is None:
                del plan.columns[column]
                odd = next((text for text in texts if decimal_mark([text]) is None), texts[0])
                proposal.unplaced.append(
                    f"{plan.file.name}: {header} would be {plan.table.name}.{column}, but has "
                    f"values that are not numbers (for example {odd})"
                )


def _read_times(exports: Exports, proposal: Proposal, plan: TablePlan, column: str) -> None:
    header = plan.columns[column]
    reading = exports.times(plan.file, header)
    example = exports.values(plan.file, header).texts[0]
    if reading.formats:
        plan.time_formats[column] = reading.formats
    plan.remarks[column] = f"for example {example}"
    if reading.share < 0.95:
        proposal.unplaced.append(
            f"{plan.about(column)}: only {reading.share:.0%} of the times in {header} can be read, "
            f"for example {example}"
        )
    elif reading.is_ambiguous:
        guess = f"{'month' if is_month_first(reading.formats[0]) else 'day'} first is a guess"
        plan.remarks[column] += f"; {guess}, the values allow both"
        proposal.unplaced.append(f"{plan.about(column)}: {guess} (for example {example})")


def _close_opportunities(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Tell won, lost and open deals apart; an open deal's expected close is no close."""
    plan = proposal.tables.get("opportunities")
    header = plan.columns.get("is_won") if plan else None
    if not plan or not header:
        return
    if _is_truth(exports, plan.file, header):
        flag = plan.file.header_of(known_headers()["opportunity"]["closed_flag"])
        if flag and "closed_at" in plan.columns:
            plan.only_when["closed_at"] = {flag: list(_TRUE)}
            return
        headers = [plan.file.header_of([name]) for name in names_of("opportunities", "is_won")]
        named = [name for name in headers if name and not _is_truth(exports, plan.file, name)]
        if not named:
            return
        header = plan.columns["is_won"] = named[0]
    texts = exports.values(plan.file, header).texts
    outcomes = {text: _outcome(text, vocabulary) for text in texts}
    meant = {"won": "true", "lost": "false", "": ""}
    plan.values["is_won"] = {text: meant[outcome] for text, outcome in outcomes.items()}
    closed = [text for text, outcome in outcomes.items() if outcome]
    if "closed_at" in plan.columns and closed:
        plan.only_when["closed_at"] = {header: closed}
    if not closed:
        proposal.unplaced.append(
            f"{plan.file.name}: no value of {header} reads as won or lost: {', '.join(texts[:10])}"
        )


def _is_truth(exports: Exports, file: ExportFile, header: str) -> bool:
    """Whether a column holds truth values, or nothing."""
    seen = {text.casefold() for text in exports.values(file, header).texts}
    return seen <= {*_TRUE, "false", "no", "0"}


def _outcome(text: str, vocabulary: Vocabulary) -> str:
    """Won or lost, if a deal stage says so: by the policy, else by the word in it."""
    meaning = vocabulary.meanings.get(vocabulary.stage(text) or "")
    return meaning if meaning in ("won", "lost") else named_in(text, ("won", "lost")) or ""


def _name_stages(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Collect the raw stages of the leads and the history, and what they mean."""
    counts = Counter[str]()
    fields: dict[str, str] = {}
    for table, column in (
        ("stage_changes", "to_stage"),
        ("stage_changes", "from_stage"),
        ("leads", "current_stage"),
    ):
        plan = proposal.tables.get(table)
        header = plan.columns.get(column) if plan else None
        if plan and header:
            field = next((values[0] for values in plan.where.values()), header)
            seen = exports.values_where(plan.file, header, plan.where).rows
            for text in list(seen)[:100]:
                counts[text] += seen[text]
                fields.setdefault(text, field)
    for raw, rows in counts.items():
        word = named_in(raw, vocabulary.stages)
        guess = vocabulary.stages.get((word or "").casefold())
        stage = vocabulary.stage(raw, proposal.crm, fields[raw])
        proposal.stages.append(StageSeen(raw, rows, stage, guess))
    unknown = [item.raw for item in proposal.stages if item.stage is None]
    if unknown:
        proposal.unplaced.append(
            f"stage_names: not known what these mean: {', '.join(unknown[:20])}"
        )


def _translate(
    exports: Exports, proposal: Proposal, plan: TablePlan, column: str, words: tuple[str, ...]
) -> None:
    """Map the values that contain one of the policy's words; name the others."""
    aliases = {alias: word for alias, word in _DIRECTIONS.items() if word in words}
    unknown = []
    for text in exports.values(plan.file, plan.columns[column]).texts[:100]:
        if text.casefold() in words:
            continue
        found = named_in(text.replace("_", " "), [*words, *aliases])
        if found:
            plan.values.setdefault(column, {})[text] = aliases.get(found, found)
        else:
            unknown.append(text)
    if unknown:
        proposal.unplaced.append(
            f"{plan.about(column)}: not known: {', '.join(unknown[:10])} "
            f"(the policy knows {', '.join(words)})"
        )


def _date_stages(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Date columns that say when a stage was entered, in the leads and in files beside."""
    leads = proposal.tables.get("leads")
    if not leads:
        return
    lead_id = leads.columns["lead_id"]
    used = {plan.file for plan in proposal.tables.values()}
    # Whether a deal is won or lost comes from the opportunities themselves.
    deals = [plan.file for name, plan in proposal.tables.items() if name == "opportunities"]
    for file in exports.files:
        if file == leads.file and file not in deals:
            link, mapped = lead_id, set(leads.columns.values())
        elif file in used:
            continue
        else:
            shares = exports.shares_found(file, leads.file, lead_id)
            link = max(shares, key=lambda header: shares[header])
            if shares[link] < LINKED:
                continue
            mapped = {link}
        for header in (header for header in file.headers if header not in mapped):
            stage = _stage_of_header(header, vocabulary)
            if stage and (times := exports.times(file, header)).share > 0.95:
                plan = StageDatePlan(stage, header, file, link, times.formats)
                proposal.stage_dates.append(plan)


def _stage_of_header(header: str, vocabulary: Vocabulary) -> str | None:
    """The stage that a header such as "Became a Customer Date" speaks of."""
    plain = re.sub(r"__c$", "", header.strip(), flags=re.I)
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    plain = re.sub(r"[_\s]+", " ", plain.replace("-", " ")).casefold().strip()
    for pattern in _STAGE_DATE_HEADERS:
        if found := re.match(pattern, plain):
            named = found["stage"].strip()
            stage = vocabulary.stage(named) or vocabulary.stage(named.replace(" ", ""))
            deal_word = named_in(named, vocabulary.evidence) or ""
            if stage := stage or vocabulary.evidence.get(deal_word):
                return stage
    return None


def _tradition(proposal: Proposal, vocabulary: Vocabulary) -> str:
    """The tradition with most of the stages seen; of equal ones the CRM's, else the first."""
    seen = {item.stage for item in proposal.stages} | {item.stage for item in proposal.stage_dates}
    traditions = vocabulary.by_tradition
    own = proposal.crm.casefold()
    return max(traditions, key=lambda name: (len(seen & traditions[name]), name == own))
