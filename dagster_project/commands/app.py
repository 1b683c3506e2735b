"""``handoff``: the command line. Each command is a module beside this one.

What the user can fix is one line per problem on stderr, with the exit code of the contract.
"""

import gc
import os
import sys
import traceback
from typing import Annotated

import typer

from dagster_project.commands.alerts import app as alerts
from dagster_project.commands.compare import compare
from dagster_project.commands.definitions import definitions
from dagster_project.commands.doctor import doctor
from dagster_project.commands.explain import explain
from dagster_project.commands.init import init
from dagster_project.commands.options import is_debugging
from dagster_project.commands.report import report
from dagster_project.commands.rollback import rollback
from dagster_project.commands.run import run
from dagster_project.commands.simulate import simulate
from dagster_project.commands.status import status
from dagster_project.commands.sync import sync
from dagster_project.commands.warehouse import warehouse
from dagster_project.config.errors import HandoffError
from dagster_project.config.plain_text import on_one_line

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def handoff(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; anywhere on the line.")
    ] = False,
) -> None:
    """What happens to a lead between marketing and sales, from CRM rows to audited marts.

    \b
    Examples:
      handoff run
      handoff explain L0000001
      handoff compare --tradition hubspot

    \b
    Exit codes: 0 published; 1 a check blocks, the last good build is still served;
    2 usage or configuration; 3 a source could not be read; 4 the build itself failed;
    5 another run holds this output.
    """


for command in (
    run,
    status,
    report,
    definitions,
    rollback,
    sync,
    init,
    doctor,
    explain,
    compare,
    simulate,
    warehouse,
):
    app.command()(command)
app.add_typer(alerts, name="alerts")


def main() -> None:
    """The console script: runs a command and turns errors into lines and exit codes."""
    # What is imported and parsed stays to the end; looking for garbage in it takes 5 % of a run.
    gc.set_threshold(50_000, 20, 50)
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
        message = " ".join(str(error).split()) or "no message"
        _fail(error, [f"unexpected {type(error).__name__}: {message} (--debug shows where)"], 4)


def _fail(error: Exception, problems: list[str], exit_code: int) -> None:
    if is_debugging():
        traceback.print_exception(error)
    for problem in problems:
        print(f"handoff: {on_one_line(problem)}", file=sys.stderr)
    sys.exit(exit_code)
