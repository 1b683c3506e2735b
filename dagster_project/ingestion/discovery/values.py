"""What the words of an unknown export mean: headers, stages, kinds of activities and signals.

All of it is data: the policy's tables, and the CSV files beside this module.
"""

import csv
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.config import policy
from dagster_project.config.policy_tables import IGNORED_STAGE

# In these languages and their countries, the day comes first and a comma before the decimals.
DAY_FIRST = ("de", "fr", "es")
_SIGNS = re.compile(r"[\W_]+")
# Offen - Nicht kontaktiert; Closed Won (Sales Pipeline).
_PARTS, _BRACKETS = re.compile(r"\s+[-–—]\s+"), re.compile(r"\s*[(（].*[)）]\s*$")
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
    signals: tuple[str, ...]
    evidence: dict[str, str]
    exits: frozenset[str]
    captured: dict[str, str]

    def stage(self, raw: str, crm: str = "", *headers: str) -> str | None:
        """The stage that a raw stage means, or None: by the CRM's map, else by the aliases.

        ``headers``: what its column is called. A raw stage in another language means what its
        translation means.
        """
        for text in _readings(raw, crm.casefold()):
            if text == IGNORED_STAGE:
                return IGNORED_STAGE
            maps = (self.mapped.get((crm.casefold(), key(name), key(text))) for name in headers)
            cell = text.strip().casefold()
            names = (self.stages.get(cell), self.evidence.get(cell), self.stages.get(key(text)))
            if found := next(filter(None, (*maps, *names)), None):
                return found
        return None

    def is_stage(self, raw: str, crm: str) -> bool:
        """Whether a text means a stage, whatever its column is called."""
        return self.stage(raw, crm) not in (None, IGNORED_STAGE)

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
    return Vocabulary(
        stages={name.casefold(): stage for name, stage in names},
        mapped={
            (row["crm"].casefold(), key(row["property"]), key(row["raw_stage"])): row["stage"]
            for row in policy.cells(policy_dir, "stage_maps")
        },
        meanings={row["stage"]: row["exit_kind"] or row["milestone"] for row in stages},
        by_tradition=by_tradition,
        kinds=tuple(row["kind"] for row in policy.cells(policy_dir, "activity_kinds")),
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
    """A text in lower case with one space between its words."""
    return _SIGNS.sub(" ", spaced(text)).strip().casefold()


def spaced(text: str) -> str:
    """A text with a space between words that are written as one: PhoneCall, LostTime."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)


@functools.cache
def known_headers() -> dict[str, dict[str, list[str]]]:
    """Table -> column -> the headers it goes by, best first.

    Also what tells a table or a CRM: (crm), (name), (not), (header), and of leads (own), which only
    they have, and (other), which names other rows; and headers that are no column of the contract,
    such as (status) and (exit_date). ``history`` has the fields of a log of several, and
    ``opportunity`` what a deal is called that is open or deleted.
    """
    known: dict[str, dict[str, list[str]]] = {}
    translated = _rows("translated_headers")
    # A CRM's own label says more than a word of the language.
    labels = [row for row in translated if row["crm"]]
    words = [row for row in translated if not row["crm"]]
    for row in (*labels, *_rows("known_headers"), *words):
        headers = known.setdefault(row["table"], {}).setdefault(row["column"], [])
        headers += row["headers"].split("|")
    # A word of the language tells no CRM.
    common = {(row["language"], it) for row in words for it in row["headers"].split("|")}
    for row in labels:
        own = (it for it in row["headers"].split("|") if (row["language"], it) not in common)
        known["(crm)"][row["crm"]] += own
    return known


@functools.cache
def known_keys(table: str, *columns: str) -> frozenset[str]:
    """What these columns of a table go by, as ``key`` writes it."""
    known = known_headers().get(table, {})
    return frozenset(key(name) for column in columns for name in known.get(column, []))


@functools.cache
def all_known_headers() -> frozenset[str]:
    """What any column goes by, as ``key`` writes it."""
    return frozenset().union(*(known_keys(it, *columns) for it, columns in known_headers().items()))


def crm_labels(table: str, column: str) -> list[str]:
    """What CRMs call a column in other languages than English."""
    rows = _rows("translated_headers")
    own = [row for row in rows if row["crm"] and (row["table"], row["column"]) == (table, column)]
    return [header for row in own for header in row["headers"].split("|")]


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


def _readings(raw: str, crm: str) -> Iterator[str]:
    """A raw stage as it is, and in English: as a whole, by its parts, without its brackets."""
    words = _stage_words()

    def english(text: str) -> str | None:
        return words.get((crm, key(text))) or words.get(("", key(text)))

    yield raw
    if word := english(raw):
        yield word
        yield english(word) or word
    if len(parts := _PARTS.split(raw)) > 1:
        yield " - ".join(english(part) or part for part in parts)
    if (bare := _BRACKETS.sub("", raw)) not in ("", raw):
        yield from _readings(bare, crm)


@functools.cache
def _stage_words() -> dict[tuple[str, str], str]:
    """By CRM, or none, and text: the word of the policy."""
    return {
        (row["crm"].casefold(), key(row["text"])): row["english"] for row in _rows("stage_words")
    }


def header_by_words(headers: Iterable[str], column: str) -> str | None:
    """The header whose words say that it is a column, where none is known as a whole."""
    row = next((it for it in _rows("header_words") if column in it["columns"].split("|")), None)
    if row is None:
        return None
    found = []
    for at, header in enumerate(headers):
        word, beside, without = (
            _place_of(header, row[part]) for part in ("words", "beside", "without")
        )
        if word is not None and without is None and (beside is not None or not row["beside"]):
            found.append((beside or 0, word, at, header))
    return min(found)[-1] if found else None


def _place_of(header: str, words: str) -> int | None:
    """The place of the first of these words that a header has."""
    places = (at for at, word in enumerate(words.split("|")) if word and key(word) in key(header))
    return next(places, None)


def direction_of(text: str) -> str:
    """``inbound`` or ``outbound``, if a word of a text says so; else nothing."""
    words = [key(word) for word in re.split(r"[\s_-]+", text)]
    for row in _rows("directions"):
        is_said = any(re.fullmatch(row["words"], word) for word in words)
        if is_said or (len(words) == 1 and words[0] in row["alone"].split("|")):
            return row["direction"]
    return ""


def completion_of(text: str) -> str:
    """``done`` or ``not_done``, if a text says what became of a planned activity."""
    known = _completion()
    return next((it for it in ("done", "not_done") if key(text) in known[it]), "")


def is_flag_of_done(header: str) -> bool:
    """Whether yes under this header means that an activity is done."""
    return key(header) in _completion()["flag"]


@functools.cache
def _completion() -> dict[str, set[str]]:
    known: dict[str, set[str]] = defaultdict(set)
    for row in _rows("completion"):
        known[row["meaning"]] |= {key(text) for text in row["texts"].split("|")}
    return known


@functools.cache
def stage_date_patterns() -> list[re.Pattern[str]]:
    """What the headers of dates of stages look like; ``stage`` is what the stage is called."""
    rows = _rows("stage_date_headers")
    return [re.compile(row["pattern"].replace("{stage}", "(?P<stage>.+?)")) for row in rows]


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
