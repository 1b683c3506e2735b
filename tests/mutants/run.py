"""Puts one deliberate bug at a time into a scratch copy of the models and runs the lifecycle tests.

Prints a table of each mutant and the test that caught it. Fails when a mutant survives, when the
text that it replaces is not in its model exactly once, or when a test fails without any mutant.

    python -m tests.mutants.run [--only TEXT] [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/lifecycle/test_models_equal_reference.py",
    "tests/lifecycle/test_properties.py",
    "tests/lifecycle/test_small_exports.py",
)
FAILED_TEST = re.compile(r"^FAILED \S+?::(.+?)(?: - .*)?$", re.MULTILINE)


class MutantError(Exception):
    """A mutant that can't be made, or a test run that didn't get to the tests."""


def copy_project(scratch: Path) -> Path:
    """A copy of the dbt project and the policy, below `scratch`."""
    root = scratch / "root"
    leave_out = shutil.ignore_patterns("target", "logs", ".user.yml", "*.duckdb")
    shutil.copytree(ROOT / "dbt_project", root / "dbt_project", ignore=leave_out)
    shutil.copytree(ROOT / "seeds" / "policy", root / "seeds" / "policy")
    return root


def apply(mutant: Mutant, root: Path) -> None:
    """Write the bug into the copy; raises MutantError unless its text is there once."""
    path = root / "dbt_project" / mutant.path
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = text.count(mutant.text)
    if found != 1:
        raise MutantError(f"{mutant.name}: its text is {found} times in {mutant.path}")
    path.write_text(text.replace(mutant.text, mutant.instead), encoding="utf-8")


def run_tests(root: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """The lifecycle tests against the models of `root`, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-rf", "--basetemp", str(scratch / "pytest"), *TESTS]
    environment = {**os.environ, "HANDOFF_TESTED_PROJECT": str(root)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def caught_by(mutant: Mutant | None) -> str | None:
    """The first test that fails with this bug (or with none); null when all pass."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        scratch = Path(directory)
        root = copy_project(scratch)
        if mutant:
            apply(mutant, root)
        done = run_tests(root, scratch)
    if done.returncode == 0:
        return None
    failed = FAILED_TEST.search(done.stdout)
    if failed is None:
        raise MutantError(f"{mutant.name if mutant else 'no bug'}: {done.stdout[-2000:]}")
    return failed.group(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="mutants whose name holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="test runs side by side")
    arguments = parser.parse_args()
    wanted = arguments.only or [""]
    chosen = [mutant for mutant in MUTANTS if any(text in mutant.name for text in wanted)]
    if test := caught_by(None):
        print(f"nothing is shown: without a mutant, {test} fails, too")
        return 1
    survivors = failures = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        verdicts = [(mutant, pool.submit(caught_by, mutant)) for mutant in chosen]
        print(f"{'mutant':40} | caught by")
        for mutant, verdict in verdicts:
            try:
                test = verdict.result()
            except MutantError as error:
                failures += 1
                print(f"{mutant.name:40} | ERROR: {error}", flush=True)
                continue
            survivors += test is None
            print(f"{mutant.name:40} | {test or 'NOBODY'}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survived, {failures} could not be tried")
    return 1 if survivors or failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
