"""What people read: one message per change of an incident, as plain text or HTML.

A message is a **document** (plain data, kept in the outbox); each channel gets it in the format
that it shows best. It carries lead ids and no personal data: what looks like an e-mail address is
left out, wherever it came from. What came from data is shown as text and never acts as markup.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader

from dagster_project.alerting.store import Row, as_time
from dagster_project.config.alerts import AlertsSettings
from dagster_project.config.crm_links import CrmLinks
from dagster_project.config.plain_text import EMAIL, printable, without_addresses
from dagster_project.reporting.agreement import anchor
from dagster_project.reporting.pages import DEFINITIONS_PAGE, REPORT_PAGE
from dagster_project.running.publishing import PUBLISHED_DIRECTORY, published_manifest
from expectations.catalogue import known_checks

SHOWN_MEMBERS = 10
# The same of each incident, where a message is about many.
SHOWN_MEMBERS_OF_MANY = 3
_LONGEST_TEXT = 300
_KINDS = {
    "opened": "New {severity} for {owner}",
    "grown": "Growing {severity} for {owner}",
    "worse": "Now an {severity} for {owner}",
    "reminder": "Still open after {age}, {severity} for {owner}",
    "resolved": "Resolved after {age}",
    "shown": "{severity} for {owner}",
}

# What a chat may take for markup in a text that it gets as plain, and what looks like it.
_LOOKALIKES = str.maketrans("<>[]*`", "‹›()∗'")

Document = dict[str, Any]


def clean(text: str) -> str:
    """A text on one line, short, without addresses, and calling nobody.

    Few chats have an escape for the sign that calls people, so one that looks like it stands there.
    """
    hidden = without_addresses(" ".join(printable(text).split())).replace("@", "＠")
    return hidden if len(hidden) <= _LONGEST_TEXT else hidden[: _LONGEST_TEXT - 1] + "…"


def without_markup(text: str) -> str:
    """A text for a place that has no escape and may be read as markup, such as a title."""
    return text.translate(_LOOKALIKES)


def shown_time(moment: datetime, settings: AlertsSettings) -> str:
    """A time in the zone of the alerts, to the minute."""
    local = moment.astimezone(ZoneInfo(settings.timezone))
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def subject(incident: Row) -> str:
    """What is wrong, in a few words and figures."""
    finding = json.loads(incident["finding"])
    said = finding.get("headline") or incident["check_name"].replace("_", " ")
    return without_markup(clean(said))


def by_owner(owners: Counter[str]) -> str:
    """How many incidents are whose, the most first: ``sales 5, data 2``."""
    return ", ".join(f"{owner} {count}" for owner, count in owners.most_common())


def marks_of(marked: Counter[str]) -> str:
    """How many incidents are marked as what: ``2 expected, 1 false positive``."""
    expected, wrong = marked["expected"], marked["false_positive"]
    parts = [f"{expected} expected"] if expected else []
    if wrong:
        parts.append(f"{wrong} false positive{'' if wrong == 1 else 's'}")
    return ", ".join(parts)


@dataclass(frozen=True)
class Situation:
    """Where an incident stands: its failing cases, and how many of them are ``new``."""

    incident: Row
    members: list[Row]
    new: int = 0

    @property
    def finding(self) -> dict[str, Any]:
        """What was found last, as it is stored."""
        finding: dict[str, Any] = json.loads(self.incident["finding"])
        return finding

    @property
    def headline(self) -> str:
        """What is wrong, and how much of it is news."""
        return subject(self.incident) + (f", {self.new:,} new" if self.new else "")


@dataclass(frozen=True)
class Messages:
    """Writes the messages about the incidents of an output directory."""

    settings: AlertsSettings
    output: Path
    crm_links: CrmLinks

    def incident(self, kind: str, situation: Situation, now: datetime) -> Document:
        """The message about a change of an incident."""
        row, finding = situation.incident, situation.finding
        number, ended = row["id"], row["resolved_at"]
        age = _age((as_time(ended) if ended else now) - as_time(row["opened_at"]))
        parts: dict[str, Any] = {}
        if kind != "resolved":
            parts = {
                "todo": clean(finding["runbook"]),
                "items": self._items(situation.members[:SHOWN_MEMBERS]),
                "more": max(len(situation.members) - SHOWN_MEMBERS, 0),
            }
        return _document(
            kind,
            row["severity"],
            f"{_KINDS[kind].format(**row, age=age)}: {situation.headline}",
            f"incident {number}: handoff alerts show {number} --output {self.output}",
            key=f"handoff {self.output} {number}",
            lead=f"Expected: {clean(finding['description'])}" if finding["description"] else "",
            facts=self._facts(kind, row, finding, age),
            links=self._links_of(row),
            **parts,
        )

    def overview(self, kind: str, group: list[Situation]) -> Document:
        """One message for many warnings of one owner that opened or grew at once."""
        first = group[0].incident
        word = {"opened": "new", "grown": "growing"}[kind]
        return _document(
            kind,
            first["severity"],
            f"{len(group)} {word} {first['severity']}s for {first['owner']}",
            f"every row of an incident: handoff alerts show {first['id']} --csv "
            f"--output {self.output}",
            items=[
                {
                    "text": f"{situation.headline} (incident {situation.incident['id']})",
                    "url": None,
                    "newest": self._items(situation.members[:SHOWN_MEMBERS_OF_MANY]),
                    "todo": clean(situation.finding["runbook"]),
                }
                for situation in group
            ],
            links=self._links_of_many() + self._run(first),
        )

    def digest(self, incidents: list[Row], since: datetime) -> Document:
        """One message for a whole day or week: what is open, what was resolved."""
        words, owners, marked = Counter[str](), Counter[str](), Counter[str]()
        items = []
        for incident in incidents:
            word = incident["severity"]
            if incident["state"] == "resolved":
                word = "resolved"
            elif as_time(incident["opened_at"]) >= since:
                word = f"new {word}"
            if incident["state"] == "open" and incident["marked_as"]:
                marked[incident["marked_as"]] += 1
                continue
            words[word] += 1
            if incident["state"] == "open":
                owners[incident["owner"]] += 1
            said = f"{word}, {incident['owner']}: {subject(incident)} (incident {incident['id']})"
            items.append({"text": said, "url": None})
        new = words["new error"] + words["new warning"]
        still_open = new + words["error"] + words["warning"]
        return _document(
            "digest",
            "error" if words["error"] + words["new error"] else "warning",
            f"Digest: {still_open} open ({new} new), {words['resolved']} resolved"
            + (f"; {marks_of(marked)}" if marked else ""),
            f"handoff alerts list --output {self.output}",
            lead=f"Since {self._time(since)}." + (f" Open: {by_owner(owners)}." if owners else ""),
            items=items,
            links=self._links_of_many(),
        )

    def trial(self, channel: str) -> Document:
        """The message that tries a channel."""
        return _document(
            "test",
            "warning",
            f"Test of the channel {channel}",
            "handoff alerts list",
            lead="Alerts from Handoff will look like this one.",
            facts=[["Where", str(self.output)]],
            todo="nothing; it works.",
        )

    def _facts(self, kind: str, row: Row, finding: dict[str, Any], age: str) -> list[list[str]]:
        since = self._time(row["opened_at"])
        builds = f", in {row['builds']} runs" if row["builds"] > 1 else ""
        if kind == "resolved":
            until = self._time(row["resolved_at"])
            facts = [["Failed", f"from {since} to {until}{builds}"]]
            facts += _observed("Last seen", finding)
        else:
            facts = _observed("Now", finding)
            if finding["before"] is not None:
                facts.append(["Previous build", finding["before"]])
            facts.append(["Since", since if kind == "opened" else f"{since} ({age}{builds})"])
            if finding.get("effect"):
                facts.append(["Effect", finding["effect"]])
            if "pipeline" in finding["tags"]:
                facts.append(["Published meanwhile", self._published()])
        if "check" in finding["tags"]:
            facts.append(["Check", f"{row['check_name']} of {row['place']}"])
        facts.append(["Owner", row["owner"]])
        for verb, at in (("acknowledged", "at"), ("snoozed", "until"), ("marked", "at")):
            moment, who, reason = row[f"{verb}_{at}"], row[f"{verb}_by"], row[f"{verb}_reason"]
            if moment:
                why = f": {clean(reason)}" if reason else ""
                mark = f"{row['marked_as'].replace('_', ' ')} " if verb == "marked" else ""
                said = f"{mark}{at} {self._time(moment)} by {clean(who)}{why}"
                facts.append([verb.capitalize(), said])
        return facts

    def _published(self) -> str:
        """Which build BI reads now."""
        manifest = published_manifest(self.output)
        if manifest is None:
            return "nothing: no build was published yet"
        published, as_of = self._time(manifest["published_at"]), self._time(manifest["as_of"])
        return f"the build published {published}, as of {as_of}"

    def _items(self, members: list[Row]) -> list[dict[str, Any]]:
        """Failing cases: leads, linked to the CRM, or whatever else the check is about."""
        items = []
        for member in members:
            lead, text, url = member["lead_id"], clean(member["label"]), None
            if lead is not None:
                is_address = EMAIL.search(lead) is not None
                shown = "(an id that is an e-mail address)" if is_address else clean(lead)
                text = f"{shown} ({text})" if text else shown
                url = self.crm_links.address(member["source_system"], "lead_id", lead)
            items.append({"text": text, "url": url, "is_new": not member["told"]})
        return items

    def _links_of(self, incident: Row) -> list[list[str]]:
        """Where to look further on an incident: its check, what was agreed on it, and its run."""
        name = incident["check_name"]
        if name not in known_checks():
            # dbt's data tests and failures of the pipeline are on no page.
            return self._checks() + self._run(incident)
        agreed = self._report(DEFINITIONS_PAGE, "Definition", f"#{anchor('check', name)}")
        return self._checks(f"#{name}") + agreed + self._run(incident)

    def _links_of_many(self) -> list[list[str]]:
        return self._checks() + self._report(REPORT_PAGE, "Report")

    def _checks(self, place: str = "") -> list[list[str]]:
        """The Data Docs, at a ``place`` on them."""
        data_docs = self.settings.data_docs_url
        local = str(self.output / "data_docs" / "index.html")
        return [["Checks", f"{data_docs}{place}" if data_docs else local]]

    def _report(self, page: Path, label: str, place: str = "") -> list[list[str]]:
        """A page of the published build's report, where people can open it."""
        address = self.settings.report_url
        if not address or not (self.output / PUBLISHED_DIRECTORY / page).is_file():
            return []
        return [[label, f"{address}{page.name}{place}"]]

    def _run(self, incident: Row) -> list[list[str]]:
        """The run in Dagster that saw an incident last, if it was not a look at the clock."""
        run, dagster = incident["run_id"], self.settings.dagster_url
        if not run:
            return []
        return [["Run", f"{dagster.rstrip('/')}/runs/{run}" if dagster else run]]

    def _time(self, moment: datetime | str) -> str:
        return shown_time(as_time(moment) if isinstance(moment, str) else moment, self.settings)


def _document(kind: str, severity: str, title: str, reference: str, **parts: Any) -> Document:
    """A message: its parts, in the order they are shown, and those it leaves empty."""
    empty = {"lead": "", "facts": [], "todo": "", "items": [], "more": 0, "links": []}
    head = {"kind": kind, "severity": severity, "title": title, "reference": reference}
    return {**head, **empty, **parts}


def _age(elapsed: timedelta) -> str:
    """How long, in the unit that people would use: ``40 minutes``, ``5 hours``, ``3 days``."""
    minutes = int(elapsed.total_seconds() // 60)
    for size, unit in ((24 * 60, "days"), (60, "hours"), (1, "minutes")):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}"
    return "1 minute" if minutes else "a moment"


def _observed(word: str, finding: dict[str, Any]) -> list[list[str]]:
    """What was observed: a check's windows one by one, the lines of a failure together."""
    lines = [clean(line) for line in finding["observed"]]
    if "check" in finding["tags"]:
        return [[name, line] for name, line in zip((word, "Last 30 days"), lines, strict=False)]
    return [[word, "; ".join(lines)]]


# --- formats ------------------------------------------------------------------------------------


_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


def html_of(document: Document) -> str:
    """The body of a message as HTML."""
    return _PAGES.get_template("message.html").render(document, is_news=_is_news(document))


def body_of(document: Document, shown: Callable[[str], str] = str) -> str:
    """The body of a message as plain text; each text that may come from data as ``shown``."""
    lines = [shown(document["lead"])] if document["lead"] else []
    lines += [f"{name}: {shown(value)}" for name, value in document["facts"]]
    if document["todo"]:
        lines += ["", f"What to do: {shown(document['todo'])}"]
    if document["items"]:
        lines.append("")
    for item in document["items"]:
        # A case that no message was about, in a message in which others are old.
        new = "new: " if _is_news(document) and item.get("is_new") else ""
        link = f" {item['url']}" if item["url"] else ""
        lines.append(f"- {new}{shown(item['text'])}{link}")
        if item.get("newest"):
            lines.append(f"  newest: {'; '.join(shown(lead['text']) for lead in item['newest'])}")
        if item.get("todo"):
            lines.append(f"  to do: {shown(item['todo'])}")
    if document["more"]:
        lines.append(f"- and {document['more']:,} more")
    lines += ["", *(f"{name}: {target}" for name, target in document["links"])]
    lines.append(document["reference"])
    return "\n".join(lines).strip()


def _is_news(document: Document) -> bool:
    return document["kind"] in {"grown", "worse"}
