"""What a run shows while it runs: one live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from dagster_project.config.plain_text import on_one_line
from dagster_project.running.progress import Happening

_STEPS = {
    "raw__run_parameters": "noting the choices of the run",
    "read_sources": "reading the sources",
    "build_models": "building the models",
    "expectations": "checking",
    "published__lead_lifecycle": "publishing",
}

# Seconds after which a step prints its notes, line by line.
_LONG_STEP = 5.0


def step_name(step: str) -> str:
    """A step in words."""
    return _STEPS.get(step, step)


class RunProgress:
    """Listens to a run and prints its progress; with ``verbose`` every part of a step.

    ``part_seconds``: how long each part took, where that is known.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        # Shows nothing off a terminal.
        self._status = console.status("starting")
        self._step = ""
        self._parts = 0
        self.part_seconds: dict[str, float] = {}
        self._started = self._step_started = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator["RunProgress"]:
        """Show the live line while the block runs."""
        if not self._console.is_terminal:
            self._print("starting")
        with self._status:
            yield self

    def __call__(self, happening: Happening) -> None:
        """Take note of something that happened."""
        name, seconds = happening.name, happening.seconds or 0
        match happening.kind:
            case "step":
                self._step, self._parts = step_name(name), 0
                self._step_started = time.monotonic()
                self._show("...")
            case "step_end":
                parts = f", {self._parts} parts" if self._parts else ""
                self._print(f"{step_name(name)}: {seconds:.1f} s{parts}")
            case "note":
                self._show(name)
                # Off a terminal, only steps that take their time are worth a line for each note.
                is_long = time.monotonic() - self._step_started > _LONG_STEP
                if not self._console.is_terminal and (self._verbose or is_long):
                    self._print(f"  {name}")
            case "notice":
                self._print(name)
            case _:
                self._parts += 1
                self.part_seconds[name] = self.part_seconds.get(name, 0) + seconds
                self._show(name)
                if self._verbose and seconds:
                    self._print(f"  {name} {seconds:.2f} s")

    def _show(self, text: str) -> None:
        # A status takes a string for markup.
        shown = f"{self._elapsed():4.0f} s  {self._step}: {text}"
        self._status.update(Text(on_one_line(shown)))

    def _print(self, text: str) -> None:
        shown = Text(f"{self._elapsed():6.1f} s  {on_one_line(text)}")
        self._console.print(shown)

    def _elapsed(self) -> float:
        return time.monotonic() - self._started
