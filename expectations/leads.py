"""Suite of the leads as the sources deliver them."""

from expectations.source_checks import source_checks

CHECKS = source_checks("leads", fresh_days=4.0, has_usual_volume=True)
