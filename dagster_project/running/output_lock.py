"""One run at a time on one output directory, and short visits in between.

Dagster starts the next run as soon as one ends, while alerts still read what that one found. A
visitor comes only when no run holds the output, and a run waits for a visitor that is there.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dagster_project.config.errors import OutputLocked

LOCK_FILE = ".lock"
VISITOR_LOCK_FILE = ".visitor.lock"
# Visits last a second or so; what lasts longer hangs.
_LONGEST_VISIT_SECONDS = 60


@contextmanager
def hold_output(output: Path) -> Generator[None, None, None]:
    """Hold an output directory; raises ``OutputLocked`` when another run does.

    The lock is the operating system's: it is free as soon as its holder is gone, however it ended.
    """
    lock = FileLock(output / LOCK_FILE)
    try:
        # A visitor tries this lock for an instant.
        lock.acquire(timeout=0.5)
        try:
            with FileLock(output / VISITOR_LOCK_FILE, timeout=_LONGEST_VISIT_SECONDS):
                pass
        except Timeout:
            lock.release()
            raise
    except Timeout as error:
        raise OutputLocked(
            f"{output}: another run holds this output; wait for it, or write elsewhere "
            "with --output DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def visit_output(output: Path) -> Generator[None, None, None]:
    """Look at an output directory between two runs, for a moment.

    Raises ``OutputLocked`` when a run holds it, or when somebody else visits it.
    """
    try:
        with FileLock(output / VISITOR_LOCK_FILE, timeout=0.5):
            with FileLock(output / LOCK_FILE, timeout=0):
                pass
            yield
    except Timeout as error:
        raise OutputLocked(f"{output}: another run holds this output") from error
