"""The expectations behind the checks, and how Data Docs show them.

Both judge what ``case_counts`` found. Rows that must not exist are Great Expectations' own
``UnexpectedRowsExpectation``. It has none for the share of cases that are broken, or for the
greatest measure among them: that is ``ExpectFewBrokenCases``.

Importing this module imports Great Expectations, which takes seconds.
"""

from typing import Any, ClassVar

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core import ExpectationValidationResult
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations import UnexpectedRowsExpectation
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.render import (
    LegacyDiagnosticRendererType,
    RenderedContent,
    RenderedStringTemplateContent,
)
from great_expectations.render.renderer.renderer import renderer

from expectations.case_counts import AUDITED_CASES
from expectations.check import Outcome

METRIC = "audited_cases.observed"


class ObservedOverCases(MetricProvider):
    """What a check observes over its cases; null without any."""

    metric_name = METRIC
    value_keys = ("check_name",)
    domain_keys = ("batch_id",)

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],  # noqa: ARG002  # the decorator's signature
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],  # noqa: ARG002  # the decorator's signature
        runtime_configuration: dict[str, Any],  # noqa: ARG002  # the decorator's signature
    ) -> float | None:
        query = sa.text(f"select observed from {AUDITED_CASES} where check_name = :check_name")
        answer = execution_engine.execute_query(
            query.bindparams(check_name=metric_value_kwargs["check_name"])
        )
        return answer.scalar_one()


class _CheckRenderers:
    """How Data Docs show the result of a check."""

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.STATUS_ICON)
    def _diagnostic_status_icon_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> RenderedStringTemplateContent:
        """A warning is no failure."""
        shown = super()._diagnostic_status_icon_renderer(  # type: ignore[misc]  # the expectation's
            configuration, result, runtime_configuration
        )
        if result and not result.success and _severity(result) == FailureSeverity.WARNING:
            styling = shown.string_template["styling"]["params"]["icon"]
            styling["classes"] = ["fas", "fa-exclamation-triangle", "text-warning"]
        return shown

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.OBSERVED_VALUE)
    def _diagnostic_observed_value_renderer(
        cls, result: ExpectationValidationResult, **_: Any
    ) -> str:
        """The observed value with its numerator and denominator."""
        return str(_meta(result)["found"])

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_STATEMENT)
    def _diagnostic_unexpected_statement_renderer(cls, **_: Any) -> list[RenderedContent]:
        """Nothing: the page shows the failing cases itself."""
        return []


class ExpectFewBrokenCases(_CheckRenderers, BatchExpectation):  # type: ignore[misc]  # renderers get keywords only
    """Expect what the check ``check_name`` observes over its cases to be at most ``most``."""

    check_name: str
    most: float

    metric_dependencies: ClassVar[tuple[str, ...]] = (METRIC,)
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    success_keys: ClassVar[tuple[str, ...]] = ("check_name", "most")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002  # GX's signature
        execution_engine: ExecutionEngine | None = None,  # noqa: ARG002  # GX's signature
    ) -> dict[str, Any]:
        observed = metrics[METRIC]
        return {
            "success": observed is None or observed <= self.most,
            "result": {"observed_value": observed},
        }


class ExpectNoBrokenCases(_CheckRenderers, UnexpectedRowsExpectation):  # type: ignore[misc]  # as above
    """Expect that no case of a check is broken."""


def expectations_of(outcome: Outcome) -> list[BatchExpectation]:
    """What is expected of a check's cases: of two thresholds, one expectation each.

    They share their metric. Where nothing at all is tolerated, the failing cases are rows that must
    not exist.
    """
    check = outcome.check
    blocks_above = check.blocks_above
    if check.expectation is None and outcome.cases < check.blocks_from:
        blocks_above = None
    if check.expectation is None and check.unit == "share" and check.warn == blocks_above == 0:
        query = (
            f"select unnest(failing_cases) from {AUDITED_CASES} "
            f"where check_name = '{check.name}' /* broken cases of {{batch}} */"
        )
        return [
            ExpectNoBrokenCases(
                unexpected_rows_query=query, **_about(outcome, FailureSeverity.CRITICAL, 0)
            )
        ]
    bounds = [(FailureSeverity.WARNING, check.warn)]
    if blocks_above is not None:
        bounds.append((FailureSeverity.CRITICAL, blocks_above))
    return [_expectation(outcome, severity, most) for severity, most in bounds]


def _expectation(outcome: Outcome, severity: FailureSeverity, most: float) -> BatchExpectation:
    check = outcome.check
    about = _about(outcome, severity, most)
    if check.expectation is None:
        return ExpectFewBrokenCases(check_name=check.name, most=most, **about)
    arguments = {**check.arguments, "mostly": 1 - most, **about}
    return getattr(gx.expectations, check.expectation)(**arguments)


def _about(outcome: Outcome, severity: FailureSeverity, most: float) -> dict[str, Any]:
    """What Data Docs say of a check beside its result."""
    check = outcome.check
    verb = "Blocks" if severity == FailureSeverity.CRITICAL else "Warns"
    description = (
        f"{check.name}: {check.explanation} {verb} above {check.shown(most)} over the "
        f"{check.window}. Owner: {check.owner}."
    )
    return {
        "severity": severity,
        "description": description,
        "meta": {"check": check.name, "found": outcome.found},
    }


def _severity(result: ExpectationValidationResult) -> FailureSeverity | None:
    return result.expectation_config.severity if result.expectation_config else None


def _meta(result: ExpectationValidationResult) -> dict[str, Any]:
    return dict(result.expectation_config.meta or {}) if result.expectation_config else {}
