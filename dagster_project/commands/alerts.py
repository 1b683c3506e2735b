"""``handoff alerts``: list, acknowledge and snooze incidents, send messages, test channels."""

import getpass
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.alerting.delivery import AppriseSender, due
from dagster_project.alerting.incidents import Incidents
from dagster_project.alerting.messages import (
    Document,
    Messages,
    Situation,
    body_of,
    clean,
    shown_time,
    subject,
)
from dagster_project.alerting.service import on_the_clock
from dagster_project.alerting.store import ALERTS_FILE, Row, Store, as_time
from dagster_project.commands.options import ConfigOption, OutputOption, say, settings_and_output
from dagster_project.config.alerts import AlertsSettings
from dagster_project.config.errors import ConfigError
from dagster_project.running.plan import parse_time

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, acknowledge and snooze incidents, send messages, test channels.",
)

IncidentArgument = Annotated[int, typer.Argument(metavar="INCIDENT", help="Its number in the list")]
WhoOption = Annotated[str | None, typer.Option("--who", metavar="NAME", help="You, by default.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show messages; send nothing.")]
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@app.command("list")
def list_incidents(
    config: ConfigOption = None,
    output: OutputOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
) -> None:
    """List open incidents.

    \b
    Example:
      handoff alerts list
    """
    with _opened(config, output) as incidents:
        rows = incidents.store.open_incidents()
        if everything:
            rows += incidents.store.rows(
                "select * from incidents where state = 'resolved' order by resolved_at desc"
            )
    for row in rows:
        say(_listed(row, incidents.settings))
    if not rows:
        print("no open incidents")


def _listed(incident: Row, settings: AlertsSettings) -> str:
    words = [incident["state"]] if incident["state"] == "resolved" else []
    if incident["acknowledged_by"]:
        words.append(f"acknowledged by {clean(incident['acknowledged_by'])}")
    if incident["snoozed_until"]:
        words.append(f"snoozed until {shown_time(as_time(incident['snoozed_until']), settings)}")
    since = shown_time(as_time(incident["opened_at"]), settings)
    return (
        f"{incident['id']:>5}  {incident['severity']:<7}  {incident['owner']:<9}  "
        f"since {since}  {subject(incident)}" + (f"  ({', '.join(words)})" if words else "")
    )


@app.command()
def show(
    incident: IncidentArgument, config: ConfigOption = None, output: OutputOption = None
) -> None:
    """Show an incident as a message would, and which messages were sent about it.

    \b
    Example:
      handoff alerts show 12
    """
    with _opened(config, output) as incidents:
        row = incidents.store.incident(incident)
        situation = Situation(row, incidents.store.members(incident))
        messages = incidents.store.rows("select * from messages where incident_id = ?", [incident])
    kind = "resolved" if row["state"] == "resolved" else "shown"
    document = incidents.messages.incident(kind, situation, datetime.now(UTC))
    for line in (document["title"], *body_of(document).splitlines()):
        say(line)
    for message in messages:
        error = f": {message['last_error']}" if message["last_error"] else ""
        say(
            f"{message['created_at'][:16]}Z  {message['kind']} to {message['channel']}: "
            f"{message['state']} ({message['attempts']} tries){error}"
        )


@app.command()
def ack(
    incident: IncidentArgument,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="What is being done.")] = None,
    who: WhoOption = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Acknowledge an incident: no more reminders of it.

    \b
    Example:
      handoff alerts ack 12 --reason "asked the owners"
    """
    with _opened(config, output) as incidents:
        incidents.acknowledge(incident, who or getpass.getuser(), reason, datetime.now(UTC))
    print(f"incident {incident}: acknowledged")


@app.command()
def snooze(
    incident: IncidentArgument,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="A time, or 8h, 3d, 2w from now.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it can wait.")],
    who: WhoOption = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Send no messages about an incident for a while, unless it gets worse or is resolved.

    \b
    Example:
      handoff alerts snooze 12 --until 3d --reason "the new pick list comes on Monday"
    """
    moment = _until(until, datetime.now(UTC))
    with _opened(config, output) as incidents:
        incidents.snooze(incident, moment, who or getpass.getuser(), reason)
    print(f"incident {incident}: snoozed until {shown_time(moment, incidents.settings)}")


@app.command()
def send(
    dry_run: DryRunOption = False, config: ConfigOption = None, output: OutputOption = None
) -> None:
    """Send what is due: reminders, digests, messages that wait.

    \b
    Examples:
      handoff alerts send --dry-run
      handoff alerts send                 every few minutes, where no Dagster daemon runs
    """
    with _opened(config, output) as incidents:
        messages = due(incidents.store, datetime.now(UTC)) if dry_run else []
    if not dry_run:
        settings, directory = settings_and_output(config, output)
        for line in on_the_clock(directory, settings).lines() or ["nothing to send"]:
            say(line)
        return
    for message in messages:
        _preview(message["channel"], json.loads(message["document"]))
    print(f"{len(messages)} messages would be sent")


@app.command("test")
def try_channels(
    channel: Annotated[
        str | None, typer.Argument(metavar="CHANNEL", help="All channels by default.")
    ] = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Send a test message to each channel and report which accepted it.

    \b
    Example:
      handoff alerts test sales_slack
    """
    settings, directory = settings_and_output(config, output)
    known = list(settings.alerts.channels)
    if channel is not None and channel not in known:
        raise ConfigError(f"channel {channel!r}: unknown; known: {', '.join(known) or 'none'}")
    if not known:
        raise ConfigError("no channel: add one below `alerts.channels` in handoff.yml")
    send_to = AppriseSender(settings.alerts)
    failed = False
    for name in [channel] if channel else known:
        document = Messages(settings.alerts, directory).trial(name)
        if dry_run:
            _preview(name, document)
            continue
        problem = send_to(name, document)
        failed = failed or problem is not None
        say(f"{name}: {problem or 'sent'}")
    raise typer.Exit(2 if failed else 0)


def _preview(channel: str, document: Document) -> None:
    for line in (f"--- to {channel}: {document['title']}", *body_of(document).splitlines(), ""):
        say(line)


def _until(text: str, now: datetime) -> datetime:
    relative = re.match(r"^(\d+)([hdw])$", text.strip())
    try:
        wait = timedelta(**{_UNITS[relative[2]]: int(relative[1])}) if relative else None
        moment = now + wait if wait else parse_time(text)
    except ConfigError as error:
        raise ConfigError(f"--until {text!r}: write 8h, 3d, 2w or 2026-06-30") from error
    if moment <= now:
        raise ConfigError(f"--until {text!r}: that is in the past")
    return moment


@contextmanager
def _opened(config: Path | None, output: Path | None) -> Iterator[Incidents]:
    """The incidents of an output directory, which must have some."""
    settings, directory = settings_and_output(config, output)
    if not (directory / ALERTS_FILE).is_file():
        raise ConfigError(f"{directory}: no incidents are kept here yet (handoff run)")
    with Store(directory) as store:
        yield Incidents(store, settings.alerts, directory)
