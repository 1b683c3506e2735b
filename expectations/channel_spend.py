"""Suite of the channel spend, which costs per milestone need."""

from expectations.source_checks import source_checks

CHECKS = source_checks("channel_spend", fresh_days=7.0)
