"""The journal of a block as the tables of the export contract, with the contract's columns."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.simulation import assumptions as given
from dagster_project.simulation import codes
from dagster_project.simulation.journal import NOBODY, NOTHING, Journal
from dagster_project.simulation.people import Leads
from dagster_project.simulation.working_time import DAY, HOUR, Bools, Floats, Ints
from dagster_project.simulation.world import ZONE_NAMES, World

MOMENT = pa.timestamp("s", tz="UTC")
TEXT = pa.string()
WHOLE = pa.int64()

SCHEMAS = {
    "leads": pa.schema(
        [
            ("lead_id", TEXT),
            ("created_at", MOMENT),
            ("email", TEXT),
            ("company", TEXT),
            ("title", TEXT),
            ("employee_count", WHOLE),
            ("industry", TEXT),
            ("country", TEXT),
            ("lead_source", TEXT),
            ("owner_id", TEXT),
            ("current_stage", TEXT),
            ("crm_score", WHOLE),
            ("is_deleted", pa.bool_()),
            ("merged_into_lead_id", TEXT),
            ("updated_at", MOMENT),
        ]
    ),
    "stage_changes": pa.schema(
        [
            ("change_id", TEXT),
            ("lead_id", TEXT),
            ("changed_at", MOMENT),
            ("from_stage", TEXT),
            ("to_stage", TEXT),
            ("reason", TEXT),
            ("changed_by", TEXT),
        ]
    ),
    "activities": pa.schema(
        [
            ("activity_id", TEXT),
            ("lead_id", TEXT),
            ("rep_id", TEXT),
            ("kind", TEXT),
            ("occurred_at", MOMENT),
            ("direction", TEXT),
        ]
    ),
    "engagements": pa.schema(
        [
            ("engagement_id", TEXT),
            ("lead_id", TEXT),
            ("kind", TEXT),
            ("occurred_at", MOMENT),
            ("channel", TEXT),
            ("campaign", TEXT),
        ]
    ),
    "opportunities": pa.schema(
        [
            ("opportunity_id", TEXT),
            ("lead_id", TEXT),
            ("created_at", MOMENT),
            ("amount", WHOLE),
            ("is_won", pa.bool_()),
            ("closed_at", MOMENT),
            ("loss_reason", TEXT),
            ("owner_id", TEXT),
        ]
    ),
    "owner_changes": pa.schema([("lead_id", TEXT), ("changed_at", MOMENT), ("owner_id", TEXT)]),
    "reps": pa.schema(
        [
            ("rep_id", TEXT),
            ("name", TEXT),
            ("role", TEXT),
            ("team", TEXT),
            ("timezone", TEXT),
            ("weekly_capacity", WHOLE),
            ("is_active", pa.bool_()),
        ]
    ),
    "channel_spend": pa.schema([("spend_date", TEXT), ("channel", TEXT), ("amount", pa.float64())]),
}


@dataclass
class Numbering:
    """The next number of each kind of id, over all blocks."""

    used: dict[str, int] = field(default_factory=dict)

    def take(self, prefix: str, count: int) -> pa.Array:
        """The next ``count`` ids."""
        first = self.used.get(prefix, 0) + 1
        self.used[prefix] = first + count - 1
        return ids(prefix, np.arange(first, first + count))


def ids(prefix: str, number: Ints) -> pa.Array:
    """Ids such as L0000001; numbers below 1 have none."""
    digits = pc.utf8_lpad(pa.array(number).cast(TEXT), 7, "0")
    named = pc.binary_join_element_wise(prefix, digits, "")
    return pc.if_else(pa.array(number > 0), named, pa.scalar(None, TEXT))


def rep_ids(rep: Ints) -> pa.Array:
    """Ids of reps by position; nobody has none."""
    digits = pc.utf8_lpad(pa.array(rep + 1).cast(TEXT), 3, "0")
    named = pc.binary_join_element_wise("R", digits, "")
    return pc.if_else(pa.array(rep != NOBODY), named, pa.scalar(None, TEXT))


def names(texts: tuple[str, ...], place: Ints, missing: Bools | None = None) -> pa.Array:
    """Texts by place; a negative place or a missing one is empty."""
    empty = place < 0 if missing is None else (place < 0) | missing
    return pa.array(texts, TEXT).take(pa.array(np.maximum(place, 0), mask=empty))


def moments(at: Ints) -> pa.Array:
    """Seconds since 1970 as moments; negative ones are empty."""
    return pa.array(at, WHOLE, mask=at < 0).cast(MOMENT)


def text_moments(table: pa.Table) -> pa.Table:
    """The table with its moments as ISO 8601 text (``2026-01-31T09:00:00Z``)."""
    for at, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            text = _iso(table.column(at).combine_chunks())
            table = table.set_column(at, column.name, text)
    return table


def _iso(moment: pa.Array) -> pa.Array:
    """ISO 8601 text, cut out of a table of the days in use and one of the seconds of a day.

    Ten times faster than formatting each moment.
    """
    seconds = moment.cast(WHOLE).fill_null(0).to_numpy()
    if not len(seconds):
        return pa.array([], TEXT)
    day, second = np.divmod(seconds, DAY)
    first = int(day.min())
    days = np.datetime_as_string(
        (first + np.arange(int(day.max()) - first + 1)).astype("datetime64[D]")
    )
    dates = np.array([f"{text}T" for text in days], dtype="S11").view(np.uint8).reshape(-1, 11)
    letters = np.empty((len(seconds), 20), dtype=np.uint8)
    letters[:, :11] = dates[day - first]
    letters[:, 11:] = _clock_letters()[second]
    offsets = np.arange(0, 20 * len(seconds) + 1, 20, dtype=np.int32)
    text = pa.StringArray.from_buffers(
        len(seconds), pa.py_buffer(offsets), pa.py_buffer(letters.reshape(-1))
    )
    return pc.if_else(moment.is_valid(), text, pa.scalar(None, TEXT))


_CLOCK: list[npt.NDArray[np.uint8]] = []


def _clock_letters() -> npt.NDArray[np.uint8]:
    """``HH:MM:SSZ`` of each second of a day, as letters; made once."""
    if not _CLOCK:
        second = np.arange(DAY)
        table = np.empty((DAY, 9), dtype=np.uint8)
        parts = (second // HOUR, second // 60 % 60, second % 60)
        for at, part in enumerate(parts):
            table[:, 3 * at] = part // 10 + ord("0")
            table[:, 3 * at + 1] = part % 10 + ord("0")
            table[:, 3 * at + 2] = ord("Z") if at == 2 else ord(":")
        _CLOCK.append(table)
    return _CLOCK[0]


# --- Tables of a block ---------------------------------------------------------------------------


def block_tables(
    world: World,
    leads: Leads,
    journal: Journal,
    rng: np.random.Generator,
    first: int,
    numbering: Numbering,
) -> dict[str, pa.Table]:
    """All tables that have rows of these leads; ``first`` is the place of the first of them."""
    lead_ids = ids("L", np.arange(first + 1, first + len(leads) + 1))
    stages = journal.table("stages")
    owners = journal.table("owners")
    return {
        "leads": _lead_table(world, leads, stages, owners, rng, lead_ids),
        "stage_changes": _stage_table(stages, lead_ids, numbering),
        "owner_changes": _table(
            "owner_changes",
            lead_ids.take(pa.array(owners["lead"])),
            moments(owners["at"]),
            rep_ids(owners["owner"]),
        ),
        "activities": _activity_table(journal.table("activities"), lead_ids, numbering),
        "engagements": _engagement_table(journal.table("signals"), lead_ids, numbering),
        "opportunities": _deal_table(journal.table("deals"), lead_ids, numbering),
    }


def _table(name: str, *columns: pa.Array) -> pa.Table:
    return pa.Table.from_arrays(list(columns), schema=SCHEMAS[name])


def _lead_table(
    world: World,
    leads: Leads,
    stages: dict[str, Ints],
    owners: dict[str, Ints],
    rng: np.random.Generator,
    lead_ids: pa.Array,
) -> pa.Table:
    """Leads as they stand at the year's end."""
    count = len(leads)
    late = rng.random(count) < given.CREATED_LATE
    created_at = np.where(late, leads.created_at + rng.integers(2 * HOUR, 3 * DAY, count), 0)
    created_at = np.minimum(np.maximum(created_at, leads.created_at), world.end - 1)
    last_change, current = _last(stages, "stage", count)
    last_owned, owner = _last(owners, "owner", count)
    current = np.where(current == NOTHING, given.LEAD, current)
    stale = rng.random(count) < given.CURRENT_STAGE_STALE
    current = np.where(stale & (current != given.LEAD), given.LEAD, current)
    updated_at = np.maximum(np.maximum(last_change, last_owned), created_at)
    blank = rng.random(count) < given.BLANK_SOURCE_SHARE
    missing = {name: rng.random(count) < share for name, share in given.MISSING_SHARE.items()}
    company = _companies(leads.company)
    return _table(
        "leads",
        lead_ids,
        moments(created_at),
        _emails(leads, company),
        company,
        names(tuple(row[0] for row in given.TITLES), leads.title, missing["title"]),
        pa.array(leads.employees, mask=missing["employee_count"]),
        names(given.INDUSTRIES, leads.industry, missing["industry"]),
        names(tuple(row[0] for row in given.COUNTRIES), leads.country),
        names(tuple(source.name for source in given.SOURCES), leads.source, blank),
        rep_ids(owner),
        names(given.STAGES, current),
        pa.array(leads.crm_score, mask=missing["crm_score"]),
        pa.array(leads.is_deleted),
        lead_ids.take(pa.array(np.maximum(leads.merged_into, 0), mask=leads.merged_into < 0)),
        moments(updated_at),
    )


def _last(events: dict[str, Ints], column: str, count: int) -> tuple[Ints, Ints]:
    """Moment and value of each lead's last event; -1 for leads without one."""
    at = np.full(count, NOTHING, dtype=np.int64)
    value = np.full(count, NOTHING, dtype=np.int64)
    # Events are sorted by lead and time: the last assignment to a place is the latest event.
    ends = np.flatnonzero(np.diff(events["lead"], append=-1) != 0)
    at[events["lead"][ends]] = events["at"][ends]
    value[events["lead"][ends]] = events[column][ends]
    return at, value


def _companies(company: Ints) -> pa.Array:
    """Made-up names, different for different numbers as long as the syllables last."""
    parts = (given.NAME_STARTS, given.NAME_MIDDLES, given.NAME_ENDS, given.COMPANY_KINDS)
    possible = int(np.prod([len(part) for part in parts]))
    # A step that shares no factor with the number of names visits each of them once.
    rest = company * 104_729 % possible
    words = []
    for part in parts:
        rest, place = np.divmod(rest, len(part))
        words.append(names(part, place))
    name = pc.binary_join_element_wise(*words[:3], "")
    return pc.binary_join_element_wise(name, words[3], " ")


def _emails(leads: Leads, company: pa.Array) -> pa.Array:
    """Addresses in domains that are reserved for examples; a few private ones.

    A gmail.com name has at most 30 letters and digits: these are longer, so they can't exist.
    """
    local = pc.utf8_lower(
        pc.binary_join_element_wise(
            names(given.GIVEN_NAMES, leads.given_name),
            names(given.FAMILY_NAMES, leads.family_name),
            ".",
        )
    )
    domain = pc.replace_substring(pc.utf8_lower(company), " ", "-")
    work = pc.binary_join_element_wise(local, domain, "@")
    work = pc.binary_join_element_wise(work, "example", ".")
    digits = pc.utf8_lpad(pa.array(leads.company).cast(TEXT), 7, "0")
    private = pc.binary_join_element_wise(local, "simulated.handoff.lead", digits, ".")
    private = pc.binary_join_element_wise(private, "gmail.com", "@")
    return pc.if_else(pa.array(leads.is_freemail), private, work)


def _stage_table(stages: dict[str, Ints], lead_ids: pa.Array, numbering: Numbering) -> pa.Table:
    """Stage changes with the stage before each."""
    lead, stage = stages["lead"], stages["stage"]
    is_first = np.diff(lead, prepend=-1) != 0
    before = np.where(is_first, NOTHING, np.roll(stage, 1))
    # Without a logged first stage the CRM still knows what the first change came from.
    captured = (stage == given.LEAD) | (stage == given.SUBSCRIBER)
    before = np.where(is_first & ~captured, given.LEAD, before)
    return _table(
        "stage_changes",
        numbering.take("C", len(lead)),
        lead_ids.take(pa.array(lead)),
        moments(stages["at"]),
        names(given.STAGES, before),
        names(given.STAGES, stage),
        names(codes.REASON_TEXTS, stages["reason"]),
        pc.fill_null(rep_ids(stages["actor"]), "automation"),
    )


def _activity_table(
    activities: dict[str, Ints], lead_ids: pa.Array, numbering: Numbering
) -> pa.Table:
    """What reps and automation did."""
    return _table(
        "activities",
        numbering.take("A", len(activities["lead"])),
        lead_ids.take(pa.array(activities["lead"])),
        rep_ids(activities["rep"]),
        names(codes.ACTIVITIES, activities["kind"]),
        moments(activities["at"]),
        names(codes.DIRECTIONS, activities["direction"]),
    )


def _engagement_table(
    signals: dict[str, Ints], lead_ids: pa.Array, numbering: Numbering
) -> pa.Table:
    """What leads did; campaigns are named by quarter."""
    stems = tuple(source.campaign for source in given.SOURCES)
    stem = signals["campaign"]
    has_one = (stem >= 0) & np.array([bool(text) for text in stems])[np.maximum(stem, 0)]
    month = signals["at"].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    quarter = pa.array(month // 3 % 4 + 1).cast(TEXT)
    year = pa.array(1970 + month // 12).cast(TEXT)
    name = pc.binary_join_element_wise(names(stems, np.maximum(stem, 0)), year, "-")
    name = pc.binary_join_element_wise(name, quarter, "-q")
    return _table(
        "engagements",
        numbering.take("E", len(stem)),
        lead_ids.take(pa.array(signals["lead"])),
        names(codes.SIGNALS, signals["kind"]),
        moments(signals["at"]),
        names(codes.CHANNELS, signals["channel"]),
        pc.if_else(pa.array(has_one), name, pa.scalar(None, TEXT)),
    )


def _deal_table(deals: dict[str, Ints], lead_ids: pa.Array, numbering: Numbering) -> pa.Table:
    """Opportunities as they stand at the year's end."""
    return _table(
        "opportunities",
        numbering.take("O", len(deals["lead"])),
        lead_ids.take(pa.array(deals["lead"])),
        moments(deals["at"]),
        pa.array(deals["amount"]),
        pa.array(deals["is_won"] == 1),
        moments(deals["closed_at"]),
        names(codes.REASON_TEXTS, deals["reason"]),
        rep_ids(deals["owner"]),
    )


# --- Tables of the whole year --------------------------------------------------------------------


def rep_table(world: World) -> pa.Table:
    """The sales team."""
    reps = world.reps
    number = np.arange(len(reps))
    # Each round through the given names shifts the family names: no pair repeats within 750.
    given_name = names(given.GIVEN_NAMES, number % len(given.GIVEN_NAMES))
    family_name = names(
        given.FAMILY_NAMES,
        (number * 7 + number // len(given.GIVEN_NAMES)) % len(given.FAMILY_NAMES),
    )
    return _table(
        "reps",
        rep_ids(number),
        pc.binary_join_element_wise(given_name, family_name, " "),
        pa.array(reps.role, TEXT),
        names(given.TEAMS, reps.team),
        names(ZONE_NAMES, reps.zone),
        pa.array(reps.capacity),
        pa.array(reps.is_active),
    )


def spend_table(world: World) -> pa.Table:
    """What each channel cost, by day: the leads expected of it, at their price, give or take."""
    rng = np.random.default_rng([world.seed, 2**32 - 1])
    expected = world.mix / world.mix.sum(axis=1, keepdims=True)
    expected = expected * world.day_weights[:, None] * world.leads
    cost = expected * np.array([source.cost for source in given.SOURCES])
    by_channel: Floats = np.zeros((len(cost), len(codes.CHANNELS)))
    np.add.at(by_channel.T, codes.SOURCE_CHANNEL, cost.T)
    by_channel *= rng.lognormal(0.0, given.SPEND_NOISE, by_channel.shape)
    day, channel = np.nonzero(np.rint(by_channel * 100) > 0)
    dates = np.datetime_as_string((world.start // DAY + day).astype("datetime64[D]"))
    return _table(
        "channel_spend",
        pa.array(dates.tolist(), TEXT),
        names(codes.CHANNELS, channel),
        pa.array(np.rint(by_channel[day, channel] * 100) / 100),
    )
