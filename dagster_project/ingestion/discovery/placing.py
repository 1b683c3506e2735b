"""Which CRM an export comes from, which file is which table, which header is which column.

Files and columns are told apart by their names; what they point to, and what names do not tell, is
decided by the values.
"""

import functools
import itertools
import re
from collections import Counter

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.ingestion.discovery.events import (
    EVENTS,
    columns_of_kinds,
    known_columns,
    meaning_of_name,
    tell_events_apart,
    words_of,
)
from dagster_project.ingestion.discovery.exports import ExportFile, Exports
from dagster_project.ingestion.discovery.links import (
    LINKED,
    drop_unlinked,
    keys_of_leads,
    leave_out_repeated_ids,
    link_through_file,
    link_to_leads,
    name_owners,
)
from dagster_project.ingestion.discovery.plans import (
    UNKNOWN_CRM,
    Proposal,
    TablePlan,
    header_for,
    match,
    reason_header,
)
from dagster_project.ingestion.discovery.values import (
    Vocabulary,
    crm_labels,
    key,
    known_headers,
    known_keys,
)
from dagster_project.ingestion.project_macros import macros

# So many headers of its own tell a CRM; one that it shares with another counts a quarter.
_TELLS = 1.5
# What the rows of a history have, whatever field has changed.
_OF_HISTORIES = ("lead_id", "changed_at")
_CREATED = re.compile(
    r"creat|add|first|since|sign|erstell|angelegt|crea|cree|作成|登録", re.IGNORECASE
)
_ID = re.compile(r"(id|no|nr|number|nummer|num[ée]ro|n[úu]mero|code|key|番号)\.?$", re.IGNORECASE)
# An id by a word anywhere: ID de l'objet, Datensatz.
_ID_WORD = re.compile(r"\b(id|guid|record|objet|registro)\b|datensatz|レコード", re.IGNORECASE)
# Ids that CRMs give, whatever their header: of Dynamics, of Salesforce.
_RECORD_ID = re.compile(
    r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?|(?=\w*\d)[a-z0-9]{15}([a-z0-9]{3})?",
    re.IGNORECASE,
)
# What numbers the records of a list: 1001, K007, LEAD-12.
_CODE = re.compile(r"[a-z]{0,6}[-_]?\d+", re.IGNORECASE)
_PHONE = re.compile(
    r"phone|telefon|t[ée]l[ée]phone|\b(tel|mobile?|handy|fax)\b|電話", re.IGNORECASE
)
_TITLE = re.compile(r"(deal|opportunity|potential|verkaufschance).*(name|title)", re.IGNORECASE)
_USER_ID = re.compile(r"005\w+")
# Of the company, not of the deal.
_HOME = re.compile(
    r"convert|company|home|base|firm|umgerechnet|entreprise|empresa|会社|換算", re.IGNORECASE
)
# Codes of currencies without a sign of their own.
_MORE_CURRENCIES = (
    "AED",
    "ARS",
    "BGN",
    "CHF",
    "CLP",
    "COP",
    "EGP",
    "IDR",
    "MAD",
    "MYR",
    "SAR",
    "ZAR",
)
_NO_TIME = re.compile(r"\d{1,8}([.,]\d+)?")


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
    _place_best(exports, proposal, vocabulary)
    if not proposal.plan("leads"):
        _find_leads(exports, proposal, vocabulary)
    if leads := proposal.plan("leads"):
        merged = header_for(leads.file, "leads", "(merged_ids)")
        leads.merged_ids = merged if merged and exports.values(leads.file, merged).texts else None
        _place_by_values(exports, proposal, leads, vocabulary)
        if "current_stage" not in leads.columns:
            words = words_of(exports, leads.file, set(leads.columns.values()))
            stages = known_columns(words, lambda text: vocabulary.is_stage(text, proposal.crm))
            leads.columns |= {"current_stage": stages[0]} if stages else {}
    _share_history(exports, proposal)
    _find_stages(exports, proposal, vocabulary)
    tell_events_apart(exports, proposal, vocabulary)
    if leads:
        for plan in proposal.plans:
            if plan is not leads and "lead_id" in plan.table.columns:
                link_to_leads(exports, proposal, plan, leads)
        drop_unlinked(proposal, leads)
        _tell_addresses(exports, proposal, leads)
    leave_out_repeated_ids(exports, proposal)
    name_owners(exports, proposal)
    if deals := proposal.plan("opportunities"):
        link_through_file(exports, proposal, deals)
        _find_currency(exports, deals)
    if history := proposal.plan("owner_changes"):
        former = header_for(history.file, "owner_changes", "(previous)")
        history.previous_owner = former or history.previous_owner
    for plan in proposal.plans:
        _leave_out_empty(exports, plan)


def _place_best(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Give each table the file that fits it best, each file at most one table."""
    offers = []
    for file, table in itertools.product(exports.files, CONTRACT_TABLES.values()):
        columns = match(file, table)
        score = _score(file, table, columns)
        if score > 0 and table.name in ("leads", "opportunities"):
            _complete(exports, file, table, columns)
        # What links to the leads, and the kind of an event, is found by the values.
        found_later = {"lead_id", "kind"} - ({"lead_id"} if table.name == "leads" else set())
        is_whole = table.required - found_later <= columns.keys()
        if table.name == "leads":
            is_whole = is_whole and _are_leads(exports, proposal, file, columns, vocabulary)
        if score > 0 and is_whole:
            offers.append((score, file.rows, TablePlan(table, file, columns)))
    used: set[ExportFile] = set()
    for _, _, plan in sorted(offers, key=lambda offer: (-offer[0], -offer[1])):
        is_free = plan.table.name in EVENTS or not proposal.plan(plan.table.name)
        if plan.table.name == "leads" and plan.file in proposal.spare:
            continue
        if plan.file not in used and is_free:
            used.add(plan.file)
            proposal.plans.append(plan)
        elif not is_free:
            proposal.spare.setdefault(plan.file, plan.table.name)


def _score(file: ExportFile, table: ContractTable, columns: dict[str, str]) -> float:
    """How well a file fits a table; 0 when neither its name nor its headers tell."""
    known = known_headers().get(table.name, {})
    present = {key(header) for header in file.headers}
    telling = len(known_keys(table.name, "(header)") & present)
    stem, words = file.stem.casefold(), _words_of(file.stem)
    own = len({key(name) for name in table.columns} & present)
    names = known.get("(name)", [])
    named = next((len(names) - at for at, name in enumerate(names) if name in words), 0)
    if _is_named(file, table.name, "(not)") and own < 3:
        return 0
    if not telling and not named and own < 3:
        return 0
    first = named / (len(names) + 1)
    return (
        (4 + first if named else 0) + 20 * (stem == table.name) + 2 * telling + len(columns) + own
    )


def _are_leads(
    exports: Exports,
    proposal: Proposal,
    file: ExportFile,
    columns: dict[str, str],
    vocabulary: Vocabulary,
) -> bool:
    """Whether the rows of a file are people or companies that may become customers.

    Its name says so; else each row has an id of its own, which is not that of something else, and
    there is what only leads have: a header of theirs, or stages.
    """
    if _is_named(file, "leads", "(name)"):
        return True
    record = columns["lead_id"]
    other = set(known_headers()["leads"]["(other)"])
    if other & (_words_of(file.stem) | _words_of(record)):
        return False
    present = {key(header) for header in file.headers}
    if not present.isdisjoint(_own_headers_of_leads()) and present.isdisjoint(_headers_of_events()):
        return True
    is_contract = present >= {key(name) for name in CONTRACT_TABLES["leads"].required}
    words = words_of(exports, file, {record, columns["created_at"]})
    stages = known_columns(words, lambda text: vocabulary.is_stage(text, proposal.crm))
    return 2 * exports.values(file, record).distinct > file.rows and bool(is_contract or stages)


@functools.cache
def _own_headers_of_leads() -> set[str]:
    """Headers that only leads have; all people have a name and an address."""
    columns = ("owner_id", "current_stage", "(status)")
    labels = {key(it) for column in columns for it in crm_labels("leads", column)}
    return labels | known_keys("leads", "(own)")


def _headers_of_events() -> frozenset[str]:
    """Headers that only rows about leads have, which may name the lead's owner and status, too."""
    tables = ("activities", "stage_changes", "opportunities")
    return frozenset[str]().union(*(known_keys(table, "(header)") for table in tables))


def _words_of(text: str) -> set[str]:
    return {*re.split(r"[\W_\d]+", text.casefold()), text.casefold()}


def _is_named(file: ExportFile, table: str, role: str) -> bool:
    """Whether a file's name has a word that is known to play a role for a table."""
    return not _words_of(file.stem).isdisjoint(known_headers().get(table, {}).get(role, []))


def _share_history(exports: Exports, proposal: Proposal) -> None:
    """One history of several fields: stage changes and owner changes are rows of it."""
    plan = proposal.plan("stage_changes") or proposal.plan("owner_changes")
    header = plan.file.header_of(known_headers()["history"]["field"]) if plan else None
    if not plan or not header:
        return
    fields = exports.values(plan.file, header).texts
    for table, names in _fields_of_history().items():
        found: list[str] = [text for text in fields if key(text) in names]
        other = proposal.plan(table)
        if other and other.file is not plan.file:
            continue
        if other:
            proposal.plans.remove(other)
        if found:
            contract = CONTRACT_TABLES[table]
            by_values = {it: plan.columns[it] for it in _OF_HISTORIES if it in plan.columns}
            columns = match(plan.file, contract) | by_values
            columns.pop("change_id", None)
            if table == "owner_changes" and "to_stage" in plan.columns:
                # The new value of any field is in one column, and so is the former one.
                columns.setdefault("owner_id", plan.columns["to_stage"])
            history = TablePlan(contract, plan.file, columns, where={header: found})
            proposal.plans.append(history)
            if table == "owner_changes":
                history.previous_owner = plan.columns.get("from_stage")
                _read_owner_history(exports, history)


def _fields_of_history() -> dict[str, frozenset[str]]:
    """By table: the fields whose changes it has, as ``key`` writes them."""
    stages = known_keys("history", "stage") | known_keys("leads", "current_stage", "(status)")
    owners = known_keys("history", "owner") | known_keys("leads", "owner_id")
    return {"stage_changes": stages, "owner_changes": owners}


def _logs_stages(exports: Exports, file: ExportFile) -> bool:
    """Whether a file is a log of several fields, a stage among them."""
    header = file.header_of(known_headers()["history"]["field"])
    stages = _fields_of_history()["stage_changes"]
    fields = exports.values(file, header).texts if header else []
    return any(key(text) in stages for text in fields)


def _read_owner_history(exports: Exports, plan: TablePlan) -> None:
    """Salesforce logs a change of owner twice: by name and by id, which is the one to read."""
    kinds = plan.file.header_of(["DataType", "Data Type"])
    if kinds and "EntityId" in exports.values(plan.file, kinds).texts:
        plan.where[kinds] = ["EntityId"]
        return
    owner = plan.columns.get("owner_id")
    texts = exports.values_where(plan.file, owner, plan.values_of_where).texts if owner else []
    ids = [text for text in texts if _USER_ID.fullmatch(text)]
    if owner and 0 < len(ids) < len(texts):
        plan.where[owner] = sorted(ids)


def _find_leads(exports: Exports, proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Without a file that is known as leads: one that no table has, if its values tell."""
    table = CONTRACT_TABLES["leads"]
    used = {plan.file for plan in proposal.plans} | {*proposal.spare}
    free = [file for file in exports.files if file not in used]
    for file in sorted(free, key=lambda file: -file.rows):
        columns = match(file, table)
        _complete(exports, file, table, columns)
        is_whole = table.required <= columns.keys()
        if is_whole and _are_leads(exports, proposal, file, columns, vocabulary):
            proposal.plans.append(TablePlan(table, file, columns))
            return


def _complete(
    exports: Exports, file: ExportFile, table: ContractTable, columns: dict[str, str]
) -> None:
    """An id from a column that is unique, a creation from a full time column."""
    record_id = table.columns[0]
    if record_id in columns and _ID.search(columns[record_id]) and "created_at" in columns:
        return
    unique = [it for it in file.headers if exports.values(file, it).distinct == file.rows > 0]
    if columns.get(record_id) not in unique:
        columns.pop(record_id, None)
    by_name = [it for it in unique if _ID.search(it.strip()) and not _PHONE.search(it)]
    taken = {*columns.values()}
    by_value = [it for it in unique if it not in taken and _has_ids(exports, file, it)]
    by_email = [header for header in unique if header == columns.get("email")]
    by_title = [header for header in unique if _TITLE.search(header)]
    first = [header for header in file.headers[:1] if header in unique]
    if record_id not in columns and (found := by_name or by_value or by_email or by_title or first):
        columns[record_id] = found[0]
    if "created_at" not in columns and (times := _full_times(exports, file)):
        columns["created_at"] = next(filter(_CREATED.search, times), times[0])


def _tell_addresses(exports: Exports, proposal: Proposal, leads: TablePlan) -> None:
    """Say that ids are shown where people's addresses are not."""
    header = leads.columns["lead_id"]
    texts = exports.values(leads.file, header).texts
    if 2 * sum("@" in text for text in texts) > len(texts):
        proposal.unplaced.append(
            f"{leads.about('lead_id')}: {header} has mail addresses, and ids are shown in marts, "
            "logs and alerts; export the record id of the CRM, and name it instead"
        )


def _has_ids(exports: Exports, file: ExportFile, header: str) -> bool:
    """Whether the values of a unique column are ids, by what they look like.

    A code is one under a header that says so, or in the first column; there, the numbers from one
    only count the rows of this export.
    """
    texts = exports.values(file, header).texts
    if _PHONE.search(header):
        return False
    if all(_RECORD_ID.fullmatch(text) for text in texts):
        return True
    if exports.times(file, header).share > LINKED:
        return False
    if _ID_WORD.search(header):
        return not any(re.search(r"[\s@]", text) for text in texts)
    is_first = header == file.headers[0] and all(_CODE.fullmatch(text) for text in texts)
    return is_first and {*texts} != {str(at + 1) for at in range(len(texts))}


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
        shares = exports.shares_found(file, keys_of_leads(exports, leads))
        pointing = {it for it in shares if max(shares[it].values(), default=0) >= LINKED}
        times = [header for header in _full_times(exports, file) if header not in pointing]
        if not pointing or not times:
            continue
        words = words_of(exports, file, {*pointing, *times})
        stages = known_columns(words, lambda text: vocabulary.is_stage(text, proposal.crm))
        kinds = columns_of_kinds(file, words, vocabulary)
        named = match(file, CONTRACT_TABLES["stage_changes"])
        if "to_stage" in named and _logs_stages(exports, file):
            stages = [named[it] for it in ("from_stage", "to_stage") if it in named]
        if stages and not proposal.plan("stage_changes"):
            table, columns = "stage_changes", _stage_columns(file, stages)
            if reason := reason_header(file):
                columns["reason"] = reason
            time = "changed_at"
        elif _is_named(file, "activities", "(not)"):
            continue
        elif kinds or meaning_of_name(file, vocabulary):
            table, time = "activities", "occurred_at"
            named = match(file, CONTRACT_TABLES[table])
            columns = {it: named[it] for it in ("rep_id", "direction") if it in named}
            columns |= {"kind": kinds[0]} if kinds else {}
        else:
            continue
        columns[time] = times[0]
        proposal.plans.append(TablePlan(CONTRACT_TABLES[table], file, columns))


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
    words = words_of(exports, plan.file, set(plan.columns.values()))
    stages = known_columns(words, lambda text: vocabulary.is_stage(text, proposal.crm))
    if stages:
        plan.columns |= _stage_columns(plan.file, stages)
    else:
        proposal.plans.remove(plan)
        proposal.unplaced.append(
            f"{plan.file.name}: looks like stage_changes, but no column of it has stages"
        )


def _find_currency(exports: Exports, deals: TablePlan) -> None:
    """The currency of amounts: as named, else a column of codes or signs, next to them at best."""
    amount = deals.columns.get("amount")
    if not amount:
        return
    if key(amount) in known_keys("opportunities", "(home_amount)"):
        deals.columns.pop("currency", None)
        return
    if "currency" in deals.columns:
        return
    signs, shared = macros().currency_signs(), macros().shared_signs()
    known = {*signs, *signs.values(), *shared, *_MORE_CURRENCIES}.union(*shared.values())
    found = []
    for header in deals.file.headers:
        values = exports.values(deals.file, header)
        rows = sum(count for text, count in values.rows.items() if text in known)
        is_free = header not in deals.columns.values() and not _HOME.search(header)
        if is_free and rows >= 0.95 * values.filled > 0:
            found.append(header)
    if found:
        at = deals.file.headers.index
        nearest = min(found, key=lambda header: abs(at(header) - at(amount)))
        deals.columns["currency"] = nearest
        deals.remarks["currency"] = "by its values"


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
            plan.where[header] = "filled"
            plan.remarks[column] = f"{rows - seen.filled:,} rows without it are not read"
