"""The checks as Dagster shows them: on the assets of the dbt models they are about."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.assets.run_resource import HandoffRun
from dagster_project.config.warehouse import BUILD_SCHEMA
from dagster_project.running.audit import DATA_DOCS_DIRECTORY, run_checks
from dagster_project.running.progress import step
from expectations.catalogue import known_checks
from expectations.check import STATUS_WORDS, TRAILING_SUFFIX, WHOLE_HISTORY, Check, Outcome, Status

_FROM_BEST_TO_WORST: tuple[Status, ...] = ("not_judged", "passed", "warned", "blocked", "errored")


def check_specs() -> list[dg.AssetCheckSpec]:
    """The checks as Dagster lists them, on the assets of the dbt models they are about.

    The windows of a check are one. All may block: ``handoff.yml`` can make an error of a check that
    warns by default. Whether a result does is in its severity.
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
                "runbook": check.runbook,
            },
        )
        for check in known_checks().values()
        if check.window == WHOLE_HISTORY
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
        selected = {key.name for key in context.selected_asset_check_keys}
        only = None
        if len(selected) < len(specs):
            only = frozenset(name for name in known_checks() if _whole(name) in selected)
        with step("expectations"):
            outcomes = run_checks(
                run.plan.output, run.plan.settings, run.plan.audit, run.build_id, only
            )
        docs = run.plan.output / DATA_DOCS_DIRECTORY / "index.html"
        # The suites list the windows of a check one behind the other.
        for _, windows in groupby(outcomes, key=lambda outcome: _whole(outcome.check.name)):
            yield as_check_result(list(windows), docs)

    return expectations


def as_check_result(windows: Sequence[Outcome], data_docs: Path) -> dg.AssetCheckResult:
    """What a check found, as Dagster shows it: the worse of its windows, and then each of them.

    Of severity ERROR only if it stops the publication. Dagster knows no third verdict: a check that
    was not judged passes, and its description says so. (Without a result, Dagster would warn of
    each blocking check.)
    """
    worst = max(windows, key=lambda outcome: _FROM_BEST_TO_WORST.index(outcome.status))
    severity = dg.AssetCheckSeverity
    is_error = any(outcome.stops_publication for outcome in windows)
    return dg.AssetCheckResult(
        asset_key=asset_key(worst.check),
        check_name=_whole(worst.check.name),
        passed=worst.passed is not False,
        severity=severity.ERROR if is_error else severity.WARN,
        description=worst.message,
        metadata={
            **_found(windows[0]),
            **{
                f"{name}, {outcome.check.window}": value
                for outcome in windows[1:]
                for name, value in _found(outcome).items()
            },
            "owner": worst.check.owner,
            "runbook": worst.runbook,
            "data docs": dg.MetadataValue.path(data_docs),
        },
    )


def _whole(name: str) -> str:
    """The name of the check that one of its windows goes by."""
    return name.removesuffix(TRAILING_SUFFIX)


def _found(outcome: Outcome) -> dict[str, Any]:
    """What a check found in one window."""
    check = outcome.check
    metadata: dict[str, Any] = {
        "status": STATUS_WORDS[outcome.status],
        "cases": outcome.cases,
        "failing": outcome.failing,
        "warns above": check.warn,
    }
    if outcome.observed is not None:
        metadata["observed"] = outcome.observed
    if outcome.previous is not None:
        metadata["observed before"] = outcome.previous
    if check.block is not None:
        metadata["blocks above"] = check.block
    if outcome.keys:
        metadata["failing keys"] = _as_table(outcome.keys)
    return metadata


def _as_table(keys: tuple[dict[str, Any], ...]) -> dg.TableMetadataValue:
    """Failing cases as a table of texts: in Markdown, an id could be a link or a picture."""
    rows = [{name: str(value) for name, value in row.items()} for row in keys]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])
