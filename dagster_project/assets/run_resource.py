"""The run as a Dagster resource: its choices as configuration, its plan, its lock.

A run started from the shell gives its choices as run configuration, so that they show in the UI;
a run started in the UI or by the schedule takes what ``handoff.yml`` says. Whoever holds the
resource holds the output directory: in-process runs bypass Dagster's queue, so the lock is here.
"""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from dagster_project.config.errors import BuildError
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, RunPlan, plan_run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Who looks after the assets that move data; the marts' owners stand in dbt's groups.
DATA_TEAM = "team:data"

# Tags of a run: the output it holds, and the process that executes it.
OUTPUT_TAG = "handoff/output"
PROCESS_TAG = "handoff/process"


class HandoffRun(dg.ConfigurableResource):
    """What this run was asked to do; empty: as ``handoff.yml`` says."""

    config: str | None = Field(default=None, description="Configuration file")
    input: str | None = Field(default=None, description="Directory of one CRM export")
    as_of: str | None = Field(default=None, description="Moment to look at; now when empty")
    tradition: str | None = Field(default=None, description="The company's dialect")
    acceptance: str | None = Field(default=None, description="explicit or default")
    output: str | None = Field(default=None, description="Output directory")
    full_refresh: bool = Field(default=False, description="Build everything anew")
    audit: str = Field(default="block", description="block, or warn: publish in any case")

    _plan: RunPlan = PrivateAttr()
    _build_id: str = PrivateAttr()
    _data_tests: list[dict[str, Any]] = PrivateAttr(default_factory=list)

    @property
    def plan(self) -> RunPlan:
        """The resolved and checked choices."""
        return self._plan

    @property
    def build_id(self) -> str:
        """Identifies the build; sorts by the time the run started."""
        return self._build_id

    @property
    def data_tests(self) -> list[dict[str, Any]]:
        """How the data tests of this run ended, as the manifest lists checks."""
        return self._data_tests

    def connect(self) -> "DuckDBPyConnection":
        """Open the warehouse of this run for writing.

        Raises ``BuildError`` when another program has it open, or when it is no DuckDB file.
        """
        import duckdb

        resources = self.plan.settings.warehouse
        path = warehouse_path(self.plan.output)
        try:
            return connect(path, threads=resources.threads, memory_limit=resources.memory_limit)
        except duckdb.IOException as error:
            said = str(error).splitlines()[0].removeprefix("IO Error: ")
            raise BuildError(
                f"{path} can't be opened; close the program that has it open "
                f"(BI opens the published file, never this one): {said}"
            ) from error

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Generator["HandoffRun", None, None]:
        """Check the choices, lock the output, and hold it until the run ends."""
        started = datetime.now(UTC)
        plan = plan_run(RunOptions(**{name: getattr(self, name) for name in _OPTIONS}), now=started)
        with hold_output(plan.output):
            run_id = context.run_id or "manual"
            self._plan = plan
            self._build_id = f"{started:%Y%m%dT%H%M%S}-{run_id[:8]}"
            if context.instance is not None and context.run_id:
                context.instance.add_run_tags(run_id, self._tags(run_id))
            yield self

    def _tags(self, run_id: str) -> dict[str, str]:
        """What the UI lists and filters runs by."""
        return {
            OUTPUT_TAG: str(self.plan.output),
            PROCESS_TAG: process_identity(run_id),
            "handoff/build": self.build_id,
            "handoff/as_of": f"{self.plan.as_of:%Y-%m-%dT%H:%M:%SZ}",
            "handoff/tradition": self.plan.settings.lifecycle.tradition,
        }


_OPTIONS = tuple(RunOptions.__dataclass_fields__)


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


def as_run_config(options: RunOptions) -> dict[str, Any]:
    """Dagster's run configuration for these choices, without its own log on the console."""
    return {
        "resources": {"run": {"config": options.chosen()}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
