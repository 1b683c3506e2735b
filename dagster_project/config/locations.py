"""Where the configuration is looked for, and where state lies that outlives a run."""

import os
from pathlib import Path

from dagster_project.config.warehouse import IS_CHECKOUT, PROJECT_ROOT

CONFIG_FILE = "handoff.yml"


def config_path(given: str | Path | None = None) -> Path:
    """The configuration file: as given, else ``HANDOFF_CONFIG``, else ``handoff.yml`` here.

    In a checkout without one in the working directory it is the checkout's own.
    """
    named = given or os.environ.get("HANDOFF_CONFIG")
    if named:
        return Path(named)
    here = Path(CONFIG_FILE).absolute()
    return here if here.is_file() or not IS_CHECKOUT else PROJECT_ROOT / CONFIG_FILE


def handoff_home() -> Path:
    """The directory for state that outlives a run: ``HANDOFF_HOME``, else ``var`` beside the
    configuration. Nothing in it is needed to read what was published."""
    named = os.environ.get("HANDOFF_HOME") or config_path().parent / "var"
    return Path(named).expanduser().absolute()
