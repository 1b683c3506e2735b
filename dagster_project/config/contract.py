"""The contract: the tables and columns that every source is brought into (docs/contracts.md).

Only names, and what kind of value a column holds, so that readers write times and numbers in one
way; what a value means is decided in the dbt project, which lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from dagster_project.config.warehouse import DBT_PROJECT_DIR

# What a broken rule or a failed check is; how acceptance works; what a failed audit does.
Severity = Literal["error", "warning"]
AcceptanceMode = Literal["explicit", "default"]
AuditMode = Literal["block", "warn"]


@dataclass(frozen=True)
class ContractTable:
    """One table of the CRM export contract.

    ``columns`` are in the contract's order. ``required``: a table that is there must have these
    columns, and a row must fill them. ``kinds``: what a column holds that is not text (id, time,
    money, flag ...).
    """

    name: str
    columns: tuple[str, ...]
    required: frozenset[str]
    kinds: Mapping[str, str]

    @property
    def record_id(self) -> str | None:
        """The column of the rows' own ids, if they have one: a change of owner is the lead's."""
        first = self.columns[0]
        is_own = first != "lead_id" or self.name == "leads"
        return first if is_own and first in self.ids else None

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that hold ids: of the rows, and of what they point to."""
        return tuple(it for it in self.columns if self.kinds.get(it) in ("id", "event_id"))

    @property
    def instants(self) -> dict[str, str]:
        """By time column the one that raw has for an instant (UTC), which a typed file may give."""
        return {column: f"{column}_utc" for column, kind in self.kinds.items() if kind == "time"}


def _table(name: str, notation: str) -> ContractTable:
    items = [item.partition(":") for item in notation.split()]
    columns = [(column.rstrip("*!"), column.endswith("*"), kind) for column, _, kind in items]
    return ContractTable(
        name=name,
        columns=tuple(column for column, _, _ in columns),
        required=frozenset(column for column, is_required, _ in columns if is_required),
        kinds={column: kind for column, _, kind in columns if kind},
    )


# As the dbt project lists them, which casts their values.
_VARS = yaml.safe_load((DBT_PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
CONTRACT_TABLES = {name: _table(name, notation) for name, notation in _VARS["contract"].items()}
# How the rows of a source usually come.
RHYTHM: Mapping[str, Any] = _VARS["rhythm"]
# The regular expression of a text that is no id.
NO_ID = "".join(_VARS["no_id"])
