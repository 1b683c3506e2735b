"""HubSpot by its API."""
