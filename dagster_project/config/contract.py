"""The contract: the tables and columns that every source is brought into (docs/contracts.md).

Only names, and which columns hold times, numbers and booleans, so that readers write those in one
way; what a value means is decided in the dbt project.
"""

from dataclasses import dataclass, field
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
    times: frozenset[str] = field(default_factory=frozenset)
    numbers: frozenset[str] = field(default_factory=frozenset)
    booleans: frozenset[str] = field(default_factory=frozenset)
    newest_by: tuple[str, ...] = ()


def _table(
    name: str,
    columns: str,
    times: str = "",
    numbers: str = "",
    booleans: str = "",
    newest_by: str = "",
) -> ContractTable:
    """A table from the contract's notation: column names, ``*`` behind the required ones."""
    names = columns.split()
    return ContractTable(
        name=name,
        columns=tuple(item.rstrip("*") for item in names),
        required=frozenset(item.rstrip("*") for item in names if item.endswith("*")),
        times=frozenset(times.split()),
        numbers=frozenset(numbers.split()),
        booleans=frozenset(booleans.split()),
        newest_by=tuple(newest_by.split()),
    )


CONTRACT_TABLES: dict[str, ContractTable] = {
    table.name: table
    for table in (
        _table(
            "leads",
            "lead_id* created_at* email company title employee_count industry country lead_source "
            "owner_id current_stage crm_score is_deleted merged_into_lead_id updated_at",
            times="created_at updated_at",
            numbers="employee_count crm_score",
            booleans="is_deleted",
            newest_by="updated_at created_at",
        ),
        _table(
            "stage_changes",
            "change_id lead_id* changed_at* from_stage to_stage reason changed_by",
            times="changed_at",
            newest_by="changed_at",
        ),
        _table(
            "activities",
            "activity_id lead_id* rep_id kind occurred_at* direction",
            times="occurred_at",
            newest_by="occurred_at",
        ),
        _table(
            "engagements",
            "engagement_id lead_id* kind* occurred_at* channel campaign",
            times="occurred_at",
            newest_by="occurred_at",
        ),
        _table(
            "opportunities",
            "opportunity_id* lead_id created_at* amount is_won closed_at loss_reason owner_id",
            times="created_at closed_at",
            numbers="amount",
            booleans="is_won",
            newest_by="created_at",
        ),
        _table(
            "owner_changes",
            "lead_id* changed_at* owner_id",
            times="changed_at",
            newest_by="changed_at",
        ),
        _table(
            "reps",
            "rep_id* name role team timezone weekly_capacity is_active",
            numbers="weekly_capacity",
            booleans="is_active",
        ),
        _table(
            "channel_spend",
            "spend_date* channel* amount*",
            times="spend_date",
            numbers="amount",
            newest_by="spend_date",
        ),
    )
}
