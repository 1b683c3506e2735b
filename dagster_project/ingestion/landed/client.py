"""A tool's tables: where they are, how they are found, and their columns as SQL.

Each tool spells the same things in its own way (``lead_history`` or ``LeadHistory``,
``rejection_reason_c`` or ``Rejection_Reason__c``, a column or a key in JSON), so names are compared
without case and separators. What a tool adds of its own says which version of a row holds: a
finished load, an active row, the latest extraction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import identifier, literal
from dagster_project.ingestion.landed.settings import LandedSource

# Columns by which a tool orders the versions of a row.
VERSIONS = (
    *("_airbyte_extracted_at", "_airbyte_emitted_at", "_dlt_load_id"),
    *("_fivetran_start", "_fivetran_synced"),
)
# Columns that hold a whole record, or all of its properties, as JSON.
_WHOLE_RECORDS = ("properties", "_airbyte_data")
_ATTACHED = "landed_source"


@dataclass(frozen=True)
class LandedTable:
    """One table of the tool: its relation, and its columns and their types by folded name.

    ``loads``: the relation in which dlt says which loads were completed.
    """

    name: str
    relation: str
    columns: dict[str, tuple[str, str]]
    loads: str | None = None

    def column(self, *names: str) -> tuple[str, str] | None:
        """The first of these columns that is there, quoted, and its type."""
        found = (self.columns[folded(name)] for name in names if folded(name) in self.columns)
        return next(((identifier(name), kind) for name, kind in found), None)

    def text(self, *names: str) -> str | None:
        """SQL for the first of these columns that is filled, as text; ``None`` without one."""
        return _first_filled([_as_text(*found) for name in names if (found := self.column(name))])

    def time(self, *names: str) -> str | None:
        """SQL for the first of these columns that is filled, as a time in ISO text.

        Numbers are milliseconds.
        """
        return _first_filled([_as_time(*found) for name in names if (found := self.column(name))])

    def is_counted(self, name: str) -> bool:
        """Whether a column is an integer, as times are that some tools leave in milliseconds."""
        found = self.column(name)
        return found is not None and found[1].endswith("INT")

    def json(self, *names: str) -> str | None:
        """SQL for the first of these columns as JSON, be it text, JSON or a structure."""
        found = self.column(*names)
        if found is None:
            return None
        column, kind = found
        return column if kind in {"VARCHAR", "JSON"} else f"to_json({column})"

    def value(self, name: str, prefix: str = "", *others: str) -> str | None:
        """SQL for a field as text, in a column of its own or in the JSON of all of them.

        ``others``: what else the tool may call the column.
        """
        own, whole = self.text(f"{prefix}{name}", name, *others), self.json(*_WHOLE_RECORDS)
        if own is not None or whole is None:
            return own
        found = f"json_extract_string({whole}, {literal(f'$.{identifier(name)}')})"
        # Whole numbers without a decimal point, as ids are: 501.0 is 501.
        return f"nullif(trim(regexp_replace({found}, '^(-?[0-9]+)[.]0+$', '\\1')), '')"

    def select(self, **columns: str | None) -> str:
        """The query for columns, given as SQL (``None``: null), of the rows that are present."""
        return f"{self.versions(**columns)} and {self.is_active}"

    def versions(self, **columns: str | None) -> str:
        """The same of the rows that are no longer active, too."""
        values = ", ".join(f"{sql or 'null'} as {name}" for name, sql in columns.items())
        return f"select {values} from {self.relation} as landed where {self.is_loaded}"

    def any_true(self, *names: str) -> str:
        """SQL for whether one of these columns is true; empty and absent ones are not."""
        flags = [self._flag(own[0], default=False) for name in names if (own := self.column(name))]
        return f"({' or '.join(flags) or 'false'})"

    @property
    def is_active(self) -> str:
        """SQL for whether a version of a row is the present one; a row that has none is gone."""
        active = self.column("_fivetran_active")
        return self._flag(active[0], default=True) if active else "true"

    @property
    def is_loaded(self) -> str:
        """SQL that leaves out the rows of loads that the tool did not complete."""
        load = self.column("_dlt_load_id")
        if load and self.loads:
            return f"{load[0]} in (select load_id from {self.loads} where status = 0)"
        return "true"

    @staticmethod
    def _flag(column: str, *, default: bool) -> str:
        """SQL for a flag; ``default``: what an empty one means."""
        return f"coalesce(try_cast({column} as boolean), {default})"


class LandedTables:
    """A tool's tables, as far as they are there."""

    def __init__(
        self, connection: DuckDBPyConnection, source: LandedSource, database: str | None
    ) -> None:
        """``database``: where the tables are; ``None``: in the connection's own."""
        self._renamed = {_key(own): _key(here) for own, here in source.tables.items()}
        self._tables: dict[str, LandedTable] = {}
        rows = connection.execute(
            """
            select database_name, table_name, column_name, data_type
            from duckdb_columns()
            where database_name = coalesce(?, current_database()) and lower(schema_name) = lower(?)
            order by table_name, column_index
            """,
            [database, source.schema_name],
        ).fetchall()
        relations = {
            table: ".".join(identifier(part) for part in (in_database, source.schema_name, table))
            for in_database, table, _, _ in rows
        }
        key = self._renamed.get("dltloads", "dltloads")
        loads = next((at for table, at in relations.items() if _key(table) == key), None)
        for _, table, column, kind in rows:
            known = self._tables.setdefault(
                _key(table), LandedTable(table, relations[table], {}, loads)
            )
            known.columns.setdefault(folded(column), (column, kind))

    def find(self, *names: str) -> LandedTable | None:
        """A table by the name that the tool gives it; the other names are for ``tables`` only."""
        keys = [_key(name) for name in names]
        renamed = (self._renamed[key] for key in keys if key in self._renamed)
        return self._tables.get(next(renamed, keys[0]))


@contextmanager
def attached(connection: DuckDBPyConnection, source: LandedSource) -> Iterator[LandedTables]:
    """The tables, in another file for the length of the block, or in the connection's own."""
    if source.path is None:
        yield LandedTables(connection, source, None)
        return
    if not source.path.is_file():
        raise SourceError(f"source {source.name}: path: {source.path}: no such file")
    try:
        connection.execute(f"attach {literal(str(source.path))} as {_ATTACHED} (read_only)")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"source {source.name}: {source.path} can't be read as a DuckDB file: {reason}"
        ) from None
    try:
        yield LandedTables(connection, source, _ATTACHED)
    finally:
        connection.execute(f"detach {_ATTACHED}")


def folded(name: str) -> str:
    """A table's or column's name without case and separators."""
    return name.replace("_", "").replace("-", "").lower()


def _key(table: str) -> str:
    """What tells tables apart: two underscores count, as dlt's children differ by them only."""
    return "__".join(folded(part) for part in table.split("__"))


def _first_filled(values: list[str]) -> str | None:
    """SQL for the first value that is not null; ``None`` without any."""
    return f"coalesce({', '.join(values)})" if len(values) > 1 else next(iter(values), None)


def _as_text(column: str, kind: str) -> str:
    """A column as text; whole numbers without a decimal point, as ids are."""
    if kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL"):
        return (
            f"case when {column} = floor({column}) then cast(cast({column} as hugeint) as varchar) "
            f"else cast({column} as varchar) end"
        )
    if kind.startswith("TIMESTAMP"):
        return _as_time(column, kind)
    return f"nullif(trim(cast({column} as varchar)), '')"


def _as_time(column: str, kind: str) -> str:
    """A column as a time in ISO text (UTC); numbers, as text too, are milliseconds."""
    iso = "'%Y-%m-%dT%H:%M:%S.%gZ'"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(timezone('UTC', {column}), {iso})"
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"strftime(cast({column} as timestamp), {iso})"
    text = _as_text(column, kind)
    milliseconds = f"strftime(make_timestamp(try_cast({text} as bigint) * 1000), {iso})"
    is_number = f"regexp_matches({text}, '^[0-9]{{12,14}}$')"
    return f"case when {is_number} then {milliseconds} else {text} end"
