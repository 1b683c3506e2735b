"""What a run shows while it runs: one live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status

if TYPE_CHECKING:
    from dagster_project.running.progress import Happening

_STEPS = {
    "raw__run_parameters": "noting the choices of the run",
    "read_sources": "reading the sources",
    "build_models": "building the models",
    "expectations": "checking",
    "published__lead_lifecycle": "publishing",
}

# Seconds after which a step says what it is at, line by line.
_LONG_STEP = 5.0


def step_name(step: str) -> str:
    """A step in words."""
    return _STEPS.get(step, step)


class RunProgress:
    """Listens to a run and says on ``console`` how far it is; every part of it if ``verbose``."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._status: Status | None = None
        self._step = ""
        self._done = 0
        self._started = self._step_began = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator["RunProgress"]:
        """Show the live line, on terminals, while the block runs."""
        if not self._console.is_terminal:
            self._say("starting")
            yield self
            return
        with self._console.status("starting") as self._status:
            yield self

    def __call__(self, happening: "Happening") -> None:
        """Take note of something that happened."""
        if happening.kind == "step":
            self._step, self._done = step_name(happening.name), 0
            self._step_began = time.monotonic()
            self._show(f"{self._step} ...")
        elif happening.kind == "step_end":
            parts = f", {self._done} parts" if self._done else ""
            self._say(f"{step_name(happening.name)}: {happening.seconds or 0:.1f} s{parts}")
        elif happening.kind == "note":
            self._tell_note(happening.name)
        else:
            self._done += 1
            self._tell_part(happening)

    def _tell_part(self, happening: "Happening") -> None:
        if self._verbose and (happening.seconds or happening.passed is False):
            took = f" {happening.seconds:.2f} s" if happening.seconds else ""
            failed = " does not hold" if happening.passed is False else ""
            self._say(f"  {happening.name}{took}{failed}")
        if self._status is not None:
            self._show(f"{self._step}: {happening.name}")

    def _tell_note(self, note: str) -> None:
        """Off a terminal only steps that take their time are worth a line for each note."""
        if self._status is not None:
            self._show(f"{self._step}: {note}")
        elif self._verbose or time.monotonic() - self._step_began > _LONG_STEP:
            self._say(f"  {note}")

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(f"{time.monotonic() - self._started:4.0f} s  {text}")

    def _say(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        self._console.print(f"{elapsed:6.1f} s  {text}", markup=False, highlight=False)
