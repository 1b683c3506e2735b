"""The Dagster face of a run: raw tables, dbt models, checks and the published marts. Thin."""
