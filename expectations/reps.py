"""Suite of the reps, with their teams and capacity."""

from expectations.source_checks import source_checks

CHECKS = source_checks("reps")
