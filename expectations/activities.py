"""Suite of the activities, which first touches and service levels need."""

from expectations.check import Check
from expectations.source_checks import (
    fresh,
    lasting_rows,
    steady_columns,
    usable_rows,
    usual_volume,
)

CHECKS: tuple[Check, ...] = (
    usable_rows("activities"),
    lasting_rows("activities"),
    steady_columns("activities"),
    fresh("activities", days=4.0),
    usual_volume("activities"),
)
