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
    """How dbt's nodes read in Dagster: with their own descriptions and without their SQL.

    Parents are those that are shown: the models that a hidden one reads stand for it, and the raw
    tables of CRMs that are not configured for nothing. ``crms``: the configured ones.
    """

    def __init__(self, project: dbt.ParsedProject, crms: set[str]) -> None:
        super().__init__()
        self._project = project
        self._unused = project.unused_crms(crms)

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a node, with what kind of relation it is."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        relation = node.get("config", {}).get("materialized")
        kinds = {"dbt", "duckdb", *({relation} if relation in {"view", "table"} else ())}
        return spec.replace_attributes(
            deps=sorted(self._shown_parents(unique_id)),
            description=node.get("description") or None,
            kinds=kinds,
        )

    def _shown_parents(self, unique_id: str) -> set[dg.AssetKey]:
        """The assets that a model reads, itself or in the hidden models upstream of it."""
        manifest = self._project.manifest
        found: set[dg.AssetKey] = set()
        for model in self._project.with_hidden_upstream([unique_id]):
            for parent in set(manifest["parent_map"][model]) - self._project.hidden_models:
                if parent.startswith("seed."):
                    found.add(POLICY_KEY)
                elif parent.startswith("source."):
                    source = manifest["sources"][parent]
                    if source["source_name"] not in self._unused:
                        found.add(self.get_asset_key(source))
                else:
                    found.add(self.get_asset_key(manifest["nodes"][parent]))
        return found

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
        # What else a test reads may be hidden; all of it is built before, by the same dbt.
        return spec and spec._replace(
            description=description or None, blocking=True, additional_deps=[]
        )


def build_dbt_assets(
    project: dbt.ParsedProject, translator: DagsterDbtTranslator
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of the parsed project: its models but for hidden ones, which are built with them.

    A data test is a check of the model that it is about, if that is shown. Another one stops the
    publication as well, and is in the manifest.
    """

    @dbt_assets(
        manifest=project.manifest,
        dagster_dbt_translator=translator,
        select=dbt.SHOWN,
        name=BUILD_STEP,
    )
    def build_models(context: dg.AssetExecutionContext, run: HandoffRun) -> Iterator[Any]:
        selection = _selection(context, translator, project)
        with step(BUILD_STEP):
            built = dbt.build(project, _request(run, selection), _tell_node)
        yield from _Results(context, run, project, translator).of(built)
        built.require_success()

    return [build_models, _policy_asset(project.manifest)]


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
    project: dbt.ParsedProject,
) -> list[str]:
    """The selected models with the hidden ones upstream, and the data tests on them.

    As dbt selects them; empty for a whole build.
    """
    if not context.is_subset:
        return []
    nodes = project.manifest["nodes"]
    selected = [
        unique_id
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model"
        and translator.get_asset_key(node) in context.selected_asset_keys
    ]
    models = sorted(project.with_hidden_upstream(selected))
    tests = [key.name for key in context.selected_asset_check_keys]
    return [*(".".join(nodes[model]["fqn"]) for model in models), *tests]


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
                "message": _rows(failures),
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
                    description=f"{_rows(failures)} fail" if failures else None,
                    metadata={"failing rows": failures},
                )


def _tested_model(test: Mapping[str, Any]) -> str:
    """The model that a data test is about; the last one it reads when it is about several."""
    about = test.get("attached_node") or (test["depends_on"]["nodes"] or [test["name"]])[-1]
    return str(about).rsplit(".", 1)[-1]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
