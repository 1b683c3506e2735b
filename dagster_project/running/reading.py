"""The raw tables of a run: every source read, and the run's choices, which the models read."""

from collections.abc import Callable

from duckdb import DuckDBPyConnection

from dagster_project.config.warehouse import RAW_SCHEMA
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables, ingest_source
from dagster_project.ingestion.result import IngestionResult
from dagster_project.running.home import hash_key
from dagster_project.running.plan import RunPlan


def read_sources(
    connection: DuckDBPyConnection,
    plan: RunPlan,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> list[IngestionResult]:
    """Read every source of the plan into raw; each is read whole or not at all.

    ``say`` hears how far it is, ``warn`` what was noticed. Raises ``SourceError`` for the first
    source that can't be read; what was read before then still holds.
    """
    ensure_raw_tables(connection, drop_older=plan.full_refresh)
    # Rows carry their number: kept in order, row groups would be written twice.
    connection.execute("set preserve_insertion_order = false")
    _judge_unconfigured_sources(connection, plan, warn)
    results = []
    for source in plan.settings.sources:
        say(f"reading source {source.name} ({source.kind})")
        result = ingest_source(connection, source, progress=say)
        for note in result.notes:
            warn(f"source {source.name}: {note.message}")
        results.append(result)
    return results


def _judge_unconfigured_sources(
    connection: DuckDBPyConnection, plan: RunPlan, warn: Callable[[str], None]
) -> None:
    """Rows of sources that are no longer configured: reported, removed by a full refresh only.

    In append mode the warehouse may be the only place that still has them.
    """
    configured = {
        (getattr(item, "leads_of", None) or item.name, item.name) for item in plan.settings.sources
    }
    loads = connection.execute(
        "select distinct source_system, loaded_by, load_id "
        f"from {RAW_SCHEMA}.loads where is_current"
    ).fetchall()
    left_over = [item for item in loads if item[:2] not in configured]
    if not left_over:
        return
    if not plan.full_refresh:
        names = sorted({name for _, name, _ in left_over})
        warn(
            f"raw still holds rows of {', '.join(names)}, which is no longer configured; "
            "they are part of this build; --full-refresh leaves them out"
        )
        return
    # What a source added to the leads of another carries the name of that one.
    systems = list({system for system, *_ in left_over} - {system for system, _ in configured})
    files = connection.execute(
        f"select file_id from {RAW_SCHEMA}.files where list_contains(?, source_system)", [systems]
    ).fetchall()
    for column, values in (
        ("load_id", [load for *_, load in left_over]),
        ("file_id", [file for (file,) in files]),
        ("source_system", systems),
    ):
        tables = connection.execute(
            "select table_name from information_schema.columns "
            f"where table_schema = '{RAW_SCHEMA}' and column_name = ?",
            [column],
        ).fetchall()
        for (table,) in tables:
            gone = f"delete from {RAW_SCHEMA}.{table} where list_contains(?, {column})"
            connection.execute(gone, [values])


def write_choices(
    connection: DuckDBPyConnection, plan: RunPlan, build_id: str
) -> raw_schema.RunParameters:
    """Write what the models need to know of a run, and return it."""
    lifecycle = plan.settings.lifecycle
    parameters = raw_schema.RunParameters(
        build_id=build_id,
        as_of=plan.as_of,
        tradition=lifecycle.tradition,
        acceptance_mode=lifecycle.acceptance,
        acceptance_window_hours=lifecycle.acceptance_window_hours,
        timezone=lifecycle.timezone,
        policy_fingerprint=plan.policy_fingerprint,
        hash_key=hash_key(),
        match_on=plan.settings.identity.match_on,
        audit_mode=plan.audit,
        currency=lifecycle.currency,
        staff_names=plan.settings.publishing.staff_names,
    )
    # Who runs first, this or the readers, is open.
    ensure_raw_tables(connection, drop_older=plan.full_refresh)
    raw_schema.write_run_parameters(connection, parameters)
    zones = {source.name: getattr(source, "timezone", None) for source in plan.settings.sources}
    raw_schema.write_sources(connection, zones)
    return parameters
