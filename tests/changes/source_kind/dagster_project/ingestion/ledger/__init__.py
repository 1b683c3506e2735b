"""A ledger: one CSV file of people and the stage each was last put in."""
