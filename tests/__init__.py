"""The tests of Handoff."""
