"""``handoff init``: a first configuration."""

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.commands.options import say
from dagster_project.ingestion.discovery.proposal import propose


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
    proposal = propose(directory.expanduser().absolute(), out.expanduser().absolute())
    say(f"{out}: {proposal.crm} exports, tradition {proposal.tradition}")
    for name, plan in proposal.tables.items():
        say(f"  {name}: {plan.look.path.name}, {len(plan.columns)} columns")
    for line in proposal.unplaced:
        say(f"  look at: {line}")
    say(f"Then: handoff run --config {out} --audit warn")
