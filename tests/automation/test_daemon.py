"""Dagster with its daemon: what is due runs, and what dies is made good.

One story on one instance: a dropped file starts a run, whose process is killed, and which is
started once more; its checks become messages. The schedule ticks while a run of the shell is at
work; that is killed, too, marked as failed and reported, and the schedule's, which waited behind
it, runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from dagster_project.automation.job import UNATTENDED_TAGS
from dagster_project.running.execute import SCHEDULE_NAME
from dagster_project.running.process import PROCESS_TAG
from tests.automation.deployment import LOCATION, Deployment, Run, deployed
from tests.conftest import handoff, start_handoff

# The first test that asks for the story waits for all of it; only a last resort.
pytestmark = [pytest.mark.timeout(3600), pytest.mark.starts_runs]

CONFIGURATION = """
warehouse: {output: out}
sources: [{kind: files, name: crm, path: export, watch: true}]
# Every minute is as often as cron knows.
schedule: {cron: "* * * * *", look_every_seconds: 5}
checks:
  lost_leads_have_a_reason: {warn: 0, block: 1}
  rejected_leads_have_a_reason: {warn: 0, block: 1}
alerts: {channels: {chat: {url_env: TEST_DAEMON_CHAT_URL}}}
"""
SCHEDULE = {
    "repositoryName": "__repository__",
    "repositoryLocationName": LOCATION,
    "scheduleName": SCHEDULE_NAME,
}
START_SCHEDULE = """
mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) {
    ... on ScheduleStateResult { scheduleState { id status } }
} }
"""
STOP_SCHEDULE = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
SCHEDULE_STATE = """
query($schedule: ScheduleSelector!) { scheduleOrError(scheduleSelector: $schedule) {
    ... on Schedule { scheduleState { id status ticks(limit: 1) { status } } }
} }
"""


@dataclass
class Story:
    """How each run of the story ended, and the messages that came."""

    titles: list[str]
    row_counts: dict[str, int]
    dropped: Run
    again: Run
    shell: Run
    scheduled: Run


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """All of it, in order; the tests look at what became of each part."""
    place = tmp_path_factory.mktemp("daemon")
    (place / "export").mkdir()
    made = handoff("simulate", "--leads", "120", "--seed", "3", "--out", place / "export")
    assert made.returncode == 0, made.stderr
    with deployed(place, CONFIGURATION) as deployment:
        yield _story(deployment)


def _story(deployment: Deployment) -> Story:
    wait_for_run = deployment.wait_for_run
    deployment.wait("the webserver", deployment.is_up)
    working = wait_for_run(
        "the run of a dropped file", lambda run: _is_of_files(run) and _is_working(run)
    )
    _kill(working)
    again = wait_for_run(
        "the second try of the killed run",
        lambda run: run.parent == working.run_id and run.status == "SUCCESS",
    )
    dropped = wait_for_run("the killed run", lambda run: _is(run, working, "FAILURE"))
    deployment.wait("the end of its incident", lambda: _resolved(deployment) == 1)

    shell = start_handoff("run")
    working = wait_for_run("the run of the shell", _is_of_the_shell_at_work)
    started = deployment.ask(START_SCHEDULE, schedule=SCHEDULE)["startSchedule"]["scheduleState"]
    assert started["status"] == "RUNNING"
    # The shell's run hardly moves, so the next one has to wait behind it. Stopped for good, it
    # might hold a lock on Dagster's database for as long.
    with _slowed(shell):
        waiting = wait_for_run(
            "the run of the schedule", lambda run: _is_of_schedule(run) and run.status == "QUEUED"
        )
        deployment.wait("the schedule to stop", lambda: _has_stopped(deployment))
    shell.kill()
    shell.communicate()
    killed = wait_for_run("the end of the shell's", lambda run: _is(run, working, "FAILURE"))
    scheduled = wait_for_run("the run that waited", lambda run: _is(run, waiting, "SUCCESS"))
    deployment.wait("the last message", lambda: _resolved(deployment) == 2)
    # Another minute of the schedule may have come before it stopped, and its run may be published.
    [build] = (deployment.place / "out" / "builds").glob(f"*-{scheduled.run_id[:8]}")
    manifest = json.loads((build / "manifest.json").read_text())
    return Story(
        titles=deployment.chat.titles,
        row_counts=manifest["row_counts"],
        dropped=dropped,
        again=again,
        shell=killed,
        scheduled=scheduled,
    )


def _has_stopped(deployment: Deployment) -> bool:
    """Stop the schedule; again if its tick was at work, since that writes its state at its end."""
    found = deployment.ask(SCHEDULE_STATE, schedule=SCHEDULE)["scheduleOrError"]["scheduleState"]
    if found["status"] == "RUNNING":
        deployment.ask(STOP_SCHEDULE, id=found["id"])
        return False
    return all(tick["status"] != "STARTED" for tick in found["ticks"])


def _is(run: Run, known: Run, status: str) -> bool:
    assert run.run_id != known.run_id or run.status == status or not run.is_over, run
    return run.run_id == known.run_id and run.status == status


def _is_of_files(run: Run) -> bool:
    return run.tags.get("dagster/sensor_name") == "new_files"


def _is_of_schedule(run: Run) -> bool:
    return run.tags.get("dagster/schedule_name") == SCHEDULE_NAME


def _is_working(run: Run) -> bool:
    return run.status == "STARTED" and run.tags.get(PROCESS_TAG, "").endswith(run.run_id)


def _is_of_the_shell_at_work(run: Run) -> bool:
    if any(tag.startswith("dagster/s") for tag in run.tags):
        return False
    assert not run.is_over, run
    return _is_working(run)


def _kill(run: Run) -> None:
    """End the process of a run at once, which lets it say nothing."""
    os.kill(int(run.tags[PROCESS_TAG].split(":")[1]), signal.SIGKILL)


@contextmanager
def _slowed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let a process work for a small part of each second only."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            over.wait(0.5)
            process.send_signal(signal.SIGCONT)
            over.wait(0.02)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()


def _resolved(deployment: Deployment) -> int:
    return sum(title.startswith("Resolved after") for title in deployment.chat.titles)


def test_a_dropped_file_starts_a_run_which_is_tried_again_when_killed(story: Story) -> None:
    assert story.dropped.tags["dagster/sensor_name"] == "new_files"
    assert story.again.tags["dagster/retry_number"] == "1"
    assert story.again.tags[PROCESS_TAG].endswith(story.again.run_id)


def test_failing_checks_become_messages_once(story: Story) -> None:
    checks = [title for title in story.titles if "the run failed" not in title]
    assert checks
    assert all(re.match(r"New warning for|\d+ new warnings for", title) for title in checks), checks
    assert len(set(checks)) == len(checks)


def test_each_killed_run_is_reported_and_so_is_the_end_of_it(story: Story) -> None:
    told = [title for title in story.titles if "the run failed" in title]
    assert [title.split()[0] for title in told] == ["New", "Resolved", "New", "Resolved"]


def test_a_killed_run_of_the_shell_blocks_no_other(story: Story) -> None:
    assert story.shell.status == "FAILURE"
    assert story.scheduled.status == "SUCCESS"


def test_the_schedule_ticks_and_its_run_publishes(story: Story) -> None:
    assert story.row_counts["dim_leads"] > 100
    # It would be tried again as the other was.
    assert UNATTENDED_TAGS.items() <= story.scheduled.tags.items()
    assert UNATTENDED_TAGS.items() <= story.dropped.tags.items()
