"""The raw tables as assets: what the sources gave, and what the run decided.

One step reads every configured source. All raw tables always exist, empty where no source fills
them, so that the models never ask which CRM a company has.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

from dagster_project.assets.run_resource import DATA_TEAM, HandoffRun
from dagster_project.config.errors import SourceError
from dagster_project.config.plain_text import on_one_line
from dagster_project.config.warehouse import RAW_SCHEMA, row_counts
from dagster_project.ingestion.result import IngestionResult
from dagster_project.running.dbt import ParsedProject
from dagster_project.running.progress import Happening, step, tell
from dagster_project.running.reading import read_sources, write_choices

# A source that fails in a scheduled run is tried again after one minute and after two more.
_RETRIES = 2
_RETRY_SECONDS = 60.0

_PARAMETERS_KEY = dg.AssetKey([RAW_SCHEMA, "run_parameters"])


def build_raw_tables(
    project: ParsedProject, translator: DagsterDbtTranslator, crms: set[str]
) -> list[dg.AssetsDefinition]:
    """The raw tables that the dbt project declares as its sources.

    ``crms``: those of the configured sources; the tables of other CRMs are not shown.
    """
    unused = project.unused_crms(crms)
    sources = {
        translator.get_asset_key(source): source
        for source in project.manifest["sources"].values()
        if source["source_name"] not in unused
    }
    specs = [
        dg.AssetSpec(
            key=key,
            description=source["description"],
            group_name=_group(source),
            kinds={"duckdb", *({source["source_name"]} & crms)},
            owners=[DATA_TEAM],
        )
        for key, source in sources.items()
        if key != _PARAMETERS_KEY
    ]
    tables = {key: source["identifier"] for key, source in sources.items()}

    @dg.multi_asset(specs=specs, can_subset=True, name="read_sources")
    def read_into_raw(
        context: dg.AssetExecutionContext, run: HandoffRun
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Read every configured source into raw; a source is read whole or not at all."""
        with step("read_sources"), run.connect() as connection:
            results = _read(context, run, connection)
            rows = row_counts(connection)
        for key in sorted(context.selected_asset_keys):
            metadata = _metadata(tables[key], rows[RAW_SCHEMA, tables[key]], results)
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)

    return [read_into_raw, _run_parameters(sources[_PARAMETERS_KEY])]


def _group(source: Mapping[str, Any]) -> str:
    """One group per dbt source, so that the CRMs are apart in the graph."""
    return f"{RAW_SCHEMA}_{source['source_name']}"


def _read(
    context: dg.AssetExecutionContext, run: HandoffRun, connection: Any
) -> list[IngestionResult]:
    def say(message: str) -> None:
        context.log.info(on_one_line(message))
        tell(Happening("note", message))

    def warn(message: str) -> None:
        context.log.warning(on_one_line(message))

    try:
        return read_sources(connection, run.plan, say, warn)
    except SourceError as error:
        raise _retry(context) or error from error


def _retry(context: dg.AssetExecutionContext) -> dg.RetryRequested | None:
    """Another try after a while, of runs that nobody waits for: a CRM may be down for minutes."""
    started_by = set(context.run_tags) & {"dagster/schedule_name", "dagster/sensor_name"}
    if not started_by or context.retry_number >= _RETRIES:
        return None
    wait = _RETRY_SECONDS * 2**context.retry_number
    return dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait)


def _metadata(table: str, rows: int, results: list[IngestionResult]) -> dict[str, Any]:
    """Rows that the table holds now, and what this run's loads brought."""
    found = [result.tables[table] for result in results if table in result.tables]
    metadata: dict[str, Any] = {"dagster/row_count": rows}
    if found:
        metadata["rows read"] = sum(item.rows_read for item in found)
        metadata["rows rejected"] = sum(item.rows_rejected for item in found)
        metadata["bytes"] = sum(item.bytes for item in found)
        metadata["files"] = ", ".join(name for item in found for name in item.files) or "none"
        calls = sum(result.api_calls for result in results if table in result.tables)
        if calls:
            metadata["API calls of the source"] = calls
    return metadata


def _run_parameters(source: Mapping[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=_PARAMETERS_KEY,
        description=source["description"],
        group_name=_group(source),
        kinds={"duckdb"},
        owners=[DATA_TEAM],
    )
    def run_parameters(run: HandoffRun) -> dg.MaterializeResult[Any]:
        """Write the one row of choices that the models read."""
        with run.connect() as connection:
            parameters = write_choices(connection, run.plan, run.build_id)
        shown = {name: value for name, value in vars(parameters).items() if name != "hash_key"}
        return dg.MaterializeResult(metadata={name: str(value) for name, value in shown.items()})

    return run_parameters
