"""``handoff definitions``: what the published figures mean."""

from typing import Annotated

import typer

from dagster_project.commands.options import (
    ConfigOption,
    OutputOption,
    console,
    say,
    settings_and_output,
)
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import PUBLISHED_FILE
from dagster_project.reporting.agreement_summary import summary
from dagster_project.reporting.pages import DEFINITIONS_PAGE
from dagster_project.running import publishing

_WIDTH = 80


def definitions(
    config: ConfigOption = None,
    output: OutputOption = None,
    only_path: Annotated[
        bool, typer.Option("--path", help="Print the path of the page and nothing else.")
    ] = False,
    is_opened: Annotated[
        bool, typer.Option("--open", help="Show the page in the browser.")
    ] = False,
) -> None:
    """Say what the published figures mean: milestones, stages, metrics; the page has the rest.

    The page was written with the build, by the policy of that moment. Print it to sign it.

    \b
    Examples:
      handoff definitions
      handoff definitions --open
    """
    _, directory = settings_and_output(config, output)
    published = directory / publishing.PUBLISHED_DIRECTORY
    if not (published / PUBLISHED_FILE).is_file():
        raise ConfigError(f"{directory}: nothing is published yet; handoff run publishes a build")
    page = published / DEFINITIONS_PAGE
    if not page.is_file() and (only_path or is_opened):
        raise ConfigError(
            f"{page}: the published build is from before there was such a page; handoff run "
            "publishes one that has it"
        )
    if not only_path:
        shown = console()
        shown.print(summary(published / PUBLISHED_FILE), width=min(shown.width, _WIDTH))
        say("")
    if only_path:
        say(str(page))
    elif page.is_file():
        say(f"The whole of it, to sign: {page}")
    else:
        say("This build is from before there was a page of it; the next run writes one.")
    if is_opened:
        typer.launch(page.resolve().as_uri())
