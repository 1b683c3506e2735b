"""Which columns link the tables of an export: to the leads, and from owners to users."""

import itertools
import re
from collections.abc import Mapping, Set
from typing import Any

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.ingestion.discovery.exports import ExportFile, Exports
from dagster_project.ingestion.discovery.plans import Proposal, TablePlan, header_for
from dagster_project.ingestion.discovery.values import key, known_headers, known_keys, names_of
from dagster_project.ingestion.files.resources import id_key
from dagster_project.ingestion.project_macros import macros

# A column links to another when at least this share of its rows is there.
LINKED = 0.5
# A lookup helps when it finds this share of the rows more.
_HELPS = 0.02
# What may hold another key of a lead: an address, a name, the id of what it became.
_KEYS = re.compile(
    r"id$|mail|name|contact|company|account|firma|société|メール|氏名|会社", re.IGNORECASE
)
_NAMES_A_LEAD = re.compile(
    r"lead|contact|person|customer|client|prospect|who|kontakt|kunde|parent", re.IGNORECASE
)
_LINKS = re.compile(r"ids?$|lead|contact|person|customer|kontakt|kunde|who|mail|ref", re.IGNORECASE)

# Columns of these have no ids of their own: a record's id is the lead's.
_HISTORIES = ("stage_changes", "owner_changes")
_OWNER = re.compile(
    r"owner|agent\b|user|\brep\b|assigned|zuständig|besitzer|inhaber|propri|responsable|担当者|所有者",
    re.IGNORECASE,
)
_OTHER_OBJECT = re.compile(
    r"deal|opportunit|potential|account|compan|organi[sz]ation|campaign|activity|call|meeting|task",
    re.IGNORECASE,
)
_DEAL = re.compile(r"deal|opportunit|potential", re.IGNORECASE)
# The name of users that have it in two columns.
_JOINED = "(first and last name)"
# Larger numbers are not found among others by chance.
_SMALL = 1_000_000


def ids_of_leads(leads: TablePlan) -> str:
    """A query of the leads' ids and of those merged into them, as links are compared with them."""
    cell, table = leads.file.column(leads.columns["lead_id"]), leads.file.table
    query = f"select {id_key(cell)} as key from {table}"
    if leads.merged_ids:
        listed = macros().listed_values(leads.file.column(leads.merged_ids))
        query += (
            f" union all select {id_key('id')} from (select unnest({listed}) as id from {table})"
        )
    return query


def keys_of_addresses(leads: TablePlan) -> str:
    """A query of the leads' mail addresses, as texts are compared with them."""
    cell = leads.file.column(leads.columns["email"])
    return f"select lower(trim({cell})) as key from {leads.file.table} where trim({cell}) <> ''"


def keys_of_leads(exports: Exports, leads: TablePlan) -> dict[str, str]:
    """Queries of what points to a lead: its ids, under no name, and its other keys by header."""
    keys = {"": ids_of_leads(leads)}
    for header in leads.file.headers:
        values = exports.values(leads.file, header)
        named = header.strip().casefold()
        is_named = _KEYS.search(named) or named.endswith(("person", "kontakt", "cliente"))
        is_key = 0.9 * values.filled <= values.distinct > 0 and is_named
        if is_key and header != leads.columns["lead_id"]:
            cell = leads.file.column(header)
            keys[header] = f"select lower(trim({cell})) as key from {leads.file.table}"
    return keys


def link_to_leads(exports: Exports, proposal: Proposal, plan: TablePlan, leads: TablePlan) -> None:
    """Point a table at the leads by the column whose values are found in them most often.

    Where their ids are not enough, by another key of theirs: an address, what they became.
    """
    named = own = plan.columns.get("lead_id")
    keys = keys_of_leads(exports, leads)
    shares = exports.shares_found(plan.file, keys)
    guesses = _take_out_chance(exports, plan, leads, keys, shares)
    if own and not shares[own] and own in guesses:
        own = None
    # An event needs no id of its own, and what looks like it may be the lead's.
    by_itself = plan.columns.get(next(iter(plan.table.columns)))
    taken = set(plan.columns.values()) - {own}
    if "lead_id" in plan.table.required:
        taken -= {by_itself}
    own = best_link(shares, own, taken | _own_ids(exports, plan))

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
        own = header
        plan.lookups["lead_id"] = lookup(leads.file, name, leads.columns["lead_id"])
        shares[header][""] = min(1.0, direct(header) + share)
    own = own or best_link(shares, None, taken)
    # One deal of each lead may go by the lead's own id.
    is_leads = by_itself is not None and _is_id_of_leads(by_itself, leads)
    if own is None and by_itself and is_leads and direct(by_itself) >= LINKED:
        plan.columns["lead_id"] = by_itself
        return
    if own is None and "email" in leads.columns:
        addresses = exports.shares_addressed(plan.file, keys_of_addresses(leads))
        best = max(addresses, key=lambda header: addresses[header])
        if addresses[best] >= LINKED:
            plan.addressed, plan.columns["lead_id"] = leads, best
            return
    target = f"{leads.columns['lead_id']} of {leads.file.name}"
    if own is None:
        proposal.unplaced.append(f"{plan.about('lead_id')}: no column points to {target}")
    elif direct(own) < 0.9:
        proposal.unplaced.append(
            f"{plan.about('lead_id')}: only {direct(own):.0%} of {own} are found in {target}"
        )
    if own is None or direct(own) == 0:
        plan.columns.pop("lead_id", None)
        proposal.unplaced += [
            f"{plan.about('lead_id')}: a guess to make: {header} is found in "
            f"{name or leads.columns['lead_id']} of {leads.file.name}, as running numbers are by "
            "chance; name it if it means the lead"
            for header, name in guesses.items()
        ]
        return
    if own != named and "lead_id" not in plan.lookups:
        plan.columns = {name: used for name, used in plan.columns.items() if used != own}
    plan.columns["lead_id"] = own


def _is_id_of_leads(header: str, leads: TablePlan) -> bool:
    """Whether a header is called like the leads' ids, and not like those of any record."""
    tables = (("leads", "lead_id"), ("opportunities", "opportunity_id"))
    of_leads, of_deals = ({key(name) for name in names_of(*it)} for it in tables)
    return key(header) == key(leads.columns["lead_id"]) not in of_leads & of_deals


def _take_out_chance(
    exports: Exports,
    plan: TablePlan,
    leads: TablePlan,
    keys: Mapping[str, str],
    shares: Mapping[str, dict[str, float]],
) -> dict[str, str]:
    """Take out what is no link: columns of owners, and running numbers found by chance.

    Of the latter, what is called like an id is returned, with the key that it is found in.
    """
    tables = known_headers().keys() - {"reps"}
    owners = frozenset().union(*(known_keys(table, "owner_id", "rep_id") for table in tables))
    ids = {key(leads.columns["lead_id"]), key(plan.columns.get("lead_id", ""))}
    guesses: dict[str, str] = {}
    for header, found in shares.items():
        if key(header) not in ids and (key(header) in owners or _OWNER.search(header)):
            found.clear()
        by_chance = [
            name
            for name in found
            if not _is_told(exports, plan, leads, header, name, set(found))
            and _are_running_numbers(exports, plan.file, header, keys[name])
        ]
        for name in by_chance:
            share = found.pop(name)
            if share >= LINKED and _LINKS.search(header.strip()):
                guesses.setdefault(header, name)
    return guesses


def _is_told(
    exports: Exports,
    plan: TablePlan,
    leads: TablePlan,
    header: str,
    name: str,
    names: Set[str],
) -> bool:
    """Whether its header says that a column points to the leads, or to this key of theirs.

    ``names``: the keys in which it is found; one that is called the same goes before the others.
    """
    same = {it for it in names if it and key(it) == key(header)}
    if same:
        return name in same
    names_a_lead = bool(_NAMES_A_LEAD.search(header))
    if name:
        # The id of a deal may be called Id, and what a lead became, Converted Deal ID.
        is_deal = header == plan.columns.get("opportunity_id")
        other = _DEAL.search(name) if is_deal else _OTHER_OBJECT.search(header)
        is_other = bool(other and other[0].casefold() in name.casefold())
        return is_other or (names_a_lead and bool(_NAMES_A_LEAD.search(name)))
    if names_a_lead:
        return True
    if other := _OTHER_OBJECT.search(header):
        return other[0].casefold() in leads.columns["lead_id"].casefold()
    is_own = header in _own_ids(exports, plan) and plan.table.name not in _HISTORIES
    return header == plan.columns.get("lead_id") and not is_own


def _are_running_numbers(exports: Exports, file: ExportFile, header: str, query: str) -> bool:
    """Whether a column has numbers of which these keys have most, whatever they count."""
    cell = f"trim({file.column(header)})"
    ((is_numbers, most),) = exports.connection.execute(
        f"""
        with cells as (select {cell} as cell from {file.table} where {cell} <> ''),
        span as (
            select
                count(try_cast(cell as bigint)) >= 0.9 * count(*) as is_numbers,
                min(try_cast(cell as bigint)) as low,
                max(try_cast(cell as bigint)) as high
            from cells
        ),
        keys as (select distinct try_cast(key as bigint) as number from ({query}))
        select
            any_value(span.is_numbers and span.high <= {_SMALL}),
            count(keys.number) / (any_value(span.high - span.low) + 1)
        from span
        left join keys on keys.number between span.low and span.high
        """
    ).fetchall()
    return bool(is_numbers) and most >= LINKED


def _own_ids(exports: Exports, plan: TablePlan) -> set[str]:
    """Columns that number the rows of a file: found among the leads' ids by chance."""
    return {
        header
        for header in plan.file.headers
        if exports.values(plan.file, header).distinct == plan.file.rows > 1
        and not _NAMES_A_LEAD.search(header.strip())
    }


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


def lookup(file: ExportFile, key_header: str, value: str) -> dict[str, Any]:
    """The setting that looks values up in another file."""
    found: dict[str, Any] = {"file": file.setting, "key": key_header, "value": value}
    return found | ({"sheet": file.sheet} if file.sheet else {})


def drop_unlinked(proposal: Proposal, leads: TablePlan) -> None:
    """A table about leads that names none of them can't be read; a deal may have none."""
    for plan in list(proposal.plans):
        if "lead_id" in plan.table.required and "lead_id" not in plan.columns:
            proposal.plans.remove(plan)
            proposal.unplaced.append(
                f"{plan.file.name}: looks like {plan.table.name}, but names no lead of "
                f"{leads.file.name}; it is not read"
            )


def leave_out_repeated_ids(exports: Exports, proposal: Proposal) -> None:
    """Files of a table that number their rows each for itself: together, these are no ids."""
    for name, plans in proposal.tables.items():
        column = next(iter(CONTRACT_TABLES[name].columns))
        numbered = [plan for plan in plans if column in plan.columns]
        repeated = [
            plan
            for pair in itertools.combinations(numbered, 2)
            if pair[0].file != pair[1].file and _repeat_ids(exports, *pair, column)
            for plan in pair
        ]
        if not repeated:
            continue
        files = ", ".join(dict.fromkeys(plan.file.name for plan in repeated))
        proposal.unplaced.append(
            f"{files}: {name}.{column} is left out, as the same ids are of other rows in each"
        )
        for plan in numbered:
            plan.columns.pop(column, None)


def _repeat_ids(exports: Exports, one: TablePlan, other: TablePlan, column: str) -> bool:
    """Whether two files have ids in common, most of them of rows of another kind or time."""
    time = next(it for it in ("occurred_at", column) if {it} <= {*one.columns} & {*other.columns})
    ((common, alike),) = exports.connection.execute(
        f"""
        select
            count(*),
            count(*) filter (
                one.{one.file.column(one.columns[time])}
                = other.{other.file.column(other.columns[time])}
            )
        from {one.file.table} as one
        inner join {other.file.table} as other
            on
                {id_key(f"one.{one.file.column(one.columns[column])}")}
                = {id_key(f"other.{other.file.column(other.columns[column])}")}
                and trim(one.{one.file.column(one.columns[column])}) <> ''
        """
    ).fetchall()
    is_one_kind = one.constants.get("kind") == other.constants.get("kind")
    return bool(common > 2 * alike * is_one_kind)


def name_owners(exports: Exports, proposal: Proposal) -> None:
    """Where owners are names or addresses and the users have ids, look the ids up.

    A name in two columns can't be looked up: where owners are such names, they are the ids.
    """
    reps = proposal.plan("reps")
    if not reps:
        return
    table, rep_id = reps.file.table, reps.columns["rep_id"]
    parts = tuple(
        filter(None, (header_for(reps.file, "reps", it) for it in ("(first_name)", "(last_name)")))
    )
    if "name" not in reps.columns and len(parts) == 2:
        reps.joined["name"] = parts
    keys = {"": f"select {id_key(reps.file.column(rep_id))} as key from {table}"}
    for named in (reps.columns.get("name"), header_for(reps.file, "reps", "(email)")):
        if named and named != rep_id:
            keys[named] = f"select lower(trim({reps.file.column(named)})) as key from {table}"
    if reps.joined:
        cells = ", ".join(f"trim({reps.file.column(header)})" for header in parts)
        keys[_JOINED] = f"select lower(concat_ws(' ', {cells})) as key from {table}"
    best_keys = set()
    for plan in proposal.plans:
        for column in ("owner_id", "rep_id"):
            header = plan.columns.get(column)
            if plan is reps or not header:
                continue
            found = exports.shares_found(plan.file, keys)[header]
            best: str = max(found, key=lambda name: (found[name], not name), default="")
            best_keys |= {best} if found else set()
            if best and best != _JOINED:
                plan.lookups[column] = lookup(reps.file, best, rep_id)
    if best_keys == {_JOINED}:
        reps.joined["rep_id"] = reps.joined["name"]
        del reps.columns["rep_id"]
        proposal.unplaced.append(
            f"{reps.about('rep_id')}: {' and '.join(parts)}, as owners are called so, not {rep_id}"
        )


def link_through_file(exports: Exports, proposal: Proposal, deals: TablePlan) -> None:
    """Deals that name no lead may do so in a file of their own, which has ids of both."""
    leads = proposal.plan("leads")
    if not leads or deals.columns.get("lead_id") or not deals.file.rows:
        return
    about, deal_id = deals.about("lead_id"), deals.columns["opportunity_id"]
    cell = f"lower(trim({deals.file.column(deal_id)}))"
    keys = {"": ids_of_leads(leads), "deal": f"select {cell} as key from {deals.file.table}"}
    for file in exports.files:
        if any(plan.file == file for plan in proposal.plans):
            continue
        shares = exports.shares_found(file, keys)
        lead, deal = (
            max(shares, key=lambda header: shares[header].get(name, 0.0)) for name in keys
        )
        if lead != deal and min(shares[lead].get("", 0), shares[deal].get("deal", 0)) >= LINKED:
            deals.columns["lead_id"] = deal_id
            deals.lookups["lead_id"] = lookup(file, deal, lead)
            proposal.unplaced = [it for it in proposal.unplaced if not it.startswith(about)]
            return
    at = next(at for at, line in enumerate(proposal.unplaced) if line.startswith(about))
    proposal.unplaced[at] += (
        ", so no lead has revenue; export the deals with their contacts, or a file of the ids of "
        "both"
    )
