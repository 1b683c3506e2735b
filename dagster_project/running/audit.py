"""The audit: expectations as asset checks on the built models, and their results kept.

``run_checks`` is the whole audit and knows no Dagster: it notes which columns the sources filled,
runs the suites of ``expectations`` through Great Expectations, and appends what they found to
``quality.check_results``. ``build_checks`` shows it to Dagster.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.config.settings import Settings
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    POLICY_SCHEMA,
    QUALITY_SCHEMA,
    connect,
    warehouse_path,
)
from dagster_project.running.progress import step
from expectations.catalogue import configured_suites, known_checks
from expectations.check import Check, Status

if TYPE_CHECKING:
    import dagster as dg
    from duckdb import DuckDBPyConnection

    from expectations.observation import Observation

DATA_DOCS_DIRECTORY = "data_docs"
RESULTS_TABLE = f"{QUALITY_SCHEMA}.check_results"
COLUMNS_TABLE = f"{QUALITY_SCHEMA}.column_history"
ROWS_TABLE = f"{QUALITY_SCHEMA}.row_history"
POLICIES_TABLE = f"{QUALITY_SCHEMA}.policy_history"

# Builds whose results stay in the warehouse: more than a year of daily runs.
KEPT_BUILDS = 400

_RESULT_COLUMNS = {
    "build_id": "varchar",
    "check_name": "varchar",
    "table_name": "varchar",
    "suite": "varchar",
    "severity": "varchar",
    "owner": "varchar",
    "status": "varchar",
    "passed": "boolean",
    "observed": "double",
    "unit": "varchar",
    "cases": "bigint",
    "failing_rows": "bigint",
    "warn_threshold": "double",
    "block_threshold": "double",
    "sample_keys": "varchar",
    "description": "varchar",
    "message": "varchar",
    "runbook": "varchar",
    "window": "varchar",
    "as_of": "timestamp",
    "ran_at": "timestamp",
}


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found in one build.

    ``observed``: in the check's unit (a share for most), null without cases. ``previous``: what
    the build before observed. ``keys``: up to 20 failing cases, ids only. ``stops_publication``:
    it blocks, or could not run, and the audit was not told to warn only.
    """

    check: Check
    suite: str
    status: Status
    observed: float | None
    previous: float | None
    cases: int
    failing: int
    keys: tuple[dict[str, Any], ...]
    problem: str | None
    stops_publication: bool

    @property
    def passed(self) -> bool:
        """True unless it warned, blocked or could not run."""
        return self.status == "passed"

    @property
    def message(self) -> str:
        """One line for people."""
        if self.problem is not None:
            return f"the check could not run, so nothing is known: {self.problem}"
        check = self.check
        if self.observed is None:
            return f"no cases over the {check.window}"
        counted = f"{self.failing:,} of {self.cases:,}"
        if check.unit != "share":
            counted += " too high"
        found = f"{check.shown(self.observed)} ({counted})"
        said = f"{found} over the {check.window}; warns above {check.shown(check.warn)}"
        if check.severity == "error" and check.block is not None:
            said += f", blocks above {check.shown(check.block)}"
        return said


def run_checks(
    output: Path,
    settings: Settings,
    audit: str,
    build_id: str,
    only: frozenset[str] | None = None,
) -> list[CheckOutcome]:
    """Audit the build in an output directory's warehouse; returns one outcome per check, in order.

    ``audit``: ``block``, or ``warn`` to publish in any case. ``only``: names of the checks to run;
    all by default. Nobody may hold the warehouse open meanwhile. Results of the same build and
    check are replaced.
    """
    from expectations.validation import validate

    with _writing(output, settings) as warehouse:
        _ensure_tables(warehouse)
        _record_columns(warehouse, build_id)
        _record_policy(warehouse, build_id)
        previous = _previous_values(warehouse, build_id)
    suites = configured_suites(settings.checks)
    if only is not None:
        suites = tuple(part for suite in suites if (part := suite.restricted_to(only)).checks)
    observations = validate(
        suites,
        warehouse_path(output),
        # A part of the checks would replace the pages of all.
        data_docs=output / DATA_DOCS_DIRECTORY if only is None else None,
        run_name=build_id,
        threads=settings.warehouse.threads,
        memory_limit=settings.warehouse.memory_limit,
    )
    outcomes = [_outcome(item, previous, audit) for item in observations]
    with _writing(output, settings) as warehouse:
        _append_results(warehouse, build_id, outcomes)
        if only is None and not any(outcome.stops_publication for outcome in outcomes):
            _record_rows(warehouse, build_id)
    return outcomes


def check_specs() -> "list[dg.AssetCheckSpec]":
    """The checks as Dagster lists them, on the assets of the dbt models they are about.

    All may block: ``handoff.yml`` can make an error of a check that warns by default. Whether a
    result does is in its severity.
    """
    import dagster as dg

    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=asset_key(check),
            description=f"{check.description} Severity {check.severity}, owner {check.owner}.",
            blocking=True,
            metadata={
                "owner": check.owner,
                "severity": check.severity,
                "window": check.window,
                "runbook": check.runbook,
            },
        )
        for check in known_checks().values()
    ]


def asset_key(check: Check) -> "dg.AssetKey":
    """The asset of the dbt model that a check is about."""
    import dagster as dg

    schema, _, model = check.table.rpartition(".")
    # dbt's own schema is left out of asset keys; a schema that a model sets is not.
    return dg.AssetKey([model] if schema == BUILD_SCHEMA else [schema, model])


def build_checks() -> "dg.AssetChecksDefinition":
    """All checks as one step, which runs behind the models; parts of it can be selected."""
    import dagster as dg

    from dagster_project.assets.run_resource import HandoffRun

    specs = check_specs()

    @dg.multi_asset_check(
        name="expectations",
        specs=specs,
        can_subset=True,
        description="Great Expectations suites on the built models, read-only.",
    )
    def expectations(
        context: dg.AssetCheckExecutionContext, run: HandoffRun
    ) -> Iterator[dg.AssetCheckResult]:
        selected = frozenset(key.name for key in context.selected_asset_check_keys)
        only = None if len(selected) == len(specs) else selected
        with step("expectations"):
            outcomes = run_checks(
                run.plan.output, run.plan.settings, run.plan.audit, run.build_id, only
            )
        docs = run.plan.output / DATA_DOCS_DIRECTORY / "index.html"
        for outcome in outcomes:
            yield as_check_result(outcome, docs)

    return expectations


def as_check_result(outcome: CheckOutcome, data_docs: Path) -> "dg.AssetCheckResult":
    """An outcome as Dagster shows it. Of severity ERROR only if it stops the publication."""
    import dagster as dg

    check = outcome.check
    metadata: dict[str, Any] = {
        "status": outcome.status,
        "cases": outcome.cases,
        "failing": outcome.failing,
        "warns above": check.warn,
        "window": check.window,
        "owner": check.owner,
        "runbook": check.runbook,
        "data docs": dg.MetadataValue.path(data_docs),
    }
    if outcome.observed is not None:
        metadata["observed"] = outcome.observed
    if outcome.previous is not None:
        metadata["observed before"] = outcome.previous
    if check.block is not None:
        metadata["blocks above"] = check.block
    if outcome.keys:
        metadata["failing keys"] = dg.MetadataValue.md(_as_markdown(outcome.keys))
    severity = dg.AssetCheckSeverity
    return dg.AssetCheckResult(
        asset_key=asset_key(check),
        check_name=check.name,
        passed=outcome.passed,
        severity=severity.ERROR if outcome.stops_publication else severity.WARN,
        description=outcome.message,
        metadata=metadata,
    )


def _outcome(
    observation: "Observation", previous: dict[str, float | None], audit: str
) -> CheckOutcome:
    return CheckOutcome(
        check=observation.check,
        suite=observation.suite,
        status=observation.status,
        observed=observation.observed,
        previous=previous.get(observation.check.name),
        cases=observation.cases,
        failing=observation.failing,
        keys=observation.keys,
        problem=observation.problem,
        stops_publication=audit != "warn" and observation.status in {"blocked", "errored"},
    )


def _as_markdown(keys: tuple[dict[str, Any], ...]) -> str:
    header = list(keys[0])
    lines = [header, ["---"] * len(header), *([str(row[name]) for name in header] for row in keys)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# --- what the warehouse keeps of audits ---------------------------------------------------------


class _writing:
    """The warehouse, open for writing and closed at the end of the block."""

    def __init__(self, output: Path, settings: Settings) -> None:
        self._open = lambda: connect(
            warehouse_path(output),
            threads=settings.warehouse.threads,
            memory_limit=settings.warehouse.memory_limit,
        )

    def __enter__(self) -> "DuckDBPyConnection":
        self._connection = self._open()
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _ensure_tables(warehouse: "DuckDBPyConnection") -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in _RESULT_COLUMNS.items())
    warehouse.execute(f"create schema if not exists {QUALITY_SCHEMA}")
    warehouse.execute(f"create table if not exists {RESULTS_TABLE} ({columns})")
    warehouse.execute(
        f"create table if not exists {COLUMNS_TABLE} (build_number bigint, build_id varchar, "
        "source_system varchar, table_name varchar, column_name varchar, filled_rows bigint)"
    )
    warehouse.execute(
        f"create table if not exists {ROWS_TABLE} (build_id varchar, ran_at timestamp, "
        "source_system varchar, table_name varchar, rows_read bigint)"
    )
    warehouse.execute(
        f"create table if not exists {POLICIES_TABLE} "
        "(signed_version bigint, policy_fingerprint varchar, build_id varchar)"
    )


def _previous_values(warehouse: "DuckDBPyConnection", build_id: str) -> dict[str, float | None]:
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


def _append_results(
    warehouse: "DuckDBPyConnection", build_id: str, outcomes: list[CheckOutcome]
) -> None:
    """Write the outcomes, in place of earlier ones of this build, and forget the oldest builds."""
    found = warehouse.execute("select as_of from raw.run_parameters").fetchone()
    as_of = found[0] if found else None
    ran_at = datetime.now(UTC).replace(tzinfo=None)
    rows = [_as_row(outcome, build_id, as_of, ran_at) for outcome in outcomes]
    names = ", ".join(f'"{name}"' for name in _RESULT_COLUMNS)
    marks = ", ".join("?" * len(_RESULT_COLUMNS))
    warehouse.execute("begin transaction")
    warehouse.execute(
        f"delete from {RESULTS_TABLE} where build_id = ? and list_contains(?, check_name)",
        [build_id, [outcome.check.name for outcome in outcomes]],
    )
    if rows:
        warehouse.executemany(f"insert into {RESULTS_TABLE} ({names}) values ({marks})", rows)
    warehouse.execute(
        f"""
        delete from {RESULTS_TABLE} where build_id not in (
            select build_id from {RESULTS_TABLE}
            group by build_id order by max(ran_at) desc limit {KEPT_BUILDS}
        )
        """
    )
    warehouse.execute("commit")


def _as_row(
    outcome: CheckOutcome, build_id: str, as_of: datetime | None, ran_at: datetime
) -> list[Any]:
    check = outcome.check
    values = {
        "build_id": build_id,
        "check_name": check.name,
        "table_name": check.table,
        "suite": outcome.suite,
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
        "sample_keys": json.dumps(outcome.keys, default=str),
        "description": check.description,
        "message": outcome.message,
        "runbook": check.runbook,
        "window": check.window,
        "as_of": as_of,
        "ran_at": ran_at,
    }
    return [values[name] for name in _RESULT_COLUMNS]


def _record_rows(warehouse: "DuckDBPyConnection", build_id: str) -> None:
    """Note how many rows each source delivered for a build that was not held back."""
    warehouse.execute(f"delete from {ROWS_TABLE} where build_id = ?", [build_id])
    warehouse.execute(
        f"""
        insert into {ROWS_TABLE}
        select ?, ?, source_system, table_name, rows_read from {QUALITY_SCHEMA}.row_counts
        """,
        [build_id, datetime.now(UTC).replace(tzinfo=None)],
    )
    warehouse.execute(
        f"""
        delete from {ROWS_TABLE} where build_id not in (
            select build_id from {ROWS_TABLE}
            group by build_id order by max(ran_at) desc limit {KEPT_BUILDS}
        )
        """
    )


def _record_policy(warehouse: "DuckDBPyConnection", build_id: str) -> None:
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


def _record_columns(warehouse: "DuckDBPyConnection", build_id: str) -> None:
    """Note which columns of which source are filled in this build; the build before stays too.

    Seen where every source has the contract's columns as text, before their rows are united.
    """
    found = warehouse.execute(
        f"select coalesce(max(build_number) filter (where build_id <> ?), 0) from {COLUMNS_TABLE}",
        [build_id],
    ).fetchone()
    before = found[0] if found else 0
    warehouse.execute(
        f"delete from {COLUMNS_TABLE} where build_id = ? or build_number < ?", [build_id, before]
    )
    views = {
        name
        for (name,) in warehouse.execute(
            "select table_name from information_schema.tables where table_schema = ?",
            [BUILD_SCHEMA],
        ).fetchall()
    }
    for table in CONTRACT_TABLES.values():
        for view in sorted(views):
            is_source = view.startswith(("stg_files__", "int_")) and view.endswith(
                f"__{table.name}"
            )
            if is_source and view != f"int_contract__{table.name}":
                _record_columns_of(warehouse, build_id, before + 1, table, view)


def _record_columns_of(
    warehouse: "DuckDBPyConnection", build_id: str, number: int, table: ContractTable, view: str
) -> None:
    """Note the filled columns of one staging view: the contract's, and unknown ones."""
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
                unnest(filled_rows) as filled_rows
            from (
                select source_system, [{counts}] as filled_rows
                from {BUILD_SCHEMA}."{view}"
                group by source_system
            ) as counted
            union all
            select source_system, unnest(json_keys(extra_columns)), row_count
            from (
                select source_system, extra_columns, count(*) as row_count
                from {BUILD_SCHEMA}."{view}"
                where extra_columns is not null
                group by source_system, extra_columns
            ) as extra
        ) as filled
        where filled_rows > 0
        group by source_system, column_name
        """,
        [number, build_id, table.name],
    )
