"""``handoff report``: the report of what is published."""

from typing import Annotated

import typer

from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.config.errors import ConfigError
from dagster_project.reporting.pages import REPORT_PAGE
from dagster_project.running import publishing


def report(
    config: ConfigOption = None,
    output: OutputOption = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Say where the report of the published build is.

    A run writes it with its build. Where the published one has none, it is written beside it, to
    report/ in the output.

    \b
    Examples:
      handoff report
      handoff report --open
    """
    _, directory = settings_and_output(config, output)
    manifest = publishing.published_manifest(directory)
    if manifest is None:
        raise ConfigError(f"{directory}: nothing is published yet; handoff run publishes a build")
    published = directory / publishing.PUBLISHED_DIRECTORY
    page = published / REPORT_PAGE
    if not page.is_file():
        from dagster_project.reporting.pages.report import write_report  # loads templates

        page = directory / REPORT_PAGE
        # One build, even if another is published meanwhile.
        write_report(published.resolve(), manifest, page)
    say(str(page))
    if is_opened:
        typer.launch(page.resolve().as_uri())
