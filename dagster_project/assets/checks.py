"""The checks as Dagster shows them: on the assets of the dbt models they are about."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.assets.run_resource import HandoffRun
from dagster_project.config.warehouse import BUILD_SCHEMA
from dagster_project.running.audit import DATA_DOCS_DIRECTORY, run_checks
from dagster_project.running.execute import BLOCKS, blocks
from dagster_project.running.progress import step
from expectations.catalogue import known_checks
from expectations.check import (
    STATUS_WORDS,
    WHOLE_HISTORY,
    Check,
    Outcome,
    whole_name,
    worst_of,
)


def check_specs() -> list[dg.AssetCheckSpec]:
    """The checks as Dagster lists them, on the assets of the dbt models they are about.

    Both windows of a check are one of them. All may block: ``handoff.yml`` can make an error of a
    check that warns by default. Whether a result does is in its severity.
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
        names = asked({key.name for key in context.selected_asset_check_keys})
        only = None if len(names) == len(known_checks()) else names
        with step("expectations"):
            outcomes = run_checks(
                run.plan.output, run.plan.settings, run.plan.audit, run.build_id, only
            )
        docs = run.plan.output / DATA_DOCS_DIRECTORY / "index.html"
        windows: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            windows.setdefault(whole_name(outcome.check.name), []).append(outcome)
        for found in windows.values():
            yield as_check_result(found, docs)

    return expectations


def asked(selected: set[str]) -> frozenset[str]:
    """The names of the checks that Dagster's selected ones are, over each window."""
    return frozenset(name for name in known_checks() if whole_name(name) in selected)


def as_check_result(windows: Sequence[Outcome], data_docs: Path) -> dg.AssetCheckResult:
    """What a check found, as Dagster shows it: by its worst window, then each of them.

    Of severity ERROR only if it stops the publication. Dagster knows no third verdict: a check that
    was not judged passes, and its description says so. (Without a result, Dagster would warn of
    each blocking check.)
    """
    worst = worst_of(windows)
    key = asset_key(worst.check)
    failing = [outcome for outcome in windows if outcome.passed is False]
    stopping = [outcome for outcome in windows if outcome.stops_publication]
    severity = dg.AssetCheckSeverity.ERROR if stopping else dg.AssetCheckSeverity.WARN
    metadata: dict[str, Any] = {
        "status": STATUS_WORDS[worst.status],
        "owner": worst.check.owner,
        "runbook": worst.runbook,
        "data docs": dg.MetadataValue.path(data_docs),
    }
    for outcome in windows:
        # One window needs no name.
        label = f", {outcome.check.window}" if len(windows) > 1 else ""
        metadata |= {f"{name}{label}": value for name, value in _found(outcome).items()}
    if stopping:
        place = key.to_user_string()
        metadata[BLOCKS] = dg.MetadataValue.json(
            [blocks(outcome.check.name, place, outcome.message) for outcome in stopping]
        )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=whole_name(worst.check.name),
        passed=worst.passed is not False,
        severity=severity,
        description="; ".join(outcome.message for outcome in failing or [worst]),
        metadata=metadata,
    )


def _found(outcome: Outcome) -> dict[str, Any]:
    """The figures of a check over one window."""
    check = outcome.check
    metadata: dict[str, Any] = {
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
