"""Suite of the reps, with their teams and capacity."""

from expectations.check import Check
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = source_checks("reps")
