"""Options and output that several commands share."""

import getpass
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dagster_project.config.contract import AcceptanceMode
from dagster_project.config.locations import config_path
from dagster_project.config.plain_text import on_one_line
from dagster_project.config.settings import Settings
from dagster_project.running.plan import output_directory, settings_of

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; handoff.yml by default."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Output directory; handoff.yml's by default."),
]
InputOption = Annotated[
    Path | None,
    typer.Option("--input", metavar="DIR", help="One CRM export: a directory, a file per table."),
]
AcceptanceOption = Annotated[
    AcceptanceMode | None,
    typer.Option(help="Whether silence counts as acceptance (default) or not (explicit)."),
]


def settings_and_output(config: Path | None, output: Path | None) -> tuple[Settings, Path]:
    """The configuration, and the output directory that a command looks at."""
    settings = settings_of(config_path(config), is_needed=config is not None or output is None)
    return settings, output_directory(settings, str(output) if output else None)


def user_name() -> str:
    """Who types this; in a container whose user has no account, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


JsonOption = Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")]


def console() -> Console:
    """The console for what was asked for; wide where nobody reads along, so that nothing wraps.

    ``COLUMNS`` says otherwise anywhere.
    """
    is_known = Console().is_terminal or os.environ.get("COLUMNS")
    width = None if is_known else 160
    return Console(width=width, markup=False, emoji=False, highlight=False)


def say(text: str, *, style: str | None = None) -> None:
    """Print one line as it is."""
    console().print(on_one_line(text), style=style, soft_wrap=True)


def print_json(content: object) -> None:
    """Print plain data as JSON, and nothing else: times in UTC with Z, amounts as numbers."""
    print(json.dumps(content, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return f"{moment.isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


def is_debugging() -> bool:
    """True with ``--debug``, wherever it stands on the line."""
    return bool(os.environ.get("HANDOFF_DEBUG"))
