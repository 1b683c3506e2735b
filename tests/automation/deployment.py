"""Dagster's webserver and daemon over one company's configuration, as ``make dev`` starts them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.running.home import prepare_dagster_home
from tests.alerting.receivers import HttpReceiver

LOCATION = "dagster_project.definitions"
# A wait ends when nothing has happened for so long: no event of a run, no message.
STANDSTILL_SECONDS = 300
# The server counts the events of every run for each look, and shares two cores with the runs.
LOOK_EVERY_SECONDS = 2
_RUNS = """
{ runsOrError(limit: 50) { ... on Runs { results {
    runId status parentRunId tags { key value }
    stats { ... on RunStatsSnapshot { startTime stepsSucceeded materializations expectations } }
} } } }
"""
_LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"


@dataclass(frozen=True)
class Run:
    """A run as Dagster's API shows it. ``progress``: changes while it works."""

    run_id: str
    status: str
    parent: str | None
    tags: dict[str, str]
    progress: tuple[Any, ...]

    @property
    def is_over(self) -> bool:
        """True once it ended, however it did."""
        return self.status in {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass
class Deployment:
    """A webserver and a daemon, and the chat that their alerts go to."""

    place: Path
    port: int
    chat: HttpReceiver
    log: Path
    server: subprocess.Popen[bytes]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One call of the API that the UI uses."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            said: dict[str, Any] = json.load(answer)
        assert "errors" not in said, said
        data: dict[str, Any] = said["data"]
        return data

    def is_up(self) -> bool:
        """True once the code is loaded."""
        return bool(self.ask(_LOCATIONS)["repositoriesOrError"].get("nodes"))

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        return [
            Run(
                item["runId"],
                item["status"],
                item["parentRunId"],
                {tag["key"]: tag["value"] for tag in item["tags"]},
                tuple(item["stats"].values()),
            )
            for item in reversed(self.ask(_RUNS)["runsOrError"]["results"])
        ]

    def wait(self, what: str, found: Callable[[], Any]) -> Any:
        """Wait until something is there, and return it; as long as anything goes on."""
        seen: Any = None
        unanswered: Exception | None = None
        since = time.monotonic()
        while time.monotonic() - since < STANDSTILL_SECONDS and self.server.poll() is None:
            try:
                if value := found():
                    return value
                state = (self.chat.titles, self.runs())
                if state != seen:
                    seen, since = state, time.monotonic()
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                # The server starts, or a run held SQLite too long, which is an answer of 500.
                unanswered = error
            time.sleep(LOOK_EVERY_SECONDS)
        log = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        raise AssertionError(f"{what} never came; messages and runs: {seen}\n{log}") from unanswered

    def wait_for_run(self, what: str, fits: Callable[[Run], bool]) -> Run:
        """Wait for a run that fits."""
        run: Run = self.wait(what, lambda: next(filter(fits, self.runs()), None))
        return run


@contextmanager
def deployed(place: Path, configuration: str) -> Iterator[Deployment]:
    """Start both over this ``handoff.yml`` and stop them at the end.

    Its alerts reach the chat by ``TEST_DAEMON_CHAT_URL``. Commands that the test runs meanwhile
    use the same Dagster instance.
    """
    (place / "handoff.yml").write_text(configuration)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chat = HttpReceiver()
    own = {
        "HANDOFF_HOME": str(place / "home"),
        "DAGSTER_HOME": str(place / "home" / "dagster"),
        "HANDOFF_CONFIG": str(place / "handoff.yml"),
        "TEST_DAEMON_CHAT_URL": chat.url,
    }
    kept = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    settings = load_settings(place / "handoff.yml")
    prepare_dagster_home(settings.warehouse.output, settings)
    log = place / "dagster.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster", "dev", "--module-name", LOCATION),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=PROJECT_ROOT,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield Deployment(place, port, chat, log, server)
    finally:
        os.killpg(server.pid, 9)
        server.wait()
        chat.close()
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
