"""DuckDB as Great Expectations 1.24 and duckdb-engine 0.17 can read it: without transactions.

SQLAlchemy ends every statement with a rollback when the connection goes back to its pool, and
DuckDB drops a result that was not fetched by then. The audit only reads, so it needs none. This can
go once duckdb-engine keeps results over a rollback.
"""

from pathlib import Path
from typing import Any

from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

NAME = "handoff_duckdb"


class ReadingDialect(Dialect):
    """DuckDB without transactions."""

    name = NAME
    supports_statement_cache = False

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing: what only reads needs no transaction."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing to commit."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing: a rollback would drop the result."""


def connection_string(path: Path) -> str:
    """How Great Expectations names the warehouse file."""
    registry.register(NAME, __name__, ReadingDialect.__name__)
    return f"{NAME}:///{path}"
