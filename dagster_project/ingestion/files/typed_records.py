"""Parquet and JSONL files as text: typed values written the one way that raw expects.

Times with a zone stay instants; where text is asked for, they are ISO text in UTC. Truth values
become ``true`` or ``false``, numbers plain digits (an exponent only where digits may be lost),
not-a-number nothing, nested values JSON, a list without what is nothing in it. Rows are numbered
from 1 in file order.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import identifier, literal
from dagster_project.ingestion.files.delimited_text import Inserted, exactly
from dagster_project.ingestion.raw_schema import rows_changed

_LIST = re.compile(r"(.+)\[\d*\]")
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_FIRST, _LAST = "timestamptz '0001-01-01 00:00:00+00'", "timestamptz '9999-12-31 23:59:59+00'"
_NESTED = re.compile(r"^(STRUCT|MAP|UNION|JSON)|\[\d*\]$")


@dataclass(frozen=True)
class TypedTable:
    """A file with columns and types: a relation of ``source_row``, ``c0``, ``c1`` ..

    ``instants``: headers of times with a zone; the relation has their instants too, in UTC, as
    ``u0``, ``u1`` .. after their places; null where text alone can tell one (infinity, year 10000).
    ``t0``, ``t1`` .. are the text of those: writing that of every instant is slow. ``again``: the
    numbers of the rows that are the header again and not in the relation.
    """

    headers: tuple[str, ...]
    relation: str
    remarks: tuple[str, ...] = ()
    instants: frozenset[str] = frozenset()
    again: tuple[int, ...] = ()

    def insert(
        self,
        connection: DuckDBPyConnection,
        target: str,
        select: Sequence[str],
        mine: str,  # noqa: ARG002 - part of the readers' common shape; nothing is read twice here
        condition: str = "true",
    ) -> Inserted:
        """Insert every row: ``select`` is over ``c0``, ``c1`` .. and ``source_row``."""
        query = f"select {', '.join(select)} from ({self.relation}) where {condition}"
        rows = rows_changed(connection, f"insert into {target} {query}")
        read = rows
        if condition != "true":
            [(read,)] = connection.execute(f"select count(*) from ({self.relation})").fetchall()
        return Inserted(rows, left_out=read - rows, again=self.again)


def open_parquet(label: str, path: Path) -> TypedTable:
    """Describe a Parquet file. Raises ``SourceError`` when it is empty or damaged."""
    _refuse_empty(label, path)
    source = f"read_parquet({exactly(path)}, file_row_number = true)"
    try:
        with duckdb.connect() as trial:
            described = trial.execute(f"describe select * from {source}").fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"{label}: the Parquet file can't be read ({first_line(error, path)}); export it again"
        ) from error
    columns = [(name, kind) for name, kind, *_ in described if name != "file_row_number"]
    cells = [
        f"{_typed_text(identifier(name), kind)} as c{at}" for at, (name, kind) in enumerate(columns)
    ]
    instants = {name: at for at, (name, kind) in enumerate(columns) if kind == _INSTANT}
    for name, at in instants.items():
        column = identifier(name)
        is_instant = f"{column} between {_FIRST} and {_LAST}"
        cells += [
            # The same as "at time zone 'UTC'", without asking for the zone.
            f"case when {is_instant} then make_timestamp(epoch_us({column})) end as u{at}",
            f"case when {is_instant} then null else {_typed_text(column, _INSTANT)} end as t{at}",
        ]
    return TypedTable(
        tuple(name for name, _ in columns),
        f"select {', '.join(['file_row_number + 1 as source_row', *cells])} from {source}",
        instants=frozenset(instants),
    )


def open_jsonl(label: str, path: Path) -> TypedTable:
    """Find the keys of a JSONL file: one object a line, any keys.

    Raises ``SourceError`` when it is empty or a line is no JSON object.
    """
    _refuse_empty(label, path)
    source = f"read_ndjson_objects({exactly(path)}, maximum_object_size = 67108864)"
    rows = f"(select row_number() over () as source_row, json from {source})"
    try:
        with duckdb.connect() as trial:
            odd = trial.execute(
                f"""
                select min(source_row) from {rows}
                where coalesce(json_type(json), 'NULL') <> 'OBJECT'
                """
            ).fetchall()[0][0]
            keys = trial.execute(
                f"""
                select name
                from (
                    select
                        source_row,
                        unnest(json_keys(json)) as name,
                        generate_subscripts(json_keys(json), 1) as place
                    from {rows}
                    where json_type(json) = 'OBJECT'
                )
                group by name
                order by min([source_row, place])
                """
            ).fetchall()
    except duckdb.Error as error:
        raise _broken_line(label, path, error) from error
    if odd:
        raise SourceError(f"{label}: row {odd} is no JSON object; each line needs to be one")
    names = tuple(name for (name,) in keys)
    cells = [f"{_json_text(name)} as c{at}" for at, name in enumerate(names)]
    return TypedTable(names, f"select {', '.join(['source_row', *cells])} from {rows}")


def _broken_line(label: str, path: Path, error: Exception) -> SourceError:
    """Name the first line that is no JSON; the reader's own count can be one off."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line.strip() or b"null")
            except ValueError as wrong:
                what = "it is not UTF-8" if isinstance(wrong, UnicodeDecodeError) else str(wrong)
                return SourceError(f"{label}: line {number} is no JSON object: {what}")
    return SourceError(f"{label}: the JSONL file can't be read ({first_line(error, path)})")


def time_text(timestamp: str) -> str:
    """SQL that writes a timestamp (UTC) as ISO text, with a fraction only where there is one."""
    return (
        f"case when microsecond({timestamp}) % 1000000 = 0 "
        f"then strftime({timestamp}, '%Y-%m-%dT%H:%M:%SZ') "
        f"else strftime({timestamp}, '%Y-%m-%dT%H:%M:%S.%fZ') end"
    )


def first_line(error: Exception, path: Path) -> str:
    """What the reader said, on one line and without the path that the message names already."""
    said = str(error).split("\n", 1)[0].split(": ", 1)[-1]
    return said.replace(str(path), path.name).strip().rstrip(".")


def _refuse_empty(label: str, path: Path) -> None:
    if path.stat().st_size == 0:
        raise SourceError(f"{label}: the file is empty")


def _number_text(number: str, limit: int = 2**53) -> str:
    """SQL that writes a double as plain digits.

    From ``limit`` on two ids may be one number: with an exponent it is never read as an id.
    """
    whole = f"{number} = trunc({number})"
    plain = f"rtrim(rtrim(format('{{:.18f}}', {number}), '0'), '.')"
    shortest = f"cast({number} as varchar)"
    return (
        f"case when {number} is null or isnan({number}) then null "
        f"when abs({number}) >= {limit} then {_with_exponent(number)} "
        f"when {whole} then cast(cast({number} as bigint) as varchar) "
        f"when contains({shortest}, 'e') then {plain} "
        f"else {_unmistakable(shortest)} end"
    )


def _with_exponent(number: str) -> str:
    return f"format('{{:.16e}}', {number})"


def _unmistakable(text: str) -> str:
    """SQL for a fraction of three digits as one of four: 7.125 could be read as thousands."""
    return rf"regexp_replace({text}, '(\.\d\d\d)$', '\10')"


def _typed_text(column: str, kind: str) -> str:
    """SQL that writes a Parquet column of a type as text."""
    of_list = _LIST.fullmatch(kind)
    if of_list and not _NESTED.search(of_list[1]):
        return _list_text(f"[{_typed_text('item', of_list[1])} for item in {column}]")
    if _NESTED.search(kind):
        return f"cast(to_json({column}) as varchar)"
    if kind in {"FLOAT", "DOUBLE"}:
        if kind == "DOUBLE":
            return _number_text(f"cast({column} as double)")
        # Of single precision, the double that reads the same (0.1, not 0.10000000149).
        return _number_text(f"cast(cast({column} as varchar) as double)", 2**24)
    if kind.startswith("DECIMAL"):
        text = f"cast({column} as varchar)"
        fraction = _unmistakable(f"rtrim(rtrim({text}, '0'), '.')")
        return f"case when contains({text}, '.') then {fraction} else {text} end"
    if kind == _INSTANT:
        return time_text(f"({column} at time zone 'UTC')")
    if kind.startswith("TIMESTAMP"):
        return f"rtrim({time_text(f'cast({column} as timestamp)')}, 'Z')"
    if kind == "BLOB":
        return f"decode({column})"
    return f"cast({column} as varchar)"


def _list_text(items: str) -> str:
    """SQL that writes a list as JSON, without the items that are nothing."""
    return f"cast(to_json([item for item in {items} if item is not null]) as varchar)"


def _json_text(name: str) -> str:
    """SQL that writes the value under a key as text; a JSON null is nothing."""
    pointer = literal("/" + name.replace("~", "~0").replace("/", "~1"))
    text = f"json_extract_string(json, {pointer})"
    items = f"from_json(json_extract(json, {pointer}), '[\"JSON\"]')"
    item_number = _json_number_text("try_cast(item as double)")
    item = (
        f"case json_type(item) when 'DOUBLE' then to_json({item_number}) "
        "when 'NULL' then null else item end"
    )
    return (
        f"case json_type(json, {pointer}) "
        f"when 'DOUBLE' then {_json_number_text(f'try_cast({text} as double)')} "
        f"when 'ARRAY' then {_list_text(f'[{item} for item in {items}]')} "
        f"else {text} end"
    )


def _json_number_text(number: str) -> str:
    """SQL that writes a JSON number as text: with an exponent where it may have lost digits.

    As a number, one that was written with an exponent looks whole: the row's text tells.
    """
    written = r"regexp_extract_all(json, '[:,\[]\s*(\d[\d.]*[eE]\+?\d+)', 1)"
    alike = f"[text for text in {written} if try_cast(text as double) = {number}][1]"
    digits = rf"length(regexp_replace(regexp_extract({alike}, '^[\d.]+'), '\D', '', 'g'))"
    exponent = rf"try_cast(regexp_extract({alike}, '\d+$') as integer)"
    # Java writes all digits of a double, and no plus; a spreadsheet keeps 6 of them, %e 7.
    is_whole = f"{digits} > {exponent} or ({digits} > 7 and not contains({alike}, '+'))"
    return (
        f"case when {alike} is null or {is_whole} then {_number_text(number)} "
        f"else {_with_exponent(number)} end"
    )
