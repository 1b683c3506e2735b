"""Options and output that several commands share."""

import os
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


def console() -> Console:
    """The console for what was asked for; wide where nobody reads along, so that nothing wraps."""
    width = None if Console().is_terminal else 160
    return Console(width=width, markup=False, emoji=False, highlight=False)


def say(text: str) -> None:
    """Print one line as it is."""
    console().print(on_one_line(text), soft_wrap=True)


def is_debugging() -> bool:
    """True with ``--debug``, wherever it stands on the line."""
    return bool(os.environ.get("HANDOFF_DEBUG"))
