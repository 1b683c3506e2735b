"""Runs that the daemon started are reported too, once, and so is what only time brings."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from dagster_project.alerting.intake import (
    has_asked_for_a_run,
    look,
    own_output,
    schedule_report,
    schedule_started,
)
from dagster_project.alerting.service import on_the_clock
from dagster_project.alerting.store import ALERTS_FILE
from dagster_project.automation.alert_sensor import build_alert_sensor
from dagster_project.config.errors import SourceError
from dagster_project.config.settings import ScheduleSettings, Settings
from dagster_project.config.warehouse import PROJECT_ROOT, connect, warehouse_path
from dagster_project.running.execute import JOB_NAME, SCHEDULE_NAME
from dagster_project.running.process import OUTPUT_TAG, PROCESS_TAG, is_gone
from dagster_project.running.publishing import MANIFEST_FILE, PUBLISHED_DIRECTORY
from tests.alerting.builds import publish, write_build
from tests.alerting.conftest import Company, leads


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of its own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def _execute(
    instance: dg.DagsterInstance, company: Company, error: Exception | None, **tags: str
) -> str:
    """A run of a job of the same name that ends as a real one would."""

    @dg.op
    def read() -> None:
        if error:
            raise error

    @dg.job(name=JOB_NAME)
    def lead_lifecycle() -> None:
        read()

    result = lead_lifecycle.execute_in_process(
        instance=instance, tags={OUTPUT_TAG: str(company.output), **tags}, raise_on_error=False
    )
    return result.run_id


def _look(instance: dg.DagsterInstance, company: Company, since: datetime) -> datetime:
    now = datetime.now(UTC)
    return look(instance, company.settings, since, now)[1]


def test_runs_of_the_daemon_become_incidents_once(
    instance: dg.DagsterInstance, company: Company
) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    _execute(instance, company, SourceError("source crm: 503 after 5 tries"))
    _look(instance, company, since)
    _look(instance, company, since)
    assert company.chat.titles == ["New error for data: source crm could not be read"]
    assert "source crm: 503 after 5 tries" in company.chat.messages[0]["message"]

    run_id = _execute(instance, company, None)
    write_build(company.output, run_id, datetime.now(UTC), leads(2))
    publish(company.output, run_id, datetime.now(UTC))
    _look(instance, company, since)
    assert company.chat.titles[1:] == [
        "New warning for sales: 2 rejections without a reason (2% of 100)",
        "Resolved after a moment: source crm could not be read",
    ]


def test_a_run_is_taken_in_later_while_the_warehouse_is_held(
    instance: dg.DagsterInstance, company: Company
) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    run_id = _execute(instance, company, None)
    write_build(company.output, run_id, datetime.now(UTC), leads(2))
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, time\n"
            "held = duckdb.connect(sys.argv[1])\nprint('held', flush=True)\ntime.sleep(60)",
            str(warehouse_path(company.output)),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout
        holder.stdout.readline()
        through = _look(instance, company, since)
    finally:
        holder.kill()
        holder.wait()
    assert company.chat.titles == []
    _look(instance, company, through)
    assert len(company.chat.titles) == 1
    with connect(warehouse_path(company.output), read_only=True) as warehouse:
        assert warehouse.execute("select count(*) from quality.alerts").fetchone() == (1,)


def test_an_output_that_is_broken_keeps_no_other_from_being_told(
    instance: dg.DagsterInstance, company: Company, tmp_path: Path
) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / ALERTS_FILE).write_text("no database, but a text of some length, to be sure")
    _execute(instance, company, None, **{OUTPUT_TAG: str(broken)})
    _execute(instance, company, SourceError("source crm: 503 after 5 tries"))
    said, _ = look(instance, company.settings, since, datetime.now(UTC))
    assert company.chat.titles == ["New error for data: source crm could not be read"]
    assert any("DatabaseError" in line for line in said)


def test_a_run_that_could_not_be_taken_in_is_looked_at_again(
    instance: dg.DagsterInstance, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    _execute(instance, company, SourceError("source crm: 503 after 5 tries"))
    later = datetime.now(UTC) + timedelta(hours=2)

    def locked(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr("dagster_project.alerting.service._record", locked)
        _, through = look(instance, company.settings, since, later)
    assert company.chat.titles == []
    look(instance, company.settings, through, later)
    assert company.chat.titles == ["New error for data: source crm could not be read"]


def test_a_run_whose_process_was_killed_is_marked_and_told(
    instance: dg.DagsterInstance, company: Company
) -> None:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job(name=JOB_NAME)
    def lead_lifecycle() -> None:
        nothing()

    killed, again = str(uuid4()), str(uuid4())
    # A process that is no more: numbers go up to four million.
    tags = {
        OUTPUT_TAG: str(company.output),
        PROCESS_TAG: f"{socket.gethostname()}:99999999:1:{killed}",
    }
    instance.create_run_for_job(lead_lifecycle, run_id=killed, tags=tags)
    # Tried again, it begins with the tags of the one before, and with a process of its own later.
    instance.create_run_for_job(lead_lifecycle, run_id=again, tags=tags)
    _look(instance, company, datetime.now(UTC) - timedelta(hours=1))
    assert company.chat.titles == ["New error for data: the run failed before it could publish"]
    states = {run.run_id: run.status for run in instance.get_runs()}
    assert states[killed] == dg.DagsterRunStatus.FAILURE
    assert states[again] != dg.DagsterRunStatus.FAILURE


def test_tags_of_other_versions_are_no_reason_to_fail() -> None:
    for identity in ("", "host", f"{socket.gethostname()}:99999999:1", "a:b:c:d:e"):
        assert not is_gone(identity, "1")


def test_stale_data_is_an_incident_until_it_is_fresh(company: Company) -> None:
    company.alerts = {"stale_after_hours": 26}
    manifest = company.output / PUBLISHED_DIRECTORY / MANIFEST_FILE
    manifest.parent.mkdir()

    def look_at(published: str) -> None:
        content = {"build_id": "b1", "published_at": published, "as_of": published}
        manifest.write_text(json.dumps(content))
        on_the_clock(company.output, company.settings, now=datetime(2026, 7, 3, tzinfo=UTC))

    look_at("2026-07-01T05:00:00Z")
    look_at("2026-07-02T05:00:00Z")
    assert company.chat.titles == [
        "New error for data: the published marts are old",
        "Resolved after a moment: the published marts are old",
    ]


def test_an_instance_of_an_output_looks_after_that_output(tmp_path: Path) -> None:
    settings = Settings.model_validate({"warehouse": {"output": str(tmp_path / "configured")}})
    (tmp_path / "trial").mkdir()
    with connect(warehouse_path(tmp_path / "trial")):
        pass
    for place, output in (("trial", "trial"), ("home", "configured")):
        (tmp_path / place / "dagster").mkdir(parents=True)
        with dg.DagsterInstance.local_temp(str(tmp_path / place / "dagster")) as instance:
            assert own_output(instance, settings) == tmp_path / output


def test_a_schedule_that_is_off_is_never_missed(
    instance: dg.DagsterInstance, company: Company
) -> None:
    assert schedule_started(instance, company.settings) is None
    report = schedule_report(instance, company.settings, datetime.now(UTC))
    assert not report.findings


def test_a_schedule_that_is_on_is_missed_when_nothing_ran(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    before = datetime.now(UTC)
    subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "schedule", "start", SCHEDULE_NAME),
            *("--module-name", "dagster_project.definitions"),
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HANDOFF_CONFIG": str(PROJECT_ROOT / "handoff.yml")},
        timeout=1500,
        check=True,
    )
    # Every day at 05:00 UTC; an hour of patience.
    day = before.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    with dg.DagsterInstance.get() as instance:
        started = schedule_started(instance, company.settings)
        assert started is not None
        assert before < started < datetime.now(UTC)

        def missed(now: datetime) -> list[str]:
            findings = schedule_report(instance, company.settings, now).findings
            return [line for finding in findings for line in finding.observed]

        assert missed(started + timedelta(minutes=1)) == []
        days = timedelta(days=1)
        assert missed(day + days + timedelta(hours=5, minutes=30)) == [
            f"{SCHEDULE_NAME} was due at {day:%Y-%m-%d} 05:00 UTC and has asked for no run since"
        ]
        assert len(missed(day + days + timedelta(hours=6, minutes=30))) == 1


def test_only_the_schedule_s_own_runs_are_its_runs(
    instance: dg.DagsterInstance, company: Company
) -> None:
    since = datetime.now(UTC)
    _execute(instance, company, None)
    assert not has_asked_for_a_run(instance, since)
    _execute(instance, company, None, **{"dagster/schedule_name": SCHEDULE_NAME})
    assert has_asked_for_a_run(instance, since)
    assert not has_asked_for_a_run(instance, datetime.now(UTC) + timedelta(minutes=1))


def test_the_sensor_is_on_by_default() -> None:
    sensor = build_alert_sensor(ScheduleSettings())
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
