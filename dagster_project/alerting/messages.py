"""What people read: one message per change of an incident, as text, Markdown or HTML.

A message is a **document** (plain data, kept in the outbox); each channel gets it in the format
that it shows best. It carries lead ids and no personal data: what looks like an e-mail address is
left out, wherever it came from, and nothing that came from data is markup.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dagster_project.alerting.store import Row, as_time
from dagster_project.config.alerts import AlertsSettings

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
    """Where an incident stands: ``new``: failing cases nobody was told of; ``members``: all."""

    new: int = 0
    members: list[Row] = field(default_factory=list)


def incident_document(
    kind: str,
    incident: Row,
    situation: Situation,
    now: datetime,
    settings: AlertsSettings,
    output: Path,
) -> Document:
    """The message that tells of a change of an incident."""
    finding = json.loads(incident["finding"])
    resolved = kind == "resolved"
    return {
        "kind": kind,
        "severity": incident["severity"],
        "key": f"handoff {output} {incident['id']}",
        "title": _title(kind, incident, situation, now),
        "lead": f"Expected: {clean(finding['description'])}" if finding["description"] else "",
        "facts": _facts(kind, incident, finding, now, settings, output),
        "items": [] if resolved else _items(situation.members, settings),
        "more": 0 if resolved else max(len(situation.members) - SHOWN_MEMBERS, 0),
        "todo": "" if resolved else clean(finding["runbook"]),
        "links": _links(incident, settings, output),
        "reference": f"incident {incident['id']}: handoff alerts show {incident['id']} "
        f"--output {output}",
    }


def overview_document(
    kind: str, group: list[tuple[Row, Situation]], settings: AlertsSettings, output: Path
) -> Document:
    """One message for many warnings of one owner that opened or grew at once."""
    first = group[0][0]
    word = {"opened": "new", "grown": "growing"}[kind]
    return {
        "kind": kind,
        "severity": first["severity"],
        "title": f"{len(group)} {word} {first['severity']}s for {first['owner']}",
        "lead": "",
        "facts": [],
        "items": [
            {
                "text": f"{_grown(incident, situation)} (incident {incident['id']})",
                "url": None,
                "newest": _items(situation.members[:SHOWN_MEMBERS_OF_MANY], settings),
                "todo": clean(json.loads(incident["finding"])["runbook"]),
            }
            for incident, situation in group
        ],
        "more": 0,
        "todo": "",
        "links": _links(first, settings, output),
        "reference": f"all of an incident: handoff alerts show {first['id']} --output {output}",
    }


def digest_document(
    incidents: list[Row], since: datetime, settings: AlertsSettings, output: Path
) -> Document:
    """One message for a whole day or week: what is open, what was resolved."""
    still_open = [incident for incident in incidents if incident["state"] == "open"]
    opened = [item for item in still_open if as_time(item["opened_at"]) >= since]
    done = len(incidents) - len(still_open)
    items = []
    for incident in incidents:
        word = "resolved" if incident["state"] == "resolved" else incident["severity"]
        if incident in opened:
            word = f"new {word}"
        items.append({"text": f"{word}, {incident['owner']}: {subject(incident)}", "url": None})
    return {
        "kind": "digest",
        "severity": "error" if any(i["severity"] == "error" for i in still_open) else "warning",
        "title": f"Digest: {len(still_open)} open ({len(opened)} new), {done} resolved",
        "lead": f"Since {shown_time(since, settings)}.",
        "facts": [],
        "items": items,
        "more": 0,
        "todo": "",
        "links": _links(incidents[0], settings, output)[:1],
        "reference": f"handoff alerts list --output {output}",
    }


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
    said = _KINDS[kind].format(
        severity=incident["severity"],
        owner=incident["owner"],
        age=_age(_end(incident, now) - as_time(incident["opened_at"])),
    )
    return f"{said}: {_grown(incident, situation)}"


def _grown(incident: Row, situation: Situation) -> str:
    """What is wrong, and how much of it is news."""
    return subject(incident) + (f", {situation.new:,} new" if situation.new else "")


def _end(incident: Row, now: datetime) -> datetime:
    return as_time(incident["resolved_at"]) if incident["resolved_at"] else now


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
    facts = []
    if kind == "resolved":
        until = shown_time(_end(incident, now), settings)
        facts.append(["Failed", f"from {since} to {until}{builds}"])
        facts += _observed("Last seen", finding)
    else:
        facts += _observed("Now", finding)
        if finding["before"] is not None:
            facts.append(["The build before", finding["before"]])
        age = f" ({_age(now - opened)}{builds})" if kind != "opened" else ""
        facts.append(["Since", since + age])
        if finding.get("effect", ""):
            facts.append(["Effect", finding.get("effect", "")])
        if "pipeline" in finding["tags"]:
            facts.append(["Served meanwhile", _served(output, settings)])
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


def _served(output: Path, settings: AlertsSettings) -> str:
    """Which build BI reads now."""
    from dagster_project.running.publishing import published_manifest

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
        return [[name, line] for name, line in zip((word, "Of late"), lines, strict=False)]
    return [[word, "; ".join(lines)]]


def _items(members: list[Row], settings: AlertsSettings) -> list[dict[str, Any]]:
    return [_item(member, settings) for member in members[:SHOWN_MEMBERS]]


def _item(member: Row, settings: AlertsSettings) -> dict[str, Any]:
    is_new = not member["told"]
    lead, label = member["lead_id"], clean(member["label"])
    if lead is None:
        return {"text": label, "url": None, "is_new": is_new}
    is_address = _EMAIL.search(lead) is not None
    shown = "(an id that is an e-mail address)" if is_address else clean(lead)
    template = settings.lead_urls.get(member["source_system"] or "", settings.lead_url)
    return {
        "text": shown + (f" ({label})" if label else ""),
        "url": template.replace("{lead_id}", quote(lead, safe=""))
        if template and not is_address
        else None,
        "is_new": is_new,
    }


def _links(incident: Row, settings: AlertsSettings, output: Path) -> list[list[str]]:
    """Where to look further: the Data Docs, and the run in Dagster."""
    links = [["Checks", settings.data_docs_url or str(output / "data_docs" / "index.html")]]
    if incident["run_id"]:
        run = incident["run_id"]
        url = f"{settings.dagster_url.rstrip('/')}/runs/{run}" if settings.dagster_url else run
        links.append(["Run", url])
    return links


# --- formats ------------------------------------------------------------------------------------


def as_plain_text(document: Document) -> str:
    """The body of a message for channels that show text as it is."""
    lines = [document["lead"]] if document["lead"] else []
    lines += [f"{name}: {value}" for name, value in document["facts"]]
    if document["todo"]:
        lines += ["", f"What to do: {document['todo']}"]
    if document["items"]:
        lines.append("")
    for item in document["items"]:
        mark = "new: " if _is_news(item, document) else ""
        lines.append(f"- {mark}{item['text']}" + (f" {item['url']}" if item["url"] else ""))
        if item.get("newest"):
            lines.append("  newest: " + "; ".join(lead["text"] for lead in item["newest"]))
        if item.get("todo"):
            lines.append(f"  to do: {item['todo']}")
    if document["more"]:
        lines.append(f"- and {document['more']:,} more")
    lines += ["", *(f"{name}: {target}" for name, target in document["links"])]
    lines.append(document["reference"])
    return "\n".join(lines).strip()


def as_markdown(document: Document) -> str:
    """The body for chats: Slack, Teams, Mattermost."""
    lines = [f"_{document['lead']}_", ""] if document["lead"] else []
    lines += [f"**{name}**: {value}  " for name, value in document["facts"]]
    if document["todo"]:
        lines += ["", f"**What to do**: {document['todo']}"]
    if document["items"]:
        lines.append("")
    for item in document["items"]:
        mark = "*new* " if _is_news(item, document) else ""
        text = _markdown_link(item["text"], item["url"])
        # A list of many problems needs air, a list of leads does not.
        lines += ["", f"**{text}**"] if "todo" in item else [f"- {mark}{text}"]
        if item.get("newest"):
            leads = (_markdown_link(lead["text"], lead["url"]) for lead in item["newest"])
            lines.append("newest: " + "; ".join(leads))
        if item.get("todo"):
            lines.append(f"to do: {item['todo']}")
    if document["more"]:
        lines.append(f"- and {document['more']:,} more")
    links = [_markdown_link(name, target) for name, target in document["links"]]
    lines += ["", " · ".join([*links, document["reference"]])]
    return "\n".join(lines).strip()


def as_html(document: Document, *, with_title: bool = True) -> str:
    """The body of an e-mail; styles stand in the elements, since mail readers drop others."""
    colour = {"resolved": "#2e7d32"}.get(
        document["kind"], "#b3261e" if document["severity"] == "error" else "#b26a00"
    )
    cell = "padding:2px 12px 2px 0;vertical-align:top"
    facts = "".join(
        f'<tr><td style="{cell};color:#555">{escape(name)}</td>'
        f'<td style="{cell}">{escape(value)}</td></tr>'
        for name, value in document["facts"]
    )
    items = "".join(
        "<li>"
        + ("<b>new</b> " if _is_news(item, document) else "")
        + (
            f"<b>{escape(item['text'])}</b>"
            if "todo" in item
            else _html_link(item["text"], item["url"])
        )
        + _html_details(item)
        + "</li>"
        for item in document["items"]
    )
    if document["more"]:
        items += f"<li>and {document['more']:,} more</li>"
    links = " · ".join(_html_link(name, target) for name, target in document["links"])
    todo = f"<p><b>What to do</b>: {escape(document['todo'])}</p>" if document["todo"] else ""
    lead = f"<p>{escape(document['lead'])}</p>" if document["lead"] else ""
    title = (
        f'<h2 style="font-size:17px;margin:0 0 8px;color:{colour}">{escape(document["title"])}</h2>'
    )
    return (
        '<div style="font-family:sans-serif;font-size:14px;line-height:1.45;color:#222">'
        f"{title if with_title else ''}{lead}"
        f'<table style="border-collapse:collapse;font-size:14px">{facts}</table>{todo}'
        + (f"<ul>{items}</ul>" if items else "")
        + f'<p style="color:#555">{links} · {escape(document["reference"])}</p></div>'
    )


def _html_details(item: dict[str, Any]) -> str:
    """The newest leads of an incident, and what to do, in a message about many."""
    details = ""
    if item.get("newest"):
        leads = (_html_link(lead["text"], lead["url"]) for lead in item["newest"])
        details += f"<br>newest: {'; '.join(leads)}"
    if item.get("todo"):
        details += f'<br><span style="color:#555">to do: {escape(item["todo"])}</span>'
    return details


def _is_news(item: dict[str, Any], document: Document) -> bool:
    """True for a case nobody was told of, in a message in which others are old."""
    return bool(item.get("is_new")) and document["kind"] in {"grown", "worse"}


def _markdown_link(text: str, target: str | None) -> str:
    if target is None:
        return text
    return f"[{text}]({target})" if _is_web(target) else f"{text} {target}"


def _html_link(text: str, target: str | None) -> str:
    if target is None:
        return escape(text)
    if _is_web(target):
        return f'<a href="{escape(target)}">{escape(text)}</a>'
    return f"{escape(text)} {escape(target)}"


def _is_web(target: str) -> bool:
    return target.startswith(("https://", "http://"))
