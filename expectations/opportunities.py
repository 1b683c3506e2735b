"""Suite of the opportunities, which revenue needs."""

from expectations.check import Check
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = source_checks("opportunities", fresh_days=14.0)
