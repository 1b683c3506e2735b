"""``handoff explain``: one lead's story."""

from typing import Annotated

import typer

from dagster_project.commands.options import (
    ConfigOption,
    OutputOption,
    console,
    settings_and_output,
)
from dagster_project.config.warehouse import warehouse_path
from dagster_project.reporting.lead_page import explain as explain_lead


def explain(
    lead_id: Annotated[str, typer.Argument(metavar="LEAD_ID")],
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where several sources know the id.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Tell one lead's story: what came, what was made of it, and why.

    \b
    Example:
      handoff explain L0000001
    """
    _, directory = settings_and_output(config, output)
    console().print(explain_lead(warehouse_path(directory), lead_id, source))
