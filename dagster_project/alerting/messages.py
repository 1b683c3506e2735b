"""What people read: one message per change of an incident, as text or Markdown.

A message is a **document** (plain data, kept in the outbox); each channel gets it in the format
that it shows best. It carries lead ids and no personal data: what looks like an e-mail address is
left out, wherever it came from, and nothing that came from data is markup.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dagster_project.alerting.store import Row, as_time
from dagster_project.config.alerts import AlertsSettings
from dagster_project.running.publishing import published_manifest

SHOWN_MEMBERS = 10
# The same of each incident, where a message is about many.
SHOWN_MEMBERS_OF_MANY = 3
_LONGEST_TEXT = 300
_EMAIL = re.compile(r"[^\s@<>()\[\]'\"]+@[^\s@<>()\[\]'\"]+")
_KINDS = {
    "opened": "New {severity} for {owner}",
    "grown": "Growing {severity} for {owner}",
    "worse": "Now an {severity} for {owner}",
    "reminder": "Still open after {age}, {severity} for {owner}",
    "resolved": "Resolved after {age}",
    "shown": "{severity} for {owner}",
}

# Signs that a chat would read as markup or as a call to everybody, and what looks like them.
_NO_MARKUP = str.maketrans("<>[]*`@", "‹›()∗'＠")

Document = dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """Where an incident stands: ``new``: failing cases no message was about; ``members``: all."""

    new: int = 0
    members: list[Row] = field(default_factory=list)


def document(kind: str, severity: str, title: str, reference: str, **parts: Any) -> Document:
    """A message: its parts, in the order they are shown, and those it leaves empty."""
    empty = {"lead": "", "facts": [], "todo": "", "items": [], "more": 0, "links": []}
    head = {"kind": kind, "severity": severity, "title": title, "reference": reference}
    return {**head, **empty, **parts}


def incident_document(
    kind: str,
    incident: Row,
    situation: Situation,
    now: datetime,
    settings: AlertsSettings,
    output: Path,
) -> Document:
    """The message about a change of an incident."""
    finding = json.loads(incident["finding"])
    number = incident["id"]
    parts: dict[str, Any] = {}
    if kind != "resolved":
        parts = {
            "todo": clean(finding["runbook"]),
            "items": _items(situation.members[:SHOWN_MEMBERS], settings),
            "more": max(len(situation.members) - SHOWN_MEMBERS, 0),
        }
    return document(
        kind,
        incident["severity"],
        _title(kind, incident, situation, now),
        f"incident {number}: handoff alerts show {number} --output {output}",
        key=f"handoff {output} {number}",
        lead=f"Expected: {clean(finding['description'])}" if finding["description"] else "",
        facts=_facts(kind, incident, finding, now, settings, output),
        links=_links(incident, settings, output),
        **parts,
    )


def overview_document(
    kind: str, group: list[tuple[Row, Situation]], settings: AlertsSettings, output: Path
) -> Document:
    """One message for many warnings of one owner that opened or grew at once."""
    first = group[0][0]
    word = {"opened": "new", "grown": "growing"}[kind]
    return document(
        kind,
        first["severity"],
        f"{len(group)} {word} {first['severity']}s for {first['owner']}",
        f"all of an incident: handoff alerts show {first['id']} --output {output}",
        items=[
            {
                "text": f"{_grown(incident, situation)} (incident {incident['id']})",
                "url": None,
                "newest": _items(situation.members[:SHOWN_MEMBERS_OF_MANY], settings),
                "todo": clean(json.loads(incident["finding"])["runbook"]),
            }
            for incident, situation in group
        ],
        links=_links(first, settings, output),
    )


def digest_document(
    incidents: list[Row], since: datetime, settings: AlertsSettings, output: Path
) -> Document:
    """One message for a whole day or week: what is open, what was resolved."""
    words = Counter[str]()
    items = []
    for incident in incidents:
        word = incident["severity"]
        if incident["state"] == "resolved":
            word = "resolved"
        elif as_time(incident["opened_at"]) >= since:
            word = f"new {word}"
        words[word] += 1
        items.append({"text": f"{word}, {incident['owner']}: {subject(incident)}", "url": None})
    new = words["new error"] + words["new warning"]
    still_open = new + words["error"] + words["warning"]
    return document(
        "digest",
        "error" if words["error"] + words["new error"] else "warning",
        f"Digest: {still_open} open ({new} new), {words['resolved']} resolved",
        f"handoff alerts list --output {output}",
        lead=f"Since {shown_time(since, settings)}.",
        items=items,
        links=_links(incidents[0], settings, output)[:1],
    )


def trial_document(channel: str, output: Path) -> Document:
    """The message that tries a channel."""
    return document(
        "test",
        "warning",
        f"Test of the channel {channel}",
        "handoff alerts list",
        lead="Alerts from Handoff will look like this one.",
        facts=[["Where", str(output)]],
        todo="nothing; it works.",
    )


# --- parts --------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """A text on one line, short, without control characters, addresses and markup."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    hidden = _EMAIL.sub("(e-mail address)", " ".join(printable.split())).translate(_NO_MARKUP)
    return hidden if len(hidden) <= _LONGEST_TEXT else hidden[: _LONGEST_TEXT - 1] + "…"


def shown_time(moment: datetime, settings: AlertsSettings) -> str:
    """A time in the zone of the alerts, to the minute."""
    local = moment.astimezone(ZoneInfo(settings.timezone))
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def subject(incident: Row) -> str:
    """What is wrong, in a few words and figures."""
    finding = json.loads(incident["finding"])
    return clean(finding.get("headline") or incident["check_name"].replace("_", " "))


def _title(kind: str, incident: Row, situation: Situation, now: datetime) -> str:
    end = as_time(incident["resolved_at"]) if incident["resolved_at"] else now
    age = _age(end - as_time(incident["opened_at"]))
    start = _KINDS[kind].format(**incident, age=age)
    return f"{start}: {_grown(incident, situation)}"


def _grown(incident: Row, situation: Situation) -> str:
    """What is wrong, and how much of it is news."""
    return subject(incident) + (f", {situation.new:,} new" if situation.new else "")


def _age(elapsed: timedelta) -> str:
    """How long, in the unit that people would use: ``40 minutes``, ``5 hours``, ``3 days``."""
    minutes = int(elapsed.total_seconds() // 60)
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        count = minutes // size
        if count >= 2 or (count and size == 1):
            return f"{count} {unit}" + ("" if count == 1 else "s")
    return "a moment"


def _facts(
    kind: str,
    incident: Row,
    finding: dict[str, Any],
    now: datetime,
    settings: AlertsSettings,
    output: Path,
) -> list[list[str]]:
    opened = as_time(incident["opened_at"])
    since = shown_time(opened, settings)
    builds = f", in {incident['builds']} runs" if incident["builds"] > 1 else ""
    if kind == "resolved":
        until = shown_time(as_time(incident["resolved_at"]), settings)
        facts = [["Failed", f"from {since} to {until}{builds}"], *_observed("Last seen", finding)]
    else:
        facts = _observed("Now", finding)
        if finding["before"] is not None:
            facts.append(["Previous build", finding["before"]])
        age = f" ({_age(now - opened)}{builds})" if kind != "opened" else ""
        facts.append(["Since", since + age])
        if finding.get("effect"):
            facts.append(["Effect", finding["effect"]])
        if "pipeline" in finding["tags"]:
            facts.append(["Published meanwhile", _published(output, settings)])
    if "check" in finding["tags"]:
        facts.append(["Check", f"{incident['check_name']} of {incident['place']}"])
    facts.append(["Owner", incident["owner"]])
    for verb, at in (("acknowledged", "at"), ("snoozed", "until")):
        moment, who = incident[f"{verb}_{at}"], incident[f"{verb}_by"]
        if moment and who:
            reason = f": {clean(incident[f'{verb}_reason'])}" if incident[f"{verb}_reason"] else ""
            said = f"{at} {shown_time(as_time(moment), settings)} by {clean(who)}{reason}"
            facts.append([verb.capitalize(), said])
    return facts


def _published(output: Path, settings: AlertsSettings) -> str:
    """Which build BI reads now."""
    manifest = published_manifest(output)
    if manifest is None:
        return "nothing: no build was published yet"
    published, as_of = (
        shown_time(as_time(manifest[name]), settings) if manifest.get(name) else "an unknown time"
        for name in ("published_at", "as_of")
    )
    return f"the build published {published}, as of {as_of}"


def _observed(word: str, finding: dict[str, Any]) -> list[list[str]]:
    """What was observed: a check's windows one by one, the lines of a failure together."""
    lines = [clean(line) for line in finding["observed"]]
    if "check" in finding["tags"]:
        return [[name, line] for name, line in zip((word, "Last 30 days"), lines, strict=False)]
    return [[word, "; ".join(lines)]]


def _items(members: list[Row], settings: AlertsSettings) -> list[dict[str, Any]]:
    """Failing cases: leads, linked to their page in the CRM, or what else the check is about."""
    items = []
    for member in members:
        lead, text, url = member["lead_id"], clean(member["label"]), None
        if lead is not None:
            is_address = _EMAIL.search(lead) is not None
            shown = "(an id that is an e-mail address)" if is_address else clean(lead)
            text = f"{shown} ({text})" if text else shown
            template = settings.lead_urls.get(member["source_system"] or "", settings.lead_url)
            if template and not is_address:
                url = template.replace("{lead_id}", quote(lead, safe=""))
        items.append({"text": text, "url": url, "is_new": not member["told"]})
    return items


def _links(incident: Row, settings: AlertsSettings, output: Path) -> list[list[str]]:
    """Where to look further: the Data Docs, and the run in Dagster."""
    links = [["Checks", settings.data_docs_url or str(output / "data_docs" / "index.html")]]
    if incident["run_id"]:
        run = incident["run_id"]
        url = f"{settings.dagster_url.rstrip('/')}/runs/{run}" if settings.dagster_url else run
        links.append(["Run", url])
    return links


# --- formats ------------------------------------------------------------------------------------


def body_of(document: Document, *, markdown: bool = False) -> str:
    """The body of a message: plain, or as Markdown for chats and mail."""
    bold = "**{}**".format if markdown else str
    line_break = "  " if markdown else ""
    lines = []
    if document["lead"]:
        lines += [f"_{document['lead']}_", ""] if markdown else [document["lead"]]
    lines += [f"{bold(name)}: {value}{line_break}" for name, value in document["facts"]]
    if document["todo"]:
        lines += ["", f"{bold('What to do')}: {document['todo']}"]
    if document["items"]:
        lines.append("")
    is_news = document["kind"] in {"grown", "worse"}
    for item in document["items"]:
        # A case that no message was about, in a message in which others are old.
        new = "" if not (is_news and item.get("is_new")) else "*new* " if markdown else "new: "
        # A list of incidents, unlike one of leads, says what to do about each.
        text = bold(item["text"]) if "todo" in item else item["text"]
        lines.append(f"- {new}{_linked(text, item['url'], markdown)}{line_break}")
        if item.get("newest"):
            leads = [
                _linked(lead["text"], lead["url"] if markdown else None, markdown)
                for lead in item["newest"]
            ]
            lines.append(f"  newest: {'; '.join(leads)}{line_break}")
        if item.get("todo"):
            lines.append(f"  to do: {item['todo']}")
    if document["more"]:
        lines.append(f"- and {document['more']:,} more")
    lines.append("")
    if markdown:
        links = [_linked(name, target, markdown) for name, target in document["links"]]
        lines.append(" · ".join([*links, document["reference"]]))
    else:
        lines += [f"{name}: {target}" for name, target in document["links"]]
        lines.append(document["reference"])
    return "\n".join(lines).strip()


def _linked(text: str, target: str | None, markdown: bool) -> str:
    if target is None:
        return text
    is_web = target.startswith(("https://", "http://"))
    return f"[{text}]({target})" if markdown and is_web else f"{text} {target}"
