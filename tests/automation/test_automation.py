"""What starts runs, and how they are tried again."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from dagster_project.alerting.clock import last_due
from dagster_project.automation.file_sensor import build_file_sensor
from dagster_project.automation.freshness import freshness_window
from dagster_project.automation.schedule import build_schedule
from dagster_project.config.errors import ConfigError
from dagster_project.config.settings import (
    ScheduleSettings,
    Settings,
    WarehouseSettings,
    load_settings,
)
from dagster_project.running.home import POSTGRES_VARIABLE, prepare_dagster_home


def _watching(directory: Path) -> Settings:
    source = {"kind": "files", "path": directory, "watch": True}
    return Settings.model_validate({"sources": [source]})


def test_files_start_one_run_once_they_stopped_changing(tmp_path: Path) -> None:
    sensor = build_file_sensor(_watching(tmp_path))
    cursor: str | None = None

    def tick() -> int:
        nonlocal cursor
        context = dg.build_sensor_context(cursor=cursor)
        data = sensor.evaluate_tick(context)
        cursor = data.cursor
        return len(data.run_requests or [])

    assert tick() == 0
    (tmp_path / "leads.csv").write_text("lead_id\n")
    assert [tick(), tick(), tick(), tick()] == [0, 1, 0, 0]
    with (tmp_path / "leads.csv").open("a") as stream:
        stream.write("L-1\n")
    assert tick() == 0
    with (tmp_path / "leads.csv").open("a") as stream:
        stream.write("L-2\n")
    assert [tick(), tick(), tick()] == [0, 1, 0]
    (tmp_path / "leads.csv.part").write_text("half")
    (tmp_path / ".hidden").write_text("x")
    assert [tick(), tick()] == [0, 0]


def test_no_source_is_watched_unless_it_says_so(tmp_path: Path) -> None:
    settings = Settings.model_validate({"sources": [{"kind": "files", "path": tmp_path}]})
    sensor = build_file_sensor(settings)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


@pytest.mark.parametrize(
    ("configured", "hours"),
    [
        ({}, 36),
        ({"schedule": {"cron": "0 * * * *"}}, 1.5),
        ({"schedule": {"cron": "0 5 * * 1-5"}}, 108),
        ({"alerts": {"stale_after_hours": 30}}, 30),
    ],
)
def test_freshness_follows_the_schedule(configured: dict[str, Any], hours: float) -> None:
    assert freshness_window(Settings.model_validate(configured)) == timedelta(hours=hours)


# Clocks in Amsterdam go forward on 29 March 2026, from 02:00 to 03:00 (01:00 UTC), and back on
# 25 October, from 03:00 to 02:00 (01:00 UTC).
@pytest.mark.parametrize(
    ("cron", "before", "due"),
    [
        ("0 5 * * *", "2026-03-28T12:00", "2026-03-28T04:00"),
        ("0 5 * * *", "2026-03-29T12:00", "2026-03-29T03:00"),
        ("0 5 * * *", "2026-10-24T12:00", "2026-10-24T03:00"),
        ("0 5 * * *", "2026-10-25T12:00", "2026-10-25T04:00"),
        # 02:30 does not exist on one day: the run is due at 03:00.
        ("30 2 * * *", "2026-03-29T00:59", "2026-03-28T01:30"),
        ("30 2 * * *", "2026-03-29T12:00", "2026-03-29T01:00"),
        # And it comes twice on another: Dagster starts the run the second time.
        ("30 2 * * *", "2026-10-25T01:29", "2026-10-24T00:30"),
        ("30 2 * * *", "2026-10-25T01:31", "2026-10-25T01:30"),
        ("0 * * * *", "2026-03-29T01:30", "2026-03-29T01:00"),
        ("0 * * * *", "2026-10-25T01:30", "2026-10-25T01:00"),
        ("0 * * * *", "2026-10-25T02:30", "2026-10-25T02:00"),
        ("0 5 * * 1-5", "2026-10-26T03:00", "2026-10-23T03:00"),
    ],
)
def test_runs_are_due_by_the_clock_of_their_zone(cron: str, before: str, due: str) -> None:
    schedule = ScheduleSettings(cron=cron, timezone="Europe/Amsterdam")
    found = last_due(schedule, datetime.fromisoformat(f"{before}+00:00"))
    assert f"{found:%Y-%m-%dT%H:%M}" == due


def test_freshness_allows_for_the_day_of_25_hours() -> None:
    settings = Settings.model_validate({"schedule": {"timezone": "Europe/Amsterdam"}})
    march, october = datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC)
    assert freshness_window(settings, march) == timedelta(hours=24) * 1.5
    assert freshness_window(settings, october) == timedelta(hours=25) * 1.5


def test_scheduled_runs_try_a_source_again_and_runs_of_the_shell_do_not() -> None:
    from dagster_project.assets.raw_tables import _retry
    from dagster_project.config.errors import SourceError

    tries = []

    @dg.asset
    def source(context: dg.AssetExecutionContext) -> None:
        tries.append(context.retry_number)
        error = SourceError("source crm: down")
        retry = _retry(context)
        # A test does not wait for minutes.
        raise dg.RetryRequested(retry.max_retries, 0) if retry else error

    def run(tags: dict[str, str]) -> bool:
        return dg.materialize([source], tags=tags, raise_on_error=False).success

    assert not run({"dagster/schedule_name": "lead_lifecycle_daily"})
    assert tries == [0, 1, 2]
    tries.clear()
    assert not run({})
    assert tries == [0]


@pytest.fixture
def postgres() -> Iterator[str]:
    """A PostgreSQL server of its own; its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (make system-packages)")
    # Not below pytest's own directory, which the server's user may not enter.
    directory = Path("/tmp") / f"handoff-postgres-{os.getpid()}"
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if prefix:
        shutil.chown(directory, "postgres")
    bin_directory, data = programs[-1].parent, directory / "data"

    def call(*arguments: object) -> None:
        command = [*prefix, *map(str, arguments)]
        subprocess.run(command, check=True, timeout=1500, stdout=subprocess.DEVNULL, cwd="/")

    call(bin_directory / "initdb", "-D", data, "-U", "handoff", "-A", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
    control = (bin_directory / "pg_ctl", "-D", data, "-w", "-s", "-l", directory / "log")
    call(*control, "-o", options, "start")
    try:
        yield f"postgresql://handoff@127.0.0.1:{port}/postgres"
    finally:
        call(*control, "-m", "immediate", "stop")
        shutil.rmtree(directory, ignore_errors=True)


def test_dagster_keeps_its_runs_in_postgres_by_configuration(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(warehouse=WarehouseSettings(output=tmp_path))
    prepare_dagster_home(tmp_path, settings)
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres)
    home = prepare_dagster_home(tmp_path, settings)

    @dg.asset
    def thing() -> None:
        pass

    with dg.DagsterInstance.from_config(str(home)) as instance:
        run_id = dg.materialize([thing], instance=instance).run_id
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert "Postgres" in type(instance.run_storage).__name__
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_success
    assert not list(home.rglob("runs.db"))


def test_a_changed_dagster_configuration_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    settings = Settings(warehouse=WarehouseSettings(output=tmp_path / "output"))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://nowhere/dagster")
    assert prepare_dagster_home(tmp_path / "output", settings) == tmp_path
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_another_output_has_an_instance_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "shared"))
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://nowhere/dagster")
    settings = Settings(warehouse=WarehouseSettings(output=tmp_path / "output"))
    home = prepare_dagster_home(tmp_path / "other", settings)
    assert home == tmp_path / "other" / "dagster"
    assert "postgres" not in (home / "dagster.yaml").read_text()


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": "61 * * * *"}, "schedule.cron"),
        ({"cron": "every day"}, "schedule.cron"),
        ({"cron": "0 5 * * * *"}, "five fields"),
        ({"cron": "0 5 31 2 *"}, "schedule.cron"),
        ({"timezone": "Mars/Olympus"}, "is not a time zone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    schedule: dict[str, str], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "handoff.yml"
    path.write_text(yaml.safe_dump({"schedule": schedule}))
    with pytest.raises(ConfigError, match=said):
        load_settings(path)


def test_a_schedule_is_on_when_the_configuration_says_so() -> None:
    def status(**settings: bool) -> dg.DefaultScheduleStatus:
        return build_schedule(ScheduleSettings(**settings)).default_status

    assert status() == dg.DefaultScheduleStatus.STOPPED
    assert status(enabled=True) == dg.DefaultScheduleStatus.RUNNING
