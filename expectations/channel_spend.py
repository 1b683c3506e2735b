"""Suite of the channel spend, which costs per milestone need."""

from expectations.check import Check
from expectations.source_checks import fresh, lasting_rows, steady_columns, usable_rows

CHECKS: tuple[Check, ...] = (
    usable_rows("channel_spend"),
    lasting_rows("channel_spend"),
    steady_columns("channel_spend"),
    fresh("channel_spend", days=7.0),
)
