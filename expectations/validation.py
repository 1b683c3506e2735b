"""Runs the suites on a warehouse file through Great Expectations and writes the Data Docs.

Nobody may hold the file open meanwhile; it is closed when this returns. A check that could not run
comes back as ``errored``, never as passed. Importing this module takes seconds.
"""

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult as Results
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
from expectations.data_docs import write_pages
from expectations.duckdb_dialect import connection_string
from expectations.failing_cases import failing_cases
from expectations.site import Site

_LOG = logging.getLogger(__name__)


def validate(
    suites: tuple[Suite, ...],
    warehouse: Path,
    *,
    site: Site | None = None,
    limits: dict[str, Any] | None = None,
) -> list[Outcome]:
    """Run every check of the suites on the warehouse, in order.

    ``site``: the Data Docs to write of this validation. ``limits``: what DuckDB may use, as its
    settings.
    """
    limits = limits or {}
    with duckdb.connect(str(warehouse), config=limits) as connection:
        checks = [check for suite in suites for check in suite.checks]
        counted = {outcome.check.name: outcome for outcome in count_cases(connection, checks)}
    outcomes, results = _judge(suites, counted, warehouse, limits)
    if site is not None:
        with duckdb.connect(str(warehouse), read_only=True, config=limits) as connection:
            cases = failing_cases(connection, outcomes.values())
        _replace_pages(site, lambda new: write_pages(new, suites, outcomes, cases, results))
    return list(outcomes.values())


def _replace_pages(site: Site, write: Callable[[Site], None]) -> None:
    """Put new Data Docs in place of the former, all at once.

    What a check found counts without its page: one that can't be written leaves the former ones,
    which name their build, and a line in the log.
    """
    scratch = site.directory.with_name(f".{site.directory.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        write(replace(site, directory=scratch))
    except Exception as error:
        _LOG.error("Data Docs could not be written: %s: %s", type(error).__name__, error)
        _LOG.debug("where it failed", exc_info=True)
        return
    shutil.rmtree(site.directory, ignore_errors=True)
    scratch.rename(site.directory)


def _judge(
    suites: tuple[Suite, ...],
    counted: dict[str, Outcome],
    warehouse: Path,
    limits: dict[str, Any],
) -> tuple[dict[str, Outcome], dict[str, Results]]:
    """The outcomes as Great Expectations judges them, by check, and its results, by suite."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = _context()
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=connection_string(warehouse),
        create_temp_table=False,
        kwargs={"connect_args": {"read_only": True, "config": limits}},  # type: ignore[call-arg]  # missing in the package's stubs
    )
    outcomes, results = dict(counted), {}
    try:
        for suite in suites:
            judgeable = [
                counted[check.name]
                for check in suite.checks
                if counted[check.name].status == "passed"
            ]
            if not judgeable:
                continue
            # What Great Expectations and its drivers raise has no common base, and whatever it is:
            # a check that could not run must not look like one that passed.
            try:
                results[suite.name] = _validate_suite(context, source, suite, judgeable)
            except Exception as error:
                judged = [could_not_run(outcome.check, str(error)) for outcome in judgeable]
            else:
                judged = _judged_suite(judgeable, results[suite.name])
            outcomes.update({outcome.check.name: outcome for outcome in judged})
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()
    return outcomes, results


def _context() -> EphemeralDataContext:
    """A context in memory, which writes nothing."""
    configuration = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={},
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=configuration)


def _validate_suite(
    context: EphemeralDataContext, source: Any, suite: Suite, outcomes: list[Outcome]
) -> Results:
    """What Great Expectations finds of a suite; it raises when the table can't be read."""
    schema, _, table = suite.table.rpartition(".")
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
    return definition.run(
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": sorted(keys),
        },
    )


def _judged_suite(outcomes: list[Outcome], results: Results) -> list[Outcome]:
    """The outcomes of a suite with the status that Great Expectations gives them."""
    by_check: dict[str, list[Any]] = defaultdict(list)
    for result in results.results:
        by_check[result.expectation_config.meta["check"]].append(result)  # type: ignore[union-attr]  # a result has its expectation
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
