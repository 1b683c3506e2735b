"""Runs the suites on a warehouse file through Great Expectations and writes the Data Docs.

The file is opened read-only and closed before this returns. A check that could not run comes back
as ``errored``, never as passed.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.catalogue import Suite
from expectations.check import Check
from expectations.observation import Observation

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context import EphemeralDataContext

_SITE = "data_docs"


def validate(
    suites: tuple[Suite, ...],
    warehouse: Path,
    *,
    data_docs: Path | None = None,
    run_name: str | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> list[Observation]:
    """Run every check of the suites on the warehouse, in order.

    ``data_docs``: the directory to write the Data Docs of this validation to; it is replaced.
    ``run_name``: what they call it. ``threads`` and ``memory_limit``: what DuckDB may use.
    """
    from expectations.loading import load_great_expectations

    load_great_expectations()
    from great_expectations.core.run_identifier import RunIdentifier

    from expectations import duckdb_dialect

    duckdb_dialect.register()
    limits = {"threads": threads, "memory_limit": memory_limit}
    config = {name: value for name, value in limits.items() if value is not None}
    context = _context(data_docs)
    run = RunIdentifier(run_name=run_name)
    try:
        source = context.data_sources.add_sql(
            "warehouse",
            connection_string=duckdb_dialect.connection_string(warehouse),
            create_temp_table=False,
            kwargs={"connect_args": {"read_only": True, "config": config}},  # type: ignore[call-arg]  # missing in the package's stubs
        )
        observations = [
            observation
            for suite in suites
            for observation in _validate_suite(context, source, suite, run)
        ]
    finally:
        duckdb_dialect.close_connections()
    if data_docs is not None:
        from expectations.data_docs import write_index

        context.build_data_docs(build_index=False)
        write_index(data_docs, observations, run_name)
    return observations


def _context(data_docs: Path | None) -> "EphemeralDataContext":
    """A context in memory; nothing but the Data Docs is written."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    sites = {}
    if data_docs is not None:
        from expectations.data_docs import site_configuration

        shutil.rmtree(data_docs, ignore_errors=True)
        data_docs.mkdir(parents=True)
        sites[_SITE] = site_configuration(data_docs)
    configuration = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites=sites,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=configuration)


def _validate_suite(
    context: "EphemeralDataContext", source: Any, suite: Suite, run: "RunIdentifier"
) -> list[Observation]:
    """The observations of one suite; all errored when its table can't be read."""
    import great_expectations as gx

    schema, _, table = suite.table.rpartition(".")
    # What Great Expectations and its drivers raise has no common base, and whatever it is: a
    # check that could not run must not look like one that passed.
    try:
        asset = source.add_table_asset(suite.name, table_name=table, schema_name=schema)
        expectations = gx.ExpectationSuite(
            name=suite.name, expectations=[_expectation(check) for check in suite.checks]
        )
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(
                name=suite.name,
                data=asset.add_batch_definition_whole_table(suite.name),
                suite=context.suites.add(expectations),
            )
        )
        validated = definition.run(run_id=run)
    except Exception as error:
        return [_errored(suite, check, str(error)) for check in suite.checks]
    return _observations(suite, validated)


def _expectation(check: Check) -> Any:
    from great_expectations.expectations.metadata_types import FailureSeverity

    from expectations.cases_expectation import ExpectFewBrokenCases

    block = ""
    if check.severity == "error" and check.block is not None:
        block = f", blocks above {check.shown(check.block)}"
    return ExpectFewBrokenCases(
        query=check.outcome_query(),
        part=check.part,
        hidden_key=check.hidden_key,
        most=check.warn,
        minimum_cases=check.minimum_cases,
        severity=FailureSeverity.CRITICAL if check.severity == "error" else FailureSeverity.WARNING,
        meta={
            "check": check.name,
            "description": check.description,
            "owner": check.owner,
            "runbook": check.runbook,
            "window": check.window,
            "unit": check.unit,
            "thresholds": f"Over the {check.window}; warns above {check.shown(check.warn)}{block}.",
        },
    )


def _observations(suite: Suite, validated: "ExpectationSuiteValidationResult") -> list[Observation]:
    results = {
        result.expectation_config.meta["check"]: result
        for result in validated.results
        if result.expectation_config is not None and result.expectation_config.meta
    }
    observations = []
    for check in suite.checks:
        result = results.get(check.name)
        if result is None:
            observations.append(_errored(suite, check, "Great Expectations gave no result"))
        elif problem := _problem(result.exception_info):
            observations.append(_errored(suite, check, problem))
        else:
            observations.append(_observation(suite, check, result.result))
    return observations


def _observation(suite: Suite, check: Check, result: dict[str, Any]) -> Observation:
    observed, cases = result["observed_value"], result["element_count"]
    return Observation(
        suite=suite.name,
        check=check,
        status=check.judge(observed, cases),
        observed=observed,
        cases=cases,
        failing=result["unexpected_count"],
        keys=tuple(result["partial_unexpected_index_list"]),
    )


def _problem(exception_info: dict[str, Any] | None) -> str | None:
    """The message of an expectation that could not be evaluated; None when it was."""
    if not exception_info:
        return None
    # Either one such record, or one per metric under a made-up name.
    records = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    for record in records:
        if isinstance(record, dict) and record.get("raised_exception"):
            return str(record.get("exception_message") or "no message")
    return None


def _errored(suite: Suite, check: Check, problem: str) -> Observation:
    lines = [line.strip() for line in problem.splitlines() if line.strip()]
    return Observation(suite.name, check, "errored", problem=lines[0] if lines else "no message")
