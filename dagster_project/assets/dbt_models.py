"""The dbt project as assets: every seed, model and data test, built by one dbt invocation.

dbt runs in this process (``dbt_runner``); its events become Dagster's through dagster-dbt's own
classes, so the UI shows what it would show of a dbt command.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import get_subset_selection_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dagster_dbt.dbt_project import DbtProject

from dagster_project.assets.run_resource import HandoffRun
from dagster_project.config.warehouse import warehouse_path
from dagster_project.running.dbt import Build, BuildRequest, ParsedProject, data_test_severities
from dagster_project.running.execute import BUILD_STEP

# Unit tests belong to development, not to a production run.
_NOT_IN_A_RUN = "resource_type:unit_test"


class HandoffTranslator(DagsterDbtTranslator):
    """How dbt's nodes read in Dagster: their own descriptions, without the SQL."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a node, with what kind of relation it is."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        relation = node.get("config", {}).get("materialized")
        kinds = {"dbt", "duckdb", *({relation} if relation in {"view", "table", "seed"} else ())}
        return spec.replace_attributes(description=node.get("description") or None, kinds=kinds)


def build_dbt_assets(
    project: ParsedProject, translator: DagsterDbtTranslator
) -> dg.AssetsDefinition:
    """The assets of a parsed project."""
    manifest = project.manifest

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=translator,
        exclude=_NOT_IN_A_RUN,
        name=BUILD_STEP,
    )
    def build_models(context: dg.AssetExecutionContext, run: HandoffRun) -> Iterator[Any]:
        request = _request(context, run, manifest, translator)
        build = Build(project, request)
        events = _Events(manifest, translator, context, run, build)
        try:
            for event in build.events():
                yield from events.translate(event)
        finally:
            build.finish()

    return build_models


def _request(
    context: dg.AssetExecutionContext,
    run: HandoffRun,
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
) -> BuildRequest:
    settings = run.plan.settings
    scratch = run.plan.output / "dbt"
    request = BuildRequest(
        warehouse=warehouse_path(run.plan.output),
        target_path=scratch,
        log_path=run.plan.output / "logs",
        policy_dir=settings.lifecycle.policy_dir,
        full_refresh=run.plan.full_refresh,
        threads=settings.warehouse.threads,
        memory_limit=settings.warehouse.memory_limit,
    )
    if not context.is_subset:
        return request
    selection, indirect = get_subset_selection_for_context(
        context=context,
        manifest=manifest,
        select=None,
        exclude=_NOT_IN_A_RUN,
        selector=None,
        dagster_dbt_translator=translator,
        current_dbt_indirect_selection_env=None,
    )
    chosen = [*selection, *(["--indirect-selection", indirect] if indirect else [])]
    return replace(request, selection=chosen)


class _Events:
    """Turns dbt's result events into Dagster's."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        translator: DagsterDbtTranslator,
        context: dg.AssetExecutionContext,
        run: HandoffRun,
        build: Build,
    ) -> None:
        self._manifest = manifest
        self._translator = translator
        self._context = context
        self._severities = data_test_severities(manifest)
        self._run = run
        self._build = build

    def translate(self, event: dict[str, Any]) -> Iterator[Any]:
        """The Dagster events for how one node ended."""
        self._restore_severity(event)
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        for item in message.to_default_asset_events(
            self._manifest, dagster_dbt_translator=self._translator, context=self._context
        ):
            if isinstance(item, dg.Output):
                item = item.with_metadata({**item.metadata, **self._rows(event)})
            yield item

    def _rows(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Number of rows of a relation that was just built; nothing for views."""
        node = event["data"]["node_info"]
        if node.get("materialized") not in {"table", "seed", "incremental"}:
            return {}
        relation = node["node_relation"]["relation_name"]
        try:
            return {"dagster/row_count": self._build.count_rows(relation)}
        except Exception as error:
            # A number for the UI is no reason to fail a build.
            self._context.log.warning(f"the rows of {relation} could not be counted: {error}")
            return {}

    def _restore_severity(self, event: dict[str, Any]) -> None:
        """A data test that dbt was told to warn about fails, unless the audit only warns."""
        node = event["data"]["node_info"]
        severity = self._severities.get(node["unique_id"])
        if severity is None:
            return
        is_failure = severity == "error" and node["node_status"] == "warn"
        rows = event["data"].get("num_failures", 0)
        self._run.data_tests.append(
            {
                "check_name": node["node_name"],
                "table_name": _tested_model(self._manifest, node["unique_id"]),
                "severity": "error" if severity == "error" else "warning",
                "status": _STATUSES.get("fail" if is_failure else node["node_status"], "errored"),
                "failing_rows": rows,
                "message": f"{rows:,} rows",
            }
        )
        if is_failure and self._run.plan.audit != "warn":
            node["node_status"] = "fail"


# What the manifest calls the outcomes of a data test.
_STATUSES = {"pass": "passed", "warn": "warned", "fail": "blocked"}


def _tested_model(manifest: Mapping[str, Any], unique_id: str) -> str:
    """The model that a data test is about; the last one it reads when it is about several."""
    test = manifest["nodes"][unique_id]
    about = test.get("attached_node") or (test["depends_on"]["nodes"] or [unique_id])[-1]
    return str(about).rsplit(".", 1)[-1]
