"""``handoff compare``: the same history under other definitions."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dagster_project.commands.options import (
    AcceptanceOption,
    ConfigOption,
    JsonOption,
    OutputOption,
    console,
    print_json,
    settings_and_output,
)
from dagster_project.reporting.comparison import as_data, render
from dagster_project.reporting.comparison import compare as compare_policies


def compare(
    policy: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Another policy; a changed copy of yours.")
    ] = None,
    tradition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another dialect of the funnel.")
    ] = None,
    acceptance: AcceptanceOption = None,
    lead_limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="Lead ids named per change of outcome.")
    ] = 5,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Replay the history under other definitions, and show both sides. Publishes nothing.

    \b
    Examples:
      handoff compare --tradition hubspot
      handoff compare --acceptance default --json
      handoff compare --policy draft        after cp -r seeds/policy draft, and edits there
    """
    settings, directory = settings_and_output(config, output)
    with Console(stderr=True).status("comparing") as shown:
        comparison = compare_policies(
            directory,
            settings,
            policy_dir=policy,
            tradition=tradition,
            acceptance=acceptance,
            lead_limit=lead_limit,
            progress=shown.update,
        )
    if as_json:
        print_json(as_data(comparison))
        return
    console().print(render(comparison))
