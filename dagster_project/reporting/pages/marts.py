"""Reads the marts of a build, whose file is never written to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import MARTS_SCHEMA, connect, records

Row = dict[str, Any]


class Marts:
    """The marts of a build; queries name them as they are: ``from funnel_conversion``.

    ``currency``: of their amounts, where the configuration names one.
    """

    def __init__(self, connection: DuckDBPyConnection, currency: str | None = None) -> None:
        self.connection = connection
        self.currency = currency
        found = connection.execute(
            "select table_name, column_name from duckdb_columns() where database_name = 'build'"
        ).fetchall()
        self._columns: dict[str, set[str]] = {}
        for mart, column in found:
            self._columns.setdefault(mart, set()).add(column)

    def has(self, mart: str, *columns: str) -> bool:
        """Whether the build has a mart, with these columns: an earlier release may lack them."""
        return mart in self._columns and self._columns[mart].issuperset(columns)

    def in_currency(self, label: str) -> str:
        """The label of an amount, with its unit where that is known."""
        return f"{label} ({self.currency})" if self.currency else label

    def milestones(self) -> dict[str, str]:
        """The milestones of the tradition with their labels, in order."""
        found = self.rows(
            "select milestone, milestone_label from dim_milestones order by milestone_rank"
        )
        return {row["milestone"]: row["milestone_label"] for row in found}

    def add(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Make rows that are no mart readable as one; nothing where there is no row."""
        # Takes a while to import; a command that adds no table does without.
        import pyarrow as pa

        if rows:
            columns = dict.fromkeys(column for row in rows for column in row)
            values = {column: [row.get(column) for row in rows] for column in columns}
            self.connection.register(name, pa.table(values))
            self._columns[name] = set(columns)

    def rows(self, query: str, *values: Any) -> list[Row]:
        """The rows of a query, by the names of their columns."""
        return records(self.connection, query, values)

    def value(self, query: str, *values: Any) -> Any:
        """The first value of a query's first row; None where there is no row."""
        row = self.connection.execute(query, list(values)).fetchone()
        return row[0] if row else None

    def execute(self, statement: str, *values: Any) -> None:
        """Run a statement, such as one that makes a temporary table."""
        self.connection.execute(statement, list(values))


def local_date(moment: str) -> str:
    """SQL: the day of a moment in the time zone of the marts' own days."""
    return f"cast(timezone((select timezone from build_info), timezone('UTC', {moment})) as date)"


@contextmanager
def open_marts(published_file: Path, currency: str | None = None) -> Iterator[Marts]:
    """The marts in a build's DuckDB file; ``currency``: of their amounts."""
    with connect(Path(":memory:")) as connection:
        connection.execute(f"attach {literal(published_file)} as build (read_only)")
        connection.execute(f"use build.{MARTS_SCHEMA}")
        yield Marts(connection, currency)
