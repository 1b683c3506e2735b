"""The raw layer: DDL of the contract's tables, and the records of every load.

Raw holds what the sources gave, with the load, file and row it came from: text as it was written;
a time that a typed file gave as an instant is in ``<column>_utc`` instead. Source and file name of
a row stand once, in ``raw.files``: text that all rows repeat takes long to write.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from duckdb import DuckDBPyConnection

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.warehouse import RAW_SCHEMA

# Columns before and after the contract's columns in every raw contract table.
LINEAGE_COLUMNS = {"load_id": "bigint", "file_id": "integer", "source_row": "bigint"}
EXTRA_COLUMNS = "extra_columns"
# Looking for a way to compress text that rarely repeats takes a third of a load.
_UNCOMPRESSED = "varchar using compression uncompressed"

_RECORD_TABLES = {
    "files": "file_id integer, source_system varchar, source_file varchar",
    "rejected_rows": (
        "source_system varchar, load_id bigint, table_name varchar, source_file varchar, "
        "source_row bigint, column_name varchar, reason varchar, row_json varchar"
    ),
    "loads": (
        "load_id bigint, source_system varchar, table_name varchar, source_file varchar, "
        "mode varchar, rows_read bigint, bytes bigint, fingerprint varchar, "
        "loaded_at timestamp, is_current boolean, loaded_by varchar"
    ),
    "sources": "source_system varchar, source_rank integer, timezone varchar",
    "stage_map": "source_system varchar, raw_stage varchar, stage varchar",
    "decimal_marks": (
        "source_system varchar, table_name varchar, column_name varchar, decimal_mark varchar"
    ),
    "ingestion_notes": (
        "source_system varchar, load_id bigint, table_name varchar, severity varchar, "
        "message varchar"
    ),
    "source_state": "source_system varchar, stream varchar, cursor varchar",
    "run_parameters": (
        "build_id varchar, as_of timestamp, tradition varchar, acceptance_mode varchar, "
        "acceptance_window_hours double, timezone varchar, policy_fingerprint varchar, "
        "hash_key varchar, match_on varchar, audit_mode varchar, currency varchar, "
        "staff_names boolean"
    ),
}


def raw_columns(table: ContractTable) -> tuple[str, ...]:
    """All columns of a raw contract table, in order."""
    return (*LINEAGE_COLUMNS, *table.columns, *table.instants.values(), EXTRA_COLUMNS)


def is_older(connection: DuckDBPyConnection, tables: Mapping[str, Sequence[str]]) -> bool:
    """Whether raw tables have other columns than these, as an earlier version wrote them."""
    found = connection.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns() "
        "where schema_name = ? and database_name = current_database() group by table_name",
        [RAW_SCHEMA],
    ).fetchall()
    records = {
        name: [column.split()[0] for column in columns.split(", ")]
        for name, columns in _RECORD_TABLES.items()
    }
    contract = {table.name: raw_columns(table) for table in CONTRACT_TABLES.values()}
    expected = {**tables, **contract, **records}
    return any(list(expected.get(name, columns)) != columns for name, columns in found)


def ensure_raw_schema(connection: DuckDBPyConnection) -> None:
    """Create the contract's raw tables and the records of loads where they do not exist yet."""
    connection.execute(f"create schema if not exists {RAW_SCHEMA}")
    for table in CONTRACT_TABLES.values():
        rarely_repeated = [
            it for it in table.columns if it in (table.record_id, "lead_id", "email")
        ]
        types = {
            **LINEAGE_COLUMNS,
            **dict.fromkeys(rarely_repeated, _UNCOMPRESSED),
            **dict.fromkeys(table.instants.values(), "timestamp"),
        }
        create_tables(connection, {table.name: raw_columns(table)}, types)
    for name, columns in _RECORD_TABLES.items():
        connection.execute(f"create table if not exists {RAW_SCHEMA}.{name} ({columns})")


def create_tables(
    connection: DuckDBPyConnection,
    tables: Mapping[str, Sequence[str]],
    types: Mapping[str, str] = MappingProxyType({"load_id": "bigint"}),
) -> None:
    """Create raw tables where they do not exist yet; all columns are text but ``types``."""
    for name, columns in tables.items():
        typed = [f"{column} {types.get(column, 'varchar')}" for column in columns]
        connection.execute(f"create table if not exists {RAW_SCHEMA}.{name} ({', '.join(typed)})")


@contextmanager
def transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """All or nothing: an error in the block leaves the warehouse as it was."""
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def next_load_id(connection: DuckDBPyConnection) -> int:
    """The number of the next load: one per run and source, increasing in the warehouse."""
    [(latest,)] = connection.execute(
        f"""
        select max(load_id)
        from (
            select load_id from {RAW_SCHEMA}.loads
            union all
            select load_id from {RAW_SCHEMA}.ingestion_notes
        )
        """
    ).fetchall()
    return (latest or 0) + 1


def rows_changed(
    connection: DuckDBPyConnection, statement: str, parameters: Sequence[object] = ()
) -> int:
    """Run an insert, update or delete, and give the number of its rows."""
    changed = connection.execute(statement, parameters).fetchone()
    return int(changed[0]) if changed else 0


@dataclass(frozen=True)
class RunParameters:
    """Everything a run decides, read by the models. ``as_of``: UTC (aware, or naive UTC)."""

    build_id: str
    as_of: datetime
    tradition: str
    acceptance_mode: str | None = None
    acceptance_window_hours: float | None = None
    timezone: str = "UTC"
    policy_fingerprint: str = ""
    hash_key: str = ""
    match_on: str | None = None
    audit_mode: str = "block"
    currency: str | None = None
    staff_names: bool = True


def write_sources(connection: DuckDBPyConnection, zones: Mapping[str, str | None]) -> None:
    """Replace the list of sources; the first has rank 1 and wins where people are matched.

    ``zones``: by source the time zone of its times without an offset; None: the reports' zone.
    """
    connection.execute(f"delete from {RAW_SCHEMA}.sources")
    for rank, (name, zone) in enumerate(zones.items(), start=1):
        connection.execute(f"insert into {RAW_SCHEMA}.sources values (?, ?, ?)", [name, rank, zone])


def write_run_parameters(connection: DuckDBPyConnection, parameters: RunParameters) -> None:
    """Replace the one row of ``raw.run_parameters``."""
    as_of = parameters.as_of
    if as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    values = {**vars(parameters), "as_of": as_of}
    connection.execute(f"delete from {RAW_SCHEMA}.run_parameters")
    connection.execute(
        f"insert into {RAW_SCHEMA}.run_parameters ({', '.join(values)}) "
        f"values ({', '.join('?' * len(values))})",
        list(values.values()),
    )
