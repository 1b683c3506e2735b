"""One run at a time, and visits in between that neither break a run nor are broken by one."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dagster_project.config.errors import OutputLocked
from dagster_project.config.warehouse import PROJECT_ROOT
from dagster_project.running.output_lock import hold_output, visit_output


def _start(kind: str, output: Path) -> "subprocess.Popen[str]":
    """Another process that holds or visits the output until it is sent a line.

    It leaves the file ``left`` behind when it goes.
    """
    code = (
        "import sys\nfrom pathlib import Path\n"
        f"from dagster_project.running.output_lock import {kind}_output\n"
        f"with {kind}_output(Path(sys.argv[1])):\n"
        "    print('there', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    Path(sys.argv[1], 'left').touch()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(output)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "there\n"
    return process


def test_a_second_run_and_a_visitor_are_refused_while_a_run_works(tmp_path: Path) -> None:
    run = _start("hold", tmp_path)
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
    visitor = _start("visit", tmp_path)
    comes = threading.Event()

    def run() -> bool:
        comes.set()
        with hold_output(tmp_path):
            return (tmp_path / "left").exists()

    with ThreadPoolExecutor(1) as pool:
        had_left = pool.submit(run)
        comes.wait()
        visitor.communicate("go\n")
        assert had_left.result()


def test_a_visitor_who_died_is_waited_for_by_nobody(tmp_path: Path) -> None:
    visitor = _start("visit", tmp_path)
    visitor.kill()
    visitor.wait()
    with hold_output(tmp_path):
        pass
