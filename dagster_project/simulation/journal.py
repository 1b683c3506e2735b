"""What happens to the leads of one block, gathered event by event before it becomes tables.

Nothing that happens at or after the year's end is kept: the export is made at that moment.
"""

from collections import defaultdict
from typing import ClassVar

import numpy as np

from dagster_project.simulation.working_time import Bools, Ints

NOBODY = -1
NOTHING = -1


class Journal:
    """Columns of events by table; places of leads are within their block."""

    TABLES: ClassVar[dict[str, tuple[str, ...]]] = {
        "stages": ("lead", "at", "stage", "reason", "actor"),
        "owners": ("lead", "at", "owner"),
        "signals": ("lead", "at", "kind", "channel", "campaign"),
        "activities": ("lead", "at", "kind", "direction", "rep"),
        "deals": ("lead", "at", "amount", "is_won", "closed_at", "reason", "owner"),
    }

    def __init__(self, end: int) -> None:
        self._end = end
        self._parts: dict[str, list[dict[str, Ints]]] = defaultdict(list)

    def add(self, table: str, lead: Ints, at: Ints, **columns: Ints | int) -> None:
        """Note one event for each lead that has it before the year's end."""
        keep: Bools = at < self._end
        part = {"lead": lead[keep], "at": at[keep]}
        for name in self.TABLES[table][2:]:
            value = columns[name]
            part[name] = (
                value[keep]
                if isinstance(value, np.ndarray)
                else np.full(len(part["lead"]), value, dtype=np.int64)
            )
        self._parts[table].append(part)

    def stage(
        self,
        lead: Ints,
        at: Ints,
        stage: Ints | int,
        reason: Ints | int = NOTHING,
        actor: Ints | int = NOBODY,
    ) -> None:
        """Note that leads entered a stage."""
        self.add("stages", lead, at, stage=stage, reason=reason, actor=actor)

    def table(self, name: str) -> dict[str, Ints]:
        """All events of a table, by lead, then time, then in the order they were noted."""
        parts = self._parts.pop(name, [])
        columns = {
            column: np.concatenate([part[column] for part in parts])
            if parts
            else np.empty(0, dtype=np.int64)
            for column in self.TABLES[name]
        }
        order = np.lexsort((columns["at"], columns["lead"]))
        return {column: values[order] for column, values in columns.items()}
