"""Files of events: what people did is read as activities, what leads did as engagements."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.discovery import readings
from dagster_project.ingestion.discovery.exports import ExportFile, Exports, Values
from dagster_project.ingestion.discovery.plans import Proposal, TablePlan, header_for, match
from dagster_project.ingestion.discovery.values import (
    EventMeaning,
    Vocabulary,
    completion_of,
    direction_of,
    event_meaning,
    header_by_words,
    is_flag_of_done,
    key,
    names_of,
)

# Each file may add to these tables; the others are in one file.
EVENTS = ("activities", "engagements")
# More texts than this are no kinds or stages.
MOST_WORDS = 100
# What becomes of mails.
_OF_MAILS = {
    "email_opened",
    "email_clicked",
    "email_bounced",
    "email_delivered",
    "email_spam_report",
    "unsubscribed",
}
_DONE_BY_FLAG = {True: "done", False: "not_done", None: ""}
_SAYS_NOTHING = re.compile(
    r"activit(y|ies)|events?|engagements?|hubspot|crm|exports?|all|\d+", re.IGNORECASE
).fullmatch


def tell_events_apart(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Read what people did as activities, and what leads did as engagements."""
    for plan in [plan for plan in proposal.plans if plan.table.name in EVENTS]:
        proposal.plans.remove(plan)
        found = _event_plans(exports, proposal, plan, vocabulary)
        for one in found:
            _name_directions(exports, one)
            _leave_out_planned(exports, proposal, one)
        proposal.plans += found


def _event_plans(
    exports: Exports, proposal: Proposal, plan: TablePlan, vocabulary: Vocabulary
) -> list[TablePlan]:
    """The plans of one file of events: by the kinds in a column of it, else by its name."""
    file = plan.file
    header = plan.columns.get("kind") or match(file, CONTRACT_TABLES["activities"]).get("kind")
    by_name = _events_of_one_kind(plan, vocabulary)
    texts = exports.values(file, header).texts if header else []
    if not any(event_meaning(text, vocabulary) for text in texts):
        header = _telling_column(exports, plan, vocabulary) or header
    if not header and by_name.constants.get("kind", "task") == "task":
        header = _telling_subject(exports, file, vocabulary)
    texts = exports.values(file, header).texts if header else []
    if not header or not texts or len(texts) > MOST_WORDS:
        _tell_tracked_mails(exports, proposal, by_name, vocabulary)
        return [by_name]
    meanings = _meanings(file, header, texts, vocabulary)
    kinds = {meaning.kind for meaning in meanings.values() if meaning}
    if not kinds and by_name.constants:
        return [by_name]
    if kinds & {"email_opened", "email_clicked", "email_bounced"} and "rep_id" not in plan.columns:
        # Beside opens and bounces, and of nobody: sent by a machine.
        automated = EventMeaning("activities", "automated_email")
        by_hand = EventMeaning("activities", "email")
        meanings = {it: automated if found == by_hand else found for it, found in meanings.items()}
    unknown = [text for text, meaning in meanings.items() if meaning is None]
    # What is not known is of the sort of the others.
    known = {it.table for it in meanings.values() if it}
    other = known.pop() if len(known) == 1 else plan.table.name
    if unknown:
        proposal.unplaced.append(
            f"{file.name}: {other}.kind: not known: {', '.join(sorted(unknown)[:20])}"
        )
    tables = {text: it.table if it else other for text, it in meanings.items()}
    found = []
    for table in EVENTS:
        own = [text for text in texts if tables[text] == table]
        if not own:
            continue
        made = _as_table(plan, table) | {"kind": header}
        one = TablePlan(CONTRACT_TABLES[table], file, made)
        one.values["kind"] = {
            text: meaning.kind
            for text in own
            if (meaning := meanings[text]) and text.casefold() != meaning.kind
        }
        one.values = {column: values for column, values in one.values.items() if values}
        inbound = [text for text in own if (it := meanings[text]) and it.direction]
        if inbound and table == "activities" and "direction" not in made:
            one.columns["direction"] = header
            one.values["direction"] = {text: "inbound" if text in inbound else "" for text in own}
        if len(own) < len(texts):
            is_any_empty = table == "activities" and exports.values(file, header).filled < file.rows
            one.where = {header: [*own, *([""] if is_any_empty else [])]}
        found.append(one)
    return found


def _telling_column(exports: Exports, plan: TablePlan, vocabulary: Vocabulary) -> str | None:
    """The header of kinds by its values, whatever it is called.

    Where the file's name tells that it is about mails, only a column of what became of them; mails
    of a person stay mails, whatever became of them.
    """
    file = plan.file
    by_name = meaning_of_name(file, vocabulary)
    by_hand = "rep_id" in plan.columns or _direction_header(exports, plan)
    if by_name and (by_name.kind != "email" or by_hand):
        return None
    apart = {*plan.columns.values(), header_for(file, "activities", "(subject)")}
    apart = apart.union(_sources(file)) - {plan.columns.get("kind")}
    for header, seen in words_of(exports, file, apart).items():
        meanings = _meanings(file, "", seen.rows, vocabulary)
        known = {
            text
            for text, meaning in meanings.items()
            if meaning and (not by_name or meaning.kind in _OF_MAILS)
        }
        if known_columns({header: seen}, known.__contains__):
            return header
    return None


def _tell_tracked_mails(
    exports: Exports, proposal: Proposal, plan: TablePlan, vocabulary: Vocabulary
) -> None:
    """Mails of nobody, each with what became of it in columns of its own: sent by a machine."""
    if plan.constants.get("kind") != "email" or "rep_id" in plan.columns:
        return
    tracked = [
        header
        for header in plan.file.headers
        if (meaning := event_meaning(header, vocabulary, "mail")) and meaning.kind in _OF_MAILS
    ]
    if tracked and not _direction_header(exports, plan):
        plan.constants["kind"] = "automated_email"
        proposal.unplaced.append(
            f"{plan.about('kind')}: with {', '.join(tracked)} and of nobody, taken as sent by a "
            "machine; name rep_id, or the kind email, if people sent them"
        )


def _direction_header(exports: Exports, plan: TablePlan) -> str | None:
    """The header of directions, whatever it is called: all of its values are, one is inbound."""
    named = plan.columns.get("direction")
    if named and any(map(direction_of, exports.values(plan.file, named).texts)):
        return named
    words = words_of(exports, plan.file, {*_sources(plan.file), *plan.columns.values()})
    for header, seen in words.items():
        found = {direction_of(text) for text in seen.texts}
        if "inbound" in found and "" not in found:
            return header
    return None


def _sources(file: ExportFile) -> list[str]:
    """The headers of where leads come from: Inbound and Newsletter are no events there."""
    return file.headers_of(names_of("leads", "lead_source"))


def _name_directions(exports: Exports, plan: TablePlan) -> None:
    """Find the column of directions, and map the words for what the lead did itself."""
    if plan.table.name != "activities" or {"direction"} & {*plan.values, *plan.constants}:
        return
    if header := _direction_header(exports, plan):
        plan.columns["direction"] = header
        texts = exports.values(plan.file, header).texts
        inbound = [text for text in texts if direction_of(text) == "inbound"]
        meant = {text: "inbound" for text in inbound if text.casefold() != "inbound"}
        plan.values |= {"direction": meant} if meant else {}


def _leave_out_planned(exports: Exports, proposal: Proposal, plan: TablePlan) -> None:
    """Activities that are only planned, or that came to nothing, are no touches."""
    if plan.table.name != "activities":
        return
    apart = {plan.columns[name] for name in ("lead_id", "kind", "rep_id") if name in plan.columns}
    words = words_of(exports, plan.file, apart)
    is_told = False
    for header, seen in words.items():
        texts = seen.texts
        if is_flag_of_done(header):
            flags = readings.read_flags(exports.connection, texts)
            meant = {it: completion_of(it) or _DONE_BY_FLAG[flags[it]] for it in texts}
        else:
            meant = {it: completion_of(it) for it in texts}
        open_texts = [it for it in texts if meant[it] == "not_done"]
        is_done = "done" in meant.values() or is_flag_of_done(header)
        is_told |= is_done
        if open_texts and (is_done or header == plan.columns.get("direction")):
            plan.where[header] = {"not": open_texts}
        elif open_texts:
            proposal.unplaced.append(
                f"{plan.about('occurred_at')}: {header} is {', '.join(open_texts[:5])}: such "
                "rows count as touches; leave them out by where if nothing happened"
            )
    due = plan.columns.get("occurred_at", "")
    if not is_told and header_by_words([due], "due"):
        proposal.unplaced.append(
            f"{plan.about('occurred_at')}: {due} may lie before anything happened, and no column "
            "says what is done: all rows count as done"
        )


def _telling_subject(exports: Exports, file: ExportFile, vocabulary: Vocabulary) -> str | None:
    """The header of subjects, where these are kinds: Call, Email: hello."""
    subject = header_for(file, "activities", "(subject)")
    words = words_of(exports, file, set(file.headers) - {subject})
    return next(iter(columns_of_kinds(file, words, vocabulary)), None)


def columns_of_kinds(
    file: ExportFile, words: Mapping[str, Values], vocabulary: Vocabulary
) -> list[str]:
    """The columns most of whose rows have a kind of event that is known."""
    return [
        header
        for header, seen in words.items()
        if known_columns({header: seen}, _meanings(file, header, seen.rows, vocabulary).get)
    ]


def _meanings(
    file: ExportFile, header: str, texts: Iterable[str], vocabulary: Vocabulary
) -> dict[str, EventMeaning | None]:
    """What the values of a column mean: beside bounces, what is opened is a mail, too."""
    beside = f"{file.stem} {header}"
    found = {text: event_meaning(text, vocabulary, beside) for text in texts}
    if _OF_MAILS & {meaning.kind for meaning in found.values() if meaning}:
        found = {text: event_meaning(text, vocabulary, f"{beside} mail") for text in found}
    return found


def meaning_of_name(file: ExportFile, vocabulary: Vocabulary) -> EventMeaning | None:
    """What every row of a file is, if its name tells: calls, bounces."""
    words = (word for word in re.split(r"[\W_]+", file.stem) if not _SAYS_NOTHING(word))
    return event_meaning(" ".join(words), vocabulary)


def _events_of_one_kind(plan: TablePlan, vocabulary: Vocabulary) -> TablePlan:
    """A file without a column of kinds, as far as its name tells what it is about."""
    meaning = meaning_of_name(plan.file, vocabulary)
    table = meaning.table if meaning else plan.table.name
    made = TablePlan(CONTRACT_TABLES[table], plan.file, _as_table(plan, table))
    if meaning:
        made.columns.pop("kind", None)
        made.constants["kind"] = meaning.kind
    elif "kind" not in made.columns and table == "engagements":
        made.constants["kind"] = key(plan.file.stem)
    if meaning and meaning.direction and "direction" not in made.columns:
        made.constants["direction"] = meaning.direction
    return made


def _as_table(plan: TablePlan, table: str) -> dict[str, str]:
    """The columns of a file of events as one of both tables."""
    if plan.table.name == table:
        return dict(plan.columns)
    shared = {
        name: plan.columns[name] for name in ("lead_id", "occurred_at") if name in plan.columns
    }
    taken = match(plan.file, CONTRACT_TABLES[table])
    own = {"activities": "activity_id", "engagements": "engagement_id"}
    if event_id := plan.columns.get(own[plan.table.name]):
        taken[own[table]] = event_id
    taken = {name: header for name, header in taken.items() if header not in shared.values()}
    return taken | shared


def words_of(
    exports: Exports, file: ExportFile, apart_from: Collection[str | None]
) -> dict[str, Values]:
    """The columns of a file that hold few different texts."""
    headers = (header for header in file.headers if header not in apart_from)
    found = {header: exports.values(file, header) for header in headers}
    return {header: seen for header, seen in found.items() if 0 < seen.distinct <= MOST_WORDS}


def known_columns(words: Mapping[str, Values], is_known: Callable[[str], object]) -> list[str]:
    """The columns most of whose rows have a text that is known."""
    return [
        header
        for header, seen in words.items()
        if sum(rows for text, rows in seen.rows.items() if is_known(text)) > seen.filled / 2
    ]
