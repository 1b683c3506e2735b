"""Hypothesis strategies: random CRM exports, and policies that a company might write.

A build costs and a lead is cheap, so one example is an export of some hundred leads, made from a
seed; the families of a failing example can be looked at one by one because each depends on the
seed and its own number alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from tests.lifecycle.company_policy import Policy
from tests.lifecycle.exports import NOWS, ZONES, Recipe

DEFAULT_POLICY = Policy.from_directory(Path(__file__).parents[2] / "seeds" / "policy")
OPTIONAL_TABLES = ("stage_changes", "activities", "engagements", "opportunities", "owner_changes")


@dataclass(frozen=True)
class Company:
    """A policy with the settings that belong to it."""

    name: str
    policy: Policy = DEFAULT_POLICY
    timezone: str = "UTC"
    window_hours: float | None = None
    own_tradition: str | None = None
    stage_map: dict[str, str] = field(default_factory=dict)

    @property
    def traditions(self) -> list[str]:
        """What the company may call active: its own tradition, else those that ship."""
        return [self.own_tradition] if self.own_tradition else DEFAULT_POLICY.traditions()

    def __repr__(self) -> str:
        return f"Company({self.name!r})"


def _sla(clock: str, minutes: dict[str, str]) -> list[dict[str, str]]:
    rows = DEFAULT_POLICY.rows("sla_policies")
    return [
        {
            **row,
            "clock": clock,
            "target_minutes": "" if clock == "working_day" else minutes[row["intent_tier"]],
        }
        for row in rows
    ]


MINUTES = {"hand_raise": "5", "high_intent": "60", "standard": "1440", "low_intent": "540"}
HOLIDAYS = [
    {"holiday_date": day, "holiday_name": "closed"}
    for day in ("2026-06-29", "2026-06-01", "2026-05-01", "2024-02-29", "2025-10-24", "2027-01-01")
]
NIGHT_HOURS = [
    {"weekday": day, "opens_at": opens, "closes_at": closes}
    for day, opens, closes in (
        ("monday", "00:00", "08:30"),
        ("wednesday", "09:00", "09:05"),
        ("saturday", "12:00", "23:00"),
        ("sunday", "00:00", "19:00"),
    )
]
EXCLUSIONS = [
    {"attribute": "email_domain", "match": "equals", "value": "Corp.example", "why": "own staff"},
    {"attribute": "lead_source", "match": "equals", "value": "partner", "why": "partners"},
    {"attribute": "title", "match": "contains", "value": "chief", "why": "tests"},
    {"attribute": "country", "match": "equals", "value": "us", "why": "sold there by others"},
]
OVERRIDES = [
    {
        "tradition": tradition,
        "from_stage": before,
        "to_stage": after,
        "is_valid": is_valid,
        "requires_reason": requires_reason,
    }
    for tradition in DEFAULT_POLICY.traditions()
    for before, after, is_valid, requires_reason in (
        ("sql", "mql", "true", "false"),
        ("mql", "sal", "false", "false"),
        ("lead", "mql", "true", "true"),
        ("rejected", "nurture", "true", "true"),
        ("mql", "rejected", "true", "false"),
        ("sal", "sql", "true", "false"),
    )
]


def _with_own_tradition() -> Policy:
    """A tradition like the four stages, with a booked meeting between two of them."""
    tables = {}
    for table in ("traditions", "stages", "milestone_labels", "conversion_pairs"):
        rows = [row for row in DEFAULT_POLICY.rows(table) if row["tradition"] == "four_stage"]
        tables[table] = [{**row, "tradition": "ours"} for row in rows]
    sal = next(row for row in tables["stages"] if row["stage"] == "sal")
    booked = {
        "stage": "meeting_booked",
        "label": "Call back",
        "path_order": "45",
        "is_optional": "true",
    }
    tables["stages"].append({**sal, **booked})
    policy = DEFAULT_POLICY
    for table, rows in tables.items():
        policy = policy.with_rows(table, [*policy.rows(table), *rows])
    return policy


COMPANIES = (
    Company("default"),
    Company(
        "business hours",
        DEFAULT_POLICY.with_rows("sla_policies", _sla("business", MINUTES)).with_rows(
            "holidays", HOLIDAYS
        ),
        timezone=ZONES[0],
    ),
    Company(
        "odd hours in New York",
        DEFAULT_POLICY.with_rows("sla_policies", _sla("business", MINUTES)).with_rows(
            "working_hours", NIGHT_HOURS
        ),
        timezone=ZONES[1],
        window_hours=24,
    ),
    Company(
        "until the end of the day",
        DEFAULT_POLICY.with_rows("sla_policies", _sla("working_day", MINUTES)).with_rows(
            "holidays", HOLIDAYS
        ),
        timezone=ZONES[2],
    ),
    Company("with exclusions", DEFAULT_POLICY.with_rows("exclusions", EXCLUSIONS), window_hours=0),
    Company("with overrides", DEFAULT_POLICY.with_rows("transition_overrides", OVERRIDES)),
    Company(
        "own stage names",
        stage_map={"Zombie": "nurture", "Call Back": "mql", "sql": "sal", "Commit": "mrr"},
        window_hours=5 / 60,
    ),
    Company("own tradition", _with_own_tradition(), own_tradition="ours"),
)


def companies() -> st.SearchStrategy[Company]:
    """Companies of every kind, the default first."""
    return st.sampled_from(COMPANIES)


@st.composite
def recipes(draw: st.DrawFn, families: int = 120) -> Recipe:
    """Recipes of exports of about twice as many leads as families."""
    fill = draw(st.sampled_from(("all", "all", "all", "some", "later")))
    empty = draw(st.sets(st.sampled_from(OPTIONAL_TABLES))) if fill == "some" else set()
    later = {"activities", "engagements"} if fill == "later" else set()
    return Recipe(
        seed=draw(st.integers(min_value=0, max_value=2**32)),
        families=range(families),
        as_of=draw(st.sampled_from(NOWS)),
        empty_tables=frozenset(empty),
        without_owners=fill == "some" and draw(st.booleans()),
        without_reasons=fill == "some" and draw(st.booleans()),
        only_later=frozenset(later),
        dirt=draw(st.sampled_from((1.0, 1.0, 0.2, 0.0))),
    )
