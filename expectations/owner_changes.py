"""Suite of the owner changes, which tell who had a lead at its handoff."""

from expectations.source_checks import source_checks

CHECKS = source_checks("owner_changes", fresh_days=7.0)
