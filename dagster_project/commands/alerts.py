"""``handoff alerts``: list, acknowledge, snooze and mark incidents, send messages, try channels."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from dagster_project.alerting.cases import write_cases
from dagster_project.alerting.delivery import AppriseSender, due
from dagster_project.alerting.incidents import Incidents
from dagster_project.alerting.messages import (
    Document,
    Messages,
    Situation,
    body_of,
    by_owner,
    clean,
    marks_of,
    shown_time,
    subject,
)
from dagster_project.alerting.service import on_the_clock
from dagster_project.alerting.store import ALERTS_FILE, Row, Store, as_time
from dagster_project.commands.options import (
    ConfigOption,
    OutputOption,
    say,
    settings_and_output,
    user_name,
)
from dagster_project.config.alerts import AlertsSettings
from dagster_project.config.errors import ConfigError
from dagster_project.running.plan import parse_time

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, acknowledge, snooze and mark incidents, send messages, test channels.",
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
    """List open incidents: errors first, those with the most failing rows first.

    \b
    Example:
      handoff alerts list
    """
    with _opened(config, output) as incidents:
        is_open = incidents.store.open_incidents()
        resolved = incidents.store.rows(
            "select * from incidents where state = 'resolved' order by resolved_at desc"
        )
    # What nobody needs to fix is listed last.
    is_open.sort(key=lambda row: row["marked_as"] is not None)
    for row in [*is_open, *(resolved if everything else [])]:
        say(_listed(row, incidents.settings))
    print(_counted(is_open))


def _counted(incidents: list[Row]) -> str:
    """How many are open, whose they are, and how many of all are marked."""
    marked = Counter[str](row["marked_as"] for row in incidents if row["marked_as"])
    owners = Counter[str](row["owner"] for row in incidents if not row["marked_as"])
    if not incidents:
        return "no open incidents"
    counted = f"{owners.total()} open" + (f": {by_owner(owners)}" if owners else "")
    return f"{counted}; {marks_of(marked)}" if marked else counted


def _listed(incident: Row, settings: AlertsSettings) -> str:
    words = [incident["state"]] if incident["state"] == "resolved" else []
    if incident["acknowledged_by"]:
        words.append(f"acknowledged by {clean(incident['acknowledged_by'])}")
    if incident["marked_as"]:
        mark = incident["marked_as"].replace("_", " ")
        words.append(f"{mark}, says {clean(incident['marked_by'])}")
    if incident["snoozed_until"]:
        words.append(f"snoozed until {shown_time(as_time(incident['snoozed_until']), settings)}")
    since = shown_time(as_time(incident["opened_at"]), settings)
    return (
        f"{incident['id']:>5}  {incident['severity']:<7}  {incident['owner']:<9}  "
        f"since {since}  {subject(incident)}" + (f"  ({', '.join(words)})" if words else "")
    )


@app.command()
def show(
    incident: IncidentArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every failing row, as CSV.")] = False,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Show an incident as a message would, and which messages were sent about it.

    \b
    Examples:
      handoff alerts show 12
      handoff alerts show 12 --csv > rows.csv
    """
    with _opened(config, output) as incidents:
        row = incidents.store.incident(incident)
        if as_csv:
            settings, directory = settings_and_output(config, output)
            write_cases(directory, settings, row, sys.stdout)
            return
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
        incidents.acknowledge(incident, who or user_name(), reason, datetime.now(UTC))
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
        incidents.snooze(incident, moment, who or user_name(), reason)
    print(f"incident {incident}: snoozed until {shown_time(moment, incidents.settings)}")


@app.command()
def mark(
    incident: IncidentArgument,
    status: Annotated[
        Literal["expected", "false_positive", "open"],
        typer.Argument(metavar="STATUS", help="expected or false_positive; open takes that back."),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", "--note", metavar="TEXT", help="Why.")
    ] = None,
    who: WhoOption = None,
    config: ConfigOption = None,
    output: OutputOption = None,
) -> None:
    """Say that an incident is expected, or that nothing is wrong (false_positive).

    No messages about it until it is resolved, becomes an error, or more rows fail; then it is open
    again. Both are counted apart from what is open.

    \b
    Example:
      handoff alerts mark 12 expected --note "the leads of the old CRM never had a reason"
    """
    with _opened(config, output) as incidents:
        now = datetime.now(UTC)
        incidents.mark(
            incident, None if status == "open" else status, who or user_name(), reason, now
        )
    print(f"incident {incident}: {status.replace('_', ' ')}")


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
      handoff alerts test sales_slack     the channel of that name in handoff.yml
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
        messages = Messages(settings.alerts, directory, settings.crm_links)
        document = messages.trial(name)
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
        yield Incidents(store, settings, directory)
