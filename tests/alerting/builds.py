"""Builds as alerts see them: the warehouse with the results of an audit."""

import json
from datetime import datetime
from pathlib import Path

from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.running import audit as quality
from dagster_project.running.publishing import MANIFEST_FILE, PUBLISHED_DIRECTORY
from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX

CHECK = "rejected_leads_have_a_reason"
CASES = 100


def write_build(
    output: Path,
    run_id: str,
    ran_at: datetime,
    failing: list[str],
    *,
    errored: bool = False,
    parts: set[str] | None = None,
    kept: int = CASES,
    not_judged: tuple[str, ...] = (),
) -> None:
    """Leave what a run with this id leaves of one check: 100 rejections of the day before, those
    of ``failing`` without a reason. ``kept``: how many failing cases the results keep.
    ``not_judged``: checks with too few cases."""
    check = known_checks()[CHECK]
    build_id = f"{ran_at:%Y%m%dT%H%M%S}-{run_id[:8]}"
    with connect(warehouse_path(output)) as warehouse:
        for schema in ("raw", "build", "quality"):
            warehouse.execute(f"create schema if not exists {schema}")
        warehouse.execute(
            "create or replace table raw.run_parameters as "
            "select ?::varchar as build_id, ?::timestamp as as_of",
            [build_id, ran_at.replace(tzinfo=None)],
        )
        warehouse.execute(
            "create or replace table build.build_info as select ? as build_id", [build_id]
        )
        quality._ensure_tables(warehouse)
        share = len(failing) / CASES
        columns = ("source_system", "lead_id", "cycle_number", "visit_number", "owner_id")
        keys = tuple(
            dict(zip(columns, ("crm", lead, 1, 3, "rep-7"), strict=True)) for lead in failing
        )
        outcomes = [
            quality.CheckOutcome(
                check=window,
                suite="fct_lead_stages",
                status="errored" if errored else window.judge(share, CASES),
                observed=None if errored else share,
                previous=None,
                cases=CASES,
                failing=len(failing),
                keys=keys[:kept],
                problem="the table is gone" if errored else None,
                stops_publication=False,
            )
            for window in (check, known_checks()[CHECK + TRAILING_SUFFIX])
            if parts is None or window.name in parts
        ]
        quality._append_results(warehouse, build_id, outcomes)
        for name in not_judged:
            warehouse.execute(
                "update quality.check_results set status = 'not_judged', passed = null, cases = 0, "
                "failing_rows = 0, observed = null, sample_keys = '[]', "
                "message = 'Not judged: 0 cases' where build_id = ? and check_name = ?",
                [build_id, name],
            )


def publish(output: Path, run_id: str, at: datetime) -> None:
    """Leave what a run with this id leaves when it publishes."""
    manifest = output / PUBLISHED_DIRECTORY / MANIFEST_FILE
    manifest.parent.mkdir(exist_ok=True)
    moment = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    manifest.write_text(
        json.dumps(
            {
                "build_id": f"{at:%Y%m%dT%H%M%S}-{run_id[:8]}",
                "published_at": moment,
                "as_of": moment,
            }
        )
    )
