"""Incidents and the outbox: one small SQLite file beside the warehouse, which a build locks.

A change of an incident and the messages about it are written in one transaction, so that
neither is ever without the other.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.config.errors import ConfigError

ALERTS_FILE = "alerts.sqlite"

_SCHEMA = """
pragma journal_mode = wal;
pragma foreign_keys = on;

create table if not exists incidents (
    id integer primary key,
    check_name text not null,
    place text not null,
    state text not null check (state in ('open', 'resolved')),
    severity text not null,
    status text not null,
    owner text not null,
    opened_at text not null,
    resolved_at text,
    seen_at text not null,
    builds integer not null default 1,
    run_id text,
    build_id text,
    failing integer,
    told_at text,
    told_failing integer,
    told_severity text,
    acknowledged_at text,
    acknowledged_by text,
    acknowledged_reason text,
    snoozed_until text,
    snoozed_by text,
    snoozed_reason text,
    finding text not null
);
create unique index if not exists one_open_incident
on incidents (check_name, place) where state = 'open';

create table if not exists members (
    incident_id integer not null references incidents (id) on delete cascade,
    member text not null,
    source_system text,
    lead_id text,
    label text not null,
    first_seen_at text not null,
    resolved_at text,
    told integer not null default 0,
    rank integer not null,
    primary key (incident_id, member)
) without rowid;

create table if not exists messages (
    id integer primary key,
    incident_id integer references incidents (id) on delete cascade,
    channel text not null,
    kind text not null,
    document text not null,
    state text not null check (state in ('waiting', 'sending', 'sent', 'failed')),
    created_at text not null,
    not_before text not null,
    attempts integer not null default 0,
    sent_at text,
    last_error text
);
create index if not exists messages_to_send on messages (channel, id)
where state in ('waiting', 'sending');

-- Where an incident was reported: its end is reported there as well.
create table if not exists told (
    incident_id integer not null references incidents (id) on delete cascade,
    channel text not null,
    primary key (incident_id, channel)
) without rowid;

create table if not exists handled_runs (run_id text primary key, handled_at text not null);
create table if not exists digests (channel text primary key, told_until text not null);
"""

# What people say of an incident: columns that are added to files that do not have them yet.
MARKED = ("marked_as", "marked_at", "marked_by", "marked_reason")
# What has no number of cases, such as a run that failed, concerns everything.
WORST_FIRST = "severity, failing is not null, failing desc, opened_at, id"

Row = dict[str, Any]


def as_text(moment: datetime) -> str:
    """A time as the file holds it: UTC, sortable."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_time(text: str) -> datetime:
    """A time as the file holds it, aware."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class Store:
    """The file of one output directory, open."""

    def __init__(self, output: Path) -> None:
        self._connection = sqlite3.connect(
            output / ALERTS_FILE, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(_SCHEMA)
        if self._lacking():
            with self.transaction():
                for name in self._lacking():
                    self.execute(f"alter table incidents add column {name} text")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _lacking(self) -> list[str]:
        """The columns that a file of the release before does not have yet."""
        known = {row["name"] for row in self.rows("pragma table_info (incidents)")}
        return [name for name in MARKED if name not in known]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written within; one writer at a time."""
        with self._connection:
            self._connection.execute("begin immediate")
            yield

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Row]:
        """The rows of a query, by column name."""
        return [dict(row) for row in self._connection.execute(query, tuple(values))]

    def row(self, query: str, values: Iterable[Any] = ()) -> Row | None:
        """The first row of a query."""
        row = self._connection.execute(query, tuple(values)).fetchone()
        return dict(row) if row else None

    def execute(self, statement: str, values: Iterable[Any] = ()) -> int:
        """Run a statement; returns the id of the row that it inserted."""
        return self._connection.execute(statement, tuple(values)).lastrowid or 0

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Insert a row; returns its id."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        return self.execute(f"insert into {table} ({names}) values ({marks})", values.values())

    def execute_many(self, statement: str, rows: Iterable[Iterable[Any]]) -> None:
        """Run a statement once per row of values."""
        self._connection.executemany(statement, [tuple(row) for row in rows])

    def update(self, table: str, row_id: int, values: Mapping[str, Any]) -> None:
        """Change columns of a row."""
        changes = ", ".join(f"{name} = ?" for name in values)
        self.execute(f"update {table} set {changes} where id = ?", [*values.values(), row_id])

    def has_handled(self, run_id: str) -> bool:
        """True for a run that was taken in already."""
        return self.row("select 1 from handled_runs where run_id = ?", [run_id]) is not None

    def open_incidents(self) -> list[Row]:
        """Open incidents, errors first, those with the most failing cases first."""
        return self.rows(f"select * from incidents where state = 'open' order by {WORST_FIRST}")

    def incident(self, incident_id: int) -> Row:
        """One incident; raises ``ConfigError`` when there is none of this number."""
        found = self.row("select * from incidents where id = ?", [incident_id])
        if found is None:
            raise ConfigError(f"incident {incident_id}: no such incident (handoff alerts list)")
        return found

    def members(self, incident_id: int, limit: int = -1) -> list[Row]:
        """Failing cases of an incident: those that no message was about first, then the newest."""
        return self.rows(
            "select * from members where incident_id = ? and resolved_at is null "
            "order by told, rank limit ?",
            [incident_id, limit],
        )

    def enqueue(
        self,
        channel: str,
        document: Mapping[str, Any],
        created_at: datetime,
        not_before: datetime,
        incident_id: int | None = None,
    ) -> None:
        """Put a message in the outbox; within the transaction of the change it is about."""
        self.insert(
            "messages",
            {
                "incident_id": incident_id,
                "channel": channel,
                "kind": document["kind"],
                "document": json.dumps(document),
                "state": "waiting",
                "created_at": as_text(created_at),
                "not_before": as_text(not_before),
            },
        )


def counts(output: Path) -> dict[str, int]:
    """Open incidents by severity, those that are marked by their mark instead, and messages that
    wait or failed for good in the last week.

    Empty, and nothing is created, where no alerts are kept.
    """
    if not (output / ALERTS_FILE).is_file():
        return {}
    with Store(output) as store:
        (found,) = store.rows(
            """
            with opened as (
                select coalesce(marked_as, severity) as word from incidents where state = 'open'
            )

            select
                (select count(*) from opened where word = 'error') as error,
                (select count(*) from opened where word = 'warning') as warning,
                (select count(*) from opened where word = 'expected') as expected,
                (select count(*) from opened where word = 'false_positive') as false_positive,
                count(*) filter (where state in ('waiting', 'sending')) as waiting,
                count(*) filter (where state = 'failed' and created_at > ?) as failed
            from messages
            """,
            [as_text(datetime.now(UTC) - timedelta(days=7))],
        )
    return found
