"""Salesforce tables that a tool keeps, and how they become raw rows."""

import re
from collections.abc import Iterator

from dagster_project.ingestion.landed.client import VERSIONS, LandedTable, LandedTables
from dagster_project.ingestion.landed.resources import (
    SALESFORCE_DATES,
    SALESFORCE_NAMES,
    SALESFORCE_NOT_PROVIDED,
    SALESFORCE_OPTIONAL,
)
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.raw_load import RawLoad
from dagster_project.ingestion.result import Note
from dagster_project.ingestion.salesforce.resources import (
    OBJECTS,
    SalesforceObject,
    custom_fields,
    insert_rows,
    write_field_roles,
)

_STAGED = "staged_landed_salesforce"
_MOMENT = re.compile(r"(date|time|modstamp)(__c)?$", re.IGNORECASE)


class SalesforceTables:
    """The tables of Salesforce's objects, as far as the tool has them."""

    def __init__(self, source: LandedSource, tables: LandedTables) -> None:
        self._source = source
        self._tables: dict[str, LandedTable] = {}
        for name, item in OBJECTS.items():
            table = tables.find(SALESFORCE_NAMES.get((source.tool, name), name), name)
            # Fivetran's history mode of Opportunity is called like the object OpportunityHistory.
            if table and not (item.is_history and table.column("_fivetran_start")):
                self._tables[name] = table

    def is_there(self) -> bool:
        """Whether the tool keeps this CRM at all."""
        return "Lead" in self._tables

    def problems(self) -> Iterator[str]:
        """What makes the tables unusable."""
        source = self._source
        if not self.is_there():
            yield (
                f"source {source.name}: no table for Lead in schema {source.schema_name};"
                f" {source.tool} writes one: check schema and tables"
            )
        for name, table in self._tables.items():
            if table.value("Id") is None:
                yield f"source {source.name}: {table.relation} has no column for Id"
            if name == "Opportunity" and table.value("IsClosed") is None:
                yield (
                    f"source {source.name}: {table.relation} has no column for IsClosed, without"
                    f" which lost deals would stay open (is it selected in {source.tool}?)"
                )
            for field, setting in custom_fields(name, source.salesforce).items():
                if table.value(field) is None:
                    yield (
                        f"source {source.name}: {table.relation} has no column for {field}"
                        f" (setting salesforce.{setting}; is it selected in {source.tool}?)"
                    )

    def notes(self) -> Iterator[Note]:
        """What is missing, and what that costs."""
        tool = self._source.tool
        for name, item in OBJECTS.items():
            table = self._tables.get(name)
            if table is None:
                is_known = name in SALESFORCE_NOT_PROVIDED.get(tool, ())
                why = f"{tool} does not provide it" if is_known else "no table"
                yield Note(f"{name} ({why}): {item.without}", item.table)
                continue
            wanted = [field for field in item.fields if field not in SALESFORCE_OPTIONAL]
            missing = [field for field in wanted if table.value(field) is None]
            if missing:
                message = f"{table.relation} has no column for {', '.join(missing)}"
                yield Note(message, item.table)

    def take(self, load: RawLoad) -> None:
        """Everything, object by object."""
        write_field_roles(load, self._source.salesforce)
        for name, table in self._tables.items():
            self._take(load, OBJECTS[name], table)

    def _take(self, load: RawLoad, item: SalesforceObject, table: LandedTable) -> None:
        """Take one table; rows that the tool no longer has are removed, except history."""
        wanted = (*item.fields, *custom_fields(item.name, self._source.salesforce))
        fields = {field: value for field in wanted if (value := table.value(field))}
        for field in fields:
            # dlt leaves dates of the Bulk API in milliseconds.
            if _MOMENT.search(field) and table.is_counted(field):
                fields[field] = table.time(field) or fields[field]
            # Some tools keep a date as the time at which it begins.
            if field in SALESFORCE_DATES:
                fields[field] = f"left({fields[field]}, 10)"
        if "IsDeleted" in item.fields:
            # A record that has no version any more was deleted in Salesforce.
            is_gone = f"{table.any_true('_fivetran_deleted')} or not {table.is_active}"
            own = fields.get("IsDeleted", "'false'")
            fields["IsDeleted"] = f"case when {is_gone} then 'true' else {own} end"
        columns = ", ".join(f'{value} as "{field}"' for field, value in fields.items())
        version = table.text(*VERSIONS) or "null"
        load.connection.execute(
            f"""
            create or replace temp table {_STAGED} as
            select
                {columns},
                row_number() over (order by {table.is_active}, {version} nulls first) as _row
            from {table.relation}
            where {table.is_loaded} and ({table.is_active} or {"IsDeleted" in item.fields})
            """
        )
        if not item.is_history:
            kept = f'select "Id" from {_STAGED} where "Id" is not null'
            load.remove(item.table, f"id not in ({kept})")
        insert_rows(load, item, _STAGED, fields)
        [(rows,)] = load.connection.execute(f"select count(*) from {_STAGED}").fetchall()
        load.connection.execute(f"drop table {_STAGED}")
        load.record(item.table, table.relation, rows, mode="snapshot")
        load.say(f"{table.relation}: {rows:,} rows")
