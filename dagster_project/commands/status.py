"""``handoff status``: what is published."""

import sqlite3
from collections import Counter
from pathlib import Path

from dagster_project.alerting.messages import marks_of
from dagster_project.alerting.store import ALERTS_FILE, counts
from dagster_project.commands.options import (
    ConfigOption,
    JsonOption,
    OutputOption,
    console,
    print_json,
    say,
    settings_and_output,
)
from dagster_project.reporting.build_status import published_lines, status_page
from dagster_project.running import publishing


def status(
    config: ConfigOption = None, output: OutputOption = None, as_json: JsonOption = False
) -> None:
    """Say what is published and kept, and everything that the last build found, published or not.

    --json prints the manifest of what is published; null where nothing is.

    \b
    Examples:
      handoff status
      handoff status --json
    """
    _, directory = settings_and_output(config, output)
    if as_json:
        print_json(publishing.published_manifest(directory))
        return
    for name, text in [*published_lines(directory), *_open_alerts(directory)]:
        say(f"{name:<11}{text}")
    console().print(status_page(directory))


def _open_alerts(output: Path) -> list[tuple[str, str]]:
    """What is open, in a line; nothing where no alerts were ever kept."""
    try:
        found = counts(output)
    except sqlite3.Error as error:
        return [("alerts", f"{output / ALERTS_FILE} can't be read: {error}")]
    if not found:
        return []
    incidents = f"{_counted(found['error'], 'error')}, {_counted(found['warning'], 'warning')} open"
    if marks := marks_of(Counter(found)):
        incidents += f", {marks}"
    waiting = f", {_counted(found['waiting'], 'message')} waiting" if found["waiting"] else ""
    failed = f", {_counted(found['failed'], 'message')} not delivered" if found["failed"] else ""
    return [("alerts", f"{incidents}{waiting}{failed} (handoff alerts list)")]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
