"""Every failing row of an incident, for those who fix them where they come from."""

import csv
import json
from pathlib import Path
from typing import Any, TextIO

from dagster_project.alerting.store import Row
from dagster_project.config.errors import ConfigError
from dagster_project.config.plain_text import on_one_line
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import BUILD_SCHEMA, connect, warehouse_path
from dagster_project.running.output_lock import visit_output
from expectations.catalogue import configured_suites
from expectations.check import Check

_AT_ONCE = 10_000
# What a spreadsheet may take for a formula.
_FORMULA = ("=", "+", "-", "@")


def write_cases(output: Path, settings: Settings, incident: Row, file: TextIO) -> None:
    """Write the failing rows of an open incident as CSV: keys, and what helps people beside them.

    They are asked of the build in which the incident was last seen. Raises ``ConfigError`` when
    the warehouse holds another build, or the incident is about no rows; ``OutputLocked`` while a
    run holds the output.
    """
    number = incident["id"]
    if incident["state"] != "open":
        raise ConfigError(f"incident {number} was resolved at {incident['resolved_at']}")
    checks = {c.name: c for suite in configured_suites(settings.checks) for c in suite.checks}
    name = next(iter(json.loads(incident["finding"])["windows"]), incident["check_name"])
    check = checks.get(name)
    if check is None or not check.cases or incident["status"] == "errored":
        raise ConfigError(
            f"incident {number} is not about rows: handoff alerts show {number} has what is known"
        )
    if not warehouse_path(output).is_file():
        raise ConfigError(f"{output}: there is no warehouse (handoff run)")
    with visit_output(output), connect(warehouse_path(output), read_only=True) as warehouse:
        built = warehouse.execute(f"select build_id from {BUILD_SCHEMA}.build_info").fetchone()
        if built is None or built[0] != incident["build_id"]:
            raise ConfigError(
                f"incident {number} was last seen in build {incident['build_id']}, and the "
                "warehouse holds another one: handoff run judges it anew"
            )
        found = warehouse.execute(failing_rows(check))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column[0] for column in found.description or ())
        for rows in iter(lambda: found.fetchmany(_AT_ONCE), []):
            writer.writerows([_as_text(value) for value in row] for row in rows)


def failing_rows(check: Check) -> str:
    """SQL for the failing cases of a check, the greatest measure and the latest first."""
    measured = [] if check.unit == "share" else ["measure"]
    latest = [check.newest_by] if check.newest_by else []
    columns = dict.fromkeys([*check.keys, *measured, *latest, *check.told_with])
    order = (f"{column} desc" for column in dict.fromkeys([*measured, *latest, *check.keys]))
    return (
        f"select {', '.join(columns)} from ({check.cases}) as checked "
        f"where {check.is_in_window} and {check.fails} order by {', '.join(order)}"
    )


def _as_text(value: Any) -> Any:
    """A value as a cell: what came from outside acts neither in a terminal nor in a spreadsheet."""
    if not isinstance(value, str):
        return value
    return on_one_line(f"'{value}" if value.startswith(_FORMULA) else value)
