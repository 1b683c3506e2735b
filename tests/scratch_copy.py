"""A copy of the repository that a test may change, and what is run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What compiling the models left; it spares the copy from starting anew.
COMPILED = Path("var") / "cache" / "compiled_for_tests"


class ScratchCopy:
    """The tracked files of the repository below a directory of a test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tracked = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard")
        for name in tracked:
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        if (ROOT / COMPILED).is_dir():
            shutil.copytree(ROOT / COMPILED, root / COMPILED)
        _git(root, "init", "--quiet")
        self.keep()

    def keep(self) -> None:
        """Take the files as they are for unchanged."""
        _git(self.root, "add", "--all")

    def changed(self) -> set[str]:
        """The files that are not as they were."""
        return {
            *_git(self.root, "diff", "--name-only"),
            *_git(self.root, "ls-files", "--others", "--exclude-standard"),
        }

    def add(self, folder: str) -> set[str]:
        """Add the files of a folder of ``tests/changes``; returns where they are."""
        new = ROOT / "tests" / "changes" / folder
        shutil.copytree(new, self.root, dirs_exist_ok=True)
        return {str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()}

    def append(self, name: str, text: str) -> None:
        """Add to the end of a file."""
        path = self.root / name
        path.write_text(path.read_text("utf-8") + text, "utf-8")

    def insert(self, name: str, before: str, text: str) -> None:
        """Add text before the last occurrence of another."""
        path = self.root / name
        head, found, tail = path.read_text("utf-8").rpartition(before)
        assert found, f"{name} has no {before!r}"
        path.write_text(head + text + found + tail, "utf-8")

    def python(self, *arguments: str | Path) -> str:
        """Run Python on the copy's packages, in the copy; what it printed. It must succeed."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "HANDOFF_", "DAGSTER_"))
        }
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.root,
            env={**environment, "PYTHONPATH": str(self.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def handoff(self, *arguments: str | Path) -> str:
        """Run ``handoff`` of the copy."""
        return self.python("-m", "dagster_project", *arguments)

    def tests(self, *selected: str) -> None:
        """Run tests of the copy; they must pass."""
        self.python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selected)


def _git(directory: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["git", *arguments], cwd=directory, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
