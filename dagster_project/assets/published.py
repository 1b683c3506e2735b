"""The published marts as an asset: the last step of a run, behind every check."""

import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from traceback import format_exception
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator

from dagster_project.assets.run_resource import DATA_TEAM, HandoffRun
from dagster_project.config.errors import BuildError
from dagster_project.config.warehouse import (
    BUILD_SCHEMA,
    PUBLISHED_FILE,
    connect,
    records,
    warehouse_path,
)
from dagster_project.reporting.pages import DEFINITIONS_PAGE, REPORT_PAGE
from dagster_project.reporting.pages.definitions import write_definitions
from dagster_project.reporting.pages.held_back import forget_held_back
from dagster_project.reporting.pages.report import write_report
from dagster_project.running import publishing
from dagster_project.running.check_history import check_history
from dagster_project.running.progress import Happening, step, tell
from expectations.catalogue import configured_suites

PUBLISHED_KEY = dg.AssetKey(["published", "lead_lifecycle"])


def build_published_asset(
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
    checked: Iterable[dg.AssetKey] = (),
) -> dg.AssetsDefinition:
    """The asset that BI reads. ``checked``: assets whose checks it waits for beside the marts'."""
    marts = publishing.public_marts(manifest)
    public = [
        translator.get_asset_key(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node.get("access") == "public"
    ]

    @dg.asset(
        key=PUBLISHED_KEY,
        deps=sorted({*public, *checked}),
        group_name="published",
        kinds={"duckdb", "parquet"},
        owners=[DATA_TEAM],
        description=(
            "The audited marts that BI opens: one DuckDB file, the same tables as Parquet and the "
            "pages about them, shown at once. A check that blocks keeps the last good build."
        ),
    )
    def lead_lifecycle(
        context: dg.AssetExecutionContext, run: HandoffRun
    ) -> dg.MaterializeResult[Any]:
        started = time.monotonic()
        with step("published__lead_lifecycle"):
            published = _publish(context, run)
        return dg.MaterializeResult(metadata=_metadata(run, published, time.monotonic() - started))

    def _publish(context: dg.AssetExecutionContext, run: HandoffRun) -> dict[str, Any]:
        output = run.plan.output
        settings = run.plan.settings.publishing
        facts = _facts(run)
        if run.plan.audit != "warn":
            publishing.require_audit(output, facts["build_id"], run.data_tests)
        publishing.require_leads(output)
        publishing.write_build(
            output,
            marts,
            facts,
            data_tests=run.data_tests,
            pages={
                DEFINITIONS_PAGE: partial(_write_definitions, run),
                REPORT_PAGE: partial(_write_report, run),
            },
            # Dagster keeps the text of a message, and nothing of an exception beside it.
            page_failed=lambda page, error: context.log.error(
                f"{page} could not be written\n{''.join(format_exception(error))}"
            ),
            parquet=settings.parquet,
            threads=run.plan.settings.warehouse.threads,
            memory_limit=run.plan.settings.warehouse.memory_limit,
            progress=lambda mart: tell(Happening("part", mart)),
        )
        # Before the switch: a page that says why nothing is published must not outlive it.
        forget_held_back(output)
        published = publishing.publish_build(output, facts["build_id"])
        for notice in publishing.notices(published):
            tell(Happening("notice", notice))
        publishing.forget_old_builds(output, settings.keep_builds)
        return published

    return lead_lifecycle


def _write_definitions(run: HandoffRun, build: Path, _manifest: Mapping[str, Any]) -> None:
    suites = configured_suites(run.plan.settings.checks)
    with connect(warehouse_path(run.plan.output), read_only=True) as warehouse:
        write_definitions(build, warehouse, [check for suite in suites for check in suite.checks])


def _write_report(run: HandoffRun, build: Path, manifest: Mapping[str, Any]) -> None:
    history = check_history(run.plan.output, manifest["build_id"])
    write_report(build, manifest, build / REPORT_PAGE, history=history)


def _facts(run: HandoffRun) -> dict[str, Any]:
    """What the manifest says of the build in the warehouse.

    Not the run's own choices: a run of this asset alone publishes what an earlier run built.
    """
    query = (
        "select build_id, as_of, tradition, acceptance_mode, acceptance_window_hours, timezone, "
        f"policy_fingerprint from {BUILD_SCHEMA}.build_info"
    )
    with connect(warehouse_path(run.plan.output), read_only=True) as connection:
        found = records(connection, query)
    if not found:
        raise BuildError("publishing: build_info is empty, so there is no build to publish")
    return {
        **found[0],
        "as_of": f"{found[0]['as_of'].isoformat()}Z",
        "audit_mode": run.plan.audit,
        "currency": run.plan.settings.lifecycle.currency,
        "sources": [
            source.model_dump(mode="json", include={"name", "kind", "path"}, exclude_none=True)
            for source in run.plan.settings.sources
        ],
    }


def _metadata(run: HandoffRun, manifest: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    directory = run.plan.output / publishing.PUBLISHED_DIRECTORY
    counts = manifest["row_counts"]
    table = "\n".join(f"| {name} | {rows:,} |" for name, rows in counts.items())
    return {
        "build": manifest["build_id"],
        "as of": manifest["as_of"],
        "tradition": manifest["tradition"],
        "audit": manifest["audit_mode"],
        "published file": dg.MetadataValue.path(directory / PUBLISHED_FILE),
        "manifest": dg.MetadataValue.path(directory / publishing.MANIFEST_FILE),
        **{
            label: dg.MetadataValue.path(directory / page)
            for label, page in (("report", REPORT_PAGE), ("definitions", DEFINITIONS_PAGE))
            if (directory / page).is_file()
        },
        "rows": dg.MetadataValue.md(f"| mart | rows |\n| --- | --: |\n{table}"),
        "dagster/row_count": sum(counts.values()),
        "seconds": round(seconds, 2),
    }
