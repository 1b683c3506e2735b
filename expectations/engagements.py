"""Suite of the engagements, which intent and interest scores need."""

from expectations.source_checks import source_checks

CHECKS = source_checks("engagements", fresh_days=4.0, has_usual_volume=True)
