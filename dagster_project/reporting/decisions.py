"""What the calibration meeting decided: one small SQLite file in the output directory.

Decisions are people's words about an output, no policy and no part of a build: they outlive runs
and roll-backs.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dagster_project.config.errors import ConfigError

DECISIONS_FILE = "decisions.sqlite"

_SCHEMA = """
create table if not exists decisions (
    number integer primary key,
    what text not null,
    owner text,
    due text,
    about text,
    decided_on text not null,
    decided_by text not null,
    period_start text not null,
    done_on text
)
"""


@dataclass(frozen=True)
class Decision:
    """A decision of a meeting.

    ``about``: a metric, a section or a diagnostic of the agenda. ``period_start``: the first day
    of the period that the meeting looked at. ``done_on``: None while it is open.
    """

    number: int
    what: str
    owner: str | None
    due: date | None
    about: str | None
    decided_on: date
    decided_by: str
    period_start: date
    done_on: date | None = None

    def is_late(self, today: date) -> bool:
        """Whether it should be done by now, and is not."""
        return self.done_on is None and self.due is not None and self.due < today


def decisions(output: Path, done_since: date | None = None) -> list[Decision]:
    """The decisions that are open, by number; then those that were done on that day or later.

    Nothing is created where none was ever taken. Raises ``ConfigError`` when the file can't be
    read.
    """
    if not (output / DECISIONS_FILE).is_file():
        return []
    with _opened(output) as connection:
        rows = connection.execute(
            "select * from decisions where done_on is null or done_on >= ? "
            "order by done_on is not null, number",
            [str(done_since or date.max)],
        ).fetchall()
    return [_decision(row) for row in rows]


def decide(
    output: Path,
    what: str,
    *,
    decided_by: str,
    decided_on: date,
    period_start: date,
    owner: str | None = None,
    due: date | None = None,
    about: str | None = None,
) -> Decision:
    """Keep a decision; returns it with its number.

    Raises ``ConfigError`` for one without words, or one that was due before it was taken, and
    when the file can't be written.
    """
    words = " ".join(what.split())
    if not words:
        raise ConfigError("--decide: say what was decided")
    if due is not None and due < decided_on:
        raise ConfigError(f"--due {due}: that is in the past; today is {decided_on}")
    with _opened(output) as connection:
        number = connection.execute(
            "insert into decisions "
            "(what, owner, due, about, decided_on, decided_by, period_start) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            [words, owner, due and str(due), about, str(decided_on), decided_by, str(period_start)],
        ).lastrowid
    return Decision(number or 0, words, owner, due, about, decided_on, decided_by, period_start)


def close(output: Path, number: int, done_on: date) -> Decision:
    """Note that a decision is done; returns it.

    Raises ``ConfigError`` when there is none of this number, or it was done before.
    """
    if not (output / DECISIONS_FILE).is_file():
        raise _unknown(number)
    with _opened(output) as connection:
        found = connection.execute(
            "update decisions set done_on = ? where number = ? and done_on is null returning *",
            [str(done_on), number],
        ).fetchone()
        known = connection.execute("select * from decisions where number = ?", [number]).fetchone()
    if found:
        return _decision(found)
    if known:
        raise ConfigError(f"decision {number}: it was done on {_decision(known).done_on}")
    raise _unknown(number)


def _unknown(number: int) -> ConfigError:
    return ConfigError(f"decision {number}: no such decision (handoff sync)")


@contextmanager
def _opened(output: Path) -> Iterator[sqlite3.Connection]:
    """The file, open: what is written within is there as a whole, or not at all."""
    path = output / DECISIONS_FILE
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            connection.row_factory = sqlite3.Row
            connection.execute(_SCHEMA)
            yield connection
    except sqlite3.Error as error:
        raise ConfigError(f"{path} can't be used: {error}") from error


def _decision(row: sqlite3.Row) -> Decision:
    return Decision(
        number=row["number"],
        what=row["what"],
        owner=row["owner"],
        due=_day(row["due"]),
        about=row["about"],
        decided_on=date.fromisoformat(row["decided_on"]),
        decided_by=row["decided_by"],
        period_start=date.fromisoformat(row["period_start"]),
        done_on=_day(row["done_on"]),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
