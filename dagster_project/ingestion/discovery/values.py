"""What the words of an unknown export mean: headers, stages, kinds of activities and signals.

All of it is data: the policy's tables, and the CSV files beside this module.
"""

import csv
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.config import policy

# In these languages and their countries, the day comes first and a comma before the decimals.
DAY_FIRST = ("de", "fr", "es")
_SIGNS = re.compile(r"[\W_]+")
# What the texts of ``beside`` in events.csv look like; a voicemail is no mail.
_BESIDE = {"mail": re.compile(r"(?<!voice)(?<!voice )mail|newsletter|correo|courriel|メール")}


@dataclass(frozen=True)
class Vocabulary:
    """What the policy knows of stages, kinds and signals, for comparing in any case.

    ``stages``: a stage's name, label or alias -> stage. ``mapped``: CRM, property and value ->
    stage. ``meanings``: stage -> its milestone or exit kind. ``evidence``: what an opportunity
    proves -> stage. ``captured``: tradition -> the last stage on its path of who was only captured.
    """

    stages: dict[str, str]
    mapped: dict[tuple[str, str, str], str]
    meanings: dict[str, str]
    by_tradition: dict[str, set[str]]
    kinds: tuple[str, ...]
    touches: frozenset[str]
    signals: tuple[str, ...]
    evidence: dict[str, str]
    exits: frozenset[str]
    captured: dict[str, str]

    def stage(self, raw: str, crm: str = "", *headers: str) -> str | None:
        """The stage that a raw stage means, or None: by the CRM's map, else by the aliases.

        ``headers``: what its column is called. A raw stage in another language means what its
        translation means.
        """
        for text in filter(None, (raw, _stage_words().get(key(raw)))):
            maps = (self.mapped.get((crm.casefold(), key(name), key(text))) for name in headers)
            cell = text.strip().casefold()
            names = (self.stages.get(cell), self.evidence.get(cell), self.stages.get(key(text)))
            if found := next(filter(None, (*maps, *names)), None):
                return found
        return None

    def elsewhere(self, raw: str) -> str | None:
        """The stage that a raw stage means in some CRM."""
        meant = (stage for (_, _, name), stage in self.mapped.items() if name == key(raw))
        return next(filter(self.meanings.get, meant), None)


def read_vocabulary(policy_dir: Path) -> Vocabulary:
    """Read the policy's tables that name things; of two meanings of a name the first counts."""
    stages = policy.cells(policy_dir, "stages")
    by_tradition: dict[str, set[str]] = defaultdict(set)
    for row in stages:
        by_tradition[row["tradition"]].add(row["stage"])
    captured = [row for row in stages if row["milestone"] == "captured"]
    captured.sort(key=lambda row: int(row["path_order"]))
    names = [(row[name], row["stage"]) for name in ("label", "stage") for row in reversed(stages)]
    names += [(row["raw_stage"], row["stage"]) for row in policy.cells(policy_dir, "stage_aliases")]
    kinds = policy.cells(policy_dir, "activity_kinds")
    return Vocabulary(
        stages={name.casefold(): stage for name, stage in names},
        mapped={
            (row["crm"].casefold(), key(row["property"]), key(row["raw_stage"])): row["stage"]
            for row in policy.cells(policy_dir, "stage_maps")
        },
        meanings={row["stage"]: row["exit_kind"] or row["milestone"] for row in stages},
        by_tradition=by_tradition,
        kinds=tuple(row["kind"] for row in kinds),
        touches=frozenset(row["kind"] for row in kinds if row["is_touch"] == "true"),
        signals=tuple(row["signal"] for row in policy.cells(policy_dir, "signals")),
        evidence={row["evidence"]: row["stage"] for row in reversed(stages) if row["evidence"]},
        exits=frozenset(row["stage"] for row in stages if row["exit_kind"]),
        captured={row["tradition"]: row["stage"] for row in captured},
    )


@dataclass(frozen=True)
class EventMeaning:
    """What happened, by a word for it: a row of activities or of engagements."""

    table: str
    kind: str
    direction: str = ""


def event_meaning(text: str, vocabulary: Vocabulary, beside: str = "") -> EventMeaning | None:
    """What a word such as ``Email Bounce`` or ``calls`` stands for; None if nothing known.

    Who opens, clicks or bounces a mail, or fills in a form, shows interest: an engagement. Calls,
    meetings and mails that a person sends are activities. ``beside``: what stands around it, as
    anything may be open or clicked.
    """
    plain, around = _words(text), _words(f"{text} {beside}")
    name = plain.replace(" ", "_")
    if name in vocabulary.kinds:
        return EventMeaning("activities", name)
    if name in vocabulary.signals:
        return EventMeaning("engagements", name)
    for row in _rows("events"):
        if row["beside"] and not _BESIDE[row["beside"]].search(around):
            continue
        if re.search(row["pattern"], plain):
            meaning = EventMeaning(row["table"], row["kind"], row["direction"])
            return meaning if meaning.table else None
    return None


def _words(text: str) -> str:
    """A text in lower case with one space between its words: PhoneCall has two."""
    return _SIGNS.sub(" ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).strip().casefold()


@functools.cache
def known_headers() -> dict[str, dict[str, list[str]]]:
    """Table -> column -> the headers it goes by, best first.

    Also what tells a table or a CRM: (crm), (name), (not) and (header); and headers that are no
    column of the contract: (status), (reason), (exit_date), (deleted_at), (merged_ids), (email),
    (home_amount).
    """
    known: dict[str, dict[str, list[str]]] = {}
    translated = _rows("translated_headers")
    # A CRM's own label says more than a word of the language.
    labels = [row for row in translated if row["crm"]]
    words = [row for row in translated if not row["crm"]]
    for row in (*labels, *_rows("known_headers"), *words):
        headers = known.setdefault(row["table"], {}).setdefault(row["column"], [])
        headers += row["headers"].split("|")
    for row in labels:
        known["(crm)"][row["crm"]] += row["headers"].split("|")
    return known


def names_of(table: str, column: str) -> list[str]:
    """The contract's own name of a column first, then what others call it."""
    return [column, *known_headers().get(table, {}).get(column, [])]


def language_of(headers: Iterable[str]) -> str:
    """The language that most of these headers are in; English where none tells."""
    english = {key(name) for row in _rows("known_headers") for name in row["headers"].split("|")}
    telling = {key(header) for header in headers} - english
    found: dict[str, set[str]] = defaultdict(set)
    for row in _rows("translated_headers"):
        found[row["language"]] |= telling & {key(name) for name in row["headers"].split("|")}
    best = max(found, key=lambda language: len(found[language]))
    return best if len(found[best]) > 1 else "en"


@functools.cache
def _stage_words() -> dict[str, str]:
    return {key(row["text"]): row["english"] for row in _rows("stage_words")}


@functools.cache
def _rows(name: str) -> Sequence[dict[str, str]]:
    """The rows of a table beside this module; a line that begins with # is a comment."""
    text = Path(__file__).with_name(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@functools.cache
def key(name: str) -> str:
    """A name without case, accents, spaces and signs; a custom field's ending does not count."""
    plain = unicodedata.normalize("NFKD", re.sub(r"__c$", "", name.strip(), flags=re.I))
    letters = "".join(sign for sign in plain if unicodedata.category(sign) != "Mn")
    return _SIGNS.sub("", letters).casefold()


def named_in(text: str, names: Iterable[str]) -> str | None:
    """The longest of these names that occurs in a text as whole words."""

    def words(name: str) -> str:
        return f" {' '.join(re.split(_SIGNS, name.casefold())).strip()} "

    return max((name for name in names if words(name) in words(text)), key=len, default=None)
