"""Suite of the opportunities, which revenue needs."""

from expectations.check import Check
from expectations.source_checks import fresh, lasting_rows, steady_columns, usable_rows

CHECKS: tuple[Check, ...] = (
    usable_rows("opportunities"),
    lasting_rows("opportunities"),
    steady_columns("opportunities"),
    fresh("opportunities", days=14.0),
)
