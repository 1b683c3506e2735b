"""The tables of the export contract: those of the whole year, and those of a block of leads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.assumptions import Stage
from dagster_project.simulation.draws import Bools, Ints, Texts
from dagster_project.simulation.journal import NEVER, NOBODY, Journal
from dagster_project.simulation.leads import Leads
from dagster_project.simulation.working_time import DAY, HOUR, YEAR_END, ZONES
from dagster_project.simulation.world import World

MOMENT = pa.timestamp("s", tz="UTC")
TEXT = pa.string()

Events = dict[str, Any]
Columns = dict[str, pa.Array]


def ids(prefix: str, number: Ints, width: int = 7) -> pa.Array:
    """Ids such as L0000001; numbers below 1 have none."""
    digits = pc.utf8_lpad(pa.array(number, mask=number < 1).cast(TEXT), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def rep_ids(rep: Ints) -> pa.Array:
    """Ids of reps by position; nobody has none."""
    return ids("R", rep - NOBODY, 3)


def names(texts: Sequence[str] | Texts, place: Ints, missing: Bools | None = None) -> pa.Array:
    """Texts by place; missing ones are empty."""
    return pa.array(texts, TEXT).take(pa.array(place, mask=missing))


def moments(at: Ints) -> pa.Array:
    """Seconds since 1970 as moments."""
    return pa.array(at, mask=at == NEVER).cast(MOMENT)


def join(separator: str, *texts: pa.Array) -> pa.Array:
    """Texts joined row by row; empty where one of them is."""
    return pc.binary_join_element_wise(*texts, separator)


# --- Tables of the whole year --------------------------------------------------------------------


def rep_table(world: World) -> Columns:
    """The sales reps."""
    reps = world.team
    number = np.arange(len(reps))
    # Each round through the given names shifts the family names: no pair repeats within 750.
    round_number, given_name = np.divmod(number, len(given.GIVEN_NAMES))
    family_name = (number * 7 + round_number) % len(given.FAMILY_NAMES)
    return {
        "rep_id": rep_ids(number),
        "name": join(
            " ", names(given.GIVEN_NAMES, given_name), names(given.FAMILY_NAMES, family_name)
        ),
        "role": pa.array(np.where(reps.is_sdr, "sdr", "ae"), TEXT),
        "team": names(given.TEAMS.name, reps.team),
        "timezone": names(ZONES, reps.zone),
        "weekly_capacity": pa.array(reps.capacity),
        "is_active": pa.array(reps.is_active),
    }


def spend_table(world: World) -> Columns:
    """What each channel cost, by day: the leads expected of it, at their price, give or take."""
    rng = np.random.default_rng([world.seed, 2**32 - 1])
    expected = world.mix / world.mix.sum(axis=1, keepdims=True)
    cost = expected * world.day_weights[:, None] * world.leads * given.SOURCES.cost
    channels = list(dict.fromkeys(given.SOURCES.channel))
    by_channel = np.column_stack(
        [cost[:, given.SOURCES.channel == channel].sum(axis=1) for channel in channels]
    )
    cents = np.rint(by_channel * rng.lognormal(0.0, given.SPEND_NOISE, by_channel.shape) * 100)
    day, channel = np.nonzero(cents > 0)
    dates = np.datetime_as_string((world.scenario.start // DAY + day).astype("datetime64[D]"))
    return {
        "spend_date": pa.array(dates.tolist(), TEXT),
        "channel": names(channels, channel),
        "amount": pa.array(cents[day, channel] / 100),
    }


# --- Tables of a block ---------------------------------------------------------------------------


def block_tables(
    leads: Leads, journal: Journal, rng: np.random.Generator, rows: Mapping[str, int]
) -> dict[str, Columns]:
    """All tables that have rows of these leads; ``rows`` of each table are written already."""
    stages, owners = journal.table("stage_changes"), journal.table("owner_changes")
    activities, signals = journal.table("activities"), journal.table("engagements")
    deals = journal.table("opportunities")

    def numbered(prefix: str, table: str, events: Events) -> pa.Array:
        return ids(prefix, rows[table] + np.arange(1, len(events["lead"]) + 1))

    def lead_ids(events: Events) -> pa.Array:
        return ids("L", leads.number[events["lead"]] + 1)

    return {
        "leads": _lead_table(leads, stages, owners, rng),
        "stage_changes": {
            "change_id": numbered("C", "stage_changes", stages),
            "lead_id": lead_ids(stages),
            "changed_at": moments(stages["at"]),
            "from_stage": pa.array(_stage_before(stages), TEXT),
            "to_stage": pa.array(stages["stage"], TEXT),
            "reason": pa.array(stages["reason"], TEXT),
            "changed_by": pc.fill_null(rep_ids(stages["rep"]), "automation"),
        },
        "activities": {
            "activity_id": numbered("A", "activities", activities),
            "lead_id": lead_ids(activities),
            "rep_id": rep_ids(activities["rep"]),
            "kind": pa.array(activities["kind"], TEXT),
            "occurred_at": moments(activities["at"]),
            "direction": pa.array(activities["direction"], TEXT),
        },
        "engagements": {
            "engagement_id": numbered("E", "engagements", signals),
            "lead_id": lead_ids(signals),
            "kind": pa.array(signals["kind"], TEXT),
            "occurred_at": moments(signals["at"]),
            "channel": pa.array(signals["channel"], TEXT),
            "campaign": _campaigns(signals),
        },
        "opportunities": {
            "opportunity_id": numbered("O", "opportunities", deals),
            "lead_id": lead_ids(deals),
            "created_at": moments(deals["at"]),
            "amount": pa.array(deals["amount"]),
            "is_won": pa.array(deals["is_won"]),
            "closed_at": moments(deals["closed_at"]),
            "loss_reason": pa.array(deals["reason"], TEXT),
            "owner_id": rep_ids(deals["owner"]),
        },
        "owner_changes": {
            "lead_id": lead_ids(owners),
            "changed_at": moments(owners["at"]),
            "owner_id": rep_ids(owners["owner"]),
        },
    }


def _lead_table(leads: Leads, stages: Events, owners: Events, rng: np.random.Generator) -> Columns:
    """Leads as they are at the year's end."""
    count = len(leads)
    late = rng.random(count) < given.CREATED_LATE
    created_at = leads.created_at + late * rng.integers(2 * HOUR, 3 * DAY, count)
    created_at = np.minimum(created_at, YEAR_END - 1)
    last_change, stage = _last(stages, "stage", np.full(count, Stage.LEAD, dtype=object))
    last_owned, owner = _last(owners, "owner", np.full(count, NOBODY))
    stale = rng.random(count) < given.CURRENT_STAGE_STALE
    blank = rng.random(count) < given.BLANK_SOURCE_SHARE
    missing = {name: rng.random(count) < share for name, share in given.MISSING_SHARE.items()}
    company = _companies(leads.company)
    return {
        "lead_id": ids("L", leads.number + 1),
        "created_at": moments(created_at),
        "email": _emails(leads, company),
        "company": company,
        "title": names(given.TITLES.name, leads.title, missing["title"]),
        "employee_count": pa.array(leads.employees, mask=missing["employee_count"]),
        "industry": names(given.INDUSTRIES, leads.industry, missing["industry"]),
        "country": names(given.COUNTRIES.name, leads.country),
        "lead_source": names(given.SOURCES.name, leads.source, blank),
        "owner_id": rep_ids(owner),
        "current_stage": pa.array(np.where(stale, Stage.LEAD, stage), TEXT),
        "crm_score": pa.array(leads.crm_score, mask=missing["crm_score"]),
        "is_deleted": pa.array(leads.is_deleted),
        "merged_into_lead_id": ids(
            "L", np.where(leads.is_merged, leads.number[leads.merged_into] + 1, 0)
        ),
        "updated_at": moments(np.maximum.reduce([last_change, last_owned, created_at])),
    }


def _last(events: Events, column: str, value: Any) -> tuple[Ints, Any]:
    """Moment and value of each lead's last event; the given value for leads without one."""
    at = np.full(len(value), NEVER, dtype=np.int64)
    # Events are sorted by lead and time.
    ends = np.flatnonzero(np.diff(events["lead"], append=-1) != 0)
    at[events["lead"][ends]] = events["at"][ends]
    value[events["lead"][ends]] = events[column][ends]
    return at, value


def _companies(company: Ints) -> pa.Array:
    """Made-up names, different for different numbers as long as the syllables last."""
    parts = (given.NAME_STARTS, given.NAME_MIDDLES, given.NAME_ENDS, given.COMPANY_KINDS)
    sizes = tuple(len(part) for part in parts)
    # A step that shares no factor with the number of names visits each of them once.
    places = np.unravel_index(company * 104_729 % np.prod(sizes), sizes, order="F")
    words = [names(part, place) for part, place in zip(parts, places, strict=True)]
    return join(" ", join("", *words[:3]), words[3])


def _emails(leads: Leads, company: pa.Array) -> pa.Array:
    """Addresses in domains that are reserved for examples; a few private ones.

    A gmail.com name has at most 30 letters and digits: these are longer, so they can't exist.
    """
    given_name = names(given.GIVEN_NAMES, leads.given_name)
    family_name = names(given.FAMILY_NAMES, leads.family_name)
    local = pc.utf8_lower(join(".", given_name, family_name))
    domain = pc.replace_substring(pc.utf8_lower(company), " ", "-")
    work = join("", local, "@", domain, ".example")
    digits = pc.utf8_lpad(pa.array(leads.company).cast(TEXT), 7, "0")
    private = join("", local, ".simulated.handoff.lead.", digits, "@gmail.com")
    return pc.if_else(pa.array(leads.is_freemail), private, work)


def _stage_before(stages: Events) -> Texts:
    """The stage before each change."""
    stage = stages["stage"]
    is_first = np.diff(stages["lead"], prepend=-1) != 0
    # Without a logged first stage the CRM still knows what the first change came from.
    is_captured = np.isin(stage, [Stage.LEAD, Stage.SUBSCRIBER])
    before = np.where(is_first, Stage.LEAD, np.roll(stage, 1))
    before[is_first & is_captured] = None
    return before


def _campaigns(signals: Events) -> pa.Array:
    """Campaigns, named by quarter."""
    month = signals["at"].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    year = pa.array(1970 + month // 12).cast(TEXT)
    quarter = pa.array(month // 3 % 4 + 1).cast(TEXT)
    return join("", pa.array(signals["campaign"], TEXT), "-", year, "-q", quarter)
