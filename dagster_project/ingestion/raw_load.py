"""One load of one source: its records, notes, state and progress.

Every reader keeps its records, notes and watermarks through this class, within transactions that
the reader opens, so rows and what is known of them land together.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.raw_schema import rows_changed
from dagster_project.ingestion.result import IngestionResult, Note, Progress, TableResult


@dataclass
class RawLoad:
    """One load of one source; ``result`` is what it brought so far.

    ``source_system``: what its rows carry. ``source_name``: the configured source, where that is
    another one: a source without leads adds rows to those of the source that has them.
    """

    connection: DuckDBPyConnection
    source_system: str
    load_id: int
    progress: Progress | None = None
    source_name: str = ""
    result: IngestionResult = field(init=False)
    _file_ids: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.source_name = self.source_name or self.source_system
        self.result = IngestionResult(self.source_name, self.load_id)

    def say(self, message: str) -> None:
        """Report progress."""
        if self.progress:
            self.progress(f"{self.source_name}: {message}")

    def note(self, message: str, table: str | None = None, severity: str = "warning") -> None:
        """Keep something that was noticed and did not stop the load (an empty table)."""
        self.connection.execute(
            f"insert into {RAW_SCHEMA}.ingestion_notes values (?, ?, ?, ?, ?)",
            [self.source_name, self.load_id, table, severity, message],
        )
        self.result.notes.append(Note(message, table, severity))

    def record(
        self,
        table: str,
        place: str,
        rows: int,
        *,
        mode: str = "append",
        rejected: int = 0,
        size: int = 0,
        fingerprint: str | None = None,
    ) -> None:
        """Count what one file or call gave a table, in ``raw.loads`` and in the result.

        ``rows`` includes those the reader rejected. ``mode``: ``snapshot`` (earlier loads of this
        source and table are history from now on) or ``append``. What comes in several chunks is
        one record, unless its content has a fingerprint.
        """
        before = self.result.tables.get(table, TableResult(table))
        self.result.tables[table] = replace(
            before,
            rows_read=before.rows_read + rows,
            rows_rejected=before.rows_rejected + rejected,
            bytes=before.bytes + size,
            files=tuple(dict.fromkeys((*before.files, place))),
        )
        if mode == "snapshot":
            self.retire_loads(table)
        earlier_chunks = self.connection.execute(
            f"""
            delete from {RAW_SCHEMA}.loads
            where
                source_system = ? and load_id = ? and table_name = ? and source_file = ?
                and fingerprint is null
            returning rows_read
            """,
            [self.source_system, self.load_id, table, place],
        ).fetchall()
        rows += sum(earlier for (earlier,) in earlier_chunks)
        now = datetime.now(UTC).replace(tzinfo=None)
        self.connection.execute(
            f"insert into {RAW_SCHEMA}.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, true, ?)",
            [
                *(self.load_id, self.source_system, table, place),
                *(mode, rows, size, fingerprint, now, self.source_name),
            ],
        )

    def retire_loads(self, table: str) -> int:
        """Make the earlier loads of a table history; returns how many were current."""
        return rows_changed(
            self.connection,
            f"""
            update {RAW_SCHEMA}.loads set is_current = false
            where
                source_system = ? and table_name = ? and load_id < ? and is_current
                and loaded_by = ?
            """,
            [self.source_system, table, self.load_id, self.source_name],
        )

    def insert(self, table: str, query: str, parameters: Sequence[object] = ()) -> int:
        """Insert what a query gives, under this source and load; returns the number of rows.

        Not for the contract's tables, whose rows name the file instead of the source.
        """
        return rows_changed(
            self.connection,
            f"insert into {RAW_SCHEMA}.{table} select ?, ?, * from ({query})",
            [self.source_system, self.load_id, *parameters],
        )

    def remove(self, table: str, condition: str, *parameters: object) -> None:
        """Remove the rows of this source from a raw table, ``present``, that fit a condition.

        Not for the contract's tables: their rows go with their load.
        """
        self.connection.execute(
            f"""
            delete from {RAW_SCHEMA}.{table} as present
            where present.source_system = ? and {condition}
            """,
            [self.source_system, *parameters],
        )

    def file_id(self, name: str) -> int:
        """The number of a file of this source in ``raw.files``, where it is kept from now on."""
        if name not in self._file_ids:
            known = f"from {RAW_SCHEMA}.files where source_system = ? and source_file = ?"
            given = [self.source_system, name]
            self.connection.execute(
                f"""
                insert into {RAW_SCHEMA}.files
                select (select coalesce(max(file_id), 0) + 1 from {RAW_SCHEMA}.files), ?, ?
                where not exists ({known})
                """,
                given * 2,
            )
            [(self._file_ids[name],)] = self.connection.execute(
                f"select file_id {known}", given
            ).fetchall()
        return self._file_ids[name]

    def remove_earlier_rows(self, table: str) -> None:
        """Remove what earlier loads of this source left in a raw table and in the rejected rows.

        Rows that another source added under the same ``source_system`` stay, and so do those that
        this source left under another one.
        """
        earlier = f"""
            load_id < ? and load_id in (
                select load_id from {RAW_SCHEMA}.loads where loaded_by = ? and source_system = ?
            )
        """
        given = [self.load_id, self.source_name, self.source_system]
        self.connection.execute(f"delete from {RAW_SCHEMA}.{table} where {earlier}", given)
        self.connection.execute(
            f"delete from {RAW_SCHEMA}.rejected_rows where table_name = ? and {earlier}",
            [table, *given],
        )

    def replace_settings(self, table: str, rows: Iterable[Sequence[str | None]]) -> None:
        """Replace what the configuration of this source says, for the models to read."""
        self.connection.execute(
            f"delete from {RAW_SCHEMA}.{table} where source_system = ?", [self.source_name]
        )
        for row in rows:
            self.connection.execute(
                f"insert into {RAW_SCHEMA}.{table} values (?{', ?' * len(row)})",
                [self.source_name, *row],
            )

    def state(self, stream: str) -> dict[str, Any]:
        """How far a stream has been read; empty when it never was."""
        row = self.connection.execute(
            f"select cursor from {RAW_SCHEMA}.source_state where source_system = ? and stream = ?",
            [self.source_system, stream],
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def keep_state(self, stream: str, state: dict[str, Any]) -> None:
        """Keep how far a stream has been read; part of the transaction that lands its rows."""
        self.remove("source_state", "stream = ?", stream)
        self.connection.execute(
            f"insert into {RAW_SCHEMA}.source_state values (?, ?, ?)",
            [self.source_system, stream, json.dumps(state)],
        )

    @contextmanager
    def staged(self, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
        """Rows of text as a relation that SQL can read, for the length of the block."""
        values = zip(*rows, strict=True) if rows else [()] * len(columns)
        arrays = [pa.array(column, pa.string()) for column in values]
        name = f"staged_{columns[0]}_{len(columns)}"
        self.connection.register(name, pa.table(arrays, names=list(columns)))
        try:
            yield name
        finally:
            self.connection.unregister(name)
