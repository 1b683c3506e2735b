"""Cycles written by hand, as `fct_lead_cycles` would hold them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

MILESTONES = (
    "marketing_qualified",
    "handed_off",
    "accepted",
    "sales_qualified",
    "opportunity",
    "won",
)


def cycle(lead_id: str, *, number: int = 1, **columns: Any) -> dict[str, Any]:
    """A cycle with the given columns, and what follows from them where nothing else is said.

    Milestones given as ``handed_off_at=...`` are explicit; a later one implies those before it.
    """
    row: dict[str, Any] = {
        "lead_cycle_id": f"{lead_id}-{number}",
        "lead_id": lead_id,
        "source_system": "files",
        "cycle_number": number,
        "start_kind": "new" if number == 1 else "requalified",
        "is_late_rejection": False,
        "is_recycled": False,
        "opportunity_amount": 0,
        "won_amount": 0,
        **columns,
    }
    later: datetime | None = None
    for milestone in reversed(MILESTONES):
        basis = "acceptance_kind" if milestone == "accepted" else f"{milestone}_basis"
        reached = row.get(f"{milestone}_at")
        if reached is None and later is not None:
            row[f"{milestone}_at"] = later
            row.setdefault(basis, "implied")
        elif reached is not None:
            row.setdefault(basis, "explicit")
        later = row.get(f"{milestone}_at")
    row.setdefault("cycle_started_at", row.get("marketing_qualified_at"))
    row.setdefault("outcome", _outcome(row))
    if row.get("handed_off_at"):
        row.setdefault("acceptance_status", _status(row))
        row.setdefault("sla_status", "unknown")
        row.setdefault("intent_tier", "standard")
    return row


def _outcome(row: dict[str, Any]) -> str:
    if row.get("won_at"):
        return "won"
    if not row.get("exited_at"):
        return "open"
    by_depth = {"opportunity": "lost", "accepted": "disqualified", "handed_off": "rejected"}
    for milestone, outcome in by_depth.items():
        if row.get(f"{milestone}_at"):
            return outcome
    return "screened_out"


def _status(row: dict[str, Any]) -> str:
    if row.get("accepted_at"):
        return "accepted"
    return "rejected" if row.get("exited_at") else "pending"
