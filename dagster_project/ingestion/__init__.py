"""CRM to raw tables: one module per source kind, without Dagster, testable alone."""
