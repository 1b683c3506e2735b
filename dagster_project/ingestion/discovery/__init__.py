"""Examines unknown exports and proposes the configuration that reads them."""
