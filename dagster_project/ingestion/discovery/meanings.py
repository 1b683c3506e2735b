"""What the cells of placed columns mean: times, numbers, deals won and lost, stages, exits."""

import re
from collections import Counter

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.policy_tables import IGNORED_STAGE
from dagster_project.ingestion.discovery import readings
from dagster_project.ingestion.discovery.exports import ExportFile, Exports
from dagster_project.ingestion.discovery.links import LINKED, best_link, ids_of_leads
from dagster_project.ingestion.discovery.plans import (
    LatestTime,
    Proposal,
    StageDatePlan,
    StageSeen,
    TablePlan,
    header_for,
    reason_header,
)
from dagster_project.ingestion.discovery.values import (
    DAY_FIRST,
    Vocabulary,
    key,
    known_headers,
    known_keys,
    named_in,
    names_of,
    spaced,
    stage_date_patterns,
)
from dagster_project.ingestion.project_macros import macros

# What HubSpot and Salesforce call the properties, whatever their labels.
_LIFECYCLE, _STATUSES = "lifecyclestage", ("hs_lead_status", "Status")
# What may be a truth value or the number of a stage.
_CODE = re.compile(r"[a-z]|[+-]?\d+([.,]\d+)?", re.IGNORECASE)


def read_values(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Add to a proposal what the values of its columns say."""
    _date_closes(exports, proposal, vocabulary)
    for plan in proposal.plans:
        _read_columns(exports, proposal, plan)
    for plan in proposal.plans:
        if "is_deleted" in plan.table.columns:
            _tell_deleted(exports, proposal, plan)
    _close_opportunities(exports, proposal, vocabulary)
    _tell_unmet(exports, proposal)
    _date_stages(exports, proposal, vocabulary)
    _explain_exits(exports, proposal, vocabulary)
    _name_stages(exports, proposal, vocabulary)
    proposal.tradition = _tradition(proposal, vocabulary)
    _start_exits(exports, proposal, vocabulary)
    allowed = {*vocabulary.by_tradition[proposal.tradition], IGNORED_STAGE, None}
    if lacking := [f"{it.raw} ({it.stage})" for it in proposal.stages if it.stage not in allowed]:
        proposal.unplaced.append(
            f"stage_names: tradition {proposal.tradition} has no stage for {', '.join(lacking)}"
        )


def _read_columns(exports: Exports, proposal: Proposal, plan: TablePlan) -> None:
    """Time formats and decimal marks of the mapped columns."""
    for column, header in list(plan.columns.items()):
        texts = exports.values(plan.file, header).texts
        kind = plan.table.kinds.get(column)
        if not texts:
            plan.remarks.setdefault(column, "empty in this export")
        elif kind in ("time", "date"):
            _read_times(exports, proposal, plan, column)
        elif kind in ("number", "whole", "money"):
            _read_numbers(exports, proposal, plan, column)


def _read_times(exports: Exports, proposal: Proposal, plan: TablePlan, column: str) -> None:
    for header in dict.fromkeys([plan.columns[column], *plan.by_case.get(column, ())]):
        _read_times_of(exports, proposal, plan, column, header)


def _read_times_of(
    exports: Exports, proposal: Proposal, plan: TablePlan, column: str, header: str
) -> None:
    reading = exports.times(plan.file, header)
    example = exports.values(plan.file, header).texts[0]
    # The rows that are read may not show the order that the whole column does.
    formats = exports.formats(plan.file, header) if plan.where else reading.formats
    if formats:
        known = plan.time_formats.get(column, ())
        plan.time_formats[column] = tuple(dict.fromkeys([*known, *formats]))
    remark = [plan.remarks[column]] if column in plan.remarks else []
    plan.remarks[column] = "; ".join([f"for example {example}", *remark])
    if reading.share < 0.95:
        proposal.unplaced.append(
            f"{plan.about(column)}: only {reading.share:.0%} of the times in {header} can be read, "
            f"for example {example}"
        )
    elif reading.is_guess:
        guess = "month first is a guess"
        plan.remarks[column] += f"; {guess}, the values allow both"
        proposal.unplaced.append(f"{plan.about(column)}: {guess} (for example {example})")


def _read_numbers(exports: Exports, proposal: Proposal, plan: TablePlan, column: str) -> None:
    header, kind = plan.columns[column], plan.table.kinds[column]
    texts = exports.values(plan.file, header).texts
    reading = readings.read_numbers(exports.connection, texts, is_money=kind == "money")
    if reading.share <= LINKED:
        del plan.columns[column]
        odd = next(
            text
            for text in texts
            if not readings.read_numbers(exports.connection, [text], is_money=kind == "money").share
        )
        proposal.unplaced.append(
            f"{plan.file.name}: {header} would be {plan.table.name}.{column}, but has "
            f"values that are not numbers (for example {odd})"
        )
    elif reading.mark == "undecided" and kind != "whole":
        mark = "," if exports.language in DAY_FIRST else "."
        plan.decimal_marks[column] = mark
        shown = readings.marks_shown(exports.connection, texts, is_money=kind == "money")
        # Either a dot and a comma contradict each other, or nothing but 7,500 is there.
        examples = [shown[it] for it in ("dot", "comma") if it in shown] or [shown["either"]]
        proposal.unplaced.append(
            f"{plan.about(column)}: a decimal {'comma' if mark == ',' else 'dot'} is a guess "
            f"(for example {' and '.join(examples)})"
        )


def _tell_deleted(exports: Exports, proposal: Proposal, plan: TablePlan) -> None:
    """Deleted records by a flag, or by when they were deleted; a column that says neither goes."""
    header = plan.columns.get("is_deleted")
    if header:
        flags = _flags(exports, plan.file, header)
        if _is_truth(exports, plan.file, header):
            _tell_odd(
                exports, proposal, plan, "is_deleted", [it for it in flags if flags[it] is None]
            )
            return
        del plan.columns["is_deleted"]
        plan.remarks.pop("is_deleted", None)
    named = [header, header_for(plan.file, "leads", "(deleted_at)")]
    for when in filter(None, named):
        if exports.values(plan.file, when).texts and exports.times(plan.file, when).share > 0.95:
            plan.constants["is_deleted"] = "true"
            plan.only_when["is_deleted"] = {when: "filled"}
            return
    if header:
        odd = next(text for text, flag in flags.items() if flag is None)
        proposal.unplaced.append(
            f"{plan.about('is_deleted')}: {header} is neither a truth value nor a time "
            f"(for example {odd})"
        )


def _date_closes(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Find what dates the deals that are won and lost: one column, or one for each outcome."""
    plan = proposal.plan("opportunities")
    rows = _rows_by_outcome(exports, plan, vocabulary) if plan else {}
    if not plan or not rows:
        return
    if "amount" not in plan.columns:
        proposal.unplaced.append(
            f"{plan.about('amount')}: no column has the amounts of deals, so none has revenue"
        )
    dates = _closing_dates(exports, plan, vocabulary)
    if not dates:
        proposal.unplaced.append(
            f"{plan.about('closed_at')}: no column dates deals that are won or lost, so all are "
            "open"
        )
        return
    chosen: dict[str, str] = {}
    for outcome, beside in rows.items():
        found = exports.count(plan.file, beside)
        filled = {it: exports.values_where(plan.file, it, beside).filled for it in dates}
        # What is called after the other outcome comes last.
        dates.sort(key=lambda it: _outcome_of_header(it, vocabulary) not in ("", outcome))
        most = max(dates, key=lambda it: filled[it])
        best = next((it for it in dates if 2 * filled[it] >= found), most)
        if filled[best]:
            chosen[outcome] = best
        header, texts = next(iter(beside.items()))
        # Beside a flag alone, what is not won may be open.
        may_be_open = len(beside) == 1 and _is_truth(exports, plan.file, header)
        if (missing := found - filled[best]) and not (may_be_open and filled[best]):
            proposal.unplaced.append(
                f"{plan.about('closed_at')}: {missing:,} of {found:,} deals with "
                f"{' or '.join(texts[:10])} in {header} have no closing date, so they are open"
            )
    if not chosen:
        return
    first, *others = dict.fromkeys(chosen.values())
    plan.columns["closed_at"] = first
    if others and (plan.file.sheet or plan.merged_ids):
        # A query reads first sheets, and lists no merged ids.
        proposal.unplaced.append(
            f"{plan.about('closed_at')}: {others[0]} is not read, so deals without {first} are open"
        )
    elif others:
        plan.by_case["closed_at"] = {it: {**rows[outcome]} for outcome, it in chosen.items()}


def _rows_by_outcome(
    exports: Exports, plan: TablePlan, vocabulary: Vocabulary
) -> dict[str, dict[str, list[str]]]:
    """By outcome, won or lost: the values that its rows have, by header."""
    header = _header_of_outcomes(exports, plan, vocabulary)
    if header is None:
        return {}
    closed = {}
    if _is_truth(exports, plan.file, header):
        if flag := _closed_flag(exports, plan):
            closed = {flag: _set_in(exports, plan.file, flag)}
        else:
            header = _header_in_words(exports, plan, vocabulary) or header
    by_flag = {True: "won", False: "lost", None: ""}
    flags = _flags(exports, plan.file, header)
    meant = {text: _outcome(text, vocabulary) or by_flag[flag] for text, flag in flags.items()}
    found = {it: [text for text in meant if meant[text] == it] for it in ("won", "lost")}
    return {it: {header: texts} | closed for it, texts in found.items() if texts}


def _closing_dates(exports: Exports, plan: TablePlan, vocabulary: Vocabulary) -> list[str]:
    """The headers that may date closed deals: known ones, then times named after an outcome."""
    file = plan.file
    used = {it for column, it in plan.columns.items() if column != "closed_at"}
    known = file.headers_of(names_of("opportunities", "closed_at"))
    named = (it for it in file.headers if _outcome_of_header(it, vocabulary))
    dates = dict.fromkeys([*known, *named])
    return [it for it in dates if it not in used and _is_time(exports, file, it)]


def _is_time(exports: Exports, file: ExportFile, header: str) -> bool:
    """Whether a column holds times; amounts, which might be Excel's days, are none."""
    texts = exports.values(file, header).texts
    return (
        bool(texts)
        and exports.times(file, header).share > 0.95
        and not readings.read_numbers(exports.connection, texts, is_money=True).share
    )


def _outcome_of_header(header: str, vocabulary: Vocabulary) -> str:
    """Won or lost, if a header such as "Won date" or LostTime speaks of one."""
    return _outcome(spaced(header).replace("_", " "), vocabulary)


def _close_opportunities(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Tell won, lost and open deals apart; an open deal's expected close is no close."""
    plan = proposal.plan("opportunities")
    if not plan:
        return
    header = _header_of_outcomes(exports, plan, vocabulary)
    if header is None:
        _close_by_date(proposal, plan, vocabulary)
        return
    plan.columns["is_won"] = header
    if _is_truth(exports, plan.file, header):
        in_words = _header_in_words(exports, plan, vocabulary)
        if _close_by_flag(exports, proposal, plan) or not in_words:
            _read_won(exports, proposal, plan, vocabulary)
            return
        header = plan.columns["is_won"] = in_words
    texts = exports.values(plan.file, header).texts
    outcomes = {text: _outcome(text, vocabulary) for text in texts}
    # The models read yes and no; whoever writes them among stages means them.
    flags = _flags(exports, plan.file, header)
    read = [text for text in texts if flags[text] is not None and not outcomes[text]]
    meant = {"won": "true", "lost": "false", "": ""}
    plan.values["is_won"] = {
        text: meant[outcome] for text, outcome in outcomes.items() if text not in read
    }
    closed = [text for text, outcome in outcomes.items() if outcome or text in read]
    if read:
        proposal.unplaced.append(
            f"{plan.about('is_won')}: {', '.join(read[:10])} in {header} is read as won or lost"
        )
    if "closed_at" in plan.columns and closed:
        plan.only_when["closed_at"] = {header: closed}
    deleted = known_keys("opportunity", "deleted")
    if "is_deleted" not in plan.columns and any(key(text) in deleted for text in texts):
        plan.columns["is_deleted"] = header
        plan.values["is_deleted"] = {text: "true" if key(text) in deleted else "" for text in texts}
    if not closed:
        proposal.unplaced.append(
            f"{plan.file.name}: no value of {header} reads as won or lost: {', '.join(texts[:10])}"
        )
        return
    unknown = (it for it in texts if it not in closed and key(it) not in deleted)
    _tell_unknown(exports, proposal, plan, [it for it in unknown if not _is_open(it, vocabulary)])


def _tell_unknown(
    exports: Exports, proposal: Proposal, plan: TablePlan, unknown: list[str]
) -> None:
    """Name values that may be outcomes, first those beside which a deal looks closed."""
    header = plan.columns["is_won"]
    rows = exports.values(plan.file, header).rows
    beside = [plan.columns[it] for it in ("loss_reason", "closed_at") if it in plan.columns]
    filled = {
        text: [exports.values_where(plan.file, it, {header: [text]}).filled for it in beside]
        for text in unknown
    }
    shown = []
    for text in sorted(unknown, key=lambda it: [*filled[it], rows[it]], reverse=True)[:20]:
        signs = zip(filled[text], beside, strict=True)
        sign = next((f", {count:,} with {it}" for count, it in signs if count), "")
        shown.append(f"{text} ({rows[text]:,} rows{sign})")
    if shown:
        more = f" and {len(unknown) - 20:,} more" if len(unknown) > 20 else ""
        proposal.unplaced.append(
            f"{plan.about('is_won')}: not known as won, lost or open, so read as open: "
            f"{', '.join(shown)}{more}"
        )


def _is_open(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a stage is known as one of open deals: by its name, else as no exit of the policy."""
    stage = vocabulary.stage(text)
    is_named = key(text) in known_keys("opportunity", "open")
    return is_named or (stage is not None and stage not in vocabulary.exits)


def _close_by_date(proposal: Proposal, plan: TablePlan, vocabulary: Vocabulary) -> None:
    """Deals with a date only: won if it is called so; any other may be of an expected close."""
    closed_at = plan.columns.get("closed_at")
    if closed_at is None:
        return
    if _outcome_of_header(closed_at, vocabulary) == "won":
        plan.constants["is_won"] = "true"
        plan.only_when["is_won"] = {closed_at: "filled"}
        return
    del plan.columns["closed_at"]
    if closed_at.strip().casefold() == "closed_at":
        # Without a mapping, it would be read by its name.
        plan.constants["closed_at"] = ""
    proposal.unplaced.append(
        f"{plan.about('is_won')}: no column tells won from lost, so {closed_at} is not read and "
        "all deals are open"
    )


def _header_of_outcomes(exports: Exports, plan: TablePlan, vocabulary: Vocabulary) -> str | None:
    """What tells won from lost: as named, if its values do, else another header that is named so.

    Beside a flag, a status of records (Active, Archived) tells nothing.
    """

    def tells(header: str) -> bool:
        texts = exports.values(plan.file, header).texts
        is_flag = bool(texts) and _is_truth(exports, plan.file, header)
        return is_flag or any(_outcome(text, vocabulary) for text in texts)

    named = plan.columns.get("is_won")
    others = plan.file.headers_of(names_of("opportunities", "is_won"))
    return next((it for it in [named, *others] if it and tells(it)), named)


def _header_in_words(exports: Exports, plan: TablePlan, vocabulary: Vocabulary) -> str | None:
    """The first header that is called like one of outcomes and has words for won or lost."""
    for header in plan.file.headers_of(names_of("opportunities", "is_won")):
        texts = exports.values(plan.file, header).texts
        is_flag = _is_truth(exports, plan.file, header)
        if not is_flag and any(_outcome(text, vocabulary) for text in texts):
            return header
    return None


def _closed_flag(exports: Exports, plan: TablePlan) -> str | None:
    """The header of truth values that say which deals are closed."""
    for flag in plan.file.headers_of(known_headers()["opportunity"]["closed_flag"]):
        is_told = exports.values(plan.file, flag).texts and _is_truth(exports, plan.file, flag)
        if flag != plan.columns.get("closed_at") and is_told:
            return flag
    return None


def _set_in(exports: Exports, file: ExportFile, flag: str) -> list[str]:
    """The values of a flag that mean yes."""
    return [text for text, it in _flags(exports, file, flag).items() if it] or ["true"]


def _close_by_flag(exports: Exports, proposal: Proposal, plan: TablePlan) -> bool:
    """Keep the closing dates of closed deals only, if a column of truth values says which are."""
    flag = _closed_flag(exports, plan)
    if "closed_at" not in plan.columns or not flag:
        return False
    plan.only_when["closed_at"] = {flag: _set_in(exports, plan.file, flag)}
    if odd := [text for text, it in _flags(exports, plan.file, flag).items() if it is None]:
        proposal.unplaced.append(
            f"{plan.about('closed_at')}: not read beside {', '.join(odd[:10])} in {flag}"
        )
    return True


def _read_won(
    exports: Exports, proposal: Proposal, plan: TablePlan, vocabulary: Vocabulary
) -> None:
    """Truth values stay as they are; a word for won or lost among them becomes one."""
    texts = exports.values(plan.file, plan.columns["is_won"]).texts
    flags = readings.read_flags(exports.connection, texts, of_deals=True)
    odd = {text: _outcome(text, vocabulary) for text in texts if flags[text] is None}
    if meant := {text: str(it == "won").lower() for text, it in odd.items() if it}:
        plan.values["is_won"] = meant
    _tell_odd(exports, proposal, plan, "is_won", [text for text, it in odd.items() if not it])


def _tell_odd(
    exports: Exports, proposal: Proposal, plan: TablePlan, column: str, odd: list[str]
) -> None:
    """Name the values of a column of truth values that are none: a run sets their rows aside."""
    header = plan.columns[column]
    rows = exports.values(plan.file, header).rows
    if odd:
        shown = ", ".join(f"{text} ({rows[text]:,})" for text in odd[:10])
        proposal.unplaced.append(
            f"{plan.about(column)}: {header} has values that are neither yes nor no: {shown}"
            + (f" and {len(odd) - 10:,} more" if len(odd) > 10 else "")
        )


def _tell_unmet(exports: Exports, proposal: Proposal) -> None:
    """Say where a column counts beside values that no row has beside it."""
    for plan in proposal.plans:
        for column, conditions in plan.only_when.items():
            header = plan.columns.get(column)
            beside = {name: it for name, it in conditions.items() if isinstance(it, list)}
            if not header or not beside or not exports.values(plan.file, header).filled:
                continue
            if not exports.values_where(plan.file, header, beside).filled:
                named = " and ".join(f"{name} is {' or '.join(beside[name])}" for name in beside)
                proposal.unplaced.append(
                    f"{plan.about(column)}: only_when fits no row that has a {header}: "
                    f"nowhere {named}"
                )


def _flags(exports: Exports, file: ExportFile, header: str) -> dict[str, bool | None]:
    """The values of a column as truth values; numbers and letters of stages are none."""
    values = exports.values(file, header)
    flags = readings.read_flags(exports.connection, values.texts)
    codes = [text for text in flags if _CODE.fullmatch(text)]
    others = sum(values.rows[text] for text in codes if flags[text] is None)
    if others > 0.1 * values.filled or (others and not {True, False} <= set(flags.values())):
        flags |= dict.fromkeys(codes)
    return flags


def _is_truth(exports: Exports, file: ExportFile, header: str) -> bool:
    """Whether a column holds truth values, up to odd ones, or nothing."""
    values, flags = exports.values(file, header), _flags(exports, file, header)
    odd = values.filled - sum(values.rows[text] for text in flags if flags[text] is not None)
    return 2 * odd <= values.filled


def _outcome(text: str, vocabulary: Vocabulary) -> str:
    """Won or lost, if a deal stage says so: by the policy, else by a word in it."""
    meaning = vocabulary.meanings.get(vocabulary.stage(text) or "")
    if meaning in ("won", "lost"):
        return meaning
    for outcome in ("lost", "won"):
        words = macros().deal_words(outcome)
        # Japanese does not separate words.
        if named_in(text, words) or any(word in text for word in words if not word[0].isascii()):
            return outcome
    return ""


def _explain_exits(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """A status that is an exit becomes a stage change, with the reason beside it, if any."""
    leads = proposal.plan("leads")
    if not leads:
        return
    exits = _exits_of(exports, proposal, leads, vocabulary)
    reason = reason_header(leads.file)
    if reason in exits or (reason and not exports.values(leads.file, reason).texts):
        reason = None
    history = proposal.plan("stage_changes")
    if not reason:
        # The current stage is read as it is.
        exits.pop(leads.columns.get("current_stage", ""), None)
    if exits:
        # A history of another field than the status has none of its exits.
        if not history or not _explain_history(
            exports, proposal, history, leads, reason, vocabulary
        ):
            _add_exits(exports, proposal, leads, reason, *next(iter(exits.items())))
    elif reason:
        proposal.unplaced.append(
            f"{leads.file.name}: {reason} is not read: no status beside it is known as an exit"
        )


def _exits_of(
    exports: Exports, proposal: Proposal, leads: TablePlan, vocabulary: Vocabulary
) -> dict[str, list[str]]:
    """By header of the leads that holds a status, its values that are exits."""
    statuses = leads.file.headers_of(known_headers()["leads"]["(status)"])
    exits = {}
    for header in dict.fromkeys(filter(None, [leads.columns.get("current_stage"), *statuses])):
        texts = exports.values(leads.file, header).texts
        found = [
            it for it in texts if stage_at(it, proposal, header, vocabulary) in vocabulary.exits
        ]
        if found:
            exits[header] = found
    return exits


def _add_exits(
    exports: Exports,
    proposal: Proposal,
    leads: TablePlan,
    reason: str | None,
    status: str,
    texts: list[str],
) -> None:
    """Stage changes of leads that are out, dated by a column that says when, else the last one."""
    last = leads.columns.get("updated_at")
    when = header_for(leads.file, "leads", "(exit_date)") or last
    is_dated = bool(when and exports.times(leads.file, when).share > 0.95)
    columns = {"lead_id": leads.columns["lead_id"], "to_stage": status}
    if reason:
        columns["reason"] = reason
    plan = TablePlan(CONTRACT_TABLES["stage_changes"], leads.file, columns, where={status: texts})
    if when and is_dated:
        plan.columns["changed_at"] = when
        plan.where[when] = "filled"
        formats = exports.formats(leads.file, when)
        proposal.stage_dates = [
            it for it in proposal.stage_dates if (it.file, it.header) != (leads.file, when)
        ]
    else:
        formats = _date_by_what_is_known(exports, proposal, plan, leads)
    if formats:
        plan.time_formats["changed_at"] = formats
    if when == last or not is_dated:
        known = when if is_dated else "the last time that is known of a lead"
        proposal.unplaced.append(
            f"{plan.about('changed_at')}: {known} stands for the date of the exit"
        )
        plan.remarks["changed_at"] = "the last change of the lead, as nothing else dates its exit"
    proposal.plans.append(plan)


def _date_by_what_is_known(
    exports: Exports, proposal: Proposal, plan: TablePlan, leads: TablePlan
) -> tuple[str, ...]:
    """Date exits by the latest of the lead's creation, its dates of stages and its changes.

    Returns the formats of these times.
    """
    file, history = leads.file, proposal.plan("stage_changes")
    dates = (it.header for it in proposal.stage_dates if it.file == file)
    headers = tuple(dict.fromkeys([leads.columns["created_at"], *dates]))
    places = [(file, header) for header in headers]
    if history:
        places.append((history.file, history.columns["changed_at"]))
    found = (it for place in places for it in exports.formats(*place))
    formats = tuple(dict.fromkeys(found))
    plan.latest = LatestTime(headers, formats, history)
    return formats


def _explain_history(
    exports: Exports,
    proposal: Proposal,
    history: TablePlan,
    leads: TablePlan,
    reason: str | None,
    vocabulary: Vocabulary,
) -> bool:
    """Whether a history has exits; one without reasons takes them from the leads."""
    to_stage = history.columns["to_stage"]
    seen = exports.values_where(history.file, to_stage, history.values_of_where).texts
    field = _field_of(history, to_stage)
    found = [it for it in seen if stage_at(it, proposal, field, vocabulary) in vocabulary.exits]
    if found and reason and "reason" not in history.columns and "lead_id" not in history.lookups:
        history.reasons_of = (leads, reason, found)
    return bool(found)


def stage_at(raw: str, proposal: Proposal, header: str, vocabulary: Vocabulary) -> str | None:
    """The stage that a raw one means in a column, whatever language the column is named in."""
    names = [header]
    if key(header) in known_keys("leads", "(status)"):
        names += _STATUSES
    elif key(header) in known_keys("leads", "current_stage"):
        names += [_LIFECYCLE, *_STATUSES]
    return vocabulary.stage(raw, proposal.crm, *names)


def _start_exits(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Leads that are out were in their current stage before; without one, only captured."""
    leads, stage = proposal.plan("leads"), vocabulary.captured.get(proposal.tradition)
    for plan in proposal.tables.get("stage_changes", []):
        if not leads or plan.file != leads.file:
            continue
        if stage:
            plan.constants["from_stage"] = stage
        current, status = leads.columns.get("current_stage"), plan.columns["to_stage"]
        if not current or current == status:
            continue
        seen = exports.values_where(plan.file, current, plan.values_of_where).texts
        meant = {it: stage_at(it, proposal, current, vocabulary) for it in seen}
        known = [text for text, it in meant.items() if it not in (None, IGNORED_STAGE)]
        beside = plan.values_of_where | {current: known}
        if exports.count(plan.file, beside) == exports.count(plan.file, plan.values_of_where):
            plan.columns["from_stage"] = current
            plan.constants.pop("from_stage", None)
        elif known and not plan.file.sheet:
            plan.by_case["from_stage"] = {current: {current: known}}


def _name_stages(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Collect the raw stages of the leads and the history, and what they mean."""
    counts = Counter[str]()
    fields: dict[str, str] = {}
    for plan in proposal.plans:
        for column in ("to_stage", "from_stage", "current_stage"):
            header = plan.columns.get(column)
            if not header:
                continue
            seen = exports.values_where(plan.file, header, plan.values_of_where).rows
            for text in list(seen)[:100]:
                counts[text] += seen[text]
                fields.setdefault(text, _field_of(plan, header))
    for raw, rows in counts.items():
        word = named_in(raw, vocabulary.stages)
        guess = vocabulary.stages.get((word or "").casefold()) or vocabulary.elsewhere(raw)
        stage = stage_at(raw, proposal, fields[raw], vocabulary)
        proposal.stages.append(StageSeen(raw, rows, stage, guess))
    unknown = [item.raw for item in proposal.stages if item.stage is None]
    if unknown:
        proposal.unplaced.append(
            f"stage_names: not known what these mean: {', '.join(unknown[:20])}"
        )


def _field_of(plan: TablePlan, header: str) -> str:
    """What the values under a header are of: in a log of several fields, the field that is read."""
    named = plan.file.header_of(known_headers()["history"]["field"])
    return plan.values_of_where.get(named or "", [header])[0]


def _date_stages(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Date columns named after a stage, in the leads or in a file that points to them."""
    leads = proposal.plan("leads")
    if not leads:
        return
    lead_id = leads.columns["lead_id"]
    used = {plan.file for plan in proposal.plans}
    ids = {"": ids_of_leads(leads)}
    for file in exports.files:
        if file == leads.file:
            of_leads = (plan for plan in proposal.plans if plan.file == file)
            link, mapped = lead_id, set[str]()
            for it in of_leads:
                mapped.update(it.columns.values(), *it.by_case.values())
        elif file in used:
            continue
        else:
            shares = exports.shares_found(file, ids)
            found = best_link(shares)
            if not found:
                continue
            link, mapped = found, {found}
        for header in (header for header in file.headers if header not in mapped):
            stage = stage_of_header(header, vocabulary) or _stage_of_conversion(
                proposal, header, vocabulary
            )
            if stage and (times := exports.times(file, header)).share > 0.95:
                plan = StageDatePlan(stage, header, file, link, times.formats)
                proposal.stage_dates.append(plan)


def stage_of_header(header: str, vocabulary: Vocabulary) -> str | None:
    """The stage that a header such as "Became a Customer Date" speaks of."""
    plain = re.sub(r"__c$", "", header.strip(), flags=re.I)
    plain = re.sub(r"[_\s-]+", " ", spaced(plain)).casefold().strip()
    for pattern in stage_date_patterns():
        if found := pattern.fullmatch(plain):
            named = re.sub(r"[(（].*[)）]", "", found["stage"]).strip(' "„“”«»[]')
            stage = vocabulary.stage(named) or vocabulary.stage(named.replace(" ", ""))
            deal_word = named_in(named, vocabulary.evidence) or ""
            if stage := stage or vocabulary.evidence.get(deal_word):
                return stage
    return None


def _stage_of_conversion(proposal: Proposal, header: str, vocabulary: Vocabulary) -> str | None:
    """The stage of a lead that its CRM converts, if this is the header of when."""
    if key(header) not in known_keys("leads", "(converted_at)"):
        return None
    return vocabulary.stage("true", proposal.crm, "IsConverted")


def _tradition(proposal: Proposal, vocabulary: Vocabulary) -> str:
    """The tradition with most of the stages seen; of equal ones the CRM's, else the first."""
    seen = {item.stage for item in proposal.stages} | {item.stage for item in proposal.stage_dates}
    traditions = vocabulary.by_tradition
    own = proposal.crm.casefold()
    return max(traditions, key=lambda name: (len(seen & traditions[name]), name == own))
