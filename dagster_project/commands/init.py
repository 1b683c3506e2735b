"""``handoff init``: a first configuration, for the sample or for exports; a policy to edit."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.commands.options import say
from dagster_project.config.errors import ConfigError
from dagster_project.config.locations import CONFIG_FILE
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT, SAMPLE_DIR
from dagster_project.ingestion.discovery.plans import UNKNOWN_CRM, Proposal
from dagster_project.ingestion.discovery.proposal import propose
from dagster_project.ingestion.files.resources import listed

# What fits on one screen with the tables.
_MOST_LINES = 12


def init(
    directory: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="Exports of a CRM to propose a mapping for."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The configuration to write.")] = Path(
        CONFIG_FILE
    ),
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="DIR", help="Write a copy of the policy tables there."),
    ] = None,
) -> None:
    """Write a configuration; overwrites nothing.

    Without an option: handoff.yml that reads the sample export, with a copy of the policy and of
    the sample beside it to edit. With --from: a configuration that reads these exports, tried on
    them; what could not be placed stands in the file as a comment. With --policy: a copy of the
    policy that ships, for definitions of your own.

    \b
    Examples:
      handoff init                       in an empty directory; then handoff run
      handoff init --from seeds/sample_crm --out mine.yml
      handoff init --policy policy
    """
    if policy is not None:
        _copy_policy(policy)
    if directory is not None:
        _propose(directory.expanduser().absolute(), out.expanduser())
    elif policy is None:
        _start_project(out.expanduser())


def _start_project(out: Path) -> None:
    """Copy what ships: the configuration, the policy and the sample that it reads."""
    copies = {
        PROJECT_ROOT / CONFIG_FILE: out,
        POLICY_DIR: out.parent / "seeds" / "policy",
        SAMPLE_DIR: out.parent / "seeds" / "sample_crm",
    }
    _copy(copies)
    say(f"Then: handoff run{_config_option(out)}")


def _copy_policy(directory: Path) -> None:
    """Copy the policy that ships, and say how a configuration names it."""
    _copy({POLICY_DIR: directory.expanduser()})
    say(f"Then, in the configuration: lifecycle: {{policy_dir: {directory}}}")


def _copy(copies: dict[Path, Path]) -> None:
    """Copy files and directories; nothing at all where one of the targets exists."""
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


def _config_option(out: Path) -> str:
    """The option that names a configuration; none for the one that is found by itself."""
    return "" if out.absolute() == Path.cwd() / CONFIG_FILE else f" --config {out}"


def _propose(directory: Path, out: Path) -> None:
    proposal = propose(directory, out.absolute())
    system = (
        "exports of an unknown system" if proposal.crm == UNKNOWN_CRM else f"{proposal.crm} exports"
    )
    say(f"{out}: {system}, tradition {proposal.tradition}")
    for line in _tried(proposal):
        say(f"  {line}")
    for line in proposal.unplaced[:_MOST_LINES]:
        say(f"  look at: {line}")
    if len(proposal.unplaced) > _MOST_LINES:
        say(f"  and {len(proposal.unplaced) - _MOST_LINES} more at the end of the file")
    if proposal.unread:
        names = listed(proposal.unread, _MOST_LINES)
        say(f"  not read, as they look like none of the tables: {names}")
    if proposal.tried:
        say(f"Then: handoff run{_config_option(out)} --audit warn")
    elif not proposal.plan("leads"):
        say(
            f"Name the file that has the leads in {out}, under tables, or export one to {directory}"
        )


def _tried(proposal: Proposal) -> list[str]:
    """What the proposal reads of each table, one aligned line each."""
    cells: list[tuple[str, ...]] = [
        ("table", "rows", "times read", "leads found", "stages mapped", "file")
    ]
    for table in proposal.tried:
        stages = f"{table.stages[0]} of {table.stages[1]}" if table.stages else ""
        shares = ("" if it is None else f"{it:.0%}" for it in (table.times, table.leads))
        cells.append((table.name, f"{table.rows:,}", *shares, stages, table.files))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    shown = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return [line.rstrip() for line in shown] if proposal.tried else []
