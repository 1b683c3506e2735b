"""``handoff init``: a first configuration, for the sample or for exports that exist."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.commands.options import say
from dagster_project.config.errors import ConfigError
from dagster_project.config.locations import CONFIG_FILE
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT, SAMPLE_DIR
from dagster_project.ingestion.discovery.proposal import propose


def init(
    directory: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Exports of a CRM to propose a mapping for."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The configuration to write.")] = Path(
        CONFIG_FILE
    ),
) -> None:
    """Write a configuration; overwrites nothing.

    Without --from: handoff.yml that reads the sample export, with a copy of the policy and of the
    sample beside it to edit. With --from: a configuration that reads these exports; what could not
    be placed stands in the file as a comment.

    \b
    Examples:
      handoff init && handoff run
      handoff init --from ~/hubspot_export --out hubspot.yml
    """
    out = out.expanduser().absolute()
    if directory is None:
        _start_project(out)
    else:
        _propose(directory.expanduser().absolute(), out)


def _start_project(out: Path) -> None:
    """Copy what ships: the configuration, the policy and the sample that it reads."""
    copies = {
        PROJECT_ROOT / CONFIG_FILE: out,
        POLICY_DIR: out.parent / "seeds" / "policy",
        SAMPLE_DIR: out.parent / "seeds" / "sample_crm",
    }
    for target in copies.values():
        if target.exists():
            raise ConfigError(f"{target} exists already; init overwrites nothing")
    for source, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.yml"))
        else:
            shutil.copyfile(source, target)
        say(f"wrote {target}")
    say("Then: handoff run" + ("" if out.name == CONFIG_FILE else f" --config {out}"))


def _propose(directory: Path, out: Path) -> None:
    proposal = propose(directory, out)
    say(f"{out}: {proposal.crm} exports, tradition {proposal.tradition}")
    for name, plan in proposal.tables.items():
        say(f"  {name}: {plan.file.name}, {len(plan.columns)} columns")
    for line in proposal.unplaced:
        say(f"  look at: {line}")
    say(f"Then: handoff run --config {out} --audit warn")
