"""What a proposal reads of its files: it is loaded once, by the reader of a run."""

import duckdb
from duckdb import DuckDBPyConnection

from dagster_project.config.contract import ContractTable
from dagster_project.config.errors import HandoffError
from dagster_project.config.policy_tables import IGNORED_STAGE
from dagster_project.config.settings import load_settings
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion.discovery import readings
from dagster_project.ingestion.discovery.plans import Proposal, TableTried
from dagster_project.ingestion.discovery.values import Vocabulary
from dagster_project.ingestion.dispatch import ingest_source
from dagster_project.ingestion.files.ids import troubles_of_ids
from dagster_project.ingestion.files.resources import id_key
from dagster_project.ingestion.project_macros import macros


def try_proposal(proposal: Proposal, vocabulary: Vocabulary) -> None:
    """Load the proposed file into a warehouse in memory, and note what it read per table."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        try:
            (source,) = load_settings(proposal.out_file).sources
            result = ingest_source(connection, source)
        except HandoffError as error:
            proposal.unplaced[:0] = [f"can't be read as proposed: {it}" for it in error.problems]
            return
        own = vocabulary.by_tradition[proposal.tradition]
        mapped = own | {
            it.raw.casefold() for it in proposal.stages if it.stage in {*own, IGNORED_STAGE}
        }
        for name, plans in proposal.tables.items():
            read = result.tables.get(name)
            proposal.tried.append(
                TableTried(
                    name,
                    ", ".join(dict.fromkeys(plan.file.name for plan in plans)),
                    read.rows_read if read else 0,
                    _times_read(connection, plans[0].table),
                    _leads_found(connection, plans[0].table),
                    _stages_mapped(connection, name, mapped),
                )
            )
            table, columns = plans[0].table, plans[0].columns
            rows = f"{RAW_SCHEMA}.{name}"
            proposal.unplaced += troubles_of_ids(connection, rows, table, columns)


def _times_read(connection: DuckDBPyConnection, table: ContractTable) -> float | None:
    """The share of rows whose required time can be read."""
    column = next(
        (
            it
            for it in table.columns
            if it in table.required and it in table.kinds and table.kinds[it] in ("time", "date")
        ),
        None,
    )
    if column is None:
        return None
    instant = table.instants.get(column)
    rows = connection.execute(
        f"select {column}, count(*) from {RAW_SCHEMA}.{table.name} "
        f"where {column} is not null group by 1"
    ).fetchall()
    ((total, instants),) = connection.execute(
        f"select count(*), {f'count({instant})' if instant else '0'} from {RAW_SCHEMA}.{table.name}"
    ).fetchall()
    if not total:
        return None
    texts = [text for text, _ in rows]
    share = readings.read_times(connection, texts).share if texts else 0.0
    return (instants + share * sum(found for _, found in rows)) / total


def _leads_found(connection: DuckDBPyConnection, table: ContractTable) -> float | None:
    """The share of rows that name a lead which the leads table has."""
    if table.name == "leads" or "lead_id" not in table.columns:
        return None
    ids = f"unnest(list_distinct([trim(lead_id)] || {macros().listed_values('lead_id')}))"
    merged = macros().listed_values("json_extract_string(extra_columns, '$.\"~merged_ids\"')")
    ((share,),) = connection.execute(
        f"""
        with leads as (
            select lead_id from {RAW_SCHEMA}.leads
            union all
            select unnest({merged}) from {RAW_SCHEMA}.leads
        ),
        named as (select lead_id, count(*) as found from {RAW_SCHEMA}.{table.name} group by 1),
        ids as (select lead_id, found, {ids} as id from named),
        known as (
            select distinct ids.lead_id, ids.found
            from ids
            where {id_key("ids.id")} in (select {id_key("lead_id")} from leads)
        )
        select (select sum(found) from known) / (select sum(found) from named)
        """
    ).fetchall()
    ((rows,),) = connection.execute(f"select count(*) from {RAW_SCHEMA}.{table.name}").fetchall()
    return float(share or 0) if rows else None


def _stages_mapped(
    connection: DuckDBPyConnection, table: str, mapped: set[str]
) -> tuple[int, int] | None:
    """How many of a table's raw stages are mapped, of how many."""
    column = {"leads": "current_stage", "stage_changes": "to_stage"}.get(table)
    if column is None:
        return None
    rows = connection.execute(
        f"select distinct lower(trim({column})) from {RAW_SCHEMA}.{table} "
        f"where trim({column}) <> ''"
    ).fetchall()
    return (sum(raw in mapped for (raw,) in rows), len(rows)) if rows else None
