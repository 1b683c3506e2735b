"""``handoff status``: what is published."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.alerting.messages import marks_of
from dagster_project.alerting.store import ALERTS_FILE, counts
from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.running import publishing


def status(
    config: ConfigOption = None,
    output: OutputOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest as JSON.")] = False,
) -> None:
    """Say what is published: build, as_of, rows, checks; and why the last build is not.

    \b
    Examples:
      handoff status
      handoff status --json
    """
    _, directory = settings_and_output(config, output)
    manifest = publishing.published_manifest(directory)
    if as_json:
        print(json.dumps(manifest, indent=2))
        return
    lines = [f"{directory}: nothing is published yet (handoff run)"]
    if manifest is not None:
        lines = publishing.describe(directory, manifest)
    for line in [*lines, *publishing.describe_unpublished(directory), *_open_alerts(directory)]:
        say(line)


def _open_alerts(output: Path) -> list[str]:
    """What is open, in a line; nothing where no alerts were ever kept."""
    try:
        found = counts(output)
    except sqlite3.Error as error:
        return [f"alerts     {output / ALERTS_FILE} can't be read: {error}"]
    if not found:
        return []
    incidents = f"{_counted(found['error'], 'error')}, {_counted(found['warning'], 'warning')} open"
    if marks := marks_of(Counter(found)):
        incidents += f", {marks}"
    waiting = f", {_counted(found['waiting'], 'message')} waiting" if found["waiting"] else ""
    failed = f", {_counted(found['failed'], 'message')} failed" if found["failed"] else ""
    return [f"alerts     {incidents}{waiting}{failed} (handoff alerts list)"]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
