"""Sending what is in the outbox: one message after the other, each marked before and after.

A message is ``sending`` from before it goes out until its receiver took it. A process that dies in
between leaves one such message, which the next delivery sends again: none is lost, at most one
comes twice. A channel that fails holds up its own messages only, in their order, and is retried
after a wait that doubles. A message that is refused again and again lets those behind it pass.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from filelock import FileLock, Timeout

from dagster_project.alerting.messages import Document, body_of, html_of, without_markup
from dagster_project.alerting.store import Row, Store, as_text, as_time
from dagster_project.config.alerts import AlertsSettings

if TYPE_CHECKING:
    import apprise

LOCK_FILE = ".alerts.lock"
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
# After this many refusals it may be the message and not the receiver: the next is tried too.
REFUSALS_IN_ORDER = 5

_WAITING = "select * from messages where state = 'waiting'"

# Messages that call people; the end of an incident and a digest call nobody.
_CALLING = {"opened", "grown", "worse", "reminder", "test"}

# Sends a document; returns what went wrong, None when the receiver took it.
Sender = Callable[[str, Document], str | None]


@dataclass
class Delivered:
    """What one delivery did: ids of messages, and what went wrong by channel."""

    sent: list[int] = field(default_factory=list)
    waiting: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def deliver(
    store: Store, settings: AlertsSettings, output: Path, now: datetime, send: Sender | None = None
) -> Delivered:
    """Send what is due, unless another process is delivering."""
    send = send or AppriseSender(settings)
    result = Delivered()
    try:
        with FileLock(output / LOCK_FILE, timeout=0):
            # Nobody else delivers, so what is still marked was left by one that died.
            store.execute("update messages set state = 'waiting' where state = 'sending'")
            waiting = store.rows(f"{_WAITING} order by channel, id")
            for channel, messages in groupby(waiting, key=itemgetter("channel")):
                _deliver_channel(store, channel, messages, settings, now, send, result)
    except Timeout:
        pass
    result.waiting = len(store.rows(_WAITING))
    return result


def due(store: Store, now: datetime) -> list[Row]:
    """What a delivery would send now, if no channel fails."""
    return store.rows(
        "select * from messages where state in ('waiting', 'sending') and not_before <= ? "
        "order by channel, id",
        [as_text(now)],
    )


def _deliver_channel(
    store: Store,
    channel: str,
    messages: Iterable[Row],
    settings: AlertsSettings,
    now: datetime,
    send: Sender,
    result: Delivered,
) -> None:
    """Send a channel's messages in order, up to the first that fails or may not go out yet.

    Behind one that was refused often, the next is tried as well.
    """
    may_fail = True
    for message in messages:
        if as_time(message["not_before"]) > now:
            # An error goes out during quiet hours, before the warnings that wait for their end.
            if 0 < message["attempts"] < REFUSALS_IN_ORDER:
                return
            continue
        attempt = {"state": "sending", "attempts": message["attempts"] + 1}
        store.update("messages", message["id"], attempt)
        problem = send(channel, json.loads(message["document"]))
        if problem is None:
            store.update("messages", message["id"], {"state": "sent", "sent_at": as_text(now)})
            result.sent.append(message["id"])
            continue
        _put_back(store, message, problem, settings, now)
        result.problems[channel] = problem
        if message["attempts"] < REFUSALS_IN_ORDER or not may_fail:
            return
        may_fail = False


def _put_back(
    store: Store, message: Row, problem: str, settings: AlertsSettings, now: datetime
) -> None:
    """Try again later; a message that fails for days is given up, so that others get through."""
    wait = min(FIRST_WAIT * 2 ** min(message["attempts"], 10), LONGEST_WAIT)
    age = now - as_time(message["created_at"])
    too_old = age >= timedelta(hours=settings.give_up_after_hours)
    state = "failed" if too_old else "waiting"
    values = {"state": state, "not_before": as_text(now + wait), "last_error": problem}
    store.update("messages", message["id"], values)


class AppriseSender:
    """Sends through apprise; a channel's URL comes from the environment."""

    def __init__(self, settings: AlertsSettings) -> None:
        self._settings = settings

    def __call__(self, channel: str, document: Document) -> str | None:
        """Send one document; returns what went wrong, without the secrets of the URL."""
        configured = self._settings.channels.get(channel)
        if configured is None:
            return "the channel is no longer in handoff.yml"
        url = os.environ.get(configured.url_env, "").strip()
        if not url:
            return f"the environment variable {configured.url_env} is not set"
        import apprise  # heavy: keeps start-up fast

        problem = "the receiver refused it"
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:
            try:
                receiver = receiver_of(url, document)
                if receiver is None:
                    return f"{configured.url_env} holds no URL that apprise knows"
                is_calling = document["kind"] in _CALLING
                mention = configured.mentions.get(document["severity"]) if is_calling else None
                if notify(receiver, document, mention):
                    return None
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            logged = "; ".join(log.getvalue().splitlines())
        return _without_secrets(logged or problem, url)


def receiver_of(url: str, document: Document) -> "apprise.NotifyBase | None":
    """The receiver that a URL stands for; None for a URL that apprise does not know.

    An on-call service (PagerDuty) that groups by a key gets the incident's, so that it pages once
    per incident, and closes the page when the incident is resolved.
    """
    import apprise  # heavy: keeps start-up fast

    receiver = apprise.Apprise.instantiate(url)
    if "key" not in document or getattr(receiver, "dedup", True):
        return receiver
    key = hashlib.sha256(document["key"].encode()).hexdigest()
    separator = "&" if "?" in url else "?"
    return apprise.Apprise.instantiate(f"{url}{separator}dedup={key}&action=map") or receiver


def notify(receiver: "apprise.NotifyBase", document: Document, mention: str | None = None) -> bool:
    """Send a document in the format that its receiver shows best; False when it is refused.

    ``mention``: whom it calls. It is the only text that a chat may read as markup.
    """
    import apprise  # heavy: keeps start-up fast
    from apprise.conversion import convert_between  # heavy, too

    accepted = receiver.notify_format
    preferred = accepted[0] if isinstance(accepted, tuple) else accepted
    is_plain = preferred == apprise.NotifyFormat.TEXT
    body = body_of(document, without_markup) if is_plain else html_of(document)
    # Apprise makes Markdown of HTML, and of that what Slack or Teams reads, with escapes.
    body_format = apprise.NotifyFormat.TEXT if is_plain else apprise.NotifyFormat.HTML
    if mention and preferred == apprise.NotifyFormat.MARKDOWN:
        # Made here, since that would escape the mention, too.
        body_format = apprise.NotifyFormat.MARKDOWN
        body = convert_between(apprise.NotifyFormat.HTML, body_format, body)
    if mention:
        is_html = body_format == apprise.NotifyFormat.HTML
        body = f"<p>{escape(mention)}</p>{body}" if is_html else f"{mention}\n\n{body}"
    kind = apprise.NotifyType.SUCCESS
    if document["kind"] != "resolved":
        is_error = document["severity"] == "error"
        kind = apprise.NotifyType.FAILURE if is_error else apprise.NotifyType.WARNING
    return bool(
        apprise.Apprise(receiver).notify(
            title=document["title"],
            body=body,
            notify_type=kind,
            body_format=body_format,
        )
    )


def _without_secrets(text: str, url: str) -> str:
    """A text without the parts of a URL that may be tokens or passwords, in any spelling."""
    schema, _, rest = url.partition("://")
    credentials, at, _ = rest.partition("/")[0].rpartition("@")
    short = {part for part in (credentials, *credentials.split(":")) if part} if at else set()
    long = {part for part in re.split(r"[/:@?&=#]+", rest) if len(part) >= 6}
    # A number that is no password is a port or an address.
    parts = short | {part for part in long if not re.fullmatch(r"[\d.]*|localhost", part)}
    spellings = {spelled for part in parts for spelled in (part, unquote(part), unquote_plus(part))}
    for spelled in sorted(spellings - {schema}, key=len, reverse=True):
        text = text.replace(spelled, "***")
    return " ".join(text.split())[:300]
