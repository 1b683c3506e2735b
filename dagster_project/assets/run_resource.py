"""The run as a Dagster resource: its choices as configuration, its plan, its lock.

A run started from the shell gives its choices as run configuration, so that they show in the UI;
a run started in the UI or by the schedule takes what ``handoff.yml`` says. Whoever holds the
resource holds the output directory: in-process runs bypass Dagster's queue, so the lock is here.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb
from duckdb import DuckDBPyConnection
from pydantic import Field, PrivateAttr

from dagster_project.config.errors import BuildError
from dagster_project.config.warehouse import connect, warehouse_path
from dagster_project.reporting.pages.held_back import write_held_back
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, RunPlan, plan_run
from dagster_project.running.process import OUTPUT_TAG, PROCESS_TAG, process_identity
from dagster_project.running.publishing import remove_leftovers, without_leads

# Who looks after the assets that move data; the marts' owners are in dbt's groups.
DATA_TEAM = "team:data"


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

    def connect(self) -> DuckDBPyConnection:
        """Open the warehouse of this run for writing.

        Raises ``BuildError`` when another program has it open, or when it is no DuckDB file.
        """
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
            remove_leftovers(plan.output)
            run_id = context.run_id or "manual"
            self._plan = plan
            self._build_id = f"{started:%Y%m%dT%H%M%S}-{run_id[:8]}"
            if context.instance is not None and context.run_id:
                context.instance.add_run_tags(run_id, self._tags(run_id))
            yield self
            try:
                # An audit that only warns holds nothing back but a build without leads.
                if plan.audit != "warn" or without_leads(plan.output, run_id):
                    write_held_back(plan.output, self._build_id, self._data_tests)
            except Exception as error:
                # How the run ended is told without it, too.
                if context.log is not None:
                    context.log.warning(f"the page of the held-back build: {error!r}")

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
