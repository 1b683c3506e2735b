"""Which CRM an export comes from, which file is which table, which header is which column.

Files and columns are told apart by their names; what they point to, and what names do not tell, is
decided by the values.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.ingestion.discovery import readings
from dagster_project.ingestion.discovery.exports import ExportFile, Exports, Values, id_key
from dagster_project.ingestion.discovery.values import (
    EventMeaning,
    Vocabulary,
    event_meaning,
    key,
    known_headers,
    names_of,
)

UNKNOWN_CRM = "unknown"

# A column links to another when at least this share of its rows is there.
LINKED = 0.5
# So many headers of its own tell a CRM; one that it shares with another counts a quarter.
_TELLS = 1.5
# A lookup helps when it finds this share of the rows more.
_HELPS = 0.02
# Each file may add to these tables; the others are in one file.
_EVENTS = ("activities", "engagements")
# More texts than this are no kinds or stages.
_MOST_WORDS = 100
_FILLED = "filled"
_CREATED = re.compile(
    r"creat|add|first|since|sign|erstell|angelegt|crea|cree|作成|登録", re.IGNORECASE
)
# What may hold another key of a lead: an address, a name, the id of what it became.
_KEYS = re.compile(r"id$|mail|name|contact|メール|氏名", re.IGNORECASE)
_LINKS = re.compile(
    r"id$|ids$|lead|contact|person|customer|kontakt|kunde|who|mail|ref", re.IGNORECASE
)
_ID = re.compile(r"(id|no|nr|number|nummer|num[ée]ro|n[úu]mero|code|key|番号)\.?$", re.IGNORECASE)
_LINKS = re.compile(r"ids?$|lead|contact|person|customer|kontakt|kunde|who|mail|ref", re.IGNORECASE)
_USER_ID = re.compile(r"005\w+")
_SAYS_NOTHING = re.compile(
    r"activit(y|ies)|events?|engagements?|hubspot|crm|exports?|all|\d+", re.IGNORECASE
).fullmatch
_NO_TIME = re.compile(r"\d{1,8}([.,]\d+)?")


@dataclass
class TablePlan:
    """The mapping proposed for one table, or for one file of it, as the settings of files say it.

    ``where``: header -> values, or ``filled``. ``reasons_of``: of a history, the leads that have
    the reasons, under which header, and the stages that they explain. ``remarks``: comments on its
    columns.
    """

    table: ContractTable
    file: ExportFile
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    lookups: dict[str, dict[str, Any]] = field(default_factory=dict)
    time_formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal_marks: dict[str, str] = field(default_factory=dict)
    where: dict[str, list[str] | str] = field(default_factory=dict)
    only_when: dict[str, dict[str, list[str] | str]] = field(default_factory=dict)
    reasons_of: "tuple[TablePlan, str, list[str]] | None" = None
    merged_ids: str | None = None
    previous_owner: str | None = None
    remarks: dict[str, str] = field(default_factory=dict)

    def about(self, column: str) -> str:
        """How a note names a column: its file and its place in the contract."""
        return f"{self.file.name}: {self.table.name}.{column}"

    @property
    def values_of_where(self) -> dict[str, list[str]]:
        return {name: texts for name, texts in self.where.items() if isinstance(texts, list)}


@dataclass(frozen=True)
class StageDatePlan:
    """A date column proposed as the moment a stage was entered."""

    stage: str
    header: str
    file: ExportFile
    lead_header: str
    formats: tuple[str, ...]


@dataclass(frozen=True)
class StageSeen:
    """A raw stage: how often it was seen, what it means if that is known, else a guess."""

    raw: str
    rows: int
    stage: str | None
    guess: str | None


@dataclass(frozen=True)
class TableTried:
    """What the proposal read of a table: shares of its rows, None where there is nothing to tell.

    ``times``: whose required time can be read. ``leads``: whose lead the leads table has.
    ``stages``: stages mapped, of how many.
    """

    name: str
    files: str
    rows: int
    times: float | None
    leads: float | None
    stages: tuple[int, int] | None


@dataclass
class Proposal:
    """What ``handoff init`` believes of an export.

    ``unplaced``: one line for everything that needs a look. ``unread``: the files that are none of
    the tables. ``spare``: files that look like a table which another file is. ``tried``: what the
    proposal reads of the files. ``text`` is the commented configuration, as written to
    ``out_file``.
    """

    directory: Path
    out_file: Path
    crm: str = UNKNOWN_CRM
    tradition: str = ""
    plans: list[TablePlan] = field(default_factory=list)
    stage_dates: list[StageDatePlan] = field(default_factory=list)
    stages: list[StageSeen] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    spare: dict[ExportFile, str] = field(default_factory=dict)
    tried: list[TableTried] = field(default_factory=list)
    text: str = ""

    @property
    def tables(self) -> dict[str, list[TablePlan]]:
        """The plans by table, in the contract's order."""
        return {
            name: found
            for name in CONTRACT_TABLES
            if (found := [plan for plan in self.plans if plan.table.name == name])
        }

    def plan(self, table: str) -> TablePlan | None:
        """The first plan of a table."""
        return next((plan for plan in self.plans if plan.table.name == table), None)


def crm_of(exports: Exports) -> str:
    """The CRM whose telling headers are there; a header that several CRMs share counts less."""
    present = {header.casefold() for file in exports.files for header in file.headers}
    telling = {
        crm: {header.casefold() for header in headers}
        for crm, headers in known_headers()["(crm)"].items()
    }
    owners = Counter(itertools.chain.from_iterable(telling.values()))

    def points(crm: str) -> float:
        named = any(
            crm.casefold() in name.casefold() for file in exports.files for name in file.names
        )
        return 2 * named + sum(1 / owners[name] ** 2 for name in telling[crm] & present)

    best = max(telling, key=points)
    return best if points(best) >= _TELLS else UNKNOWN_CRM


def place_files(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Choose the files of each table, and the columns that link the tables."""
    _place_best(exports, proposal)
    if not proposal.plan("leads"):
        _stand_in_for_leads(exports, proposal)
    if leads := proposal.plan("leads"):
        merged = header_for(leads.file, "leads", "(merged_ids)")
        leads.merged_ids = merged if merged and exports.values(leads.file, merged).texts else None
        _place_by_values(exports, proposal, leads, vocabulary)
        if "current_stage" not in leads.columns:
            words = _words(exports, leads.file, set(leads.columns.values()))
            stages = _known(words, lambda text: vocabulary.stage(text, proposal.crm))
            leads.columns |= {"current_stage": stages[0]} if stages else {}
    _share_history(exports, proposal)
    _find_stages(exports, proposal, vocabulary)
    _tell_events_apart(exports, proposal, vocabulary)
    if leads:
        for plan in proposal.plans:
            if plan is not leads and "lead_id" in plan.table.columns:
                _link(exports, proposal, plan, leads)
        _drop_unlinked(proposal, leads)
    _name_owners(exports, proposal)
    if history := proposal.plan("owner_changes"):
        history.previous_owner = header_for(history.file, "owner_changes", "(previous)")
    for plan in proposal.plans:
        _leave_out_empty(exports, plan)


def _place_best(exports: Exports, proposal: Proposal) -> None:
    """Give each table the file that fits it best, each file at most one table."""
    offers = []
    for file, table in itertools.product(exports.files, CONTRACT_TABLES.values()):
        columns = match(file, table)
        score = _score(file, table, columns)
        if score > 0 and table.name == "leads" and not table.required <= columns.keys():
            _add_id_and_time(exports, file, columns)
        # What links to the leads, and the kind of an event, is found by the values.
        found_later = {"lead_id", "kind"} - ({"lead_id"} if table.name == "leads" else set())
        if score > 0 and table.required - found_later <= columns.keys():
            offers.append((score, file.rows, TablePlan(table, file, columns)))
    used: set[ExportFile] = set()
    for _, _, plan in sorted(offers, key=lambda offer: (-offer[0], -offer[1])):
        is_free = plan.table.name in _EVENTS or not proposal.plan(plan.table.name)
        if plan.file not in used and is_free:
            used.add(plan.file)
            proposal.plans.append(plan)
        elif not is_free:
            proposal.spare.setdefault(plan.file, plan.table.name)


def match(file: ExportFile, table: ContractTable) -> dict[str, str]:
    """Contract column -> header, each header once."""
    columns: dict[str, str] = {}
    for column in table.columns:
        headers = (file.header_of([name]) for name in names_of(table.name, column))
        free = (header for header in headers if header and header not in columns.values())
        if header := next(free, None):
            columns[column] = header
    return columns


def header_for(file: ExportFile, table: str, role: str) -> str | None:
    """The header of a file that plays a role which is no column of the contract."""
    return file.header_of(known_headers()[table][role])


def _score(file: ExportFile, table: ContractTable, columns: dict[str, str]) -> float:
    """How well a file fits a table; 0 when neither its name nor its headers tell."""
    known = known_headers().get(table.name, {})
    present = {key(header) for header in file.headers}
    telling = len({key(header) for header in known.get("(header)", [])} & present)
    stem = file.stem.casefold()
    words = {*re.split(r"[\W_\d]+", stem), stem}
    own = len({key(name) for name in table.columns} & present)
    names = known.get("(name)", [])
    named = next((len(names) - at for at, name in enumerate(names) if name in words), 0)
    if words & set(known.get("(not)", [])) and own < 3:
        return 0
    if not telling and not named and own < 3:
        return 0
    first = named / (len(names) + 1)
    return (
        (4 + first if named else 0) + 20 * (stem == table.name) + 2 * telling + len(columns) + own
    )


def _share_history(exports: Exports, proposal: Proposal) -> None:
    """One history of several fields: stage changes and owner changes are rows of it."""
    known = known_headers()["history"]
    plan = proposal.plan("stage_changes") or proposal.plan("owner_changes")
    header = plan.file.header_of(known["field"]) if plan else None
    if not plan or not header:
        return
    fields = exports.values(plan.file, header).texts
    for table, role in (("stage_changes", "stage"), ("owner_changes", "owner")):
        names = {key(name) for name in known[role]}
        found: list[str] = [text for text in fields if key(text) in names]
        other = proposal.plan(table)
        if other and other.file is not plan.file:
            continue
        if other:
            proposal.plans.remove(other)
        if found:
            contract = CONTRACT_TABLES[table]
            columns = match(plan.file, contract)
            columns.pop("change_id", None)
            history = TablePlan(contract, plan.file, columns, where={header: found})
            proposal.plans.append(history)
            if role == "owner":
                _read_owner_history(exports, history)


def _read_owner_history(exports: Exports, plan: TablePlan) -> None:
    """Salesforce logs a change of owner twice: by name and by id, which is the one to read."""
    kinds = plan.file.header_of(["DataType", "Data Type"])
    if kinds and "EntityId" in exports.values(plan.file, kinds).texts:
        plan.where[kinds] = ["EntityId"]
        return
    owner = plan.columns["owner_id"]
    texts = exports.values_where(plan.file, owner, plan.values_of_where).texts
    ids = [text for text in texts if _USER_ID.fullmatch(text)]
    if 0 < len(ids) < len(texts):
        plan.where[owner] = sorted(ids)


def _stand_in_for_leads(exports: Exports, proposal: Proposal) -> None:
    """Without a file of leads: an unknown file with an id and a time, else the deals."""
    table = CONTRACT_TABLES["leads"]
    used = {plan.file for plan in proposal.plans}
    free = [file for file in exports.files if file not in used]
    for file in sorted(free, key=lambda file: -file.rows):
        columns = match(file, table)
        _add_id_and_time(exports, file, columns)
        if table.required <= columns.keys():
            proposal.plans.append(TablePlan(table, file, columns))
            return
    deals = proposal.plan("opportunities")
    if deals:
        deals.columns["lead_id"] = deals.columns["opportunity_id"]
        linked = {name: deals.columns[name] for name in ("lead_id", "created_at")}
        columns = match(deals.file, table) | linked
        proposal.plans.append(TablePlan(table, deals.file, columns))
        proposal.unplaced.append(
            f"{deals.file.name}: there is no file of leads, so each deal counts as a lead"
        )


def _add_id_and_time(exports: Exports, file: ExportFile, columns: dict[str, str]) -> None:
    """An id from a column that is unique, a creation from a full time column."""
    seen = {header: exports.values(file, header) for header in file.headers}
    unique = [header for header in file.headers if seen[header].distinct == file.rows > 0]
    if columns.get("lead_id") not in unique:
        columns.pop("lead_id", None)
    by_name = [header for header in unique if _ID.search(header.strip())]
    by_email = [header for header in unique if header == columns.get("email")]
    first = [header for header in file.headers[:1] if header in unique]
    if "lead_id" not in columns and (found := by_name or by_email or first):
        columns["lead_id"] = found[0]
    if "created_at" not in columns and (times := _full_times(exports, file)):
        columns["created_at"] = next(filter(_CREATED.search, times), times[0])


def _full_times(exports: Exports, file: ExportFile) -> list[str]:
    """The headers whose every row has a time; a small number alone is none."""
    found = []
    for header in file.headers:
        values = exports.values(file, header)
        is_full = values.filled >= 0.95 * file.rows > 0
        is_number = all(_NO_TIME.fullmatch(text) for text in values.texts)
        if is_full and not is_number and exports.times(file, header).share > 0.95:
            found.append(header)
    return found


def _place_by_values(
    exports: Exports, proposal: Proposal, leads: TablePlan, vocabulary: Vocabulary
) -> None:
    """Place files by what they hold: rows about leads, each with a time, and stages or kinds."""
    used = {plan.file for plan in proposal.plans}
    for file in exports.files:
        if file in used:
            continue
        shares = exports.shares_found(file, {"": _ids_of_leads(leads)})
        link = best_link(shares)
        times = [header for header in _full_times(exports, file) if header != link]
        if not link or not times:
            continue
        words = _words(exports, file, {link, *times})
        stages = _known(words, lambda text: vocabulary.stage(text, proposal.crm))
        kinds = _known(words, lambda text: event_meaning(text, vocabulary))
        if stages and not proposal.plan("stage_changes"):
            table, columns = "stage_changes", _stage_columns(file, stages)
            if reason := header_for(file, "leads", "(reason)"):
                columns["reason"] = reason
            time = "changed_at"
        elif kinds or _meaning_of_name(file, vocabulary):
            columns = {"kind": kinds[0]} if kinds else {}
            table, time = "activities", "occurred_at"
        else:
            continue
        columns |= {"lead_id": link, time: times[0]}
        proposal.plans.append(TablePlan(CONTRACT_TABLES[table], file, columns))


def _words(exports: Exports, file: ExportFile, apart_from: set[str]) -> dict[str, Values]:
    """The columns of a file that hold few different texts."""
    headers = (header for header in file.headers if header not in apart_from)
    found = {header: exports.values(file, header) for header in headers}
    return {header: seen for header, seen in found.items() if 0 < seen.distinct <= _MOST_WORDS}


def _known(words: Mapping[str, Values], is_known: Callable[[str], object]) -> list[str]:
    """The columns most of whose rows have a text that is known."""
    return [
        header
        for header, seen in words.items()
        if sum(rows for text, rows in seen.rows.items() if is_known(text)) > LINKED * seen.filled
    ]


def _stage_columns(file: ExportFile, stages: list[str]) -> dict[str, str]:
    """The stage before and after, of headers whose values are stages: as named, else in order."""
    named = match(file, CONTRACT_TABLES["stage_changes"])
    after = named.get("to_stage")
    columns = {"to_stage": after if after in stages else stages[-1]}
    if before := next((header for header in stages if header != columns["to_stage"]), None):
        columns["from_stage"] = before
    return columns


def _find_stages(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """A history whose header does not tell the stage tells it by its values, or is none."""
    plan = proposal.plan("stage_changes")
    if not plan or "to_stage" in plan.columns:
        return
    words = _words(exports, plan.file, set(plan.columns.values()))
    stages = _known(words, lambda text: vocabulary.stage(text, proposal.crm))
    if stages:
        plan.columns |= _stage_columns(plan.file, stages)
    else:
        proposal.plans.remove(plan)
        proposal.unplaced.append(
            f"{plan.file.name}: looks like stage_changes, but no column of it has stages"
        )


def _ids_of_leads(leads: TablePlan) -> str:
    """A query of the leads' ids and of those merged into them, as links are compared with them."""
    cell, table = leads.file.column(leads.columns["lead_id"]), leads.file.table
    query = f"select {id_key(cell)} as key from {table}"
    if leads.merged_ids:
        listed = readings.macros().listed_values(leads.file.column(leads.merged_ids))
        query += (
            f" union all select {id_key('id')} from (select unnest({listed}) as id from {table})"
        )
    return query


def _tell_events_apart(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Read what people did as activities, and what leads did as engagements."""
    for plan in [plan for plan in proposal.plans if plan.table.name in _EVENTS]:
        proposal.plans.remove(plan)
        proposal.plans += _event_plans(exports, proposal, plan, vocabulary)


def _event_plans(
    exports: Exports, proposal: Proposal, plan: TablePlan, vocabulary: Vocabulary
) -> list[TablePlan]:
    """The plans of one file of events: by the kinds in a column of it, else by its name."""
    file = plan.file
    header = plan.columns.get("kind") or match(file, CONTRACT_TABLES["activities"]).get("kind")
    by_name = _events_of_one_kind(plan, vocabulary)
    if not header and by_name.constants.get("kind", "task") == "task":
        header = _telling_subject(exports, file, vocabulary)
    texts = exports.values(file, header).texts if header else []
    if not header or not texts or len(texts) > _MOST_WORDS:
        return [by_name]
    meanings = {text: event_meaning(text, vocabulary) for text in texts}
    kinds = {meaning.kind for meaning in meanings.values() if meaning}
    if not kinds and by_name.constants:
        return [by_name]
    if kinds & {"email_opened", "email_clicked", "email_bounced"} and "rep_id" not in plan.columns:
        # Beside opens and bounces, and of nobody: sent by a machine.
        automated = EventMeaning("activities", "automated_email")
        by_hand = EventMeaning("activities", "email")
        meanings = {it: automated if found == by_hand else found for it, found in meanings.items()}
    unknown = [text for text, meaning in meanings.items() if meaning is None]
    if unknown:
        proposal.unplaced.append(
            f"{plan.about('kind')}: not known: {', '.join(sorted(unknown)[:20])}"
        )
    tables = {text: it.table if it else plan.table.name for text, it in meanings.items()}
    found = []
    for table in _EVENTS:
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


def _telling_subject(exports: Exports, file: ExportFile, vocabulary: Vocabulary) -> str | None:
    """The header of subjects, where these are kinds: Call, Email: hello."""
    subject = header_for(file, "activities", "(subject)")
    words = _words(exports, file, set(file.headers) - {subject})
    return next(iter(_known(words, lambda text: event_meaning(text, vocabulary))), None)


def _meaning_of_name(file: ExportFile, vocabulary: Vocabulary) -> EventMeaning | None:
    """What every row of a file is, if its name tells: calls, bounces."""
    words = (word for word in re.split(r"[\W_]+", file.stem) if not _SAYS_NOTHING(word))
    return event_meaning(" ".join(words), vocabulary)


def _events_of_one_kind(plan: TablePlan, vocabulary: Vocabulary) -> TablePlan:
    """A file without a column of kinds, as far as its name tells what it is about."""
    meaning = _meaning_of_name(plan.file, vocabulary)
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


def _link(exports: Exports, proposal: Proposal, plan: TablePlan, leads: TablePlan) -> None:
    """Point a table at the leads by the column whose values are found in them most often.

    Where their ids are not enough, by another key of theirs: an address, what they became.
    """
    own = plan.columns.get("lead_id")
    keys = {"": _ids_of_leads(leads)}
    for header in leads.file.headers:
        values = exports.values(leads.file, header)
        is_key = 0.9 * values.filled <= values.distinct > 0 and _KEYS.search(header.strip())
        if is_key and header != leads.columns["lead_id"]:
            keys[header] = (
                f"select lower(trim({leads.file.column(header)})) as key from {leads.file.table}"
            )
    shares = exports.shares_found(plan.file, keys)
    # An event needs no id of its own, and what looks like it may be the lead's.
    by_itself = plan.columns.get(next(iter(plan.table.columns)))
    taken = set(plan.columns.values()) - {own}
    if "lead_id" in plan.table.required:
        taken -= {by_itself}
    best = best_link(shares, own, taken)
    if best != own and best:
        plan.columns = {name: used for name, used in plan.columns.items() if used != best}
        plan.columns["lead_id"] = own = best

    def direct(header: str) -> float:
        return shares[header].get("", 0.0)

    # What a lead became is found by the record's own id, whatever else that is.
    pairs = [
        (share, header, name)
        for header, found in shares.items()
        if header not in taken or header == by_itself
        for name, share in found.items()
        if name
    ]
    if own and direct(own) >= _HELPS:
        pairs = [pair for pair in pairs if pair[1] == own and pair[0] >= _HELPS and direct(own) < 1]
    share, header, name = max(pairs, default=(0.0, "", ""))
    if name and (share >= LINKED or header == own):
        plan.columns["lead_id"] = own = header
        plan.lookups["lead_id"] = _lookup(leads.file, name, leads.columns["lead_id"])
        shares[header][""] = min(1.0, direct(header) + share)
    target = f"{leads.columns['lead_id']} of {leads.file.name}"
    if own is None:
        proposal.unplaced.append(f"{plan.about('lead_id')}: no column points to {target}")
    elif direct(own) < 0.9:
        proposal.unplaced.append(
            f"{plan.about('lead_id')}: only {direct(own):.0%} of {own} are found in {target}"
        )
    if own is None or direct(own) == 0:
        plan.columns.pop("lead_id", None)


def best_link(
    shares: Mapping[str, Mapping[str, float]], own: str | None = None, taken: Set[str] = frozenset()
) -> str | None:
    """The header that points to the leads: as named, if enough of its values are there.

    Small numbers are found among ids by chance: a header that is called like a link goes first.
    """
    if own and shares[own].get("", 0.0) >= LINKED:
        return own
    linked = [it for it in shares if it not in taken and shares[it].get("", 0.0) >= LINKED]
    return max(
        linked, key=lambda it: (bool(_LINKS.search(it.strip())), shares[it][""]), default=own
    )


def _lookup(file: ExportFile, key_header: str, value: str) -> dict[str, Any]:
    name: Any = file.pattern or (file.names[0] if len(file.names) == 1 else list(file.names))
    found = {"file": name, "key": key_header, "value": value}
    return found | ({"sheet": file.sheet} if file.sheet else {})


def _drop_unlinked(proposal: Proposal, leads: TablePlan) -> None:
    """A table about leads that names none of them can't be read; a deal may have none."""
    for plan in list(proposal.plans):
        if "lead_id" in plan.table.required and "lead_id" not in plan.columns:
            proposal.plans.remove(plan)
            proposal.unplaced.append(
                f"{plan.file.name}: looks like {plan.table.name}, but names no lead of "
                f"{leads.file.name}; it is not read"
            )


def _name_owners(exports: Exports, proposal: Proposal) -> None:
    """Where owners are names or addresses and the users have ids, look the ids up."""
    reps = proposal.plan("reps")
    if not reps:
        return
    headers = [
        reps.columns["rep_id"],
        reps.columns.get("name"),
        header_for(reps.file, "reps", "(email)"),
    ]
    keys = {
        header: f"select {id_key(reps.file.column(header))} as key from {reps.file.table}"
        for header in headers
        if header
    }
    for plan in proposal.plans:
        for column in ("owner_id", "rep_id"):
            header = plan.columns.get(column)
            if plan is reps or not header:
                continue
            found = exports.shares_found(plan.file, keys)[header]
            best = max(
                found, key=lambda name: (found[name], name == headers[0]), default=headers[0]
            )
            if best and best != headers[0]:
                plan.lookups[column] = _lookup(reps.file, best, reps.columns["rep_id"])


def _leave_out_empty(exports: Exports, plan: TablePlan) -> None:
    """Rows about leads without a lead or a time are not read: tasks that are still open."""
    if plan.table.name in ("leads", "opportunities"):
        return
    for column in sorted(plan.table.required):
        header = plan.columns.get(column)
        if not header or header in plan.where:
            continue
        seen = exports.values_where(plan.file, header, plan.values_of_where)
        rows = exports.count(plan.file, plan.values_of_where)
        if 0 < seen.filled < rows:
            plan.where[header] = _FILLED
            plan.remarks[column] = f"{rows - seen.filled:,} rows without it are not read"
