"""A small CRM export in which everything is as it should be.

75 days of 60 leads a day, enough for the checks that ask for a minimum of data. Leads come
from four sources in turn. Every lead asks for a demo, is handed off and called in time. Of ten, two
are rejected, one is disqualified, one goes straight back to nurture, one is lost and one is won;
the others have an open opportunity.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster_project.config.contract import CONTRACT_TABLES

# Its tradition asks for explicit intent, so that every rule has cases.
TRADITION = "handoff_first"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
DAYS, LEADS_A_DAY, REPS = 75, 60, 7

_SOURCES = ("Organic Search", "Paid Search", "Referral", "Event")
_REASONS = ("not_icp", "no_budget", "no_response", "competitor")
# Last digit of a lead's number -> what follows on its handoff: minutes later, stage.
_AFTER_HANDOFF: dict[int, list[tuple[int, str]]] = {
    0: [(60, "Rejected"), (1500, "Nurture")],
    1: [(60, "Rejected"), (1500, "Nurture")],
    2: [(60, "SAL"), (90, "Disqualified"), (1500, "Nurture")],
    3: [(60, "SAL"), (90, "Opportunity"), (120, "Closed Lost")],
    4: [(60, "SAL"), (90, "Opportunity"), (120, "Customer")],
    5: [(60, "Nurture")],
    **{digit: [(60, "SAL"), (90, "Opportunity")] for digit in range(6, 10)},
}
_WITH_REASON = {"Rejected", "Disqualified", "Closed Lost", "Nurture"}

_Rows = dict[str, list[dict[str, object]]]


def write_clean_export(directory: Path) -> None:
    """Write the export's CSV files."""
    rows: _Rows = {table: [] for table in CONTRACT_TABLES}
    for rep in range(REPS):
        rows["reps"].append({"rep_id": f"rep{rep}", "name": f"Rep {rep}", "is_active": True})
    for day in range(DAYS):
        start = AS_OF - timedelta(days=DAYS - day)
        for channel in ("organic", "paid_search", "referral", "events"):
            rows["channel_spend"].append(
                {"spend_date": start.date(), "channel": channel, "amount": 100}
            )
        for slot in range(LEADS_A_DAY):
            created_at = start + timedelta(minutes=20 * slot, seconds=day)
            _add_lead(rows, day * LEADS_A_DAY + slot, created_at)
    directory.mkdir(parents=True, exist_ok=True)
    for table, contract in CONTRACT_TABLES.items():
        with (directory / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, contract.columns)
            writer.writeheader()
            writer.writerows(rows[table])


def _add_lead(rows: _Rows, number: int, created_at: datetime) -> None:
    """One lead, with what happened to it before ``AS_OF``."""
    lead, rep = f"L{number:04}", f"rep{number % REPS}"
    stage = None
    for at, next_stage in _stages(number, created_at):
        reason = _REASONS[number // 10 % len(_REASONS)] if next_stage in _WITH_REASON else None
        rows["stage_changes"].append(
            {
                "change_id": f"{lead}-{next_stage}",
                "lead_id": lead,
                "changed_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "from_stage": stage,
                "to_stage": next_stage,
                "reason": reason,
                "changed_by": rep,
            }
        )
        stage = next_stage
    rows["leads"].append(
        {
            "lead_id": lead,
            "created_at": f"{created_at:%Y-%m-%dT%H:%M:%SZ}",
            "email": f"{lead}@example.com",
            "company": "Example",
            "title": "VP Sales",
            "employee_count": 200,
            "industry": "software",
            "country": "NL",
            "lead_source": _SOURCES[number // 10 % len(_SOURCES)],
            "owner_id": rep,
            "current_stage": stage,
            "crm_score": 50,
            "is_deleted": False,
            "updated_at": f"{created_at:%Y-%m-%dT%H:%M:%SZ}",
        }
    )
    about = {"lead_id": lead, "rep_id": rep, "owner_id": rep, "channel": "organic"}
    asked_at, called_at = (created_at + timedelta(minutes=wait) for wait in (15, 22))
    for table, event in {
        "owner_changes": {"changed_at": created_at},
        "engagements": {"engagement_id": lead, "kind": "demo_request", "occurred_at": asked_at},
        "activities": {"activity_id": lead, "kind": "call", "occurred_at": called_at},
    }.items():
        known = {name: about[name] for name in CONTRACT_TABLES[table].columns if name in about}
        rows[table].append({**known, **event})
    opened_at, is_won = created_at + timedelta(minutes=110), number % 10 == 4
    if any(stage == "Opportunity" for _, stage in _AFTER_HANDOFF.get(number % 10, [])):
        is_closed = number % 10 in (3, 4)
        rows["opportunities"].append(
            {
                "opportunity_id": f"O{number}",
                "lead_id": lead,
                "created_at": opened_at,
                "amount": 1000,
                "is_won": is_won,
                "closed_at": opened_at + timedelta(minutes=30) if is_closed else None,
                "loss_reason": _REASONS[number // 10 % len(_REASONS)]
                if is_closed and not is_won
                else None,
                "owner_id": rep,
            }
        )


def _stages(number: int, created_at: datetime) -> Iterator[tuple[datetime, str]]:
    later = [(20 + minutes, stage) for minutes, stage in _AFTER_HANDOFF.get(number % 10, [])]
    for minutes, stage in [(0, "Lead"), (10, "MQL"), (20, "SQL"), *later]:
        at = created_at + timedelta(minutes=minutes)
        if at < AS_OF:
            yield at, stage
