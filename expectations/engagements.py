"""Suite of the engagements, which intent and interest scores need."""

from expectations.check import Check
from expectations.source_checks import (
    fresh,
    lasting_rows,
    steady_columns,
    usable_rows,
    usual_volume,
)

CHECKS: tuple[Check, ...] = (
    usable_rows("engagements"),
    lasting_rows("engagements"),
    steady_columns("engagements"),
    fresh("engagements", days=4.0),
    usual_volume("engagements"),
)
