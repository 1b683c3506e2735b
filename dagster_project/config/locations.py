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
    """Where state lies that outlives a run: ``HANDOFF_HOME``, else ``var`` in the checkout or
    beside the configuration. Nothing in it is needed to read what was published."""
    beside = PROJECT_ROOT if IS_CHECKOUT else config_path().parent
    return Path(os.environ.get("HANDOFF_HOME") or beside / "var").expanduser().absolute()
