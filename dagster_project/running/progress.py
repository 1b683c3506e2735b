"""What a run tells whoever started it from a shell, while it happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Happening:
    """Something that happened in a run.

    ``kind``: ``step`` (one began), ``step_end``, ``part`` (a model, table or check of it ended),
    ``note`` (what a long step is at). ``seconds``: how long it took, where known. ``passed``: of a
    check.
    """

    kind: str
    name: str
    seconds: float | None = None
    passed: bool | None = None


Listener = Callable[[Happening], None]

_LISTENING: ContextVar[Listener | None] = ContextVar("listening", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear what the steps of a run tell within the block."""
    token = _LISTENING.set(listener)
    try:
        yield
    finally:
        _LISTENING.reset(token)


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
    listener = _LISTENING.get()
    if listener is not None:
        listener(happening)
