"""Suite of the activities, which first touches and service levels need."""

from expectations.source_checks import source_checks

CHECKS = source_checks("activities", fresh_days=4.0, has_usual_volume=True)
