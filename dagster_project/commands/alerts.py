"""``handoff alerts``: look at incidents, take them on, put them off, try the channels."""

import getpass
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.config.errors import ConfigError

if TYPE_CHECKING:
    from dagster_project.alerting.delivery import Sender
    from dagster_project.config.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at incidents, take them on, put them off, try the channels.",
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; handoff.yml by default."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Output directory; var by default."),
]
IncidentArgument = Annotated[int, typer.Argument(metavar="INCIDENT", help="Its number in the list")]
WhoOption = Annotated[str | None, typer.Option("--who", metavar="NAME", help="You, by default.")]
_DURATION = re.compile(r"^(\d+)([hdw])$")
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
      handoff alerts list --output var/crm_export
    """
    from dagster_project.alerting.messages import clean, shown_time, subject
    from dagster_project.alerting.store import Store, as_time

    settings, directory = _place(config, output)
    _ensure_exists(directory)
    with Store(directory) as store:
        incidents = store.open_incidents()
        if everything:
            incidents += store.rows(
                "select * from incidents where state = 'resolved' order by resolved_at desc"
            )
        for incident in incidents:
            since = shown_time(as_time(incident["opened_at"]), settings.alerts)
            words = [incident["state"]] if incident["state"] == "resolved" else []
            if incident["acknowledged_by"]:
                words.append(f"acknowledged by {clean(incident['acknowledged_by'])}")
            if incident["snoozed_until"]:
                until = shown_time(as_time(incident["snoozed_until"]), settings.alerts)
                words.append(f"snoozed until {until}")
            print(
                f"{incident['id']:>5}  {incident['severity']:<7}  {incident['owner']:<9}  "
                f"since {since}  {subject(incident)}" + (f"  ({', '.join(words)})" * bool(words))
            )
        if not incidents:
            print("no open incidents")


@app.command()
def show(
    incident: IncidentArgument, config: ConfigOption = None, output: OutputOption = None
) -> None:
    """Show an incident as a message would, and what was sent of it.

    \b
    Example:
      handoff alerts show 12
    """
    from dagster_project.alerting.messages import Situation, as_plain_text, incident_document
    from dagster_project.alerting.store import Store

    settings, directory = _place(config, output)
    _ensure_exists(directory)
    with Store(directory) as store:
        row = store.incident(incident)
        if row is None:
            raise ConfigError(f"incident {incident}: no such incident (handoff alerts list)")
        kind = "resolved" if row["state"] == "resolved" else "shown"
        situation = Situation(members=store.members(incident))
        document = incident_document(
            kind, row, situation, datetime.now(UTC), settings.alerts, directory
        )
        print(document["title"])
        print(as_plain_text(document))
        for message in store.rows("select * from messages where incident_id = ?", [incident]):
            said = f": {message['last_error']}" if message["last_error"] else ""
            print(
                f"{message['created_at'][:16]}Z  {message['kind']} to {message['channel']}: "
                f"{message['state']} ({message['attempts']} tries){said}"
            )


@app.command()
def ack(
    incident: IncidentArgument,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="What is done.")] = None,
    who: WhoOption = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Take an incident on: no more reminders of it.

    \b
    Example:
      handoff alerts ack 12 --reason "asked the owners"
    """
    from dagster_project.alerting.incidents import Incidents
    from dagster_project.alerting.store import Store

    settings, directory = _place(config, output)
    _ensure_exists(directory)
    with Store(directory) as store:
        incidents = Incidents(store, settings.alerts, directory)
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
    """Say nothing of an incident for a while, unless it is resolved.

    \b
    Example:
      handoff alerts snooze 12 --until 3d --reason "the new pick list comes on Monday"
    """
    from dagster_project.alerting.incidents import Incidents
    from dagster_project.alerting.messages import shown_time
    from dagster_project.alerting.store import Store

    settings, directory = _place(config, output)
    _ensure_exists(directory)
    now = datetime.now(UTC)
    moment = _until(until, now)
    with Store(directory) as store:
        incidents = Incidents(store, settings.alerts, directory)
        incidents.snooze(incident, moment, who or getpass.getuser(), reason)
    print(f"incident {incident}: snoozed until {shown_time(moment, settings.alerts)}")


@app.command()
def send(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is due; send nothing.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Send what is due: reminders, digests, messages that wait.

    \b
    Examples:
      handoff alerts send --dry-run
      handoff alerts send                 every few minutes, where no Dagster daemon runs
    """
    import json

    from dagster_project.alerting.delivery import due
    from dagster_project.alerting.messages import as_plain_text
    from dagster_project.alerting.service import on_the_clock
    from dagster_project.alerting.store import Store

    settings, directory = _place(config, output)
    _ensure_exists(directory)
    if not dry_run:
        print("\n".join(on_the_clock(directory, settings).lines()) or "nothing to send")
        return
    with Store(directory) as store:
        messages = due(store, datetime.now(UTC))
    for message in messages:
        document = json.loads(message["document"])
        print(f"--- to {message['channel']}: {document['title']}\n{as_plain_text(document)}\n")
    print(f"{len(messages)} messages would be sent")


@app.command("test")
def try_channels(
    channel: Annotated[
        str | None, typer.Argument(metavar="CHANNEL", help="All channels by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the message; send nothing.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Send a test message to each channel and say which took it.

    \b
    Example:
      handoff alerts test sales_slack
    """
    from dagster_project.alerting.delivery import AppriseSender

    settings, directory = _place(config, output)
    known = list(settings.alerts.channels)
    if channel is not None and channel not in known:
        raise ConfigError(f"channel {channel!r}: unknown; known: {', '.join(known) or 'none'}")
    if not known:
        raise ConfigError("no channel: add one below `alerts.channels` in handoff.yml")
    wanted = [channel] if channel else known
    failed = _try_channels(wanted, AppriseSender(settings.alerts), directory, dry_run)
    raise typer.Exit(2 if failed else 0)


def _try_channels(channels: list[str], send_to: "Sender", output: Path, dry_run: bool) -> bool:
    from dagster_project.alerting.messages import as_plain_text

    failed = False
    for name in channels:
        document = {
            "kind": "test",
            "severity": "warning",
            "title": f"Test of the channel {name}",
            "lead": "Alerts of Handoff will look like this one.",
            "facts": [["Where", str(output)]],
            "items": [],
            "more": 0,
            "todo": "nothing; it works.",
            "links": [],
            "reference": "handoff alerts list",
        }
        if dry_run:
            print(f"--- to {name}: {document['title']}\n{as_plain_text(document)}\n")
            continue
        problem = send_to(name, document)
        failed = failed or problem is not None
        print(f"{name}: {problem or 'sent'}")
    return failed


def _until(text: str, now: datetime) -> datetime:
    from dagster_project.running.plan import parse_time

    relative = _DURATION.match(text.strip())
    if relative:
        moment = now + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    else:
        try:
            moment = parse_time(text)
        except ConfigError as error:
            raise ConfigError(f"--until {text!r}: write 8h, 3d, 2w or 2026-06-30") from error
    if moment <= now:
        raise ConfigError(f"--until {text!r}: that is over already")
    return moment


def _ensure_exists(output: Path) -> None:
    """Refuse an output directory where no alert was ever kept."""
    from dagster_project.alerting.store import ALERTS_FILE

    if not (output / ALERTS_FILE).is_file():
        raise ConfigError(f"{output}: no incidents are kept here yet (handoff run)")


def _place(config: Path | None, output: Path | None) -> "tuple[Settings, Path]":
    from dagster_project.config.locations import config_path
    from dagster_project.config.settings import load_settings
    from dagster_project.running.plan import output_directory

    settings = load_settings(config_path(config))
    return settings, output_directory(settings, str(output) if output else None)
