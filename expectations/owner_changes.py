"""Suite of the owner changes, which tell who had a lead at its handoff."""

from expectations.check import Check
from expectations.source_checks import source_checks

CHECKS: tuple[Check, ...] = source_checks("owner_changes", fresh_days=14.0)
