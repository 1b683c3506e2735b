"""Runs from the shell: the scheduled job, executed in this process on the same instance.

A run started here shows in Dagster's UI like any other. Its events are handed to a listener as
they happen; its failure comes back as the error that the command's contract names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster_project.config.errors import AuditBlocked, BuildError, HandoffError
from dagster_project.running.home import prepare_dagster_home
from dagster_project.running.plan import RunOptions
from dagster_project.running.process import PROCESS_TAG, is_gone, process_identity
from dagster_project.running.sqlite_tuning import kept_open

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance, DagsterRun, JobDefinition


@dataclass(frozen=True)
class Happening:
    """Something that happened in a run.

    ``kind``: ``step`` (one began), ``step_end``, ``asset`` (one was built), ``check`` (one was
    judged), ``note`` (what a long step is at). ``seconds``: how long it took, where known.
    ``passed``: of a check.
    """

    kind: str
    name: str
    seconds: float | None = None
    passed: bool | None = None
    is_error: bool = False


# The job that the schedule, the UI and the shell run, and its step that runs dbt: the checks of
# that step are dbt's data tests.
JOB_NAME = "lead_lifecycle"
SCHEDULE_NAME = f"{JOB_NAME}_daily"
BUILD_STEP = "build_models"

Listener = Callable[[Happening], None]

_LISTENING: ContextVar[Listener | None] = ContextVar("listening", default=None)


def tell(note: str) -> None:
    """Say to whoever started the run from a shell what a long step is at.

    Dagster hands out a step's events when they are yielded; a source that waits for its CRM has
    none to yield.
    """
    listener = _LISTENING.get()
    if listener is not None:
        listener(Happening("note", note))


@dataclass(frozen=True)
class DataTest:
    """How one of dbt's data tests ended; ``failing``: rows that fail, where they were counted.

    ``is_error``: it stops the publication.
    """

    name: str
    table: str
    passed: bool
    is_error: bool
    failing: int | None = None


@dataclass
class RunOutcome:
    """How a run ended. ``error``: None when it published.

    ``seconds``: by step, in the order they ran; ``build_seconds``: by asset that dbt built;
    ``data_tests``: in the order they ended.
    """

    run_id: str
    error: HandoffError | None = None
    traceback: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    build_seconds: dict[str, float] = field(default_factory=dict)
    data_tests: list[DataTest] = field(default_factory=list)


@contextmanager
def dagster_instance() -> Iterator["DagsterInstance"]:
    """The instance that the UI, the schedule and the shell share."""
    prepare_dagster_home()
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        yield instance


def execute(options: RunOptions, listener: Listener) -> RunOutcome:
    """Execute the job with these choices. Failures are in the outcome, not raised."""
    prepare_dagster_home()
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run_iterator
    from dagster._core.utils import make_new_run_id

    from dagster_project.assets.run_resource import as_run_config

    with kept_open(), dagster_instance() as instance:
        close_abandoned_runs(instance)
        job = _job()
        run_id = make_new_run_id()
        run = instance.create_run_for_job(
            job_def=job,
            run_id=run_id,
            run_config=as_run_config(options),
            tags={**_location_tags(), **job.run_tags, PROCESS_TAG: process_identity(run_id)},
        )
        outcome = RunOutcome(run_id=run.run_id)
        recorder = _Recorder(outcome, listener)
        listening = _LISTENING.set(listener)
        try:
            for event in execute_run_iterator(InMemoryJob(job), run, instance):
                recorder.record(event)
        except KeyboardInterrupt:
            outcome.error = BuildError("interrupted; nothing was published")
        finally:
            _LISTENING.reset(listening)
        recorder.conclude(instance.get_run_by_id(run.run_id))
    return outcome


def outcome_of(instance: "DagsterInstance", run_id: str) -> RunOutcome:
    """How a run ended that somebody else executed, from what the instance kept of it."""
    outcome = RunOutcome(run_id=run_id)
    recorder = _Recorder(outcome, lambda _: None)
    for entry in instance.all_logs(run_id):
        if entry.dagster_event is not None:
            recorder.record(entry.dagster_event)
    recorder.conclude(instance.get_run_by_id(run_id))
    return outcome


def close_abandoned_runs(instance: "DagsterInstance") -> list[str]:
    """Mark runs as failed whose process is gone: a killed one can't say so itself.

    Returns their ids. Runs of other machines, and runs of living processes, are left alone.
    """
    from dagster import DagsterRunStatus, RunsFilter

    unfinished = [
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ]
    closed = []
    for run in instance.get_runs(filters=RunsFilter(statuses=unfinished)):
        identity = run.tags.get(PROCESS_TAG)
        if identity and is_gone(identity, run.run_id):
            instance.report_run_failed(run, "The process of this run ended before the run did.")
            closed.append(run.run_id)
    return closed


def _job() -> "JobDefinition":
    from dagster_project.definitions import defs

    return defs().resolve_job_def(JOB_NAME)


def _location_tags() -> dict[str, str]:
    """What the UI goes by when it lists a job's runs: as a run of the served code location."""
    location = "dagster_project.definitions"
    return {".dagster/repository": f"__repository__@{location}", "dagster/code_location": location}


class _Recorder:
    """Reads a run's events: tells the listener, keeps times, finds the error."""

    def __init__(self, outcome: RunOutcome, listener: Listener) -> None:
        self._outcome = outcome
        self._listener = listener
        self._failed_checks: list[str] = []

    def record(self, event: "DagsterEvent") -> None:
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self._listener(Happening("step", step))
        elif kind == "STEP_SUCCESS":
            self._end_step(step, event.step_success_data.duration_ms / 1000)
        elif kind == "ASSET_MATERIALIZATION":
            self._record_asset(event)
        elif kind == "ASSET_CHECK_EVALUATION":
            self._record_check(event)
        elif kind == "STEP_FAILURE":
            self._fail(event.step_failure_data.error, step)
        elif kind == "PIPELINE_FAILURE":
            self._fail_run(event)

    def conclude(self, run: "DagsterRun | None") -> None:
        """A run that did not succeed has an error, even when no event named one."""
        if self._outcome.error is None and not (run and run.is_success):
            self._outcome.error = BuildError(
                f"run {self._outcome.run_id} did not end well; see it in the UI (make dev)"
            )

    def _end_step(self, step: str, seconds: float) -> None:
        self._outcome.seconds[step] = seconds
        self._listener(Happening("step_end", step, seconds))

    def _record_asset(self, event: "DagsterEvent") -> None:
        materialization = event.step_materialization_data.materialization
        name = materialization.asset_key.to_user_string()
        took = materialization.metadata.get("Execution Duration")
        seconds = float(took.value) if took and took.value is not None else None  # type: ignore[arg-type]  # a number
        if seconds is not None:
            self._outcome.build_seconds[name] = seconds
        self._listener(Happening("asset", name, seconds))

    def _record_check(self, event: "DagsterEvent") -> None:
        evaluation = event.asset_check_evaluation_data
        is_error = evaluation.severity.value == "ERROR"
        if event.step_key == BUILD_STEP:
            self._outcome.data_tests.append(_data_test(evaluation, is_error))
        if is_error and not evaluation.passed and evaluation.blocking is not False:
            self._failed_checks.append(_describe_check(evaluation))
        self._listener(
            Happening("check", evaluation.check_name, passed=evaluation.passed, is_error=is_error)
        )

    def _fail_run(self, event: "DagsterEvent") -> None:
        """A run that was marked as failed from outside has a message and no error."""
        if event.event_specific_data is not None:
            self._fail(event.job_failure_data.error, "")
        elif self._outcome.error is None:
            self._outcome.error = BuildError(f"run {self._outcome.run_id}: {event.message}")

    def _fail(self, error: Any, step: str) -> None:
        if error is None or self._outcome.error is not None:
            return
        self._outcome.traceback = error.to_string()
        known = _known_error(error)
        if known is not None:
            self._outcome.error = known
        elif error.cls_name == "DagsterAssetCheckFailedError":
            self._outcome.error = AuditBlocked(self._failed_checks or [_innermost(error)])
        else:
            self._outcome.error = BuildError(f"step {step or 'start'} failed: {_innermost(error)}")


def _data_test(evaluation: Any, is_error: bool) -> DataTest:
    return DataTest(
        name=evaluation.check_name,
        table=evaluation.asset_key.path[-1],
        passed=evaluation.passed,
        is_error=is_error,
        failing=_failed_rows(evaluation),
    )


def _failed_rows(evaluation: Any) -> int | None:
    rows = evaluation.metadata.get("dagster_dbt/failed_row_count")
    return None if rows is None else int(rows.value)


def _describe_check(evaluation: Any) -> str:
    place = evaluation.asset_key.to_user_string()
    said = evaluation.description or ""
    rows = _failed_rows(evaluation)
    detail = said or (f"{rows} rows" if rows is not None else "")
    return f"check {evaluation.check_name} of {place} failed" + (f": {detail}" if detail else "")


def _known_error(error: Any) -> HandoffError | None:
    """The error of ours that a Dagster error came from, made again from its text."""
    while error is not None:
        kind = _error_kinds().get(error.cls_name or "")
        if kind is not None:
            text = error.message.strip().partition(": ")[2]
            return kind(text.splitlines())
        error = error.cause or error.context
    return None


def _error_kinds() -> dict[str, type[HandoffError]]:
    """Our errors by name; a kind that a reader added counts as the general one it is a case of."""
    kinds: dict[str, type[HandoffError]] = {HandoffError.__name__: HandoffError}
    for general in HandoffError.__subclasses__():
        pending: list[type[HandoffError]] = [general]
        while pending:
            kind = pending.pop()
            kinds[kind.__name__] = general
            pending += kind.__subclasses__()
    return kinds


def _innermost(error: Any) -> str:
    while error.cause is not None:
        error = error.cause
    lines = [line.strip() for line in error.message.strip().splitlines() if line.strip()]
    return lines[0] if lines else "no message"
