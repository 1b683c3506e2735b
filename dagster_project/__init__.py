"""Handoff: Dagster code location, command line and everything that moves data."""
