"""Suite of the opportunities, which revenue needs."""

from expectations.source_checks import source_checks

CHECKS = source_checks("opportunities", fresh_days=14.0)
