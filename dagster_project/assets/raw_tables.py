"""The raw tables as assets: what the sources gave, and what the run decided.

One step reads every configured source. All raw tables always exist, empty where no source fills
them, so that the models never ask which CRM a company has.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

from dagster_project.assets.dbt_models import CRMS
from dagster_project.assets.run_resource import DATA_TEAM, HandoffRun
from dagster_project.config.errors import SourceError
from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.landing import ensure_raw_tables, ingest_source
from dagster_project.ingestion.result import IngestionResult
from dagster_project.running.home import hash_key
from dagster_project.running.progress import Happening, step, tell

# A source that fails in a scheduled run is tried again after one minute and after two more.
_RETRIES = 2
_RETRY_SECONDS = 60.0

_PARAMETERS_KEY = dg.AssetKey([RAW_SCHEMA, "run_parameters"])


def build_raw_tables(
    manifest: Mapping[str, Any], translator: DagsterDbtTranslator, crms: set[str]
) -> list[dg.AssetsDefinition]:
    """The raw tables that the dbt project declares as its sources.

    ``crms``: those of the configured sources; the tables of other CRMs are not shown.
    """
    sources = {
        translator.get_asset_key(source): source
        for source in manifest["sources"].values()
        if source["source_name"] not in set(CRMS) - crms
    }
    specs = [
        dg.AssetSpec(
            key=key,
            description=source["description"],
            group_name=_group(source),
            kinds={"duckdb", *({source["source_name"]} & set(CRMS))},
            owners=[DATA_TEAM],
        )
        for key, source in sources.items()
        if key != _PARAMETERS_KEY
    ]
    tables = {key: source["identifier"] for key, source in sources.items()}

    @dg.multi_asset(specs=specs, can_subset=True, name="read_sources")
    def read_sources(
        context: dg.AssetExecutionContext, run: HandoffRun
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Read every configured source into raw; a source is read whole or not at all."""
        with step("read_sources"):
            results = _read_all(context, run)
        connection = run.connect()
        try:
            for key in sorted(context.selected_asset_keys):
                yield dg.MaterializeResult(
                    asset_key=key, metadata=_metadata(connection, tables[key], results)
                )
        finally:
            connection.close()

    return [read_sources, _run_parameters(sources.get(_PARAMETERS_KEY, {}))]


def _group(source: Mapping[str, Any]) -> str:
    """One group per dbt source, so that the CRMs stand apart in the graph."""
    name = source["source_name"]
    return RAW_SCHEMA if name == RAW_SCHEMA else f"{RAW_SCHEMA}_{name}"


def _read_all(context: dg.AssetExecutionContext, run: HandoffRun) -> list[IngestionResult]:
    results = []
    connection = run.connect()
    try:
        ensure_raw_tables(connection)
        _judge_unconfigured_sources(context, run, connection)
        for source in run.plan.settings.sources:
            context.log.info(f"reading source {source.name} ({source.kind})")
            try:
                result = ingest_source(connection, source, progress=_teller(context))
            except SourceError as error:
                raise _retry(context) or error from error
            for note in result.notes:
                context.log.warning(f"source {source.name}: {note.message}")
            results.append(result)
    finally:
        connection.close()
    return results


def _retry(context: dg.AssetExecutionContext) -> dg.RetryRequested | None:
    """Another try after a while, of runs that nobody waits for: a CRM may be down for minutes."""
    started_by = set(context.run_tags) & {"dagster/schedule_name", "dagster/sensor_name"}
    if not started_by or context.retry_number >= _RETRIES:
        return None
    wait = _RETRY_SECONDS * 2**context.retry_number
    return dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait)


def _teller(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    """Progress of a source: into the run's log, and to the shell that started the run."""

    def say(message: str) -> None:
        context.log.info(message)
        tell(Happening("note", message))

    return say


def _judge_unconfigured_sources(
    context: dg.AssetExecutionContext, run: HandoffRun, connection: Any
) -> None:
    """Rows of sources that are no longer configured: reported, removed by a full refresh only.

    In append mode the warehouse may be the only place that still has them.
    """
    configured = [source.name for source in run.plan.settings.sources]
    found = connection.execute(
        f"select distinct source_system from {RAW_SCHEMA}.loads where is_current"
    ).fetchall()
    left_over = sorted({name for (name,) in found} - set(configured))
    if not left_over:
        return
    if not run.plan.full_refresh:
        context.log.warning(
            f"raw still holds rows of {', '.join(left_over)}, which is not configured any more; "
            "they are part of this build; --full-refresh leaves them out"
        )
        return
    tables = connection.execute(
        "select table_name from information_schema.columns "
        f"where table_schema = '{RAW_SCHEMA}' and column_name = 'source_system'"
    ).fetchall()
    for (table,) in tables:
        for name in left_over:
            connection.execute(f"delete from {RAW_SCHEMA}.{table} where source_system = ?", [name])


def _metadata(connection: Any, table: str, results: list[IngestionResult]) -> dict[str, Any]:
    """Rows that the table holds now, and what this run's loads brought."""
    found = [result.tables[table] for result in results if table in result.tables]
    row = connection.execute(
        "select estimated_size from duckdb_tables() where schema_name = ? and table_name = ?",
        [RAW_SCHEMA, table],
    ).fetchone()
    metadata: dict[str, Any] = {"dagster/row_count": row[0] if row else 0}
    if found:
        metadata["rows read"] = sum(item.rows_read for item in found)
        metadata["rows rejected"] = sum(item.rows_rejected for item in found)
        metadata["bytes"] = sum(item.bytes for item in found)
        metadata["files"] = ", ".join(name for item in found for name in item.files) or "none"
        metadata["newest"] = max((item.newest or "" for item in found), default="") or "unknown"
        calls = sum(result.api_calls for result in results if table in result.tables)
        if calls:
            metadata["API calls of the source"] = calls
    return metadata


def _run_parameters(source: Mapping[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=_PARAMETERS_KEY,
        name=None,
        description=source.get("description"),
        group_name=RAW_SCHEMA,
        kinds={"duckdb"},
        owners=[DATA_TEAM],
    )
    def run_parameters(run: HandoffRun) -> dg.MaterializeResult[Any]:
        """Write the one row of choices that the models read."""
        parameters = parameters_of(run)
        connection = run.connect()
        try:
            ensure_raw_tables(connection)
            raw_schema.write_run_parameters(connection, parameters)
            raw_schema.write_sources(connection, [item.name for item in run.plan.settings.sources])
        finally:
            connection.close()
        shown = {name: value for name, value in vars(parameters).items() if name != "hash_key"}
        return dg.MaterializeResult(metadata={name: str(shown[name]) for name in shown})

    return run_parameters


def parameters_of(run: HandoffRun) -> raw_schema.RunParameters:
    """What the models need to know of this run."""
    plan = run.plan
    lifecycle = plan.settings.lifecycle
    return raw_schema.RunParameters(
        build_id=run.build_id,
        as_of=plan.as_of,
        tradition=lifecycle.tradition,
        acceptance_mode=lifecycle.acceptance,
        acceptance_window_hours=lifecycle.acceptance_window_hours,
        timezone=lifecycle.timezone,
        policy_fingerprint=plan.policy_fingerprint,
        hash_key=hash_key(),
        match_on=run.plan.settings.identity.match_on,
        audit_mode=plan.audit,
    )
