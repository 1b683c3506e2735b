"""Where Handoff keeps what outlives a run: Dagster's instance, the parsed dbt project, a key.

``HANDOFF_HOME`` names the directory (default: ``var`` in the repository). Nothing in it is needed
to read what was published.
"""

import os
import secrets
from pathlib import Path

from dagster_project.config.warehouse import PROJECT_ROOT

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


def handoff_home() -> Path:
    """The directory for state that outlives a run."""
    return Path(os.environ.get("HANDOFF_HOME") or PROJECT_ROOT / "var").expanduser().absolute()


def prepare_dagster_home() -> Path:
    """Name Dagster's home in the environment and make it ready; ``DAGSTER_HOME`` wins.

    Must come before anything asks Dagster for its instance.
    """
    home = (
        Path(os.environ.get("DAGSTER_HOME") or handoff_home() / "dagster").expanduser().absolute()
    )
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    wanted = _INSTANCE_CONFIGURATION
    if os.environ.get(POSTGRES_VARIABLE):
        wanted += _POSTGRES_STORAGE
    ours = {_INSTANCE_CONFIGURATION, _INSTANCE_CONFIGURATION + _POSTGRES_STORAGE}
    # Somebody's own file stays; ours follows the choice of storage.
    found = configuration.read_text(encoding="utf-8") if configuration.exists() else None
    if found is None or (found in ours and found != wanted):
        configuration.write_text(wanted, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


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
