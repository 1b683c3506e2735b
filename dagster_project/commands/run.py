"""``handoff run``: read the CRM, build the marts, audit them, publish them."""

import resource
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dagster_project.commands.options import (
    AcceptanceOption,
    ConfigOption,
    InputOption,
    OutputOption,
    console,
    is_debugging,
    say,
)
from dagster_project.commands.run_progress import RunProgress, step_name
from dagster_project.config.contract import AuditMode
from dagster_project.config.errors import AuditBlocked, HandoffError
from dagster_project.config.locations import config_path
from dagster_project.config.plain_text import on_one_line, printable
from dagster_project.config.settings import load_settings
from dagster_project.reporting.build_status import long_summary, where_to_look
from dagster_project.reporting.console import lines_of
from dagster_project.reporting.run_summary import SCREEN, run_summary
from dagster_project.running import publishing
from dagster_project.running.execute import JOB_NAME, RunOutcome, execute
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, RunPlan, output_directory, plan_run


def run(
    config: ConfigOption = None,
    input_directory: InputOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Compute as of this moment; now by default."),
    ] = None,
    tradition: Annotated[
        str | None, typer.Option(metavar="NAME", help="The company's dialect of the funnel.")
    ] = None,
    acceptance: AcceptanceOption = None,
    output: OutputOption = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild everything.")
    ] = False,
    audit: Annotated[
        AuditMode,
        typer.Option(help="warn: publish even if a check blocks."),
    ] = "block",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Show everything that was found, and where the time went."
        ),
    ] = False,
) -> None:
    """Read the CRM, build the marts, audit them, publish them.

    \b
    Examples:
      handoff run                                          the sources of handoff.yml
      handoff run --input seeds/sample_crm                 one export, to var/sample_crm
      handoff run --input seeds/sample_crm --audit warn    a first look at a messy one
      handoff run --as-of 2026-03-31 --tradition hubspot
    """
    options = replace(
        RunOptions.from_paths(config, input_directory, output),
        as_of=as_of,
        tradition=tradition,
        acceptance=acceptance,
        full_refresh=full_refresh,
        audit=audit,
    )
    try:
        plan = plan_run(options)
    except HandoffError as error:
        if options.is_as_configured():
            _alert_refusal(options, error)
        raise
    for warning in plan.warnings:
        print(f"handoff: {warning}", file=sys.stderr)
    with hold_output(plan.output):
        pass  # refused here within a second; the job takes the lock itself
    options = replace(options, as_of=plan.as_of.isoformat(), output=str(plan.output))
    with RunProgress(Console(stderr=True), verbose=verbose).shown() as progress:
        from dagster_project.definitions import load  # Dagster takes seconds to import

        job = load(plan.settings).resolve_job_def(JOB_NAME)
        outcome = execute(job, options, plan, progress)
    if isinstance(outcome.error, AuditBlocked):
        outcome.error = publishing.with_cause(plan.output, outcome.run_id, outcome.error)
    print_end(plan.output, outcome.error, _alert(plan, outcome), verbose=verbose)
    if verbose:
        _print_times(outcome, progress.part_seconds)
    if outcome.error is not None:
        if is_debugging():
            print(printable(outcome.traceback), file=sys.stderr)
        raise outcome.error


def print_end(
    output: Path, error: HandoffError | None, alerts: list[str], *, verbose: bool = False
) -> None:
    """Print what the build holds, where to look and what alerts say, on one screen.

    What ``error`` says is still to come, and has its room.
    """
    if error is not None and error.exit_code != 1:
        for line in alerts:
            say(line)
        return
    ending = [*where_to_look(output, is_published=error is None), *(f"  {it}" for it in alerts)]
    shown = console()
    if verbose:
        summary = long_summary(output)
    else:
        to_come = [f"handoff: {problem}" for problem in error.problems] if error else []
        room = SCREEN - lines_of([*ending, *to_come], shown.width)
        summary = run_summary(output, room, told_elsewhere=error is not None)
    if summary is not None:
        shown.print(summary)
    first, *others = ending
    say(first, style="bold")
    for line in others:
        say(line)


def _alert(plan: RunPlan, outcome: RunOutcome) -> list[str]:
    """Turn what the run found into incidents, send their messages, and say what came of it."""
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_run  # loads apprise

        run_id, error, tests = outcome.run_id, outcome.error, outcome.data_tests
        return after_run(plan.output, plan.settings, run_id, error, data_tests=tests).lines()
    return []


def _alert_refusal(options: RunOptions, error: HandoffError) -> None:
    """Alert about a run that took everything from the configuration and could not start.

    A slip on the command line concerns only who typed it; this is what cron runs at night.
    """
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_refusal  # loads apprise

        try:
            settings = load_settings(config_path(options.config))
        except HandoffError:
            return  # without a configuration there are no channels
        output = output_directory(settings, options.output)
        if output.is_dir():
            for line in after_refusal(output, settings, error).lines():
                print(on_one_line(line), file=sys.stderr)


@contextmanager
def _never_failing_a_run() -> Iterator[None]:
    """Report an error in alerting as a warning on the console."""
    try:
        yield
    except Exception as error:
        if is_debugging():
            traceback.print_exc()
        message = on_one_line(" ".join(str(error).split()))
        print(f"handoff: alerts: {type(error).__name__}: {message}", file=sys.stderr)


def _print_times(outcome: RunOutcome, part_seconds: Mapping[str, float]) -> None:
    say("")
    say("Where the time went")
    for step, seconds in outcome.seconds.items():
        say(f"  {seconds:7.1f} s  {step_name(step)}")
    for name, seconds in Counter(part_seconds).most_common(10):
        say(f"  {seconds:9.2f} s  {name}")
    # Kilobytes, but bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gigabytes = peak / (1e9 if sys.platform == "darwin" else 1e6)
    say(f"  peak memory {gigabytes:.1f} GB, Dagster run {outcome.run_id}")
