"""``handoff report``: the report of what is published, made again."""

from typing import Annotated

import typer

from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.config.errors import ConfigError
from dagster_project.reporting.pages.report import REPORT_DIRECTORY, write_report
from dagster_project.running import publishing


def report(
    config: ConfigOption = None,
    output: OutputOption = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write the report of the published build again, beside it, and print where.

    A run writes one with every build; this one is of the release of Handoff that is installed.

    \b
    Examples:
      handoff report
      handoff report --open
    """
    _, directory = settings_and_output(config, output)
    manifest = publishing.published_manifest(directory)
    if manifest is None:
        raise ConfigError(f"{directory}: nothing is published yet; handoff run publishes a build")
    # One build, even if another is published meanwhile.
    build = (directory / publishing.PUBLISHED_DIRECTORY).resolve()
    page = write_report(build, manifest, directory / REPORT_DIRECTORY)
    say(str(page))
    if is_opened:
        typer.launch(page.as_uri())
