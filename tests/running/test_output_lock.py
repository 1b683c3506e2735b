"""One run at a time, and visits in between that neither break a run nor are broken by one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dagster_project.config.errors import OutputLocked
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.running.output_lock import hold_output, visit_output


def _start(kind: str, output: Path, seconds: float) -> "subprocess.Popen[str]":
    """Another process that holds or visits the output for a while."""
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        f"from dagster_project.running.output_lock import {kind}_output\n"
        f"with {kind}_output(Path(sys.argv[1])):\n"
        "    print('there', flush=True)\n    time.sleep(float(sys.argv[2]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(output), str(seconds)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "there\n"
    return process


def test_a_second_run_and_a_visitor_are_refused_while_a_run_works(tmp_path: Path) -> None:
    run = _start("hold", tmp_path, 60)
    with pytest.raises(OutputLocked, match="another run holds this output"), hold_output(tmp_path):
        pass
    with pytest.raises(OutputLocked), visit_output(tmp_path):
        pass
    run.kill()
    run.wait()
    with visit_output(tmp_path):
        pass
    with hold_output(tmp_path):
        pass


def test_a_run_waits_for_a_visitor(tmp_path: Path) -> None:
    visitor = _start("visit", tmp_path, 1.5)
    began = time.monotonic()
    with hold_output(tmp_path):
        assert visitor.wait(timeout=5) == 0
    assert time.monotonic() - began > 0.5


def test_a_visitor_who_died_is_waited_for_by_nobody(tmp_path: Path) -> None:
    visitor = _start("visit", tmp_path, 60)
    visitor.kill()
    visitor.wait()
    with hold_output(tmp_path):
        pass
