"""One run at a time on one output directory."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dagster_project.errors import OutputLocked

LOCK_FILE = ".lock"


@contextmanager
def hold_output(output: Path) -> Generator[None, None, None]:
    """Hold an output directory; raises ``OutputLocked`` when another run does.

    The lock is the operating system's: it is free as soon as its holder is gone, however it ended.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(output / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputLocked(
            f"{output}: another run holds this output; wait for it, or write elsewhere "
            "with --output DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()
