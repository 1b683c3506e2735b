"""What a run tells whoever started it from a shell, while it happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Happening:
    """Something that happened in a run.

    ``kind``: ``step`` (one began), ``step_end``, ``part`` (a model or mart of it ended), ``note``
    (what a long step is at), ``notice`` (what a user has to know). ``seconds``: how long it
    took, where known.
    """

    kind: str
    name: str
    seconds: float | None = None


Listener = Callable[[Happening], None]

# Not a context variable: dbt's nodes end in threads of its own.
_LISTENERS: list[Listener] = []


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear what the steps of a run tell within the block."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell that a step of the run began, and when it ends without an error how long it took."""
    started = time.monotonic()
    tell(Happening("step", name))
    yield
    tell(Happening("step_end", name, time.monotonic() - started))


def tell(happening: Happening) -> None:
    """Tell whoever listens; nobody does in runs of the schedule and the UI.

    Dagster hands out a step's events when they are yielded; dbt, and a source that waits for its
    CRM, have none to yield for a while.
    """
    for listener in _LISTENERS:
        listener(happening)
