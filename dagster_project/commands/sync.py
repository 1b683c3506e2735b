"""``handoff sync``: the agenda of the calibration meeting, and what it decided."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.commands.options import (
    ConfigOption,
    JsonOption,
    OutputOption,
    console,
    print_json,
    say,
    settings_and_output,
    user_name,
)
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import PUBLISHED_FILE, connect
from dagster_project.reporting import decisions
from dagster_project.reporting.sync import Agenda, read_agenda, render
from dagster_project.running.publishing import PUBLISHED_DIRECTORY


def sync(
    period: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="A day of another period; the last one by default."),
    ] = None,
    decision: Annotated[
        str | None, typer.Option("--decide", metavar="TEXT", help="Keep a decision.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who sees to the decision.")
    ] = None,
    due: Annotated[
        str | None, typer.Option(metavar="DATE", help="When the decision is to be done.")
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="A metric, section or diagnostic, as the agenda calls it."
        ),
    ] = None,
    done: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Note that a decision is done.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Show the agenda of the calibration meeting of marketing and sales, and keep its decisions.

    \b
    Examples:
      handoff sync
      handoff sync --period 2026-06-15
      handoff sync --decide "Route demo requests to whoever is free" --owner Kim --due 2026-12-15
      handoff sync --done 1
    """
    _, directory = settings_and_output(config, output)
    agenda = _agenda(directory, _day("--period", period))
    today = date.today()
    if decision is None and (owner or due or about):
        raise ConfigError("--owner, --due and --about are of a decision: add --decide TEXT")
    if done is not None and decision is not None:
        raise ConfigError("--done and --decide: one at a time")
    if done is not None:
        closed = decisions.close(directory, done, today)
        say(f"decision {closed.number}: done: {closed.what}")
    elif decision is not None:
        kept = decisions.decide(
            directory,
            decision,
            owner=owner,
            due=_day("--due", due),
            about=_subject(about, agenda),
            decided_by=user_name(),
            decided_on=today,
            period_start=agenda.period_start,
        )
        say(f"decision {kept.number}: {kept.what}")
    else:
        _show(agenda, directory, today, as_json)


def _agenda(directory: Path, day: date | None) -> Agenda:
    file = directory / PUBLISHED_DIRECTORY / PUBLISHED_FILE
    if not file.is_file():
        raise ConfigError(f"{directory}: nothing is published yet (handoff run)")
    with connect(file, read_only=True) as connection:
        agenda = read_agenda(connection, day)
    if agenda is None:
        raise ConfigError(f"{directory}: no lead has been handed off yet, so there is no agenda")
    return agenda


def _show(agenda: Agenda, directory: Path, today: date, as_json: bool) -> None:
    # What was done since the meeting before is told once more.
    taken = decisions.decisions(directory, done_since=agenda.period_start)
    if as_json:
        print_json({"agenda": asdict(agenda), "decisions": [asdict(one) for one in taken]})
    else:
        console().print(render(agenda, taken, today))


def _day(option: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text is not None else None
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: not a date; write 2026-06-30") from error


def _subject(about: str | None, agenda: Agenda) -> str | None:
    """The name of what a decision is about, given by that name or as the agenda calls it."""
    if about is None or about in agenda.subjects:
        return about
    asked = about.strip().casefold()
    for name, label in agenda.subjects.items():
        if asked in (name.casefold(), label.casefold()):
            return name
    raise ConfigError(f"--about {about!r}: known: {', '.join(sorted(agenda.subjects))}")
