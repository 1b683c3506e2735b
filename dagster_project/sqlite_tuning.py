"""Dagster's SQLite files, written without waiting for the disk at every event.

Dagster opens and closes its files for each event it stores. Closing the last connection makes
SQLite fold its log into the file and wait for the disk, twice an event, which would take most of
the time of a small run. One connection that stays open per file, and commits that leave the wait
to the operating system, keep the record just as consistent: a crash of the machine may lose the
last events, a crash of the process none.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def relaxed_sqlite() -> Iterator[None]:
    """Apply the tuning to every SQLite file that SQLAlchemy opens within the block."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    kept: dict[str, sqlite3.Connection] = {}

    def tune(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("pragma synchronous = normal")
        path = connection.execute("pragma database_list").fetchone()[2]
        if path and path not in kept:
            kept[path] = sqlite3.connect(path, check_same_thread=False)
            kept[path].execute("select count(*) from sqlite_master").fetchone()

    event.listen(Engine, "connect", tune)
    try:
        yield
    finally:
        event.remove(Engine, "connect", tune)
        for connection in kept.values():
            connection.close()
