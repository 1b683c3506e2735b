"""What a run prints at its end, on one screen: what stands out, the funnel, what does not pass.

Nothing is left out without a word: what does not fit is counted, and ``handoff status`` has it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dagster_project.reporting.build_figures import BuildFigures, Funnel, Row, Step, last_build
from dagster_project.reporting.console import (
    Section,
    Shortest,
    Widest,
    grid,
    listed,
    status,
    titled,
)
from expectations.check import STATUS_WORDS, counted, in_unit, whole_name

# Lines of the end of a run, where they have 80 columns.
SCREEN = 25


@dataclass(frozen=True)
class _Detail:
    """How much is shown: how many findings, warnings and notes, and which of them a line each."""

    findings: int = 5
    warned: int = 3
    notes: int = 3
    next_steps: bool = False
    cut_noted: bool = False
    cut_rest: bool = False
    apart: bool = False
    names_only: bool = False


_TIGHT = _Detail(cut_noted=True, cut_rest=True)
# From everything to the least, until it fits.
_DETAILS = (
    _Detail(next_steps=True, apart=True),
    _Detail(next_steps=True),
    _Detail(),
    _Detail(cut_rest=True),
    _Detail(cut_rest=True, notes=1),
    _TIGHT,
    replace(_TIGHT, notes=1),
    replace(_TIGHT, notes=0),
    replace(_TIGHT, notes=0, warned=1),
    replace(_TIGHT, notes=0, findings=3, warned=1),
    *(replace(_TIGHT, notes=0, findings=left, warned=0) for left in (3, 2, 1)),
    replace(_TIGHT, notes=0, findings=1, warned=0, names_only=True),
    replace(_TIGHT, notes=0, findings=0, warned=0, names_only=True),
)


def run_summary(
    output: Path, lines: int = SCREEN, *, told_elsewhere: bool = False
) -> RenderableType | None:
    """The figures of the build in an output's warehouse, for the console.

    In so many ``lines``, unless more checks block than fit: each of them is named, but for a run
    that says so anyway (``told_elsewhere``). None where the build was not audited.
    """
    figures = last_build(output)
    if figures is None:
        return None
    return Shortest([_shown(figures, detail, told_elsewhere) for detail in _DETAILS], lines)


def _shown(figures: BuildFigures, detail: _Detail, told_elsewhere: bool) -> RenderableType:
    blocking = [] if told_elsewhere else figures.not_passing("blocked", "errored")
    warned = _largest(figures.not_passing("warned"))[: detail.warned]
    notes = figures.noticed[: detail.notes]
    rows = [] if detail.names_only else [(row["status"], _in_short(row)) for row in blocking]
    rows += [(check["status"], _in_short(check)) for check in warned]
    noted = [("noted", text) for text in [*map(noticed, notes), *_quarantine(figures)]]
    stands_out = figures.stands_out[: detail.findings]
    findings = [line for row in stands_out for line in finding(row, next_step=detail.next_steps)]
    # Where nothing stands out, what was noticed may be why, and comes first.
    is_first = bool(detail.findings) and not figures.stands_out
    rows += [] if is_first else noted
    sections: list[Section] = [
        ("", funnel_table(figures.funnel)),
        (check_counts(figures), _listed(rows, cut=detail.cut_rest)),
    ]
    if detail.findings:
        # A finding that is cut may lose its figure: there are fewer of them instead.
        first, cut = (noted, detail.cut_noted) if is_first else (findings, False)
        sections.insert(0, (_what_stands_out(figures), _listed(first, cut=cut)))
    if detail.names_only and blocking:
        names = ", ".join(check["check_name"] for check in blocking)
        sections.append((Text("Blocked", style="bold red"), Text(names)))
    left_out = {
        "finding": len(figures.stands_out) - len(stands_out),
        "warned check": len(figures.not_passing("warned")) - len(warned),
        "note": len(figures.noticed) - len(notes),
        "broken rule": sum(row["findings"] for row in figures.broken_rules),
    }
    told = [
        f"{count:,} {what}{'' if count == 1 else 's'}"
        for what, count in left_out.items()
        if count > 0
    ]
    more = Text(f"more: {', '.join(told)} (handoff status)", style="dim")
    shown = titled(sections, apart=detail.apart)
    return Group(shown, Padding(more, (0, 0, 0, 2), expand=False)) if told else shown


def _what_stands_out(figures: BuildFigures) -> Text:
    title = "Noticed" if figures.notes and not figures.stands_out else "What stands out"
    nothing = "" if figures.stands_out else "nothing stands out; "
    judged = f"  {nothing}{how_much_was_judged(figures)}"
    return Text(title, style="bold").append(judged, style="dim not bold")


def _listed(rows: list[tuple[str, str]], *, cut: bool) -> Table | None:
    return listed(rows, cut=cut) if rows else None


def how_much_was_judged(figures: BuildFigures) -> str:
    """How much of the diagnosis was possible: what is not judged may be well or not."""
    judged = figures.judged
    rest = [f"{judged['too_few']} had too few cases"] if judged["too_few"] else []
    rest += [f"{judged['unknowable']} can't be told from this data"] if judged["unknowable"] else []
    text = f"judged {judged['judged']} of {judged['every']} diagnostics"
    return f"{text}; {', '.join(rest)}" if rest else text


def finding(row: Row, *, next_step: bool = True) -> list[tuple[str, str]]:
    """What stands out, in a sentence, and what to do about it, each with its status."""
    sentence = (row["status"], row["sentence"])
    has_next = next_step and row["next_step"]
    return [sentence, ("", f"next: {row['next_step']}")] if has_next else [sentence]


def funnel_table(funnel: Funnel) -> Widest:
    """The funnel as wide as there is room: without codes, then without rates, where it is not."""
    width = max(len(f"{step.cycles:,}") for step in funnel.steps)

    def cycles(step: Step) -> str:
        return f"{step.cycles:>{width},}" + (f" +{step.implied:,}" if step.implied else "")

    milestone = ("Funnel to date", lambda step: step.milestone)
    label = ("here", lambda step: step.label)
    counts = ("cycles +implied", cycles)
    before = (">of the one before", _of_the_one_before)
    first = (f">of {funnel.first_label}", lambda step: _of_first(funnel, step))
    titled_label = (milestone[0], label[1])
    choices = (
        (milestone, label, counts, before, first),
        (titled_label, counts, before, first),
        (titled_label, counts, before),
        (titled_label, counts),
    )
    return Widest(
        grid(
            [name for name, _ in columns],
            [[show(step) for _, show in columns] for step in funnel.steps],
        )
        for columns in choices
    )


def _of_the_one_before(step: Step) -> str:
    if not step.entered or step.converted is None:
        return ""
    return f"{step.converted:,} of {step.entered:,} {step.converted / step.entered:6.1%}"


def _of_first(funnel: Funnel, step: Step) -> str:
    if not funnel.first_cycles or step.from_first is None:
        return ""
    return f"{step.from_first:,} {step.from_first / funnel.first_cycles:6.1%}"


def check_counts(figures: BuildFigures) -> Text:
    """How many checks ended how; of the data tests what does not pass."""
    title = Text("Checks: ", style="bold")
    title.append_text(counts_text(check["status"] for check in figures.checks))
    if any(test["status"] != "passed" for test in figures.data_tests):
        title.append("; data tests: ")
        title.append_text(counts_text(test["status"] for test in figures.data_tests))
    return title


def counts_text(statuses: Iterable[str]) -> Text:
    """How many checks ended how, in colour where some do not pass."""
    shown = Text(style="not bold")
    for name, count in counted(statuses).items():
        stands_out = count and name in ("warned", "blocked", "errored")
        shown.append(", " if shown else "").append(f"{count:,} ")
        shown.append_text(status(name) if stands_out else Text(STATUS_WORDS[name]))
    return shown


def _largest(checks: list[Row]) -> list[Row]:
    """The checks with the most failing rows first; of both windows of a check only one."""
    found: dict[str, Row] = {}
    for check in sorted(checks, key=lambda check: -check["failing_rows"]):
        found.setdefault(whole_name(check["check_name"]), check)
    return [*found.values()]


def _in_short(check: Row) -> str:
    """A check that does not pass, with its figures in short."""
    name, observed, cases = check["check_name"], check.get("observed"), check.get("cases") or 0
    if check.get("unit") != "share" or observed is None or cases < 2:
        return f"{name}: {check['message']}"
    limit = check["block_threshold" if check["status"] == "blocked" else "warn_threshold"]
    found = f"{in_unit(observed, 'share')} ({check['failing_rows']:,} of {cases:,})"
    return f"{name}: {found}, above {in_unit(limit, 'share')}"


def noticed(note: Row) -> str:
    """What was noticed, where, how often, with samples where there are some, and what to do."""
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["note"])))
    count = f" ({note['row_count']:,})" if note["row_count"] else ""
    samples = f", such as {note['samples']}" if note.get("samples") else ""
    return place + count + samples + (f"; {note['what_to_do']}" if note["what_to_do"] else "")


def quarantined(note: Row) -> str:
    """Why rows are in quarantine, where, how many, with samples, and what to do."""
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["reason"])))
    samples = f", such as {note['samples']}" if note.get("samples") else ""
    to_do = f"; {note['what_to_do']}" if note["what_to_do"] else ""
    return f"{place} ({note['row_count']:,}){samples}{to_do}"


def _quarantine(figures: BuildFigures) -> Iterator[str]:
    """How many rows can't be used, and why most of them can't."""
    if not figures.quarantined:
        return
    rows = sum(note["row_count"] for note in figures.quarantined)
    read = sum(row["rows_read"] for row in figures.rows_read)
    reasons = len(figures.quarantined)
    most = f", for {reasons} reasons, first" if reasons > 1 else ""
    yield f"{rows:,} of {read:,} rows in quarantine{most}: {quarantined(figures.quarantined[0])}"
