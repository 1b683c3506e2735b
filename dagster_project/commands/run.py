"""``handoff run``: read the CRM, build the marts, audit them, publish them."""

import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from dagster_project.config.errors import HandoffError
from dagster_project.config.locations import config_path
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import PUBLISHED_FILE
from dagster_project.reporting.run_summary import read_summary, render_summary
from dagster_project.running import publishing
from dagster_project.running.execute import JOB_NAME, RunOutcome, execute
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, RunPlan, output_directory, plan_run


def run(
    config: ConfigOption = None,
    input_directory: InputOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Look at the world as of then; now by default."),
    ] = None,
    tradition: Annotated[
        str | None, typer.Option(metavar="NAME", help="The company's dialect of the funnel.")
    ] = None,
    acceptance: AcceptanceOption = None,
    output: OutputOption = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build everything anew.")
    ] = False,
    audit: Annotated[
        AuditMode,
        typer.Option(help="warn: publish although a blocking check failed, and say so."),
    ] = "block",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show where the time went.")
    ] = False,
) -> None:
    """Read the CRM, build the marts, audit them, publish them.

    \b
    Examples:
      handoff run                                       the sources of handoff.yml
      handoff run --input ~/crm_export                  one export, to var/crm_export
      handoff run --input ~/crm_export --audit warn     a first look at a messy CRM
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
    with hold_output(plan.output):
        pass  # refused here within a second; the job takes the lock itself
    options = replace(options, as_of=plan.as_of.isoformat(), output=str(plan.output))
    _run(options, plan, verbose=verbose)


def _run(options: RunOptions, plan: RunPlan, *, verbose: bool) -> None:
    with RunProgress(Console(stderr=True), verbose=verbose).shown() as progress:
        from dagster_project.definitions import load  # Dagster takes seconds to import

        job = load(plan.settings).resolve_job_def(JOB_NAME)
        outcome = execute(job, options, plan, progress)
    if outcome.error is None or outcome.error.exit_code == 1:
        _print_summary(plan)
    if verbose:
        _print_times(outcome)
    _alert(plan, outcome)
    if outcome.error is not None:
        if is_debugging():
            print(outcome.traceback, file=sys.stderr)
        raise outcome.error
    _print_published(plan)


def _alert(plan: RunPlan, outcome: RunOutcome) -> None:
    """Tell whom it concerns. Alerts never fail a run: what goes wrong with them is a warning."""
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_run  # loads apprise

        told = after_run(
            plan.output,
            plan.settings,
            outcome.run_id,
            outcome.error,
            data_tests=outcome.data_tests,
        )
        for line in told.lines():
            say(line)


def _alert_refusal(options: RunOptions, error: HandoffError) -> None:
    """Tell of a run that took everything from the configuration and could not start.

    A slip on the command line is for whoever typed it; this is what cron runs at night.
    """
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_refusal  # loads apprise

        try:
            settings = load_settings(config_path(options.config))
        except HandoffError:
            return  # without a configuration nobody knows whom to tell
        output = output_directory(settings, options.output)
        if output.is_dir():
            for line in after_refusal(output, settings, error).lines():
                print(line, file=sys.stderr)


@contextmanager
def _never_failing_a_run() -> Iterator[None]:
    """Alerts are beside a run: what goes wrong with them is a warning on the console."""
    try:
        yield
    except Exception as error:
        if is_debugging():
            traceback.print_exc()
        said = " ".join(str(error).split())
        print(f"handoff: alerts: {type(error).__name__}: {said}", file=sys.stderr)


def _print_summary(plan: RunPlan) -> None:
    console().print(render_summary(read_summary(plan.output)))


def _print_published(plan: RunPlan) -> None:
    published = plan.output / publishing.PUBLISHED_DIRECTORY
    manifest = publishing.published_manifest(plan.output) or {}
    failed = publishing.blocking_failures(manifest)
    if failed:
        say(
            "\nPublished although what should block it failed (--audit warn): " + ", ".join(failed),
        )
    say(f"\nPublished build {manifest.get('build_id')}, as of {manifest.get('as_of')}")
    say(f"  DuckDB   {published / PUBLISHED_FILE} (schema marts)")
    say(f"  Parquet  {published / publishing.PARQUET_DIRECTORY}")
    say(f"  Checks   {plan.output / 'data_docs' / 'index.html'}")


def _print_times(outcome: RunOutcome) -> None:
    say("\nWhere the time went")
    for step, seconds in outcome.seconds.items():
        say(f"  {seconds:7.1f} s  {step_name(step)}")
    slowest = sorted(outcome.build_seconds.items(), key=lambda item: -item[1])[:10]
    for name, seconds in slowest:
        say(f"  {seconds:9.2f} s  {name}")
    say(f"  peak memory {_peak_gigabytes():.1f} GB, Dagster run {outcome.run_id}")


def _peak_gigabytes() -> float:
    """The most memory this process held, in GB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but bytes on macOS.
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
