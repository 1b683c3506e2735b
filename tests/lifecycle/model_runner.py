"""Runs the lifecycle models on rows held in memory, many times in one process.

dbt compiles a copy of the project once; what a run decides stands in `raw.run_parameters`, so the
compiled SQL is the same for every tradition, moment and company. Each run fills the raw tables and
executes that SQL in dependency order in an in-memory DuckDB, as dbt would, but in about a second.
The models that read a CRM's own tables are empty here: the rows come as contract tables.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.config import contract
from dagster_project.ingestion.landing import ensure_raw_tables
from tests.lifecycle.company_policy import Policy
from tests.lifecycle.reference import Fact, Row, Run
from tests.lifecycle.texts import given

# The mutants point this at a project with a deliberate bug.
PROJECT_ROOT = Path(os.environ.get("HANDOFF_TESTED_PROJECT", Path(__file__).parents[2]))
DATABASE = "warehouse"
SOURCE_SYSTEM = "files"
FACTS = ("fct_lead_stages", "fct_lead_cycles", "lifecycle_violations", "lead_accounting")
WATCHED = (*FACTS, "int_stage_changes", "quarantine")


@dataclass(frozen=True)
class Model:
    """One compiled model: where it goes, its query, and whether a run's choices reach it."""

    relation: str
    query: str
    is_of_the_run: bool


@dataclass
class Project:
    """The compiled models in the order in which they are built, and the policy tables' types."""

    models: list[Model]
    policy_types: dict[str, dict[str, str]]


def compile_project(scratch: Path, root: Path = PROJECT_ROOT) -> Project:
    """Compile a copy of the dbt project under `scratch`.

    Raises RuntimeError with dbt's own words when the project doesn't compile.
    """
    copy = scratch / "project"
    leave_out = shutil.ignore_patterns("target", "logs", ".user.yml", "*.duckdb")
    shutil.copytree(root / "dbt_project", copy / "dbt_project", ignore=leave_out)
    shutil.copytree(root / "seeds" / "policy", copy / "seeds" / "policy")
    for folder in (copy / "dbt_project" / "models" / "conform").iterdir():
        if folder.name != "contract":
            _empty_crm(folder)
    return compile_copy(copy)


def _empty_crm(folder: Path) -> None:
    """Let the models that read one CRM's own tables give no row."""
    shutil.rmtree(folder)
    folder.mkdir()
    for table in contract.CONTRACT_TABLES:
        query = f"select * from {{{{ ref('stg_files__{table}') }}}} where false"
        (folder / f"int_{folder.name}__{table}.sql").write_text(query, encoding="utf-8")


def compile_copy(copy: Path) -> Project:
    """Compile a project that may be written to."""
    project, target = copy / "dbt_project", copy / "target"
    dbt = Path(sys.executable).with_name("dbt")
    command = [str(dbt), "--no-use-colors", "--quiet", "compile"]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(target), "--log-path", str(copy / "logs")]
    command += ["--no-introspect", "--no-populate-cache", "--select"]
    command += [f"+{name}" for name in WATCHED]
    environment = {
        **os.environ,
        "HANDOFF_DEV_WAREHOUSE": str(copy / f"{DATABASE}.duckdb"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"dbt could not compile the project:\n{done.stdout}\n{done.stderr}")
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return Project(models=_models(manifest["nodes"]), policy_types=_policy_types(copy, manifest))


def _policy_types(copy: Path, manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The columns of each seed with their types; text where the project names none."""
    types: dict[str, dict[str, str]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "seed":
            path = copy / "seeds" / "policy" / f"{node['name']}.csv"
            with path.open(encoding="utf-8", newline="") as file:
                header = next(csv.reader(file))
            named = node["config"]["column_types"]
            types[node["name"]] = {column: named.get(column, "varchar") for column in header}
    return types


def _models(nodes: Mapping[str, Any]) -> list[Model]:
    """What is built for the facts, each model after those that it reads."""
    by_name = {node["name"]: key for key, node in nodes.items() if node["resource_type"] == "model"}
    order: list[str] = []
    of_the_run: set[str] = set()

    def visit(key: str) -> None:
        if key in order or not key.startswith("model."):
            return
        for parent in nodes[key]["depends_on"]["nodes"]:
            visit(parent)
            if parent in of_the_run or parent.endswith(".run_parameters"):
                of_the_run.add(key)
        order.append(key)

    for name in WATCHED:
        visit(by_name[name])
    return [
        Model(
            relation=nodes[key]["relation_name"],
            query=nodes[key]["compiled_code"],
            is_of_the_run=key in of_the_run,
        )
        for key in order
        if nodes[key]["config"]["materialized"] != "ephemeral"
    ]


class Warehouse:
    """An in-memory warehouse in which the models run again and again."""

    def __init__(self, project: Project, threads: int = 1) -> None:
        self.project = project
        self.connection = duckdb.connect(config={"threads": threads})
        self._execute(f"attach ':memory:' as {DATABASE}")
        self._execute(f"use {DATABASE}")
        self._execute("set timezone = 'UTC'")
        self._execute("set preserve_insertion_order = false")
        for schema in ("raw", "policy", "build", "quality"):
            self._execute(f"create schema {schema}")
        ensure_raw_tables(self.connection)
        for table, types in project.policy_types.items():
            columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
            self._execute(f"create table policy.{table} ({columns})")

    def _execute(self, statement: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(statement)

    def load(
        self,
        tables: Mapping[str, Sequence[Row]],
        policy: Policy,
        stage_map: Mapping[str, str] | None = None,
    ) -> None:
        """Fill raw and policy, and build what does not depend on a run's choices."""
        for table in contract.CONTRACT_TABLES.values():
            self._fill_raw(table, tables.get(table.name, ()))
        for name, types in self.project.policy_types.items():
            self._fill_policy(name, types, policy.rows(name))
        self._execute("delete from raw.stage_map")
        for raw, stage in (stage_map or {}).items():
            self.connection.execute(
                "insert into raw.stage_map values (?, ?, ?)", [SOURCE_SYSTEM, raw, stage]
            )
        self._build(model for model in self.project.models if not model.is_of_the_run)

    def _fill_raw(self, table: contract.ContractTable, rows: Sequence[Row]) -> None:
        self._execute(f"delete from raw.{table.name}")
        columns: dict[str, Any] = {
            "source_system": pa.array(
                [row.get("source_system") or SOURCE_SYSTEM for row in rows], pa.string()
            ),
            "load_id": pa.array([int(row.get("load_id") or 1) for row in rows], pa.int64()),
            "source_file": pa.array([f"{table.name}.csv"] * len(rows), pa.string()),
            "source_row": pa.array(range(1, len(rows) + 1), pa.int64()),
        }
        for column in table.columns:
            columns[column] = pa.array([given(row.get(column)) for row in rows], pa.string())
        columns["extra_columns"] = pa.nulls(len(rows), pa.string())
        self._insert(f"raw.{table.name}", "select * from rows_to_insert", columns)

    def _fill_policy(
        self, name: str, types: Mapping[str, str], rows: Sequence[Mapping[str, str]]
    ) -> None:
        self._execute(f"delete from policy.{name}")
        columns = {
            column: pa.array([row.get(column) or None for row in rows], pa.string())
            for column in types
        }
        casts = ", ".join(f"cast({column} as {kind})" for column, kind in types.items())
        self._insert(f"policy.{name}", f"select {casts} from rows_to_insert", columns)

    def _insert(self, relation: str, query: str, columns: Mapping[str, Any]) -> None:
        self.connection.register("rows_to_insert", pa.table(dict(columns)))
        self._execute(f"insert into {relation} {query}")
        self.connection.unregister("rows_to_insert")

    def _build(self, models: Iterable[Model]) -> None:
        for model in models:
            self._execute(f"create or replace table {model.relation} as {model.query}")

    def run(self, run: Run) -> dict[str, list[Fact]]:
        """The facts of one run over what is loaded, by name; times in UTC."""
        self._execute("delete from raw.run_parameters")
        self.connection.execute(
            "insert into raw.run_parameters values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                "build",
                run.as_of.astimezone(UTC).replace(tzinfo=None),
                run.tradition,
                run.acceptance_mode,
                run.window_hours,
                run.timezone,
                "policy",
                "key",
                None,
                "warn",
            ],
        )
        self._build(model for model in self.project.models if model.is_of_the_run)
        return {name: self.rows(name) for name in FACTS}

    def rows(self, name: str, schema: str = "build") -> list[Fact]:
        """All rows of a model, as dictionaries."""
        found = self._execute(f"select * from {DATABASE}.{schema}.{name}")
        names = [column[0] for column in found.description or ()]
        return [
            {column: in_utc(value) for column, value in zip(names, row, strict=True)}
            for row in found.fetchall()
        ]


def in_utc(value: Any) -> Any:
    """A value as read from DuckDB; moments without a zone are UTC."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
