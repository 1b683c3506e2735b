"""The dbt project as assets: its models and data tests, built by one dbt invocation.

dbt runs in this process (``running.dbt``) because starting it costs more than building a small
warehouse; so the results come from its runner instead of ``DbtCliResource``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from dagster_project.assets.run_resource import HandoffRun
from dagster_project.config.warehouse import connect, row_counts, warehouse_path
from dagster_project.running import dbt
from dagster_project.running.execute import BUILD_STEP
from dagster_project.running.progress import Happening, step, tell

# The policy tables are one asset: dbt's seeds are loaded together.
POLICY_KEY = dg.AssetKey(["policy"])


class HandoffTranslator(DagsterDbtTranslator):
    """How dbt's nodes read in Dagster: their own descriptions, without the SQL."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a node, with what kind of relation it is."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        relation = node.get("config", {}).get("materialized")
        kinds = {"dbt", "duckdb", *({relation} if relation in {"view", "table"} else ())}
        return spec.replace_attributes(description=node.get("description") or None, kinds=kinds)

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The check of a data test; whether a failure blocks is decided by the result."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        description = self.get_resource_props(manifest, unique_id).get("description")
        return spec and spec._replace(description=description or None, blocking=True)


def build_dbt_assets(
    project: dbt.ParsedProject, translator: DagsterDbtTranslator, crms: set[str]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of the parsed project, without those of CRMs that are not configured.

    ``crms``: the CRMs of the configured sources.
    """
    manifest = project.manifest
    unused = project.models_by_crm.keys() - crms
    hidden = [node for crm in unused for node in project.models_by_crm[crm]]
    excluded = [
        "resource_type:unit_test",
        "resource_type:seed",
        *project.folders_of(unused),
    ]

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=translator,
        exclude=" ".join(excluded),
        name=BUILD_STEP,
    )
    def build_models(context: dg.AssetExecutionContext, run: HandoffRun) -> Iterator[Any]:
        selection = _selection(context, translator, manifest)
        with step(BUILD_STEP):
            built = dbt.build(project, _request(run, selection), _tell_node)
        yield from _Results(context, run, project, translator).of(built)
        built.require_success()

    unseen = {translator.get_asset_key(node) for node in hidden}

    def depends_on_what_is_shown(spec: dg.AssetSpec) -> dg.AssetSpec:
        deps = {
            POLICY_KEY if dep.asset_key.path[0] == "policy" else dep.asset_key for dep in spec.deps
        }
        return spec.replace_attributes(deps=sorted(deps - unseen))

    return [build_models.map_asset_specs(depends_on_what_is_shown), _policy_asset(manifest)]


def _policy_asset(manifest: Mapping[str, Any]) -> dg.AssetSpec:
    seeds = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    listed = "\n".join(
        f"- `{node['name']}`: {' '.join(node['description'].split())}"
        for node in sorted(seeds, key=lambda node: str(node["name"]))
    )
    return dg.AssetSpec(
        POLICY_KEY,
        description="The lifecycle policy: dbt seeds, loaded by a whole run that finds them "
        f"changed.\n\n{listed}",
        group_name="policy",
        kinds={"dbt", "seed"},
        owners=["team:revenue-operations"],
    )


def _selection(
    context: dg.AssetExecutionContext,
    translator: DagsterDbtTranslator,
    manifest: Mapping[str, Any],
) -> list[str]:
    """The names of the selected models, and of the data tests on them; empty for a whole build."""
    if not context.is_subset:
        return []
    return [
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and translator.get_asset_key(node) in context.selected_asset_keys
    ] + [key.name for key in context.selected_asset_check_keys]


def _request(run: HandoffRun, selection: list[str]) -> dbt.BuildRequest:
    settings = run.plan.settings
    return dbt.BuildRequest(
        warehouse=warehouse_path(run.plan.output),
        crms=settings.crms(),
        target_path=run.plan.output / "dbt",
        log_path=run.plan.output / "logs",
        policy_dir=settings.lifecycle.policy_dir,
        selection=selection,
        full_refresh=run.plan.full_refresh,
        threads=settings.warehouse.threads,
        memory_limit=settings.warehouse.memory_limit,
    )


def _tell_node(name: str, seconds: float) -> None:
    tell(Happening("part", name, seconds))


@dataclass(frozen=True)
class _Results:
    """Turns how dbt's nodes ended into Dagster's events."""

    context: dg.AssetExecutionContext
    run: HandoffRun
    project: dbt.ParsedProject
    translator: DagsterDbtTranslator

    def of(self, built: dbt.BuildResult) -> Iterator[Any]:
        """One event per selected model and data test, one for the policy."""
        with connect(warehouse_path(self.run.plan.output), read_only=True) as connection:
            rows = row_counts(connection)
        seeds = 0
        for result in built.nodes:
            node = self.project.manifest["nodes"][result.unique_id]
            if node["resource_type"] == "test":
                yield from self._check(node, result)
            elif result.status == "success" and node["resource_type"] == "seed":
                seeds += 1
            elif result.status == "success":
                key = self.translator.get_asset_key(node)
                if key in self.context.selected_asset_keys:
                    metadata: dict[str, Any] = {"seconds": round(result.seconds, 3)}
                    if (count := rows.get((node["schema"], node["alias"]))) is not None:
                        metadata["dagster/row_count"] = count
                    yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        if seeds:
            yield dg.AssetMaterialization(POLICY_KEY, metadata={"tables": seeds})

    def _check(self, node: Mapping[str, Any], result: dbt.NodeResult) -> Iterator[Any]:
        """How a data test ended: kept for the manifest, and shown as a check."""
        if result.status == "skipped":
            return
        is_error = self.project.is_error(result.unique_id)
        failures = result.failures or 0
        if result.status == "error":
            status = "errored"
        elif not failures:
            status = "passed"
        else:
            status = "blocked" if is_error else "warned"
        self.run.data_tests.append(
            {
                "check_name": node["name"],
                "table_name": _tested_model(node),
                "severity": "error" if is_error else "warning",
                "status": status,
                "failing_rows": failures,
                "message": f"{failures:,} rows",
            }
        )
        blocks = is_error and self.run.plan.audit != "warn"
        for key in self.context.selected_asset_check_keys:
            if key.name == node["name"]:
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=status == "passed",
                    severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
                    description=f"{failures:,} rows fail" if failures else None,
                    metadata={"failing rows": failures},
                )


def _tested_model(test: Mapping[str, Any]) -> str:
    """The model that a data test is about; the last one it reads when it is about several."""
    about = test.get("attached_node") or (test["depends_on"]["nodes"] or [test["name"]])[-1]
    return str(about).rsplit(".", 1)[-1]
