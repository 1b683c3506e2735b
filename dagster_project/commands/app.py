"""``handoff``: the command line, thin, over the job that Dagster's schedule runs.

Everything heavy is imported when a command needs it, so that help and refusals are quick. What
the user can mend is one line per problem on stderr, with the exit code of the contract.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.commands.alerts import app as alerts_commands
from dagster_project.config.errors import HandoffError

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_project.running.execute import RunOutcome
    from dagster_project.running.plan import RunOptions, RunPlan


class Acceptance(StrEnum):
    """Values of ``--acceptance``."""

    EXPLICIT = "explicit"
    DEFAULT = "default"


class Audit(StrEnum):
    """Values of ``--audit``."""

    BLOCK = "block"
    WARN = "warn"


class FileFormat(StrEnum):
    """Values of ``--format``."""

    CSV = "csv"
    PARQUET = "parquet"


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

app.add_typer(alerts_commands, name="alerts")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; handoff.yml by default."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Output directory; var by default."),
]
InputOption = Annotated[
    Path | None,
    typer.Option("--input", metavar="DIR", help="One CRM export: a directory, a file per table."),
]


@app.callback()
def handoff(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; anywhere on the line.")
    ] = False,
) -> None:
    """What happens to a lead between marketing and sales, from CRM rows to audited marts.

    \b
    Examples:
      handoff run --input seeds/sample_crm --as-of 2026-07-01
      handoff run --input ~/crm_export --tradition hubspot --audit warn
      handoff status

    \b
    Exit codes: 0 published; 1 a blocking check failed, the last good build is still
    served; 2 usage or configuration; 3 a source could not be read; 4 the build itself
    failed; 5 another run holds this output.
    """


@app.command()
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
    acceptance: Annotated[
        Acceptance | None,
        typer.Option(
            help="Whether silence counts as acceptance (default) or not (explicit).",
        ),
    ] = None,
    output: OutputOption = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Build everything anew.")
    ] = False,
    audit: Annotated[
        Audit,
        typer.Option(
            help="warn: publish although a blocking check failed, and say so.",
        ),
    ] = Audit.BLOCK,
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
    from dataclasses import replace

    from dagster_project.running.output_lock import hold_output
    from dagster_project.running.plan import RunOptions, config_path, plan_run

    options = RunOptions(
        config=str(config_path(config).absolute()),
        input=_absolute(input_directory),
        as_of=as_of,
        tradition=tradition,
        acceptance=acceptance.value if acceptance else None,
        output=_absolute(output),
        full_refresh=full_refresh,
        audit=audit.value,
    )
    try:
        plan = plan_run(options)
    except HandoffError as error:
        if options.is_as_configured():
            _alert_refusal(options, error)
        raise
    with hold_output(plan.output):
        pass  # refused here within a second; the job takes the lock itself
    options = replace(options, as_of=_iso(plan.as_of), output=str(plan.output))
    _run(options, plan, verbose=verbose)


def _run(options: "RunOptions", plan: "RunPlan", *, verbose: bool) -> None:
    from rich.console import Console

    from dagster_project.commands.progress import RunProgress

    with RunProgress(Console(stderr=True), verbose=verbose).shown() as progress:
        from dagster_project.running.execute import execute

        outcome = execute(options, progress)
    console = _console()
    if outcome.error is None or outcome.error.exit_code == 1:
        _print_summary(console, plan)
    if verbose:
        _print_times(console, outcome)
    _alert(console, plan, outcome)
    if outcome.error is not None:
        if _debug():
            print(outcome.traceback, file=sys.stderr)
        raise outcome.error
    _print_published(console, plan)


def _alert(console: "Console", plan: "RunPlan", outcome: "RunOutcome") -> None:
    """Tell whom it concerns. Alerts never fail a run: what goes wrong with them is a warning."""
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_run

        told = after_run(
            plan.output,
            plan.settings,
            outcome.run_id,
            outcome.error,
            data_tests=outcome.data_tests,
        )
        for line in told.lines():
            _say(console, line)


def _alert_refusal(options: "RunOptions", error: HandoffError) -> None:
    """Tell of a run that took everything from the configuration and could not start.

    A slip on the command line is for whoever typed it; this is what cron runs at night.
    """
    with _never_failing_a_run():
        from dagster_project.alerting.service import after_refusal
        from dagster_project.config.settings import load_settings
        from dagster_project.running.plan import config_path, output_directory

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
        if _debug():
            traceback.print_exc()
        said = " ".join(str(error).split())
        print(f"handoff: alerts: {type(error).__name__}: {said}", file=sys.stderr)


def _print_summary(console: "Console", plan: "RunPlan") -> None:
    from dagster_project.reporting.run_summary import read_summary, render_summary

    console.print(render_summary(read_summary(plan.output)))


def _print_published(console: "Console", plan: "RunPlan") -> None:
    from dagster_project.config.warehouse import PUBLISHED_FILE
    from dagster_project.running import publishing

    published = plan.output / publishing.PUBLISHED_DIRECTORY
    manifest = publishing.published_manifest(plan.output) or {}
    failed = publishing.blocking_failures(manifest)
    if failed:
        _say(
            console,
            "\nPublished although what should block it failed (--audit warn): " + ", ".join(failed),
        )
    _say(console, f"\nPublished build {manifest.get('build_id')}, as of {manifest.get('as_of')}")
    _say(console, f"  DuckDB   {published / PUBLISHED_FILE} (schema marts)")
    _say(console, f"  Parquet  {published / publishing.PARQUET_DIRECTORY}")
    _say(console, f"  Checks   {plan.output / 'data_docs' / 'index.html'}")


def _print_times(console: "Console", outcome: "RunOutcome") -> None:
    from dagster_project.commands.progress import step_name

    _say(console, "\nWhere the time went")
    for step, seconds in outcome.seconds.items():
        _say(console, f"  {seconds:7.1f} s  {step_name(step)}")
    slowest = sorted(outcome.build_seconds.items(), key=lambda item: -item[1])[:10]
    for name, seconds in slowest:
        _say(console, f"  {seconds:9.2f} s  {name}")
    _say(console, f"  peak memory {_peak_gigabytes():.1f} GB, Dagster run {outcome.run_id}")


def _peak_gigabytes() -> float:
    """The most memory this process held, in GB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but bytes on macOS.
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


@app.command()
def status(
    config: ConfigOption = None,
    output: OutputOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest as JSON.")] = False,
) -> None:
    """Say what is published: build, as_of, rows, checks.

    \b
    Examples:
      handoff status
      handoff status --output var/crm_export --json
    """
    import json

    from dagster_project.running import publishing

    directory = _output(config, output)
    manifest = publishing.published_manifest(directory)
    console = _console()
    if manifest is None:
        _say(console, f"{directory}: nothing is published yet (handoff run)")
    elif as_json:
        print(json.dumps(manifest, indent=2))
    else:
        for line in [*publishing.describe(directory, manifest), *_open_alerts(directory)]:
            _say(console, line)


def _open_alerts(output: Path) -> list[str]:
    """What is open, in a line; nothing where no alerts were ever kept."""
    import sqlite3

    from dagster_project.alerting.store import ALERTS_FILE, counts

    try:
        found = counts(output)
    except sqlite3.Error as error:
        return [f"alerts     {output / ALERTS_FILE} can't be read: {error}"]
    if not found:
        return []
    said = f"{found.get('error', 0)} errors, {found.get('warning', 0)} warnings open"
    waiting = f", {found['waiting']} messages wait" if found["waiting"] else ""
    failed = f", {found['failed']} were given up" if found["failed"] else ""
    return [f"alerts     {said}{waiting}{failed} (handoff alerts list)"]


@app.command()
def rollback(config: ConfigOption = None, output: OutputOption = None) -> None:
    """Publish the build before the current one again.

    \b
    Example:
      handoff rollback --output var/crm_export
    """

    from dagster_project.running import publishing
    from dagster_project.running.output_lock import hold_output

    directory = _output(config, output)
    with hold_output(directory):
        manifest = publishing.roll_back(directory)
    _say(
        _console(),
        f"Published build {manifest['build_id']} (as of {manifest['as_of']}) again, "
        f"in place of {manifest['rolled_back_from']}",
    )


@app.command()
def simulate(
    leads: Annotated[int, typer.Option(metavar="N", help="How many leads are created.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the export is written.")],
    seed: Annotated[int, typer.Option(metavar="S", help="Same seed, same bytes.")] = 0,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="File format.")
    ] = FileFormat.CSV,
) -> None:
    """Write a realistic CRM export: one year of a made-up B2B software company.

    \b
    Example:
      handoff simulate --leads 50000 --seed 7 --out ~/big_export
    """
    from rich.console import Console
    from rich.progress import Progress

    from dagster_project.simulation import simulate as simulate_export

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("leads", total=leads)

        def advance(done: int, wanted: int) -> None:
            progress.update(task, completed=done, total=wanted)

        simulate_export(leads, seed, out, file_format=file_format.value, progress=advance)
    _say(_console(), f"{leads:,} leads in {out.absolute()}; handoff run --input {out}")


@app.command()
def init(
    directory: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Where the CRM's exports are.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The configuration to write.")] = Path(
        "handoff.yml"
    ),
) -> None:
    """Look at somebody's exports and write the configuration that reads them.

    It asks nothing and overwrites nothing; what it could not place stands in the file as a comment.

    \b
    Example:
      handoff init --from ~/hubspot_export --out hubspot.yml
      handoff run --config hubspot.yml --audit warn
    """
    from dagster_project.ingestion.discovery.proposal import propose

    proposal = propose(directory.expanduser().absolute(), out.expanduser().absolute())
    console = _console()
    _say(console, f"{out}: {proposal.crm} exports, tradition {proposal.tradition}")
    for name, plan in proposal.tables.items():
        _say(console, f"  {name}: {plan.file.name}, {len(plan.columns)} columns")
    for line in proposal.unplaced:
        _say(console, f"  look at: {line}")
    _say(console, f"Then: handoff run --config {out} --audit warn")


@app.command()
def doctor(
    config: ConfigOption = None,
    output: OutputOption = None,
    write_stage_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a proposal for the raw stages of the last run that no map knows.",
        ),
    ] = None,
) -> None:
    """Check configuration, credentials and mappings; say what is wrong and how to mend it.

    \b
    Examples:
      handoff doctor --config handoff.yml
      handoff doctor --output var/crm_export --write-stage-map stages.yml
    """
    from rich.console import Console

    from dagster_project.commands import doctor as examination
    from dagster_project.config.settings import load_settings
    from dagster_project.running.plan import config_path

    path = config_path(config)
    settings = load_settings(path)
    if output:
        place = settings.warehouse.model_copy(update={"output": output.expanduser().absolute()})
        settings = settings.model_copy(update={"warehouse": place})
    if write_stage_map:
        _say(Console(), examination.write_stage_map(settings, write_stage_map))
        return
    findings = examination.examine(settings, path)
    _console().print(examination.render(findings))
    raise typer.Exit(examination.exit_code(findings))


@app.command()
def explain(
    lead_id: Annotated[str, typer.Argument(metavar="LEAD_ID")],
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where several sources know the id.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Tell one lead's story: what came, what was made of it, and why.

    \b
    Example:
      handoff explain L-0042 --output var/crm_export
    """

    from dagster_project.config.warehouse import warehouse_path
    from dagster_project.reporting.lead_page import explain as explain_lead

    _console().print(explain_lead(warehouse_path(_output(config, output)), lead_id, source))


@app.command()
def compare(
    policy: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Another policy; a changed copy of yours.")
    ] = None,
    tradition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another dialect of the funnel.")
    ] = None,
    acceptance: Annotated[
        Acceptance | None, typer.Option(help="The other acceptance mode.")
    ] = None,
    lead_limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="Lead ids named per change of outcome.")
    ] = 5,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Replay the history under other definitions, and show both sides. Publishes nothing.

    \b
    Examples:
      handoff compare --tradition hubspot
      cp -r seeds/policy draft; edit draft/*.csv; handoff compare --policy draft
    """
    from rich.console import Console

    from dagster_project.config.settings import load_settings
    from dagster_project.reporting.comparison import compare as compare_policies
    from dagster_project.reporting.comparison import render
    from dagster_project.running.plan import config_path

    with Console(stderr=True).status("comparing") as shown:
        comparison = compare_policies(
            _output(config, output),
            load_settings(config_path(config)),
            policy_dir=policy,
            tradition=tradition,
            acceptance=acceptance.value if acceptance else None,
            lead_limit=lead_limit,
            progress=shown.update,
        )
    _console().print(render(comparison))


def main() -> None:
    """The console script: runs a command and turns errors into lines and exit codes."""
    # Wherever it stands on the line; the option of the callback is what the help shows.
    arguments = [item for item in sys.argv[1:] if item != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ["HANDOFF_DEBUG"] = "1"
    try:
        app(args=arguments, prog_name="handoff")
    except HandoffError as error:
        _fail(error, error.problems, error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        said = " ".join(str(error).split()) or "no message"
        _fail(error, [f"unexpected {type(error).__name__}: {said} (--debug shows where)"], 4)


def _fail(error: Exception, problems: list[str], exit_code: int) -> None:
    if _debug():
        import traceback

        traceback.print_exception(error)
    for problem in problems:
        print(f"handoff: {problem}", file=sys.stderr)
    sys.exit(exit_code)


def _debug() -> bool:
    return bool(os.environ.get("HANDOFF_DEBUG"))


def _console() -> "Console":
    """The console for what was asked for; wide where nobody reads along, so that nothing wraps."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def _say(console: "Console", text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _absolute(path: Path | None) -> str | None:
    return str(path.expanduser().absolute()) if path else None


def _iso(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


def _output(config: Path | None, output: Path | None) -> Path:
    """The output directory that a command looks at."""
    from dagster_project.config.settings import load_settings
    from dagster_project.running.plan import config_path, output_directory

    if output:
        return output.expanduser().absolute()
    return output_directory(load_settings(config_path(config)), None)


if __name__ == "__main__":
    main()
