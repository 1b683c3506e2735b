"""The contract: the tables and columns that every source is brought into (docs/contracts.md).

Only names, and which columns hold times, numbers and booleans, so that readers write those in one
way; what a value means is decided in the dbt project.
"""

from dataclasses import dataclass
from typing import Literal

# What a broken rule or a failed check is; how acceptance works; what a failed audit does.
Severity = Literal["error", "warning"]
AcceptanceMode = Literal["explicit", "default"]
AuditMode = Literal["block", "warn"]


@dataclass(frozen=True)
class ContractTable:
    """One table of the CRM export contract.

    ``columns`` are in the contract's order. ``required``: a table that is there must have these
    columns, and a row must fill them. ``newest_by``: the columns whose latest value says how fresh
    the table is.
    """

    name: str
    columns: tuple[str, ...]
    required: frozenset[str]
    times: frozenset[str]
    numbers: frozenset[str]
    booleans: frozenset[str]
    newest_by: tuple[str, ...]


# The contract's columns: ``*`` behind required ones, then what a column holds if it is not text.
_TABLES = {
    "leads": """
        lead_id* created_at*:time email company title employee_count:number industry country
        lead_source owner_id current_stage crm_score:number is_deleted:boolean merged_into_lead_id
        updated_at:time
    """,
    "stage_changes": "change_id lead_id* changed_at*:time from_stage to_stage reason changed_by",
    "activities": "activity_id lead_id* rep_id kind occurred_at*:time direction",
    "engagements": "engagement_id lead_id* kind* occurred_at*:time channel campaign",
    "opportunities": """
        opportunity_id* lead_id created_at*:time amount:number currency is_won:boolean
        closed_at:time loss_reason owner_id merged_into_opportunity_id is_deleted:boolean
    """,
    "owner_changes": "lead_id* changed_at*:time owner_id",
    "reps": "rep_id* name role team timezone weekly_capacity:number is_active:boolean",
    "channel_spend": "spend_date*:time channel* amount*:number",
}
_NEWEST_BY = {
    "leads": ("updated_at", "created_at"),
    "stage_changes": ("changed_at",),
    "activities": ("occurred_at",),
    "engagements": ("occurred_at",),
    "opportunities": ("created_at",),
    "owner_changes": ("changed_at",),
    "channel_spend": ("spend_date",),
}


def _table(name: str, notation: str) -> ContractTable:
    items = [item.partition(":") for item in notation.split()]
    columns = [(column.rstrip("*"), column.endswith("*"), kind) for column, _, kind in items]

    def of_kind(wanted: str) -> frozenset[str]:
        return frozenset(column for column, _, kind in columns if kind == wanted)

    return ContractTable(
        name=name,
        columns=tuple(column for column, _, _ in columns),
        required=frozenset(column for column, is_required, _ in columns if is_required),
        times=of_kind("time"),
        numbers=of_kind("number"),
        booleans=of_kind("boolean"),
        newest_by=_NEWEST_BY.get(name, ()),
    )


CONTRACT_TABLES = {name: _table(name, notation) for name, notation in _TABLES.items()}
