"""Dagster with its daemon, as `make dev` starts it: what is due runs, and what dies is made good.

One story on one instance: a dropped file starts a run, its checks become messages; the schedule
ticks, and its run, whose process is killed, is started once more; a killed run of the shell is
marked as failed and told, and the next one, which waited behind it, runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dagster_project.assets.run_resource import PROCESS_TAG
from dagster_project.automation.job import SCHEDULE_NAME
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.running.home import prepare_dagster_home
from tests.alerting.receivers import HttpReceiver
from tests.conftest import handoff, start_handoff

# The first test that asks for the story waits for all of it.
pytestmark = pytest.mark.timeout(900)

LOCATION = "dagster_project.definitions"
SCHEDULE = {
    "repositoryName": "__repository__",
    "repositoryLocationName": LOCATION,
    "scheduleName": SCHEDULE_NAME,
}
RUNS = """
{ runsOrError(limit: 50) { ... on Runs { results {
    runId status parentRunId tags { key value } stats { ... on RunStatsSnapshot { startTime } }
} } } }
"""


@dataclass
class Run:
    """A run as Dagster's API shows it."""

    run_id: str
    status: str
    parent: str | None
    tags: dict[str, str]
    started: float | None


@dataclass
class Deployment:
    """Dagster's webserver and daemon over one company's configuration."""

    place: Path
    port: int
    chat: HttpReceiver
    log: Path
    finished: dict[str, Run] = field(default_factory=dict)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One call of the API that the UI uses."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)
        assert "errors" not in said, said
        data: dict[str, Any] = said["data"]
        return data

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [
            Run(
                item["runId"],
                item["status"],
                item["parentRunId"],
                {tag["key"]: tag["value"] for tag in item["tags"]},
                item["stats"].get("startTime"),
            )
            for item in reversed(found)
        ]

    def wait(self, what: str, found: Callable[[], Any], seconds: float = 150) -> Any:
        """Wait until something is there, and return it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            value = found()
            if value:
                return value
            time.sleep(0.5)
        states = [(run.run_id[:8], run.status, run.tags) for run in self.runs()]
        raise AssertionError(
            f"{what} never came; runs: {states}; told: {self.chat.titles}\n"
            + "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        )

    def wait_for_run(self, what: str, fits: Callable[[Run], bool]) -> Run:
        """Wait for a run that fits."""
        run: Run = self.wait(what, lambda: next(filter(fits, self.runs()), None))
        return run

    def wait_for_title(self, begins: str) -> str:
        """Wait for a message whose title begins so."""
        title: str = self.wait(
            begins, lambda: next((t for t in self.chat.titles if t.startswith(begins)), None)
        )
        return title


def _kill(run: Run) -> None:
    """End the process of a run at once, which lets it say nothing."""
    os.kill(int(run.tags[PROCESS_TAG].split(":")[1]), signal.SIGKILL)


def _is_working(run: Run) -> bool:
    own = run.tags.get(PROCESS_TAG, "").endswith(run.run_id)
    return run.status == "STARTED" and own and run.started is not None


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    place = tmp_path_factory.mktemp("daemon")
    (place / "export").mkdir()
    (place / "handoff.yml").write_text(
        "warehouse: {output: out}\n"
        "sources: [{kind: files, name: crm, path: export, watch: true}]\n"
        # Every minute is as often as cron knows.
        'schedule: {cron: "* * * * *", look_every_seconds: 5}\n'
        "checks:\n"
        "  lost_leads_have_a_reason: {warn: 0, block: 1}\n"
        "  rejected_leads_have_a_reason: {warn: 0, block: 1}\n"
        "alerts: {channels: {chat: {url_env: TEST_DAEMON_CHAT_URL}}}\n"
    )
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
    prepare_dagster_home()
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
        yield Deployment(place, port, chat, log)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        chat.close()
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture(scope="module")
def story(deployment: Deployment) -> Deployment:
    """All of it, in order; the tests look at what became of each part."""
    export = deployment.place / "export"
    deployment.wait("the webserver", lambda: _is_up(deployment))

    made = handoff("simulate", "--leads", "120", "--seed", "3", "--out", export)
    assert made.returncode == 0, made.stderr
    dropped = deployment.wait_for_run(
        "the run of a dropped file",
        lambda run: run.tags.get("dagster/sensor_name") == "new_files" and run.status == "SUCCESS",
    )
    deployment.finished["dropped"] = dropped
    deployment.wait("messages", lambda: deployment.chat.titles)

    started = deployment.ask(
        "mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) "
        "{ ... on ScheduleStateResult { scheduleState { id status } } } }",
        schedule=SCHEDULE,
    )["startSchedule"]["scheduleState"]
    assert started["status"] == "RUNNING"
    scheduled = deployment.wait_for_run(
        "the run of the schedule",
        lambda run: run.tags.get("dagster/schedule_name") == SCHEDULE_NAME and _is_working(run),
    )
    deployment.ask(
        "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }", id=started["id"]
    )
    _kill(scheduled)
    deployment.finished["again"] = deployment.wait_for_run(
        "the second try of the killed run",
        lambda run: run.parent == scheduled.run_id and run.status == "SUCCESS",
    )
    deployment.finished["scheduled"] = next(
        run for run in deployment.runs() if run.run_id == scheduled.run_id
    )
    deployment.wait_for_title("Resolved after")

    shell = start_handoff("run")
    working = deployment.wait_for_run(
        "the run of the shell",
        lambda run: not any(tag.startswith("dagster/s") for tag in run.tags) and _is_working(run),
    )
    # It hangs, so the next one has to wait behind it.
    shell.send_signal(signal.SIGSTOP)
    with (export / "reps.csv").open("a") as stream:
        stream.write("\n")
    deployment.wait_for_run(
        "the run that waits",
        lambda run: run.status == "QUEUED" and run.tags.get("dagster/sensor_name") == "new_files",
    )
    shell.kill()
    shell.communicate()
    deployment.finished["shell"] = deployment.wait_for_run(
        "the end of the killed run",
        lambda run: run.run_id == working.run_id and run.status == "FAILURE",
    )
    deployment.finished["next"] = deployment.wait_for_run(
        "the run that waited",
        lambda run: (
            run.tags.get("dagster/sensor_name") == "new_files"
            and run.run_id != dropped.run_id
            and run.status == "SUCCESS"
        ),
    )
    deployment.wait(
        "the last message",
        lambda: sum(title.startswith("Resolved after") for title in deployment.chat.titles) == 2,
    )
    return deployment


def _is_up(deployment: Deployment) -> bool:
    try:
        found = deployment.ask(
            "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
        )
    except (urllib.error.URLError, ConnectionError):
        return False
    return bool(found["repositoriesOrError"].get("nodes"))


def test_a_dropped_file_starts_a_run_that_publishes(story: Deployment) -> None:
    manifest = json.loads((story.place / "out" / "published" / "manifest.json").read_text())
    assert manifest["row_counts"]["dim_leads"] > 100
    assert manifest["build_id"].endswith(story.finished["next"].run_id[:8])


def test_failing_checks_become_messages_once(story: Deployment) -> None:
    checks = [title for title in story.chat.titles if "the run failed" not in title]
    assert checks
    assert all(re.match(r"New warning for|\d+ new warnings for", title) for title in checks), checks
    assert len(set(checks)) == len(checks)


def test_the_schedule_ticks_and_its_killed_run_is_tried_again(story: Deployment) -> None:
    killed, again = story.finished["scheduled"], story.finished["again"]
    assert killed.status == "FAILURE"
    assert killed.tags["dagster/schedule_name"] == SCHEDULE_NAME
    assert again.tags["dagster/retry_number"] == "1"
    assert again.tags[PROCESS_TAG].endswith(again.run_id)


def test_each_killed_run_is_told_and_so_is_the_end_of_it(story: Deployment) -> None:
    told = [title for title in story.chat.titles if "the run failed" in title]
    assert [title.split()[0] for title in told] == ["New", "Resolved", "New", "Resolved"]


def test_a_killed_run_of_the_shell_blocks_no_other(story: Deployment) -> None:
    assert story.finished["shell"].status == "FAILURE"
    assert story.finished["next"].status == "SUCCESS"
