"""The expectation behind every check: few of its cases are broken.

The metric asks the warehouse once for the number of cases, of broken ones, the observed value and
the keys of up to 20 failing cases. So no more than those ever leaves the database, whatever its
size; and two checks over the same cases, one of them over the trailing 30 days, share one scan.

Importing this module registers both with Great Expectations: import it after ``loading``.
"""

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.core import ExpectationValidationResult
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.render import (
    CollapseContent,
    LegacyDiagnosticRendererType,
    LegacyRendererType,
    RenderedStringTemplateContent,
    RenderedTableContent,
)
from great_expectations.render.renderer.renderer import renderer

from expectations.check import read_outcome

METRIC = "cases.outcome"


class CasesOutcome(MetricProvider):
    """The row that holds a check's outcome, or that of two checks over the same cases."""

    metric_name = METRIC
    value_keys = ("query",)
    domain_keys = ("batch_id",)

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],  # noqa: ARG002  # the decorator's signature
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],  # noqa: ARG002  # the decorator's signature
        runtime_configuration: dict[str, Any],  # noqa: ARG002  # the decorator's signature
    ) -> dict[str, Any]:
        answer = execution_engine.execute_query(sa.text(metric_value_kwargs["query"]))
        return dict(answer.mappings().one())


class ExpectFewBrokenCases(BatchExpectation):
    """Expect what is observed over a check's cases to be at most ``most``.

    ``query``, ``part`` and ``hidden_key``: the check's, see ``check.Check``. Below
    ``minimum_cases`` the expectation holds.
    """

    query: str
    part: str = ""
    hidden_key: str | None = None
    most: float = 0.0
    minimum_cases: int = 1

    metric_dependencies: ClassVar[tuple[str, ...]] = (METRIC,)
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    success_keys: ClassVar[tuple[str, ...]] = (
        "query",
        "part",
        "hidden_key",
        "most",
        "minimum_cases",
    )

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002  # GX's signature
        execution_engine: ExecutionEngine | None = None,  # noqa: ARG002  # GX's signature
    ) -> dict[str, Any]:
        outcome = read_outcome(metrics[METRIC], self.part, self.hidden_key)
        holds = (
            outcome.observed is None
            or outcome.cases < self.minimum_cases
            or outcome.observed <= self.most
        )
        keys = [] if holds else list(outcome.keys)
        return {
            "success": holds,
            "result": {
                "observed_value": outcome.observed,
                "element_count": outcome.cases,
                "unexpected_count": outcome.broken,
                "unexpected_percent": 100 * outcome.broken / (outcome.cases or 1),
                "unexpected_index_column_names": list(keys[0]) if keys else [],
                "partial_unexpected_index_list": keys,
            },
        }

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG003  # GX's signature
    ) -> list[RenderedStringTemplateContent]:
        """The assertion, what it means, its thresholds and whose it is."""
        told = _meta(configuration, result)
        return [
            RenderedStringTemplateContent(
                content_block_type="string_template",
                string_template={
                    "template": "$check: $description $thresholds Owner: $owner.",
                    "params": {
                        name: str(told.get(name, "")).replace("$", "$$")
                        for name in ("check", "description", "thresholds", "owner")
                    },
                    "styling": {"params": {"check": {"classes": ["font-weight-bold"]}}},
                },
            )
        ]

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.OBSERVED_VALUE)
    def _diagnostic_observed_value_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG003  # GX's signature
    ) -> str:
        """The observed value with its numerator and denominator."""
        if result is None or not result.result:
            return "--"
        told = result.result
        observed = told.get("observed_value")
        if observed is None:
            return "no cases"
        unit = _meta(configuration, result).get("unit", "share")
        shown = f"{observed:.1%}" if unit in ("share", "ratio") else f"{observed:,.1f} {unit}"
        counts = f"{told['unexpected_count']:,} of {told['element_count']:,}"
        return f"{shown} ({counts})"

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_STATEMENT)
    def _diagnostic_unexpected_statement_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> list[RenderedStringTemplateContent | CollapseContent]:
        """What to do about a failure; how it went wrong where the check could not run."""
        if result is None or result.success:
            return []
        if not result.result:
            told: list[RenderedStringTemplateContent | CollapseContent] = (
                super()._diagnostic_unexpected_statement_renderer(
                    configuration, result, runtime_configuration
                )
            )
            return told
        runbook = str(_meta(configuration, result).get("runbook", ""))
        return [
            RenderedStringTemplateContent(
                content_block_type="string_template",
                string_template={
                    "template": "What to do: $runbook",
                    "params": {"runbook": runbook.replace("$", "$$")},
                },
            )
        ]

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)
    def _diagnostic_unexpected_table_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,  # noqa: ARG003  # GX's signature
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> list[RenderedTableContent | CollapseContent] | None:
        """The keys of failing cases."""
        keys = result.result.get("partial_unexpected_index_list") if result else None
        if result is None or not keys:
            return None
        # The order of a row's columns does not survive the way to the page.
        columns = result.result.get("unexpected_index_column_names") or list(keys[0])
        return [
            RenderedTableContent(
                content_block_type="table",
                header_row=columns,
                table=[[str(row[column]) for column in columns] for row in keys],
                styling={"body": {"classes": ["table-bordered", "table-sm", "mt-3"]}},
            )
        ]


def _meta(
    configuration: ExpectationConfiguration | None, result: ExpectationValidationResult | None
) -> dict[str, Any]:
    """What the expectation says of its check."""
    if configuration is None and result is not None:
        configuration = result.expectation_config
    return dict(configuration.meta or {}) if configuration is not None else {}
