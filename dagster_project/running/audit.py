"""The audit of a build: the suites of ``expectations``, run and their results kept.

It notes which columns the sources filled and which policy was built, runs the suites through Great
Expectations, and appends what they found to ``quality.check_results``.
"""

import json
import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.plain_text import on_one_line, without_addresses
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    POLICY_SCHEMA,
    QUALITY_SCHEMA,
    RAW_SCHEMA,
    connect,
    warehouse_path,
)
from expectations.catalogue import configured_suites, current_name
from expectations.check import Outcome
from expectations.site import Build, Result, Site

DATA_DOCS_DIRECTORY = "data_docs"
RESULTS_TABLE = f"{QUALITY_SCHEMA}.check_results"
COLUMNS_TABLE = f"{QUALITY_SCHEMA}.column_history"
ROWS_TABLE = f"{QUALITY_SCHEMA}.row_history"
POLICIES_TABLE = f"{QUALITY_SCHEMA}.policy_history"

# Builds whose results stay in the warehouse: more than a year of daily runs.
KEPT_BUILDS = 400
# Builds that the history of a check shows.
SHOWN_BUILDS = 20


def run_checks(
    output: Path,
    settings: Settings,
    audit: str,
    build_id: str,
    only: frozenset[str] | None = None,
) -> list[Outcome]:
    """Audit the build in an output directory's warehouse; returns one outcome per check, in order.

    ``audit``: ``block``, or ``warn`` to publish in any case. ``only``: names of the checks to run;
    all by default. Nobody may hold the warehouse open meanwhile. Results of the same build and
    check are replaced.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    from expectations.validation import validate  # Great Expectations takes seconds to import

    with _writing(output, settings) as warehouse:
        ensure_tables(warehouse)
        _record_columns(warehouse, build_id)
        _record_policy(warehouse, build_id)
        previous = _previous_values(warehouse, build_id)
        site = _site(warehouse, output, settings, build_id)
    suites = configured_suites(settings.checks)
    if only is not None:
        suites = tuple(part for suite in suites if (part := suite.restricted_to(only)).checks)
    limits = {
        "threads": settings.warehouse.threads,
        "memory_limit": settings.warehouse.memory_limit,
    }
    outcomes = [
        replace(
            outcome,
            previous=previous.get(outcome.check.name),
            stops_publication=audit != "warn" and outcome.status in {"blocked", "errored"},
        )
        for outcome in validate(
            suites,
            warehouse_path(output),
            # A part of the checks would replace the pages of all.
            site=site if only is None else None,
            limits={name: value for name, value in limits.items() if value is not None},
        )
    ]
    with _writing(output, settings) as warehouse:
        append_results(warehouse, build_id, outcomes)
        if only is None and not any(outcome.stops_publication for outcome in outcomes):
            record_rows(warehouse, build_id)
    return outcomes


def _site(warehouse: DuckDBPyConnection, output: Path, settings: Settings, build_id: str) -> Site:
    """The Data Docs of a build."""
    return Site(
        output / DATA_DOCS_DIRECTORY,
        build_id=build_id,
        as_of=_as_of(warehouse),
        timezone=settings.lifecycle.timezone,
        before=_builds_before(warehouse, build_id),
        links=settings.crm_links,
        shown=lambda text: without_addresses(on_one_line(text)),
    )


def _writing(output: Path, settings: Settings) -> closing[DuckDBPyConnection]:
    """The warehouse, open for writing and closed at the end of the block."""
    limits = settings.warehouse
    return closing(
        connect(warehouse_path(output), threads=limits.threads, memory_limit=limits.memory_limit)
    )


def ensure_tables(warehouse: DuckDBPyConnection) -> None:
    """Create the tables that keep what audits found, where they are missing."""
    warehouse.execute(
        f"""
        create schema if not exists {QUALITY_SCHEMA};
        create table if not exists {RESULTS_TABLE} (
            build_id varchar, check_name varchar, table_name varchar, suite varchar,
            severity varchar, owner varchar, status varchar, passed boolean, observed double,
            unit varchar, cases bigint, failing_rows bigint, warn_threshold double,
            block_threshold double, sample_keys varchar, description varchar, message varchar,
            runbook varchar, "window" varchar, as_of timestamp, ran_at timestamp
        );
        create table if not exists {COLUMNS_TABLE} (
            build_number bigint, build_id varchar, source_system varchar, table_name varchar,
            column_name varchar, filled_rows bigint
        );
        create table if not exists {ROWS_TABLE} (
            build_id varchar, ran_at timestamp, source_system varchar, table_name varchar,
            rows_read bigint
        );
        create table if not exists {POLICIES_TABLE} (
            signed_version bigint, policy_fingerprint varchar, build_id varchar
        )
        """
    )


def _previous_values(warehouse: DuckDBPyConnection, build_id: str) -> dict[str, float | None]:
    """What each check observed in the last build before this one."""
    rows = warehouse.execute(
        f"""
        select check_name, arg_max(observed, ran_at)
        from {RESULTS_TABLE}
        where build_id <> ? and status <> 'errored' and observed is not null
        group by check_name
        """,
        [build_id],
    ).fetchall()
    return dict(rows)


def _as_of(warehouse: DuckDBPyConnection) -> datetime | None:
    """The build's clock, in UTC."""
    found = warehouse.execute("select as_of from raw.run_parameters").fetchone()
    return found[0] if found else None


def _builds_before(warehouse: DuckDBPyConnection, build_id: str) -> tuple[Build, ...]:
    """What the checks found in the last builds before this one, the oldest first."""
    rows = warehouse.execute(
        f"""
        with builds as (
            select build_id, max(ran_at) as last_ran_at
            from {RESULTS_TABLE}
            where build_id <> ?
            group by build_id
            order by last_ran_at desc, build_id
            limit {SHOWN_BUILDS - 1}
        )

        select build_id, as_of, check_name, status, observed, cases, failing_rows
        from {RESULTS_TABLE}
        inner join builds using (build_id)
        order by last_ran_at, build_id
        """,
        [build_id],
    ).fetchall()
    found: dict[str, Build] = {}
    for build, as_of, check, *result in rows:
        results = found.setdefault(build, Build(build, as_of, {})).results
        results[current_name(check)] = Result(*result)
    return tuple(found.values())


def append_results(warehouse: DuckDBPyConnection, build_id: str, outcomes: list[Outcome]) -> None:
    """Write the outcomes, in place of earlier ones of this build, and forget the oldest builds."""
    as_of = _as_of(warehouse)
    ran_at = datetime.now(UTC).replace(tzinfo=None)
    warehouse.execute("begin transaction")
    warehouse.execute(
        f"delete from {RESULTS_TABLE} where build_id = ? and list_contains(?, check_name)",
        [build_id, [outcome.check.name for outcome in outcomes]],
    )
    for outcome in outcomes:
        row = {"build_id": build_id, **_as_row(outcome), "as_of": as_of, "ran_at": ran_at}
        marks = ", ".join("?" * len(row))
        warehouse.execute(f"insert into {RESULTS_TABLE} values ({marks})", list(row.values()))
    _forget_old_builds(warehouse, RESULTS_TABLE)
    warehouse.execute("commit")


def _forget_old_builds(warehouse: DuckDBPyConnection, table: str) -> None:
    warehouse.execute(
        f"""
        delete from {table} where build_id not in (
            select build_id from {table}
            group by build_id order by max(ran_at) desc limit {KEPT_BUILDS}
        )
        """
    )


def _as_row(outcome: Outcome) -> dict[str, Any]:
    """What is kept of an outcome, in the order of the table's columns."""
    check = outcome.check
    return {
        "check_name": check.name,
        "table_name": check.table,
        "suite": check.suite,
        "severity": check.severity,
        "owner": check.owner,
        "status": outcome.status,
        "passed": outcome.passed,
        "observed": outcome.observed,
        "unit": check.unit,
        "cases": outcome.cases,
        "failing_rows": outcome.failing,
        "warn_threshold": check.warn,
        "block_threshold": check.block,
        "sample_keys": json.dumps(outcome.keys),
        "description": check.description,
        "message": outcome.message,
        "runbook": outcome.runbook,
        "window": check.window,
    }


def record_rows(warehouse: DuckDBPyConnection, build_id: str) -> None:
    """Note how many rows each source delivered for a build that was not held back.

    Those of a table that it did not deliver are none: that is what the next build compares with.
    """
    warehouse.execute(f"delete from {ROWS_TABLE} where build_id = ?", [build_id])
    warehouse.execute(
        f"""
        insert into {ROWS_TABLE}
        select ?, ?, source_system, table_name, coalesce(rows_read, 0)
        from (
            select source_system from {RAW_SCHEMA}.sources
            union select source_system from {QUALITY_SCHEMA}.row_counts
        )
        cross join (select unnest(?) as table_name)
        left join {QUALITY_SCHEMA}.row_counts using (source_system, table_name)
        """,
        [build_id, datetime.now(UTC).replace(tzinfo=None), list(CONTRACT_TABLES)],
    )
    _forget_old_builds(warehouse, ROWS_TABLE)


def _record_policy(warehouse: DuckDBPyConnection, build_id: str) -> None:
    """Note what the policy said when its newest signed version was first built."""
    warehouse.execute(
        f"""
        insert into {POLICIES_TABLE}
        select signed.version, parameters.policy_fingerprint, ?
        from raw.run_parameters as parameters
        cross join (
            select coalesce(max(version), 0) as version
            from {POLICY_SCHEMA}.definition_versions
        ) as signed
        where signed.version not in (select signed_version from {POLICIES_TABLE})
        """,
        [build_id],
    )


def _record_columns(warehouse: DuckDBPyConnection, build_id: str) -> None:
    """Note which columns of which source are filled in this build; the build before stays too.

    Seen where each source has the contract's columns as text, and those that it does not know.
    """
    found = warehouse.execute(
        f"select coalesce(max(build_number) filter (where build_id <> ?), 0) from {COLUMNS_TABLE}",
        [build_id],
    ).fetchone()
    before = found[0] if found else 0
    warehouse.execute(
        f"delete from {COLUMNS_TABLE} where build_id = ? or build_number < ?", [build_id, before]
    )
    views = warehouse.execute(
        "select table_name from information_schema.columns "
        "where table_schema = ? and column_name = 'extra_columns'",
        [BUILD_SCHEMA],
    ).fetchall()
    for (view,) in sorted(views):
        layer, _, table_name = view.partition("__")
        table = CONTRACT_TABLES.get(table_name)
        if table is None or layer.endswith("_contract"):
            continue
        names = ", ".join(f"'{name}'" for name in table.columns)
        counts = ", ".join(f'count("{name}")' for name in table.columns)
        warehouse.execute(
            f"""
            insert into {COLUMNS_TABLE}
            select ?, ?, source_system, ?, column_name, sum(filled_rows)
            from (
                select
                    source_system,
                    unnest([{names}]) as column_name,
                    unnest([{counts}]) as filled_rows
                from {BUILD_SCHEMA}."{view}"
                group by source_system
                union all
                select source_system, unnest(json_keys(extra_columns)), count(*)
                from {BUILD_SCHEMA}."{view}"
                where extra_columns is not null
                group by source_system, extra_columns
            ) as filled
            where filled_rows > 0
            group by source_system, column_name
            """,
            [before + 1, build_id, table_name],
        )
