"""Suite of ``row_counts``: rows read = rows staged + quarantined + exact duplicates."""

from dagster_project.config.contract import CONTRACT_TABLES
from expectations.check import Check, model_promise

TABLE = "quality.row_counts"
_CONTRACT_TABLES = ", ".join(f"'{name}'" for name in CONTRACT_TABLES)

CHECKS: tuple[Check, ...] = (
    model_promise(
        name="rows_read_are_accounted_for",
        headline="{failing} table{s} whose rows do not add up",
        description="Every row that was read is staged, in quarantine, or an exact duplicate "
        "of another; per source and table.",
        runbook="A defect of the readers or of staging: compare raw.loads, quality.quarantine and "
        "the staging model of the listed tables.",
        cases="""
            select
                counts.source_system, counts.table_name,
                counts.rows_read
                is distinct from counts.rows_staged + counts.rows_quarantined
                + counts.exact_duplicates
                or counts.rows_staged < 0
                or counts.rows_quarantined <> coalesce(quarantined.row_count, 0) as is_broken
            from quality.row_counts as counts
            left join (
                select source_system, table_name, count(*) as row_count
                from quality.quarantine
                group by source_system, table_name
            ) as quarantined
                on
                    counts.source_system = quarantined.source_system
                    and counts.table_name = quarantined.table_name
        """,
        keys=("source_system", "table_name"),
    ),
    model_promise(
        name="loads_are_counted",
        headline="{failing} table{s} loaded in part only",
        description="The rows that a load says it read are the rows that were counted; per "
        "source and table. A CRM's own tables are counted once staging has given them shape.",
        runbook="A load was written in part: run again with --full-refresh; if it stays, look at "
        "raw.loads for the listed tables.",
        cases=f"""
            select
                loads.source_system, loads.table_name,
                loads.rows_read
                is distinct from coalesce(counts.rows_read, 0) as is_broken
            from (
                select source_system, table_name, sum(rows_read) as rows_read
                from raw.loads
                where is_current and table_name in ({_CONTRACT_TABLES})
                group by source_system, table_name
            ) as loads
            left join quality.row_counts as counts
                on
                    loads.source_system = counts.source_system
                    and loads.table_name = counts.table_name
        """,
        keys=("source_system", "table_name"),
    ),
)
