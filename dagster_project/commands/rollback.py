"""``handoff rollback``: publish the build before the current one again."""

from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.running import publishing
from dagster_project.running.output_lock import hold_output


def rollback(config: ConfigOption = None, output: OutputOption = None) -> None:
    """Publish the build before the current one again.

    \b
    Example:
      handoff rollback
    """
    _, directory = settings_and_output(config, output)
    with hold_output(directory):
        manifest = publishing.roll_back(directory)
    say(
        f"Published build {manifest['build_id']} (as of {manifest['as_of']}) again, "
        f"in place of {manifest['rolled_back_from']}"
    )
