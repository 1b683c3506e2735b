"""What outlives a run: Dagster's instance of each output, and the key of the e-mail hashes."""

import os
import secrets
from pathlib import Path

from dagster_project.config.locations import config_path, handoff_home
from dagster_project.config.settings import Settings, load_settings

_INSTANCE_CONFIGURATION = """\
# Written by handoff when missing; once changed it stays as you left it.
telemetry:
  enabled: false
nux:
  enabled: false

# One run at a time: two runs over one warehouse would refuse each other.
concurrency:
  runs:
    max_concurrent_runs: 1

run_monitoring:
  enabled: true

# A scheduled run whose process died is started again; the runs' tags say how often.
run_retries:
  enabled: true
  max_retries: 0

# How old sources and published marts may be.
freshness:
  enabled: true
"""

# Dagster keeps its runs in SQLite files, or in the PostgreSQL database that this variable names.
POSTGRES_VARIABLE = "HANDOFF_DAGSTER_POSTGRES_URL"
_POSTGRES_STORAGE = f"""
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_VARIABLE}
"""


def dagster_home(output: Path, settings: Settings) -> Path:
    """Where Dagster keeps an output's run history, freshness and schedule state.

    ``DAGSTER_HOME`` names another place for the configured output; every other output keeps its
    own, so that what is tried on it changes nothing of the first.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named and _is_configured(output, settings):
        return Path(named).expanduser().absolute()
    return output / "dagster"


def prepare_dagster_home(output: Path, settings: Settings) -> Path:
    """Make the directory of an output's Dagster instance ready and return it."""
    home = dagster_home(output, settings)
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    wanted = _INSTANCE_CONFIGURATION
    if os.environ.get(POSTGRES_VARIABLE) and _is_configured(output, settings):
        wanted += _POSTGRES_STORAGE
    ours = {_INSTANCE_CONFIGURATION, _INSTANCE_CONFIGURATION + _POSTGRES_STORAGE}
    # A file that somebody changed stays; ours follows the choice of storage.
    found = configuration.read_text(encoding="utf-8") if configuration.exists() else None
    if found is None or (found in ours and found != wanted):
        configuration.write_text(wanted, encoding="utf-8")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


def _is_configured(output: Path, settings: Settings) -> bool:
    return output.resolve() == settings.warehouse.output.resolve()


def hash_key() -> str:
    """The key that e-mail addresses are hashed with.

    ``HANDOFF_HASH_KEY``, else a random one that is made once and readable by its owner only.
    The same address has the same hash as long as the key stays; it is in no log and in no mart.
    """
    given = os.environ.get("HANDOFF_HASH_KEY")
    if given:
        return given
    path = handoff_home() / ".hash_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        key = secrets.token_hex(32)
        stream.write(key + "\n")
    return key


def main() -> None:
    """Print the Dagster home of the configured output, for ``make dev`` and services."""
    settings = load_settings(config_path())
    print(prepare_dagster_home(settings.warehouse.output.absolute(), settings))


if __name__ == "__main__":
    main()
