"""What tests share: a home of their own, the command, and one story of runs on one output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

from dagster_project.config.warehouse import PROJECT_ROOT
from tests import warehouse as models
from tests.forked import run_forked

GOLDEN_EXPORT = Path(__file__).parent / "golden" / "crm_export"
AS_OF = "2026-06-30T00:00:00Z"

# The same examples on every machine; a failing one prints how to repeat it.
hypothesis.settings.register_profile("handoff", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("handoff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slow files, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("starts_runs") is None)


@pytest.fixture(autouse=True)
def named_configuration() -> Iterator[None]:
    """What a test's command names as the configuration is not what the next test sees."""
    before = os.environ.get("HANDOFF_CONFIG")
    yield
    os.environ.pop("HANDOFF_CONFIG", None)
    if before is not None:
        os.environ["HANDOFF_CONFIG"] = before


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Dagster's instance, the hash key and the parsed project, which all workers share."""
    home, cache = tmp_path_factory.mktemp("home"), _shared(tmp_path_factory) / "cache"
    cache.mkdir(exist_ok=True)
    (home / "cache").symlink_to(cache)
    kept = {name: os.environ.pop(name, None) for name in ("HANDOFF_HOME", "DAGSTER_HOME")}
    os.environ["HANDOFF_HOME"] = str(home)
    yield home
    for name, value in kept.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def project() -> models.Project:
    """The compiled models, for exports: no CRM has rows of its own."""
    return models.project().for_files()


@pytest.fixture(scope="session")
def crm_project() -> models.Project:
    """The compiled models, with those of every CRM."""
    return models.project()


@pytest.fixture(scope="session")
def warehouse(project: models.Project) -> models.Warehouse:
    """One warehouse that tests fill again and again."""
    return models.Warehouse(project)


@pytest.fixture(scope="session")
def golden_output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run over the golden export leaves, one for all workers: to be read only.

    ``golden_output.said`` beside it is what the run printed.
    """

    def run(output: Path) -> None:
        # Two rejections of seven have no reason, which would hold the run back.
        arguments = ("--input", GOLDEN_EXPORT, "--as-of", AS_OF, "--audit", "warn")
        done = handoff("run", *arguments, "--output", output)
        assert done.returncode == 0, done.stderr
        output.with_suffix(".said").write_text(done.stdout, "utf-8")

    return made_once(tmp_path_factory, "golden_output", run)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A directory that the first worker who needs it makes for all."""
    shared = _shared(factory)
    directory, is_there = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not is_there.exists():
            make(directory)
            is_there.touch()
    return directory


def _shared(factory: pytest.TempPathFactory) -> Path:
    """The directory of this test session, whatever the worker."""
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def command(*arguments: str | Path) -> list[str]:
    """The command line of ``handoff`` with these arguments."""
    return [sys.executable, "-m", "dagster_project", *map(str, arguments)]


def handoff(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``handoff`` to its end, as a user would."""
    return run_forked(
        [str(argument) for argument in arguments],
        PROJECT_ROOT,
        {**os.environ, **environment},
        timeout=1500,
    )


def start_handoff(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start ``handoff`` and go on; its progress can be read from ``stderr``."""
    return subprocess.Popen(
        command(*arguments),
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], said: str) -> None:
    """Wait until a started ``handoff`` says something on ``stderr``."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if said in line:
            return
    raise AssertionError(f"{said!r} was never said:\n{''.join(seen)}")
