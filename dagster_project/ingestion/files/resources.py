"""What is read of a file: where each contract column comes from, as SQL over the reader's cells.

A mapping fits an export to the contract: column names, constants, time formats, value maps and
conditions. A value that a mapping can't make sense of stays as it is.

Spaces of any kind (Unicode category Zs, what SQL's ``trim`` removes) do not count around a value
that is compared, and a cell of nothing else is empty.
"""

import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

from dagster_project.config.contract import NO_ID, ContractTable
from dagster_project.config.errors import SourceError
from dagster_project.config.sql_text import literal
from dagster_project.ingestion.files.delimited_text import names_given
from dagster_project.ingestion.files.settings import Condition, TableMapping
from dagster_project.ingestion.files.typed_records import time_text
from dagster_project.ingestion.project_macros import macros

# The files fill the contract's tables, which every warehouse has.
TABLES: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Headers:
    """The headers of one file. ``label`` begins every message.

    ``is_elsewhere``: whether another file of the table has a header of that name.
    """

    label: str
    names: tuple[str, ...]
    is_elsewhere: Callable[[str], bool] = lambda _: False

    def cell(self, header: str) -> str:
        """SQL for a cell as received; one of spaces only is nothing."""
        cell = f"c{self.names.index(header)}"
        # What begins with a letter, digit or sign is filled; a case trims the other cells only.
        is_filled = f"{cell} between '!' and '~'"
        return f"case when {is_filled} then {cell} when trim({cell}) <> '' then {cell} end"

    def matching(self, name: str, among: Sequence[str] | None = None) -> str | None:
        """The header of a name: exactly, else without case and by its words, whatever spaces."""
        headers = self.names if among is None else among
        if name in headers:
            return name
        plain = _plain(name)
        alike = [header for header in headers if _plain(header) == plain]
        if len(alike) > 1:
            raise SourceError(
                f"{self.label}: several headers read as {name}: {', '.join(alike)}; rename all "
                "but one"
            )
        return alike[0] if alike else None

    def configured(self, name: str, setting: str) -> str:
        """A header that a setting names. Raises ``SourceError`` when the file lacks it."""
        found = self.matching(name)
        if found is None:
            raise SourceError(
                f"{self.label}: no column {name!r}, named in {setting}; the header has: "
                f"{listed(self.names)}{self.advice}"
            )
        return found

    @property
    def advice(self) -> str:
        """What to do about a first line that looks like the title of a report."""
        if len(names_given(self.names)) > 1:
            return ""
        return "; if lines stand above the header, delete them: the first line has to be the header"

    def of_any_part(self, name: str, setting: str) -> str | None:
        """The same; None where only other files of the table have it."""
        if self.matching(name) is None and self.is_elsewhere(name):
            return None
        return self.configured(name, setting)

    def condition(self, where: Mapping[str, Condition], setting: str) -> str:
        """SQL that holds where each named header has a value that counts, whatever its case."""
        terms = ["true"]
        for name, condition in where.items():
            cell = f"c{self.names.index(self.configured(name, setting))}"
            is_among = "not in" if condition.values is None else "in"
            named = condition.excluded if condition.values is None else condition.values
            texts = ", ".join(comparable(literal(text)) for text in named or ())
            terms.append(f"coalesce({comparable(cell)}, '') {is_among} ({texts})")
        return " and ".join(terms)


def _plain(header: str) -> str:
    """A header as it is compared: no-break spaces are spaces, signs without a width are nothing."""
    shown = "".join(sign for sign in header if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", shown).split()).casefold()


def listed(headers: Sequence[str], limit: int = 40) -> str:
    """Headers for a message."""
    shown = ", ".join(textwrap.shorten(header, 60) for header in headers[:limit])
    return shown if len(headers) <= limit else f"{shown} and {len(headers) - limit} more"


def contract_columns(
    headers: Headers,
    table: ContractTable,
    mapping: TableMapping,
    lookups: Mapping[str, str] = MappingProxyType({}),
    instants: Set[str] = frozenset(),
) -> tuple[dict[str, str], set[str]]:
    """SQL for each column that raw has of a table, and the headers that it takes.

    ``lookups``: column -> relation of the keys and values of its other file. ``instants``: headers
    whose cells are instants; those that nothing maps are not written as text.

    Raises ``SourceError`` when a required column is missing, or a mapped header in every part.
    """
    setting = f"tables.{table.name}"
    mapped = {
        column: mapped_header(headers, table, column, mapping)
        for column in (*mapping.columns, *mapping.lookups)
    }
    free = [header for header in headers.names if header not in mapped.values()]
    columns, taken = {}, set()
    for column in table.columns:
        header = mapped[column] if column in mapped else headers.matching(column, free)
        beside = mapping.only_when.get(column, {}) if header or column not in mapped else {}
        counts = headers.condition(beside, f"{setting}.only_when.{column}")
        if column in mapping.constants:
            constant = mapping.constants[column]
            value = literal(constant) if constant.strip() else "null"
            columns[column] = f"if({counts}, {value}, null)" if beside else value
        elif header is None:
            columns[column] = "null"
        else:
            cell = headers.cell(header)
            if column in lookups:
                cell = _looked_up(cell, lookups[column])
            value = _value(cell, column, mapping)
            is_mapped = any(
                column in maps for maps in (lookups, mapping.values, mapping.time_formats)
            )
            if header in instants and column in table.instants and not is_mapped:
                instant, value = (f"{kind}{headers.names.index(header)}" for kind in "ut")
                columns[table.instants[column]] = (
                    f"if({counts}, {instant}, null)" if beside else instant
                )
            columns[column] = f"if({counts}, {value}, null)" if beside else value
            taken.add(header)
    missing = [name for name in table.columns if name in table.required and columns[name] == "null"]
    if missing:
        raise SourceError(
            f"{headers.label}: required column {', '.join(missing)} of table {table.name} is "
            f"missing; the header has: {listed(headers.names)}; name the header that holds it in "
            f"{setting}.columns.{missing[0]}{headers.advice}"
        )
    return {
        column: columns.get(column, "null") for column in (*table.columns, *table.instants.values())
    }, taken


def mapped_header(
    headers: Headers, table: ContractTable, column: str, mapping: TableMapping
) -> str | None:
    """The header of a mapped column, or of the keys of its lookup.

    None where the column is optional and only other parts have it. Else raises ``SourceError``
    when it is missing.
    """
    setting, name = f"columns.{column}", mapping.columns.get(column, column)
    if column in mapping.lookups:
        setting, name = f"lookups.{column}.from", mapping.lookups[column].from_ or name
    find = headers.configured if column in table.required else headers.of_any_part
    return find(name, f"tables.{table.name}.{setting}")


def _value(sql: str, column: str, mapping: TableMapping) -> str:
    """A cell after the value map and the time formats of its column."""
    if column in mapping.values:
        sql = _mapped_value(sql, mapping.values[column])
    if column in mapping.time_formats:
        sql = moment_text(sql, mapping.time_formats[column])
    return sql


def _looked_up(sql: str, relation: str) -> str:
    """The value of a key in another file; a key that it does not have stays as it is."""
    return f"coalesce((select value from {relation} where key = {id_key(sql)}), {sql})"


def id_key(sql: str) -> str:
    """SQL for an id as it is looked for in other files: without case and outer spaces.

    Of Salesforce's ids the 18 characters are compared, of which the last three tell the case.
    """
    return comparable(macros().record_id(f"trim({sql})"))


def model_id(sql: str) -> str:
    """SQL for an id as the models have it."""
    return str(macros().read_id(macros().record_id(sql)))


def comparable(sql: str) -> str:
    """SQL for a text as it is compared: without case and outer spaces."""
    return f"lower(trim({sql}))"


def is_no_id(sql: str) -> str:
    """SQL that holds for a text that the models read as no id (their macro ``read_id``)."""
    return f"regexp_matches({sql}, {literal(NO_ID)})"


def _mapped_value(sql: str, values: dict[str, str]) -> str:
    """The mapped value, whatever the case and outer spaces; others stay as they are."""
    branches = " ".join(
        f"when {comparable(literal(given))} then {literal(meant) if meant else 'null'}"
        for given, meant in values.items()
    )
    return f"case {comparable(sql)} {branches} else {sql} end"


def moment_text(sql: str, formats: Sequence[str] | None) -> str:
    """ISO text of a time in one of the formats; what is no such time stays as it was.

    A time without an offset, and a date alone, stay so: the models know the time zones.
    """
    if not formats:
        return sql
    return f"coalesce({', '.join(_parsed(sql, item) for item in formats)}, {sql})"


def _parsed(sql: str, time_format: str) -> str:
    """A time in one format as ISO text."""
    if time_format == "epoch":
        return time_text(f"make_timestamp(try_cast(try_cast({sql} as double) * 1000000 as bigint))")
    if time_format == "epoch_ms":
        return time_text(f"make_timestamp(try_cast({sql} as bigint) * 1000)")
    moment = f"try_cast(try_strptime(trim({sql}), {literal(time_format)}) as timestamp)"
    if re.search("%[zZ]", time_format):
        return time_text(moment)
    if re.search("%-?[HI]|%[cXT]", time_format):
        return f"rtrim({time_text(moment)}, 'Z')"
    return f"strftime({moment}, '%Y-%m-%d')"
