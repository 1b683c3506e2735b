"""``handoff`` in a process of its own that has its imports already.

A fresh interpreter takes seconds to import Dagster, dbt and Great Expectations, and tests run the
command often. One process per test worker imports them once, and each command is a fork of it. How
it starts from nothing is tested where `start_handoff`, the tutorial and the wheel run it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "dagster_project.commands.app",
        "dagster_project.definitions",
        "dagster_project.alerting.service",
        "dbt.cli.main",
        "expectations.validation",
    ]
)


def run_forked(
    arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``handoff`` to its end in this directory and environment, and nothing else of ours.

    ``timeout``: in seconds; then it is killed, and ``subprocess.TimeoutExpired`` raised.
    """
    with tempfile.TemporaryDirectory() as place:
        said, complained = Path(place, "stdout"), Path(place, "stderr")
        process = _FORKS.Process(
            target=_run, args=(list(arguments), directory, dict(environment), said, complained)
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        return subprocess.CompletedProcess(
            list(arguments),
            process.exitcode or 0,
            said.read_text("utf-8"),
            complained.read_text("utf-8"),
        )


def _run(
    arguments: list[str],
    directory: Path,
    environment: dict[str, str],
    said: Path,
    complained: Path,
) -> None:
    """What the fork does: become the command."""
    for file, descriptor in ((said, 1), (complained, 2)):
        with file.open("wb") as stream:
            os.dup2(stream.fileno(), descriptor)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    sys.argv = ["handoff", *arguments]
    from dagster_project.commands.app import main  # there already, in this process

    main()
