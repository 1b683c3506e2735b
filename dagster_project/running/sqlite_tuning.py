"""Dagster's SQLite files, kept open for the length of a run.

Dagster opens a file anew for each of the thousand events of a run: it makes an SQLAlchemy engine,
compiles the same statements again, and on closing SQLite folds its log into the file and waits for
the disk. That would take most of the time of a small run. Within ``kept_open`` there is one engine
per file, whose connections and compiled statements stay, and commits leave the wait to the
operating system. The record is as consistent as before: a crash of the process loses nothing, a
crash of the machine perhaps the last events.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep the engines that Dagster's SQLite storage makes within the block, one per file."""
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage

    engines: dict[str, Any] = {}
    modules: tuple[Any, ...] = (sqlite_event_log, sqlite_run_storage)
    originals = [module.create_engine for module in modules]
    for module in modules:
        module.create_engine = _keeper(engines, module.create_engine)
    try:
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.create_engine = original
        for engine, dispose in engines.values():
            del engine.dispose
            dispose()


def _keeper(engines: dict[str, Any], create: Callable[..., Any]) -> Callable[..., Any]:
    """A stand-in for ``create_engine`` that returns the same engine for the same file."""

    def create_engine(url: Any, **arguments: Any) -> Any:
        from sqlalchemy import event

        key = str(url)
        if key not in engines:
            arguments.pop("poolclass", None)
            engine = create(url, **arguments)
            event.listen(engine, "connect", _relax)
            engines[key] = (engine, engine.dispose)
            # Dagster disposes of the engine after each use.
            engine.dispose = lambda *_, **__: None
        return engines[key][0]

    return create_engine


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("pragma synchronous = normal")
