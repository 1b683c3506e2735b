"""Random CRM exports with every kind of dirt, made from a seed.

Leads come in families: leads of one family share a few moments and may be merged into each other.
A family depends on the seed and its own number alone, so the same family is the same rows in a
smaller or a larger export. Moments cluster: they are sums of the very durations that rules use,
so that two of them often coincide, or lie exactly on a bound, or one second beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from tests.lifecycle.reference import COLUMNS

Rows = list[dict[str, str | int | None]]
Tables = dict[str, Rows]

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
ZERO = timedelta(0)
GAPS = (
    *(ZERO, ZERO, ZERO, SECOND, MINUTE, MINUTE + SECOND, 5 * MINUTE, HOUR, HOUR, HOUR + SECOND),
    *(9 * HOUR, DAY, DAY, DAY),
    *(DAY + SECOND, 2 * DAY, 2 * DAY, 2 * DAY, 2 * DAY - SECOND, 7 * DAY, 30 * DAY, 60 * DAY),
)
BACK = (
    *(ZERO, SECOND, 5 * MINUTE, HOUR, 23 * HOUR, DAY, DAY, DAY + SECOND, 2 * DAY, 29 * DAY),
    *(30 * DAY, 30 * DAY, 30 * DAY + SECOND, 60 * DAY, 60 * DAY - SECOND, 90 * DAY, 364 * DAY),
    *(365 * DAY, 365 * DAY, 365 * DAY + SECOND),
)
AGES = (
    *(-2 * DAY, HOUR, 9 * HOUR, DAY, 2 * DAY, 7 * DAY, 9 * DAY, 30 * DAY, 32 * DAY, 40 * DAY),
    *(90 * DAY, 120 * DAY, 200 * DAY),
)
# The evening of a leap day, the night the clocks change twice a year, a holiday-ish turn of year.
NOWS = (
    datetime(2026, 6, 30, tzinfo=UTC),
    datetime(2024, 2, 29, 18, tzinfo=UTC),
    datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2027, 1, 1, 9, 0, 1, tzinfo=UTC),
)
ZONES = ("Europe/Amsterdam", "America/New_York", "Asia/Kolkata")

SPELLINGS = {
    "subscriber": ("Subscriber", "subscriber"),
    "lead": ("Lead", "lead", "New", "Prospect", " LEAD "),
    "mql": ("MQL", "mql", "Marketing Qualified Lead", "marketingqualifiedlead", " Mql"),
    "mqa": ("MQA", "Marketing Qualified Account"),
    "pql": ("PQL", "pql", "Product Qualified Lead"),
    "sal": ("SAL", "Sales Accepted Lead", "salesacceptedlead", "sal "),
    "sql": ("SQL", "Sales Qualified Lead", "SALESQUALIFIEDLEAD", "sql"),
    "opportunity": ("Opportunity", "OPPORTUNITY", "opportunity"),
    "customer": ("Customer", "Closed Won", "closedwon", "Commit", "customer"),
    "evangelist": ("Evangelist", "evangelist"),
    "live": ("Live",),
    "mrr": ("MRR",),
    "ltv": ("LTV",),
    "rejected": ("Rejected", "REJECTED", "rejected"),
    "disqualified": ("Disqualified", "Unqualified"),
    "closed_lost": ("Closed Lost", "closedlost", "closed_lost"),
    "nurture": ("Nurture", "Recycled", "Nurturing", "Recycle"),
}
STRANGE_STAGES = ("Zombie", "Call back", "zombie", " ZOMBIE", "zombie", "Zombie", "???")
JOURNEYS = (
    "lead mql sal sql opportunity customer",
    "subscriber lead mql sql sal opportunity customer",
    "lead mql rejected nurture mql sal sql opportunity",
    "mql sql rejected",
    "mql sal disqualified",
    "sql rejected lead sql sal opportunity closed_lost",
    "mql sal sql opportunity customer mql sal sql opportunity customer",
    "opportunity customer evangelist nurture sql",
    "lead mqa sql sal customer live mrr ltv mql",
    "pql mql sal lead sql",
    "customer closed_lost opportunity",
    "rejected nurture disqualified mql",
    "mql nurture lead mql",
    "lead disqualified",
    "mql",
    "sql",
    "sal",
)
REASONS = (
    *(None, None, None, " ", "no_budget", "No Budget", "bad timing", "spam", "bad_data"),
    *("lost to competitor", " Wrong Persona ", "other", "because", "not our kind"),
)
OWNERS = ("R1", "R2", "R10", "r1", None)
ENGAGEMENTS = (
    *("demo_request", "Demo_Request", "pricing_inquiry", "contact_sales", "trial_signup"),
    *("pricing_page_view", "webinar_attended", "purchase", "page_view", "document_downloaded"),
    *("unsubscribed", "email_bounced", " outbound_reply ", "stared_at_the_logo"),
)
ACTIVITIES = ("call", "Call", "email", " meeting ", "note", "task", "automated_email", "pigeon")
DIRECTIONS = ("outbound", "inbound", "Inbound ", "OUTBOUND", None, "sideways")
TITLES = (
    *("VP Sales", "Chief of Staff", "vice president", "Director, Manager of VPs", "Student", None),
    *("STUDENT manager", " ", "Engineer"),
)
EMPLOYEES = ("0", "9", "10", "49", "50", "99", "100", "999", "1000", "25000", None, " ", "many")
EMAILS = ("@acme.example", "@GMAIL.com", "@gmail.com", "@odd@Yahoo.com", "", "@", "@corp.example")
SOURCES = ("Organic Search", "Paid Search", "Partner", "paid search", None)
COUNTRIES = ("NL", "US", None)
UNREADABLE_TIMES = ("soon", "2026-02-30", "2025-02-29T00:00:00Z", "", "  ", "31/12/2025", "n/a")


@dataclass(frozen=True)
class Recipe:
    """What one export is like. The same recipe always gives the same rows."""

    seed: int
    families: range = range(120)
    as_of: datetime = NOWS[0]
    empty_tables: frozenset[str] = frozenset()
    without_owners: bool = False
    without_reasons: frozenset[str] = frozenset()
    only_later: frozenset[str] = frozenset()
    dirt: float = 1.0


@dataclass
class Family:
    """The leads that share moments, and their rows as they are made."""

    rng: Random
    name: str
    recipe: Recipe
    lead_ids: list[str]
    moments: list[datetime]
    journeys: dict[str, list[str]]
    # How often a stage is one that nobody knows: in some families often, in several spellings.
    strangeness: float
    tables: Tables = field(default_factory=lambda: {table: [] for table in COLUMNS})
    counter: int = 0

    def chance(self, share: float) -> bool:
        """True in that share of the cases; dirt comes in proportion to the recipe's."""
        return self.rng.random() < share

    def dirty(self, share: float) -> bool:
        """Whether something is wrong here."""
        return self.chance(share * self.recipe.dirt)

    def moment(self) -> datetime:
        """One of the family's moments."""
        return self.rng.choice(self.moments)

    def lone_moment(self) -> datetime:
        """A moment that no other row shares: where ties would be decided by a made id."""
        self.counter += 1
        number = int(self.name[1:])
        return self.moment() + timedelta(seconds=13 + self.counter, microseconds=1 + number % 9999)

    def time(self, moment: datetime | None, unreadable: float = 0.0) -> str:
        """A moment as some CRM would write it."""
        if moment is None:
            return self.rng.choice(("", "  "))
        if self.dirty(unreadable):
            return self.rng.choice(UNREADABLE_TIMES)
        return _written(self.rng, moment)

    def add(self, table: str, **values: str | int | None) -> None:
        """Add a row, now and then twice, or for a lead that nobody knows."""
        row: dict[str, str | int | None] = {column: values.get(column) for column in COLUMNS[table]}
        row["load_id"] = self.rng.choice((1, 1, 1, 2, 3))
        if table != "leads" and self.dirty(0.01):
            row["lead_id"] = self.rng.choice(("nobody", "nobody", ""))
        self.tables[table].append(row)
        if self.dirty(0.03):
            self.tables[table].append(dict(row))


def _written(rng: Random, moment: datetime) -> str:
    """ISO 8601 in one of its many ways."""
    way = rng.randrange(10)
    utc = moment.replace(tzinfo=None)
    digits = "milliseconds" if moment.microsecond == 0 and rng.random() < 0.2 else "auto"
    if way == 0 and moment == moment.replace(hour=0, minute=0, second=0, microsecond=0):
        return moment.strftime("%Y-%m-%d")
    if way <= 1:
        return utc.isoformat(sep=" ")
    if way == 2 and utc == utc.replace(second=0, microsecond=0):
        return utc.isoformat(timespec="minutes") + rng.choice(("", "Z", "+00:00"))
    if way <= 6:
        text = moment.astimezone(ZoneInfo(rng.choice(ZONES))).isoformat(timespec=digits)
        # Some write the offset without a colon.
        return text if way <= 5 else text[:-3] + text[-2:]
    return utc.isoformat(timespec=digits) + "Z"


def _moments(rng: Random, as_of: datetime) -> list[datetime]:
    start = as_of - rng.choice(AGES) - rng.choice((ZERO, ZERO, DAY, 60 * DAY))
    moments = [start]
    for _ in range(rng.randint(2, 9)):
        moments.append(moments[-1] + rng.choice(GAPS))
    if rng.random() < 0.15:
        moments.append(as_of)
        moments.append(as_of + SECOND)
    return sorted(moments)


def family(recipe: Recipe, number: int) -> Tables:
    """All rows of one family."""
    rng = Random(f"{recipe.seed}/{number}")
    size = rng.choice((1, 1, 1, 2, 2, 3, 4))
    lead_ids = [f"f{number}-{'abcd'[place]}" for place in range(size)]
    rng.shuffle(lead_ids)
    moments = _moments(rng, recipe.as_of)
    journeys = {lead_id: _journey(rng) for lead_id in lead_ids}
    strangeness = rng.choice((0.03, 0.03, 0.03, 0.03, 0.03, 0.3))
    made = Family(rng, f"f{number}", recipe, lead_ids, moments, journeys, strangeness)
    targets = _merges(made)
    for lead_id in lead_ids:
        _add_lead(made, lead_id, targets.get(lead_id))
        _add_changes(made, lead_id)
        _add_opportunities(made, lead_id)
        _add_contacts(made, lead_id)
        if made.chance(0.3):
            _add_burst(made, lead_id)
        _add_owner_changes(made, lead_id)
    return made.tables


def _merges(made: Family) -> dict[str, str]:
    """Who is merged into whom: chains, stars, circles, and leads that nobody knows."""
    rng, ids = made.rng, made.lead_ids
    shape = rng.choice(("none", "none", "chain", "star", "circle", "tail", "lost"))
    if shape == "chain":
        return dict(pairwise(ids))
    if shape == "star":
        return dict.fromkeys(ids[1:], ids[0])
    if shape == "circle":
        return dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    if shape == "tail" and len(ids) > 2:
        return dict(zip(ids, [*ids[1:], ids[-2]], strict=True))
    if shape == "lost":
        return {ids[-1]: "nobody", **dict(pairwise(ids))}
    return {}


def _add_lead(made: Family, lead_id: str, target: str | None) -> None:
    rng = made.rng
    created_at = min(made.moments) if made.chance(0.6) else made.moment()
    if made.dirty(0.04):
        created_at = made.recipe.as_of + rng.choice((SECOND, DAY))
    versions = 1 if made.chance(0.85) else rng.randint(2, 3)
    for _ in range(versions):
        updated_at = None if made.chance(0.2) else created_at + rng.choice(GAPS)
        if made.dirty(0.1):
            updated_at = made.recipe.as_of + rng.choice((ZERO, SECOND, DAY))
        email = rng.choice(EMAILS)
        stage = rng.choice((made.journeys[lead_id][-1], rng.choice(list(SPELLINGS))))
        made.add(
            "leads",
            lead_id=None if made.dirty(0.005) else lead_id,
            created_at=made.time(created_at, unreadable=0.02),
            email=email and f"{lead_id}{email}",
            company="Acme",
            title=rng.choice(TITLES),
            employee_count=rng.choice(EMPLOYEES),
            industry="software",
            country=rng.choice(COUNTRIES),
            lead_source=rng.choice(SOURCES),
            owner_id=None if made.recipe.without_owners else rng.choice(OWNERS),
            current_stage=_raw_stage(made, stage, clear=0.15),
            crm_score=rng.choice(("50", None, "high")),
            is_deleted=rng.choice(("true", "TRUE", "1")) if made.dirty(0.08) else "false",
            merged_into_lead_id=target if made.chance(0.95) else None,
            updated_at=made.time(updated_at, unreadable=0.03),
        )


def _raw_stage(made: Family, stage: str, clear: float = 0.04) -> str | None:
    if made.dirty(clear):
        return made.rng.choice((None, "", "  "))
    if made.dirty(made.strangeness):
        return made.rng.choice(STRANGE_STAGES)
    return made.rng.choice(SPELLINGS[stage])


def _journey(rng: Random) -> list[str]:
    stages = rng.choice(JOURNEYS).split()
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        place = rng.randrange(len(stages) + 1)
        stages.insert(place, rng.choice(list(SPELLINGS)))
    first = rng.choice((0, 0, 0, 1, 2))
    return stages[first : first + rng.choice((1, 3, 5, 8, 12))] or stages[:1]


def _add_changes(made: Family, lead_id: str) -> None:
    rng = made.rng
    if made.chance(0.12):
        return
    stages = made.journeys[lead_id]
    times = sorted(made.moment() for _ in stages)
    if made.dirty(0.1):
        rng.shuffle(times)
    before = rng.choice(list(SPELLINGS)) if made.chance(0.5) else None
    for place, (stage, moment) in enumerate(zip(stages, times, strict=True)):
        change_id: str | None = rng.choice((f"{lead_id}-{place:02}", f"{99 - place}", f"c{place}"))
        if made.dirty(0.05):
            change_id = rng.choice((None, " "))
        elif made.dirty(0.08):
            change_id = "again"
        made.add(
            "stage_changes",
            change_id=change_id,
            lead_id=lead_id,
            changed_at=made.time(
                moment if (change_id or "").strip() else made.lone_moment(), unreadable=0.015
            ),
            from_stage=_raw_stage(made, before) if before and made.chance(0.7) else None,
            to_stage=_raw_stage(made, stage),
            reason=_reason(made, "stage_changes") if made.chance(0.5) else None,
            changed_by=rng.choice(OWNERS),
        )
        before = stage


def _reason(made: Family, table: str) -> str | None:
    return None if table in made.recipe.without_reasons else made.rng.choice(REASONS)


def _add_opportunities(made: Family, lead_id: str) -> None:
    rng = made.rng
    places = rng.choice((0, 0, 0, 0, 1, 1, 2, 3))
    ids = [f"O{place}-{rng.choice((lead_id, made.name))}" for place in range(places)]
    # Deals merged into each other, into another lead's, into themselves, into one nobody knows.
    targets = [*ids, *(f"O{place}-{name}" for place in (0, 1) for name in made.lead_ids)]
    targets += ["O-no", "1.23457E+11"]
    for opportunity_id in ids:
        opened_at = made.moment()
        closed_at = None if made.chance(0.3) else made.moment()
        if closed_at and closed_at < opened_at and not made.dirty(0.1):
            opened_at, closed_at = closed_at, opened_at
        made.add(
            "opportunities",
            opportunity_id=None if made.dirty(0.01) else opportunity_id,
            lead_id="" if made.dirty(0.02) else _named_leads(made, lead_id),
            created_at=made.time(opened_at, unreadable=0.02),
            amount=rng.choice(("5000", "120.5", "0.01", None, "a lot", "-3")),
            is_won=rng.choice(("true", "false", "True", "FALSE", "0", "1", None, "maybe")),
            closed_at=made.time(closed_at, unreadable=0.03),
            loss_reason=_reason(made, "opportunities"),
            owner_id=rng.choice(OWNERS),
            merged_into_opportunity_id=rng.choice(targets) if made.chance(0.2) else None,
            is_deleted=rng.choice(("true", "1", "perhaps"))
            if made.dirty(0.1)
            else rng.choice(("false", None)),
        )


def _named_leads(made: Family, lead_id: str) -> str:
    """The lead of a deal, now and then with others of the family, or with one nobody knows."""
    if made.chance(0.8):
        return lead_id
    names = [lead_id, *made.rng.choices([*made.lead_ids, "nobody", ""], k=2)]
    made.rng.shuffle(names)
    return made.rng.choice((";", "; ", " ;", ",", ", ", "|", " || ", "\n", "\r\n")).join(names)


def _add_contacts(made: Family, lead_id: str) -> None:
    """Engagements on the bounds of look-back windows, activities at and around the handoffs."""
    rng = made.rng
    for place in range(rng.choice((0, 1, 2, 4))):
        made.add(
            "engagements",
            engagement_id=rng.choice((f"{lead_id}-e{place}", f"e{made.name}{place}", None)),
            lead_id=lead_id,
            kind=None if made.dirty(0.02) else rng.choice(ENGAGEMENTS),
            occurred_at=made.time(made.moment() - rng.choice(BACK), unreadable=0.02),
            channel=rng.choice(("organic", "paid", None)),
            campaign=None,
        )
    for place in range(rng.choice((0, 0, 1, 2, 3))):
        made.add(
            "activities",
            activity_id=rng.choice((f"{lead_id}-t{place}", f"t{made.name}{place}", None)),
            lead_id=lead_id,
            rep_id=rng.choice(OWNERS),
            kind=None if made.dirty(0.02) else rng.choice(ACTIVITIES),
            occurred_at=made.time(made.moment() + rng.choice(GAPS[:14]), unreadable=0.02),
            direction=rng.choice(DIRECTIONS),
        )


def _add_burst(made: Family, lead_id: str) -> None:
    """What comes before a handoff: the same sign of interest twice, and sales already at work."""
    rng = made.rng
    handoff, kind = made.moment(), rng.choice(ENGAGEMENTS[:8])
    for place in range(2):
        made.add(
            "engagements",
            engagement_id=f"{lead_id}-b{place}",
            lead_id=lead_id,
            kind=kind,
            occurred_at=made.time(handoff - rng.choice(BACK[:7])),
        )
    made.add(
        "activities",
        activity_id=f"{lead_id}-b",
        lead_id=lead_id,
        rep_id=rng.choice(OWNERS),
        kind="call",
        occurred_at=made.time(handoff - rng.choice(BACK[:7])),
        direction="outbound",
    )


def _add_owner_changes(made: Family, lead_id: str) -> None:
    if made.recipe.without_owners or made.chance(0.6):
        return
    moment = made.moment()
    for _ in range(made.rng.choice((1, 2, 3))):
        made.add(
            "owner_changes",
            lead_id=lead_id,
            changed_at=made.time(moment, unreadable=0.02),
            owner_id=made.rng.choice(OWNERS),
        )
        moment = moment if made.chance(0.4) else made.moment()


def export(recipe: Recipe) -> Tables:
    """The export that a recipe describes."""
    return trimmed(recipe, join(family(recipe, number) for number in recipe.families))


def join(parts: Iterable[Tables]) -> Tables:
    """Several exports as one."""
    joined: Tables = {table: [] for table in COLUMNS}
    for part in parts:
        for table, rows in part.items():
            joined[table] += rows
    return joined


def trimmed(recipe: Recipe, tables: Tables) -> Tables:
    """Without the tables that the recipe's CRM never fills, or fills only after `as_of`."""
    kept: Tables = {}
    for table, rows in tables.items():
        if table in recipe.empty_tables:
            kept[table] = []
        elif table in recipe.only_later:
            later = (recipe.as_of + DAY).isoformat()
            kept[table] = [{**row, "occurred_at": later} for row in rows]
        else:
            kept[table] = rows
    return kept


def texts(row: dict[str, str | int | None], columns: Sequence[str]) -> tuple[str, ...]:
    """A row's cells as text, empty for null."""
    return tuple(str(row.get(column) or "") for column in columns)
