"""``python -m dagster_project``: the command ``handoff``."""

from dagster_project.commands.app import main

main()
