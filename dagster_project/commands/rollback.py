"""``handoff rollback``: publish an earlier build again."""

from typing import Annotated

import typer

from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.running import publishing
from dagster_project.running.output_lock import hold_output


def rollback(
    config: ConfigOption = None,
    output: OutputOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="BUILD",
            help="A build that is kept, or how its id begins; the one before by default.",
        ),
    ] = None,
) -> None:
    """Publish the build before the current one, or one that is kept, again.

    \b
    Examples:
      handoff rollback
      handoff rollback --to 20260701T050012
    """
    _, directory = settings_and_output(config, output)
    with hold_output(directory):
        manifest = publishing.roll_back(directory, to)
    replaced = manifest.get("rolled_back_from")
    place = f", in place of {replaced}" if replaced else ""
    say(f"Published build {manifest['build_id']} (as of {manifest['as_of']}) again{place}")
    for line in publishing.notices(manifest):
        say(line)
