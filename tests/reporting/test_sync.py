"""The agenda of the meeting on the console, and the decisions that it keeps."""

from __future__ import annotations

import io
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from rich.console import Console

from dagster_project.config.errors import ConfigError
from dagster_project.reporting.decisions import (
    DECISIONS_FILE,
    Decision,
    close,
    decide,
    decisions,
)
from dagster_project.reporting.sync import Agenda, Item, Point, Rate, Section, render

MONDAY, SUNDAY = date(2026, 6, 22), date(2026, 6, 28)
TODAY = date(2026, 6, 29)
HOSTILE = "[red]x[/red] \x1b[2J a name that is much longer than any column of the page"


def shown(agenda: Agenda, taken: list[Decision] | None = None, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(render(agenda, taken or [], TODAY))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def agenda(**parts: object) -> Agenda:
    whole = {
        "build_id": "20260629T050000-00000000",
        "as_of": datetime(2026, 6, 29, tzinfo=UTC),
        "tradition": "plain",
        "period_start": MONDAY,
        "period_end": SUNDAY,
        "is_running": False,
        "scorecard": [],
        "sections": [],
        "to_decide": [],
    }
    return Agenda(**{**whole, **parts})  # type: ignore[arg-type]  # parts of a test


def rate(label: str, status: str, value: float | None, **parts: object) -> Rate:
    whole = {
        "metric": label,
        "label": label,
        "kind": "promise",
        "better": "higher",
        "cases": 40,
        "numerator": 20,
        "value": value,
        "previous": 0.5,
        "target": None,
        "owner_team": None,
        "status": status,
        "cases_from": MONDAY,
        "cases_until": SUNDAY,
    }
    return Rate(**{**whole, **parts})  # type: ignore[arg-type]  # parts of a test


def items(number: int, leads: int = 2) -> list[Item]:
    ids = [f"{HOSTILE} {at}" for at in range(leads)]
    return [
        Item(
            item="(no reason)" if at == 0 else f"reason {at}",
            label=f"{at} {HOSTILE}",
            leads=leads,
            previous_leads=None if at == 0 else 3,
            usual_leads=1.25,
            has_grown=at == 1,
            first_at=datetime(2026, 6, 22, 9),
            lead_ids=ids,
        )
        for at in range(number)
    ]


def section(name: str, found: list[Item]) -> Section:
    leads = sum(item.leads for item in found)
    return Section(name, name.capitalize(), "reason", leads, 7, SUNDAY, found)


def test_an_agenda_of_nothing_says_so() -> None:
    text = shown(agenda())
    assert "Scorecard" not in text
    assert "nothing that the marts tell of" in text
    assert "Decisions: 0 open" in text
    assert "so far" not in text
    assert "2026-06-28, so far" in shown(agenda(is_running=True))


def test_a_scorecard_says_what_is_too_few() -> None:
    rates = [
        rate("Few", "too_few", 1.0, cases=1),
        rate("None", "too_few", None, cases=0, previous=None),
        rate("Below", "met", 0.375, better="lower", target=0.4),
        rate("Free", "no_target", 0.041),
    ]
    lines = [line.split() for line in shown(agenda(scorecard=rates)).splitlines()]
    assert ["Few", "50.0", "%", "1", "too", "few"] in lines
    assert ["None", "0", "too", "few"] in lines
    assert ["Below", "37.5", "%", "50.0", "%", "at", "most", "40", "%", "40", "met"] in lines
    assert ["Free", "4.1", "%", "50.0", "%", "40"] in lines


@pytest.mark.parametrize("width", [80, 160])
def test_whatever_is_in_it_a_page_is_no_wider_than_the_console(width: int) -> None:
    whole = agenda(
        scorecard=[rate(HOSTILE, "missed", 0.5, target=0.8)],
        sections=[section("rejected", items(12)), section("overdue", items(1, leads=50))],
        to_decide=[Point("rejected", HOSTILE, HOSTILE)] * 11,
    )
    taken = [Decision(1, HOSTILE, HOSTILE, SUNDAY, "rejected", MONDAY, "me", MONDAY)]
    text = shown(whole, taken, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
    # Eight lines of a section, eight points; the rest is counted.
    assert "and 4 more: 8 leads" in text
    assert "  and 3 more" in [line.rstrip() for line in text.splitlines()]
    assert "Rejected: 24, 2 without a reason (7 the time before)" in text
    assert "Overdue on 2026-06-28: 50" in text
    assert "+49" in text
    assert "late" in text


def take(output: Path, what: str = "Call them", **parts: object) -> Decision:
    whole = {"decided_by": "me", "decided_on": TODAY, "period_start": MONDAY, **parts}
    return decide(output, what, **whole)  # type: ignore[arg-type]  # parts of a test


def test_decisions_are_kept_until_they_are_done(tmp_path: Path) -> None:
    first = take(tmp_path, " Call\n them ", owner="Kim", due=date(2026, 7, 1), about="overdue")
    second = take(tmp_path, "Nothing else")
    assert (first.number, first.what, second.number) == (1, "Call them", 2)
    assert decisions(tmp_path) == [first, second]
    assert [first.is_late(day) for day in (date(2026, 7, 1), date(2026, 7, 2))] == [False, True]
    assert not second.is_late(date(2030, 1, 1))

    done = close(tmp_path, 1, TODAY)
    assert done.done_on == TODAY
    assert not done.is_late(date(2026, 7, 2))
    assert decisions(tmp_path) == [second]
    assert decisions(tmp_path, done_since=TODAY) == [second, done]
    assert decisions(tmp_path, done_since=date(2026, 6, 30)) == [second]
    assert take(tmp_path).number == 3, "a number is never used again"


def test_what_can_t_be_kept_is_refused(tmp_path: Path) -> None:
    assert decisions(tmp_path) == []
    with pytest.raises(ConfigError, match="decision 1: no such decision"):
        close(tmp_path, 1, TODAY)
    with pytest.raises(ConfigError, match="say what was decided"):
        take(tmp_path, " \n")
    with pytest.raises(ConfigError, match="--due 2026-06-28: that is in the past"):
        take(tmp_path, due=SUNDAY)
    assert list(tmp_path.iterdir()) == [], "nothing is made by looking"
    take(tmp_path)
    close(tmp_path, 1, TODAY)
    with pytest.raises(ConfigError, match="decision 1: it was done on 2026-06-29"):
        close(tmp_path, 1, TODAY)
    with pytest.raises(ConfigError, match="decision 2: no such decision"):
        close(tmp_path, 2, TODAY)


def test_a_decision_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    take(tmp_path)
    with sqlite3.connect(tmp_path / DECISIONS_FILE) as other:
        other.execute(
            "create trigger full after insert on decisions "
            "begin select raise(abort, 'disk is full'); end"
        )
    with pytest.raises(ConfigError, match=r"decisions\.sqlite can't be used: disk is full"):
        take(tmp_path)
    assert len(decisions(tmp_path)) == 1


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / DECISIONS_FILE).write_text("not a database, but long enough to be read as one " * 9)
    with pytest.raises(ConfigError, match=r"decisions\.sqlite can't be used"):
        decisions(tmp_path)
