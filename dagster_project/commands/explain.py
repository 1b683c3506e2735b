"""``handoff explain``: one lead's story."""

from typing import Annotated

import typer

from dagster_project.commands.options import (
    ConfigOption,
    JsonOption,
    OutputOption,
    console,
    print_json,
    settings_and_output,
)
from dagster_project.config.warehouse import warehouse_path
from dagster_project.reporting.lead_page import as_data
from dagster_project.reporting.lead_page import explain as explain_lead
from dagster_project.reporting.lead_story import read_story


def explain(
    lead_id: Annotated[str, typer.Argument(metavar="LEAD_ID")],
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where several sources know the id.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Tell one lead's story: what came, what was made of it, and why.

    \b
    Examples:
      handoff explain L0000001
      handoff explain L0000001 --source sample --json
    """
    _, directory = settings_and_output(config, output)
    warehouse = warehouse_path(directory)
    if as_json:
        print_json(as_data(read_story(warehouse, lead_id, source)))
    else:
        console().print(explain_lead(warehouse, lead_id, source))
