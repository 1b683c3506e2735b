"""Reads the marts of a build, whose file is never written to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import MARTS_SCHEMA, connect, records

Row = dict[str, Any]


class Marts:
    """The marts of a build; queries name them as they are: ``from funnel_conversion``."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        found = connection.execute(
            "select table_name, column_name from duckdb_columns() where database_name = 'build'"
        ).fetchall()
        self._columns: dict[str, set[str]] = {}
        for mart, column in found:
            self._columns.setdefault(mart, set()).add(column)

    def has(self, mart: str, *columns: str) -> bool:
        """Whether the build has a mart, with these columns: an earlier release may lack them."""
        return mart in self._columns and self._columns[mart].issuperset(columns)

    def rows(self, query: str, *values: Any) -> list[Row]:
        """The rows of a query, by the names of their columns."""
        return records(self._connection, query, values)

    def value(self, query: str, *values: Any) -> Any:
        """The first value of a query's first row; None where there is no row."""
        row = self._connection.execute(query, list(values)).fetchone()
        return row[0] if row else None

    def execute(self, statement: str, *values: Any) -> None:
        """Run a statement, such as one that makes a temporary table."""
        self._connection.execute(statement, list(values))


@contextmanager
def open_marts(published_file: Path) -> Iterator[Marts]:
    """The marts in a build's DuckDB file."""
    with connect(Path(":memory:")) as connection:
        connection.execute(f"attach {literal(published_file)} as build (read_only)")
        connection.execute(f"use build.{MARTS_SCHEMA}")
        yield Marts(connection)
