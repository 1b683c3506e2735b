"""Salesforce by its API."""
