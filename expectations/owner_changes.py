"""Suite of the owner changes, which tell who had a lead at its handoff."""

from expectations.check import Check
from expectations.source_checks import fresh, lasting_rows, steady_columns, usable_rows

CHECKS: tuple[Check, ...] = (
    usable_rows("owner_changes"),
    lasting_rows("owner_changes"),
    steady_columns("owner_changes"),
    fresh("owner_changes", days=14.0),
)
