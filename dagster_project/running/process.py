"""Which process executes a run, so that a later one can tell whether it still lives."""

import os
import socket
from pathlib import Path

# Tags of a run: the output it holds, and the process that executes it.
OUTPUT_TAG = "handoff/output"
PROCESS_TAG = "handoff/process"


def process_identity(run_id: str) -> str:
    """This process as that of a run, so that a later one can tell whether it still lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}:{run_id}"


def is_gone(identity: str, run_id: str) -> bool:
    """True when the process of a run is known to have ended.

    Never of a process of another host, nor of another run: one that is tried again begins with the
    tags of the one before it, whose process is dead.
    """
    # A tag that another version wrote says nothing that could be relied on.
    host, pid, started, of_run = ([""] * 4 + identity.rsplit(":", 3))[-4:]
    if host != socket.gethostname() or of_run != run_id or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _start_time(int(pid)) != started


def _start_time(pid: int) -> str:
    """When a process started, in the kernel's ticks, so that a reused number is not taken for it.

    Empty where the system has no such file.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name, in brackets, may hold spaces; the start time is the 20th field after it.
    return status.rpartition(")")[2].split()[19]
