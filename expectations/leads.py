"""Suite of the leads as the sources deliver them."""

from expectations.check import Check
from expectations.source_checks import (
    fresh,
    lasting_rows,
    steady_columns,
    usable_rows,
    usual_volume,
)

CHECKS: tuple[Check, ...] = (
    usable_rows("leads"),
    lasting_rows("leads"),
    steady_columns("leads"),
    fresh("leads", days=4.0),
    usual_volume("leads"),
)
