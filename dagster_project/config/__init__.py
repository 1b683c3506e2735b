"""``handoff.yml``, the policy tables and the contract, read and validated once."""
