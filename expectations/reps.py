"""Suite of the reps, with their teams and capacity."""

from expectations.check import Check
from expectations.source_checks import lasting_rows, steady_columns, usable_rows

CHECKS: tuple[Check, ...] = (
    usable_rows("reps"),
    lasting_rows("reps"),
    steady_columns("reps"),
)
