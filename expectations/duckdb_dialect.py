"""DuckDB as Great Expectations can use it: a SQLAlchemy dialect of its own.

SQLAlchemy ends every statement with a rollback when the connection goes back to its pool, and
DuckDB drops a result that was not fetched by then. The audit only reads, so transactions are left
out.

Great Expectations keeps its engines, and so their connections, for as long as the process lives;
DuckDB lets nobody write to a file that is open for reading. So the dialect remembers what it
opened, and ``close_connections`` closes it.
"""

from pathlib import Path
from typing import Any

from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

NAME = "handoff_duckdb"

_opened: list[Any] = []


class ReadingDialect(Dialect):
    """DuckDB without transactions."""

    name = NAME
    supports_statement_cache = False

    def connect(self, *arguments: Any, **options: Any) -> Any:
        """Open a connection and remember it."""
        connection = super().connect(*arguments, **options)
        _opened.append(connection)
        return connection

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing: what only reads needs no transaction."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing to commit."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing: a rollback would drop the result."""


def register() -> None:
    """Make the dialect known to SQLAlchemy by its name."""
    registry.register(NAME, __name__, ReadingDialect.__name__)


def connection_string(path: Path) -> str:
    """How Great Expectations names the warehouse file."""
    return f"{NAME}:///{path}"


def close_connections() -> None:
    """Close every connection of this dialect, whoever holds it."""
    while _opened:
        _opened.pop().close()
