"""Alerts: what fails becomes an incident, and each change of an incident one message."""
