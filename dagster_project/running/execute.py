"""Runs: the scheduled job executed in this process, and how any run ended.

A run started from the shell shows in Dagster's UI like any other. Its failure comes back as the
error that the command's contract names.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dagster_project.config.errors import AuditBlocked, BuildError, HandoffError
from dagster_project.config.settings import Settings
from dagster_project.running.home import prepare_dagster_home
from dagster_project.running.plan import RunOptions, RunPlan
from dagster_project.running.process import PROCESS_TAG, is_gone, process_identity
from dagster_project.running.progress import Listener, heard_by

if TYPE_CHECKING:
    from dagster import DagsterEvent, DagsterInstance, DagsterRun, JobDefinition

# The job that the schedule, the UI and the shell run, and its step that runs dbt: the checks of
# that step are dbt's data tests.
JOB_NAME = "lead_lifecycle"
SCHEDULE_NAME = f"{JOB_NAME}_daily"
BUILD_STEP = "build_models"

# Under which name a check that blocks tells why, in the lines of ``blocks``.
BLOCKS = "blocks"

# What the UI goes by when it lists a job's runs: as a run of the served code location.
_LOCATION = "dagster_project.definitions"
_LOCATION_TAGS = {
    ".dagster/repository": f"__repository__@{_LOCATION}",
    "dagster/code_location": _LOCATION,
}


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

    ``seconds``: by step, in the order they ran; ``data_tests``: in the order they ended.
    """

    run_id: str
    error: HandoffError | None = None
    traceback: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    data_tests: list[DataTest] = field(default_factory=list)


@contextmanager
def dagster_instance(output: Path, settings: Settings) -> Iterator["DagsterInstance"]:
    """The instance of an output, which the UI, the schedule and the shell share."""
    home = prepare_dagster_home(output, settings)
    from dagster import DagsterInstance  # takes seconds to import

    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def execute(
    job: "JobDefinition", options: RunOptions, plan: RunPlan, listener: Listener
) -> RunOutcome:
    """Execute the job with these choices. Failures are in the outcome, not raised."""
    from dagster import DagsterExecutionInterruptedError  # takes seconds to import

    run_id = str(uuid4())
    outcome = RunOutcome(run_id=run_id)
    with dagster_instance(plan.output, plan.settings) as instance, heard_by(listener):
        close_abandoned_runs(instance)
        try:
            result = job.execute_in_process(
                run_config=as_run_config(options),
                instance=instance,
                run_id=run_id,
                tags={**_LOCATION_TAGS, PROCESS_TAG: process_identity(run_id)},
                raise_on_error=False,
            )
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            outcome.error = BuildError("interrupted; nothing was published")
        else:
            _read(outcome, result.all_events, instance.get_run_by_id(run_id))
    return outcome


def as_run_config(options: RunOptions) -> dict[str, Any]:
    """Dagster's run configuration for these choices, without its own log on the console."""
    return {
        "resources": {"run": {"config": options.chosen()}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def outcome_of(instance: "DagsterInstance", run_id: str) -> RunOutcome:
    """How a run ended that somebody else executed, from what the instance kept of it."""
    outcome = RunOutcome(run_id=run_id)
    events = (entry.dagster_event for entry in instance.all_logs(run_id))
    _read(outcome, (event for event in events if event), instance.get_run_by_id(run_id))
    return outcome


def close_abandoned_runs(instance: "DagsterInstance") -> list[str]:
    """Mark runs as failed whose process is gone: a killed one can't say so itself.

    Returns their ids. Runs of other machines, and runs of living processes, are left alone.
    """
    from dagster import DagsterRunStatus, RunsFilter  # takes seconds to import

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


def _read(outcome: RunOutcome, events: "Iterable[DagsterEvent]", run: "DagsterRun | None") -> None:
    """Fill an outcome from a run's events: times, data tests, the error.

    A run that did not succeed has an error, even when no event names one.
    """
    blocking_checks: list[str] = []
    for event in events:
        step = event.step_key or ""
        match event.event_type_value:
            case "STEP_SUCCESS":
                outcome.seconds[step] = event.step_success_data.duration_ms / 1000
            case "ASSET_CHECK_EVALUATION":
                evaluation = event.asset_check_evaluation_data
                is_error = evaluation.severity.value == "ERROR"
                if step == BUILD_STEP:
                    outcome.data_tests.append(_data_test(evaluation, is_error))
                if is_error and not evaluation.passed and evaluation.blocking is not False:
                    blocking_checks += _blocking(evaluation)
            case "STEP_FAILURE":
                _fail(outcome, event.step_failure_data.error, step, blocking_checks)
            case "PIPELINE_FAILURE" if event.event_specific_data is not None:
                _fail(outcome, event.job_failure_data.error, "", blocking_checks)
            case "PIPELINE_FAILURE" if outcome.error is None:
                # Marked as failed from outside: a message and no error.
                outcome.error = BuildError(f"run {outcome.run_id}: {event.message}")
    if run and run.status.value == "CANCELED":
        outcome.error = BuildError("interrupted; nothing was published")
    if outcome.error is None and not (run and run.is_success):
        outcome.error = BuildError(
            f"run {outcome.run_id} did not succeed; see it in the UI (make dev)"
        )


def _fail(outcome: RunOutcome, error: Any, step: str, blocking_checks: list[str]) -> None:
    if error is None or outcome.error is not None:
        return
    outcome.traceback = error.to_string()
    known = _known_error(error)
    if error.cls_name in {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}:
        outcome.error = BuildError("interrupted; nothing was published")
    elif known is not None:
        outcome.error = known
    elif error.cls_name == "DagsterAssetCheckFailedError":
        outcome.error = AuditBlocked(blocking_checks or [_innermost(error)])
    else:
        outcome.error = BuildError(f"step {step or 'start'} failed: {_innermost(error)}")


def _data_test(evaluation: Any, is_error: bool) -> DataTest:
    return DataTest(
        name=evaluation.check_name,
        table=evaluation.asset_key.path[-1],
        passed=evaluation.passed,
        is_error=is_error,
        failing=_failed_rows(evaluation),
    )


def _failed_rows(evaluation: Any) -> int | None:
    rows = evaluation.metadata.get("failing rows")
    return None if rows is None else int(rows.value)


def blocks(name: str, place: str, said: str) -> str:
    """The line about a check that keeps a build from being published."""
    return f"check {name} of {place} blocks" + (f": {said}" if said else "")


def _blocking(evaluation: Any) -> list[str]:
    """A line for each window of a check that blocks; dbt's data tests have one."""
    if (lines := evaluation.metadata.get(BLOCKS)) is not None:
        return list(lines.value)
    rows = _failed_rows(evaluation)
    said = evaluation.description or (f"{rows} rows" if rows is not None else "")
    return [blocks(evaluation.check_name, evaluation.asset_key.to_user_string(), said)]


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
