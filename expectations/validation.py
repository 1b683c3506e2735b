"""Runs the suites on a warehouse file through Great Expectations and writes the Data Docs.

Nobody may hold the file open meanwhile; it is closed when this returns. A check that could not run
comes back as ``errored``, never as passed. Importing this module takes seconds.
"""

import logging
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from expectations.broken_cases import expectations_of
from expectations.case_counts import could_not_run, count_cases
from expectations.catalogue import Suite
from expectations.check import Outcome, Status
from expectations.data_docs import site_configuration, write_index
from expectations.duckdb_dialect import connection_string

_SITE = "data_docs"


def validate(
    suites: tuple[Suite, ...],
    warehouse: Path,
    *,
    data_docs: Path | None = None,
    run_name: str | None = None,
    limits: dict[str, Any] | None = None,
) -> list[Outcome]:
    """Run every check of the suites on the warehouse, in order.

    ``data_docs``: the directory to write the Data Docs of this validation to; it is replaced.
    ``run_name``: what they call it. ``limits``: what DuckDB may use, as its settings.
    """
    limits = limits or {}
    with duckdb.connect(str(warehouse), config=limits) as connection:
        checks = [check for suite in suites for check in suite.checks]
        counted = {outcome.check.name: outcome for outcome in count_cases(connection, checks)}
    if data_docs is not None:
        shutil.rmtree(data_docs, ignore_errors=True)
        data_docs.mkdir(parents=True)
    outcomes = _judge(suites, counted, warehouse, data_docs, run_name, limits)
    if data_docs is not None:
        write_index(data_docs, list(outcomes.values()), run_name)
    return list(outcomes.values())


def _judge(
    suites: tuple[Suite, ...],
    counted: dict[str, Outcome],
    warehouse: Path,
    data_docs: Path | None,
    run_name: str | None,
    limits: dict[str, Any],
) -> dict[str, Outcome]:
    """The outcomes as Great Expectations judges them, by check."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = _context(data_docs)
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=connection_string(warehouse),
        create_temp_table=False,
        kwargs={"connect_args": {"read_only": True, "config": limits}},  # type: ignore[call-arg]  # missing in the package's stubs
    )
    run = RunIdentifier(run_name=run_name)
    outcomes = dict(counted)
    try:
        for suite in suites:
            judgeable = [
                counted[check.name]
                for check in suite.checks
                if counted[check.name].status == "passed"
            ]
            if judgeable:
                judged = _validate_suite(context, source, suite, judgeable, run)
                outcomes.update({outcome.check.name: outcome for outcome in judged})
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()
    if data_docs is not None:
        context.build_data_docs(build_index=False)
    return outcomes


def _context(data_docs: Path | None) -> EphemeralDataContext:
    """A context in memory; nothing but the Data Docs is written."""
    configuration = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={} if data_docs is None else {_SITE: site_configuration(data_docs)},
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=configuration)


def _validate_suite(
    context: EphemeralDataContext,
    source: Any,
    suite: Suite,
    outcomes: list[Outcome],
    run: RunIdentifier,
) -> list[Outcome]:
    """The outcomes of one suite; all errored when its table can't be read."""
    schema, _, table = suite.table.rpartition(".")
    # What Great Expectations and its drivers raise has no common base, and whatever it is: a
    # check that could not run must not look like one that passed.
    try:
        asset = source.add_table_asset(suite.name, table_name=table, schema_name=schema)
        expectations = [item for outcome in outcomes for item in expectations_of(outcome)]
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(
                name=suite.name,
                data=asset.add_batch_definition_whole_table(suite.name),
                suite=context.suites.add(
                    gx.ExpectationSuite(name=suite.name, expectations=expectations)
                ),
            )
        )
        keys = {key for item in outcomes if item.check.expectation for key in item.check.keys}
        results: list[Any] = definition.run(
            run_id=run,
            result_format={
                "result_format": "SUMMARY",
                "unexpected_index_column_names": sorted(keys),
            },
        ).results
    except Exception as error:
        return [could_not_run(outcome.check, str(error)) for outcome in outcomes]
    by_check: dict[str, list[Any]] = defaultdict(list)
    for result in results:
        by_check[result.expectation_config.meta["check"]].append(result)
    return [_judged(outcome, by_check[outcome.check.name]) for outcome in outcomes]


def _judged(outcome: Outcome, results: list[Any]) -> Outcome:
    """An outcome with the status that the results of its expectations give it."""
    if not results:
        return could_not_run(outcome.check, "Great Expectations gave no result")
    for result in results:
        if problem := _problem(result.exception_info):
            return could_not_run(outcome.check, problem)
    if outcome.check.expectation is not None:
        outcome = _with_figures(outcome, results[0].result)
        if outcome.cases < outcome.check.minimum_cases:
            return replace(outcome, status="not_judged", keys=())
    failed = {result.expectation_config.severity for result in results if not result.success}
    status: Status = "blocked" if "critical" in failed else "warned" if failed else "passed"
    return replace(outcome, status=status, keys=outcome.keys if failed else ())


def _with_figures(outcome: Outcome, result: dict[str, Any]) -> Outcome:
    """The outcome of one of Great Expectations' own, which counts its cases itself."""
    cases, failing = result["element_count"], result["unexpected_count"]
    return replace(
        outcome,
        cases=cases,
        failing=failing,
        observed=failing / cases if cases else None,
        keys=tuple(
            {name: row[name] for name in outcome.check.keys}
            for row in result.get("partial_unexpected_index_list") or ()
        ),
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
