"""``handoff simulate``: a realistic CRM export for development."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from dagster_project.commands.options import say


def simulate(
    leads: Annotated[int, typer.Option(metavar="N", help="How many leads are created.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the export is written.")],
    seed: Annotated[int, typer.Option(metavar="S", help="Same seed, same bytes.")] = 0,
    file_format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="File format.")
    ] = "csv",
) -> None:
    """Write a realistic CRM export: one year of a made-up B2B software company.

    \b
    Example:
      handoff simulate --leads 50000 --seed 7 --out ~/big_export
    """
    from dagster_project.simulation import simulate as simulate_export  # loads numpy

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("leads", total=leads)

        def advance(done: int, wanted: int) -> None:
            progress.update(task, completed=done, total=wanted)

        simulate_export(leads, seed, out, file_format=file_format, progress=advance)
    say(f"{leads:,} leads in {out.absolute()}; handoff run --input {out}")
