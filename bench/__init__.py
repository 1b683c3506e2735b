"""How fast Handoff is, beside what DuckDB alone takes for the same files (`make bench`)."""
