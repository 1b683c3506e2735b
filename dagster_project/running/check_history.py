"""What the checks found in the last builds, from the warehouse that keeps it."""

from pathlib import Path
from typing import Any

import duckdb

from dagster_project.config.warehouse import connect, records, warehouse_path
from dagster_project.running.audit import RESULTS_TABLE, SHOWN_BUILDS
from expectations.catalogue import current_name
from expectations.check import STATUS_WORDS


def check_history(output: Path, build_id: str) -> list[dict[str, Any]]:
    """One row per build and check of the last builds up to this one, the oldest first.

    Checks have the names that they have now; what another release wrote without a moment, or with
    a status that is not known here, is left out. Empty where the warehouse is not there, knows
    nothing of the build, or is in use by a run: a page does without.
    """
    if not warehouse_path(output).is_file():
        return []
    try:
        with connect(warehouse_path(output), read_only=True) as connection:
            found = records(
                connection,
                f"""
                with builds as (
                    select build_id, max(ran_at) as last_ran_at
                    from {RESULTS_TABLE}
                    group by build_id
                ),

                shown as (
                    select *
                    from builds
                    where last_ran_at <= (select last_ran_at from builds where build_id = ?)
                    order by last_ran_at desc, build_id
                    limit {SHOWN_BUILDS}
                )

                select build_id, as_of, check_name, status, message
                from {RESULTS_TABLE}
                inner join shown using (build_id)
                where as_of is not null and list_contains(?, status)
                order by last_ran_at, build_id, check_name
                """,
                [build_id, list(STATUS_WORDS)],
            )
    except (duckdb.CatalogException, duckdb.IOException):
        return []
    return [{**row, "check_name": current_name(row["check_name"])} for row in found]
