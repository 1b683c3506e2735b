"""``handoff status``: what is published."""

import json
import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.alerting.store import ALERTS_FILE, counts
from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.running import publishing


def status(
    config: ConfigOption = None,
    output: OutputOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest as JSON.")] = False,
) -> None:
    """Say what is published: build, as_of, rows, checks.

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
    for line in [*lines, *_open_alerts(directory)]:
        say(line)


def _open_alerts(output: Path) -> list[str]:
    """What is open, in a line; nothing where no alerts were ever kept."""
    try:
        found = counts(output)
    except sqlite3.Error as error:
        return [f"alerts     {output / ALERTS_FILE} can't be read: {error}"]
    if not found:
        return []
    waiting = f", {found['waiting']} messages waiting" if found["waiting"] else ""
    failed = f", {found['failed']} messages failed" if found["failed"] else ""
    incidents = f"{found['error']} errors, {found['warning']} warnings open"
    return [f"alerts     {incidents}{waiting}{failed} (handoff alerts list)"]
