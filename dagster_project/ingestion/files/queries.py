"""``sql:`` of a table's mapping: one SELECT over the files of an export, each a table of text.

The query runs in a database of its own, which holds those files and can reach nothing else.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from dagster_project.config.contract import ContractTable
from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import identifier
from dagster_project.ingestion.files.delimited_text import CsvTable
from dagster_project.ingestion.files.typed_records import TypedTable, first_line

# Names as a query knows the files, in lower case -> how each is opened.
Views = Mapping[str, Callable[[], CsvTable | TypedTable]]


def answer(label: str, sql: str, views: Views, table: ContractTable, target: Path) -> list[str]:
    """Write what a query gives to a Parquet file, and return what was noticed on the way.

    Raises ``SourceError``, beginning with ``label``, when the query is not one SELECT, fails, or
    names a file or gives a column that does not exist.
    """
    remarks = []
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        try:
            for name in dict.fromkeys(_tables_of(label, connection, sql)):
                if name.casefold() in views:
                    reader = views[name.casefold()]()
                    remarks += _materialise(connection, name, reader)
            connection.execute("set timezone = 'UTC'")
            connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
            found = connection.execute(sql)
            _check_columns(label, [name for name, *_ in found.description or ()], table)
            with (
                found.to_arrow_reader() as batches,
                pq.ParquetWriter(target, batches.schema) as file,
            ):
                for batch in batches:
                    file.write_batch(batch)
        except duckdb.CatalogException as error:
            raise SourceError(
                f"{label}: {first_line(error, target)}; the files it can use: "
                f"{', '.join(sorted(views)) or 'none'}"
            ) from error
        except duckdb.Error as error:
            raise SourceError(f"{label}: {first_line(error, target)}") from error
    return remarks


def _tables_of(label: str, connection: DuckDBPyConnection, sql: str) -> Iterator[str]:
    """The tables that a query names. Raises ``SourceError`` if it is not one SELECT."""
    [(text,)] = connection.execute("select json_serialize_sql(?)", [sql]).fetchall()
    parsed = json.loads(text)
    if len(parsed.get("statements", [])) != 1:
        problem = parsed.get("error_message", "it has several statements")
        raise SourceError(f"{label}: write one SELECT over the files of the export ({problem})")
    nodes: list[Any] = [parsed]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict) and node.get("type") == "BASE_TABLE":
            yield node["table_name"]
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _check_columns(label: str, given: list[str], table: ContractTable) -> None:
    unknown = [name for name in given if name.casefold() not in table.columns]
    if unknown:
        raise SourceError(
            f"{label}: {', '.join(unknown)} is no column of {table.name}; name the result's "
            f"columns as in the contract: {', '.join(table.columns)}"
        )


def _materialise(
    connection: DuckDBPyConnection, name: str, reader: CsvTable | TypedTable
) -> list[str]:
    """Make a file a table of text, with its headers as columns, in the order of its rows."""
    cells = [f"c{at}" for at in range(len(reader.headers))]
    connection.execute(
        f"create table file_rows ({', '.join(f'{cell} varchar' for cell in cells)}, "
        "source_row bigint, extra_columns varchar)"
    )
    select = [*cells, "source_row", "null"]
    read = reader.insert(connection, "file_rows", select, "true")
    named = [
        f"if(trim({cell}) = '', null, {cell}) as {identifier(header)}"
        for cell, header in zip(cells, reader.headers, strict=True)
    ]
    connection.execute(
        f"create table {identifier(name)} as "
        f"select {', '.join(named)} from file_rows order by source_row"
    )
    connection.execute("drop table file_rows")
    broken = len(read.rejected)
    remarks = [f"{name}: {remark}" for remark in reader.remarks]
    if broken:
        remarks.append(f"{name}: broken rows that the query does not see: {broken:,}")
    return remarks
