"""Alerts: what fails becomes an incident, an incident is told to whom it concerns, once."""
