"""Builds as alerts see them: the warehouse with the results of an audit."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.reporting.pages import DEFINITIONS_PAGE, REPORT_PAGE
from dagster_project.running.publishing import MANIFEST_FILE, PUBLISHED_DIRECTORY
from expectations.catalogue import known_checks
from expectations.check import TRAILING_SUFFIX, Check

CHECK = "rejected_leads_have_a_reason"
VANISHING = "activities_do_not_vanish"
CASES = 100
_RESULTS = """
create table if not exists quality.check_results (
    build_id varchar, check_name varchar, table_name varchar, suite varchar, severity varchar,
    owner varchar, status varchar, passed boolean, observed double, unit varchar, cases bigint,
    failing_rows bigint, warn_threshold double, block_threshold double, sample_keys varchar,
    description varchar, message varchar, runbook varchar, "window" varchar, as_of timestamp,
    ran_at timestamp
)
"""


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
    vanished: bool = False,
) -> None:
    """Leave what a run with this id leaves of one check: 100 rejections of the day before, those
    of ``failing`` without a reason. ``kept``: how many failing cases the audit keeps.
    ``not_judged``: checks with too few cases. ``vanished``: the activities are gone."""
    build_id = f"{ran_at:%Y%m%dT%H%M%S}-{run_id[:8]}"
    moment = ran_at.replace(tzinfo=None)
    cases = [
        {
            "keys": {"source_system": "crm", "lead_id": lead, "cycle_number": 1, "visit_number": 3},
            "told": {"owner_id": "rep-7"},
        }
        for lead in failing[:kept]
    ]
    with connect(warehouse_path(output)) as warehouse:
        for schema in ("build", "quality"):
            warehouse.execute(f"create schema if not exists {schema}")
        warehouse.execute(
            "create or replace table build.build_info as select ? as build_id", [build_id]
        )
        warehouse.execute(_RESULTS)
        warehouse.execute(
            "create or replace table quality.audited_cases "
            "(check_name varchar, failing_cases json[], not_judged json[])"
        )
        for name in (CHECK, CHECK + TRAILING_SUFFIX, *([VANISHING] if vanished else [])):
            if parts is not None and name not in parts:
                continue
            row = _result(known_checks()[name], len(failing), errored, name in not_judged)
            if name == VANISHING:
                row |= {"status": "blocked", "passed": False, "observed": 1.0}
            row |= {"build_id": build_id, "as_of": moment, "ran_at": moment}
            warehouse.execute(
                "insert into quality.check_results by name select "
                + ", ".join(f'? as "{column}"' for column in row),
                list(row.values()),
            )
            warehouse.execute(
                "insert into quality.audited_cases values (?, ?, [])",
                [name, [*map(json.dumps, cases)]],
            )


def _result(check: Check, failing: int, errored: bool, not_judged: bool) -> dict[str, Any]:
    """A row of quality.check_results, without its build."""
    share = failing / CASES
    status = "warned" if share else "passed"
    if check.block is not None and share > check.block:
        status = "blocked"
    message = f"{check.shown(share)} ({failing} of {CASES}) over the {check.window}"
    row = {
        "check_name": check.name,
        "table_name": check.table,
        "owner": check.owner,
        "status": status,
        "passed": status == "passed",
        "observed": share,
        "cases": CASES,
        "failing_rows": failing,
        "description": check.description,
        "message": message,
        "runbook": check.runbook,
    }
    if errored:
        row |= {"status": "errored", "observed": None, "message": "the table is gone"}
    if not_judged:
        row |= {"status": "not_judged", "passed": None, "message": "Not judged: 2 cases, needs 20"}
    return row


def publish(output: Path, run_id: str, at: datetime) -> None:
    """Leave what a run with this id leaves when it publishes."""
    manifest = output / PUBLISHED_DIRECTORY / MANIFEST_FILE
    for page in (REPORT_PAGE, DEFINITIONS_PAGE):
        (manifest.parent / page).parent.mkdir(parents=True, exist_ok=True)
        (manifest.parent / page).touch()
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
