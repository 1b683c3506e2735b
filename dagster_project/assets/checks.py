"""The checks as Dagster shows them: on the assets of the dbt models they are about."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.assets.run_resource import HandoffRun
from dagster_project.config.warehouse import BUILD_SCHEMA
from dagster_project.running.audit import DATA_DOCS_DIRECTORY, run_checks
from dagster_project.running.progress import step
from expectations.catalogue import known_checks
from expectations.check import Check, Outcome


def check_specs() -> list[dg.AssetCheckSpec]:
    """The checks as Dagster lists them, on the assets of the dbt models they are about.

    All may block: ``handoff.yml`` can make an error of a check that warns by default. Whether a
    result does is in its severity.
    """
    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=asset_key(check),
            description=f"{check.explanation} Severity {check.severity}, owner {check.owner}.",
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


def asset_key(check: Check) -> dg.AssetKey:
    """The asset of the dbt model that a check is about."""
    schema, _, model = check.table.rpartition(".")
    # dbt's own schema is left out of asset keys; a schema that a model sets is not.
    return dg.AssetKey([model] if schema == BUILD_SCHEMA else [schema, model])


def build_checks() -> dg.AssetChecksDefinition:
    """All checks as one step, which runs behind the models; parts of it can be selected."""
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
        for warning in run.plan.warnings:
            context.log.warning(warning)
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


def as_check_result(outcome: Outcome, data_docs: Path) -> dg.AssetCheckResult:
    """An outcome as Dagster shows it. Of severity ERROR only if it stops the publication.

    Dagster knows no third verdict: a check that was not judged passes, and its description says so.
    (Without a result, Dagster would warn of each blocking check.)
    """
    check = outcome.check
    metadata: dict[str, Any] = {
        "status": outcome.status.replace("_", " "),
        "cases": outcome.cases,
        "failing": outcome.failing,
        "warns above": check.warn,
        "window": check.window,
        "owner": check.owner,
        "runbook": outcome.runbook,
        "data docs": dg.MetadataValue.path(data_docs),
    }
    if outcome.observed is not None:
        metadata["observed"] = outcome.observed
    if outcome.previous is not None:
        metadata["observed before"] = outcome.previous
    if check.block is not None:
        metadata["blocks above"] = check.block
    if outcome.keys:
        metadata["failing keys"] = _as_table(outcome.keys)
    severity = dg.AssetCheckSeverity
    return dg.AssetCheckResult(
        asset_key=asset_key(check),
        check_name=check.name,
        passed=outcome.passed is not False,
        severity=severity.ERROR if outcome.stops_publication else severity.WARN,
        description=outcome.message,
        metadata=metadata,
    )


def _as_table(keys: tuple[dict[str, Any], ...]) -> dg.TableMetadataValue:
    """Failing cases as a table of texts: in Markdown, an id could be a link or a picture."""
    rows = [{name: str(value) for name, value in row.items()} for row in keys]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])
