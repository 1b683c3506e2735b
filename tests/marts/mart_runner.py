"""Builds the models of the dbt project in memory, on a whole export or on cycles given as rows.

dbt compiles the project once; the compiled SQL is then executed in dependency order. Marts of the
funnel are functions of the cycles and the policy alone, so most tests give them a handful of
cycles and look at the result.
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
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.config.sources import FilesSource
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.files.load import ingest
from dagster_project.ingestion.landing import ensure_raw_tables

PROJECT_ROOT = Path(os.environ.get("HANDOFF_TESTED_PROJECT", Path(__file__).parents[2]))
DATABASE = "warehouse"
SCHEMAS = ("raw", "policy", "build", "quality")
# What a run given as cycles fills instead of building it.
GIVEN = ("fct_lead_cycles", "dim_reps")

Row = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """A compiled model or data test."""

    name: str
    relation: str
    query: str
    parents: tuple[str, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Project:
    """The compiled project: models in dependency order, data tests, and typed policy tables."""

    models: Mapping[str, Node]
    data_tests: Mapping[str, Node]
    policy_types: Mapping[str, Mapping[str, str]]
    policy_dir: Path

    def upstream(self, names: Iterable[str], stop_at: Iterable[str] = ()) -> set[str]:
        """The models that these are made from, themselves included; no further than `stop_at`."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self.models and name not in found and name not in stop_at:
                found.add(name)
                waiting += self.models[name].parents
        return found


def compile_project(scratch: Path, root: Path = PROJECT_ROOT) -> Project:
    """Compile a copy of the dbt project under `scratch`.

    Raises RuntimeError with dbt's own words when the project doesn't compile.
    """
    leave_out = shutil.ignore_patterns("target", "logs", ".user.yml", "*.duckdb")
    shutil.copytree(root / "dbt_project", scratch / "dbt_project", ignore=leave_out)
    shutil.copytree(root / "seeds" / "policy", scratch / "seeds" / "policy")
    project, target = scratch / "dbt_project", scratch / "target"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "--quiet", "compile"),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(target), "--log-path", str(scratch / "logs")),
            *("--no-introspect", "--no-populate-cache"),
            *("--exclude", "resource_type:unit_test"),
        ],
        cwd=scratch,
        env={
            **os.environ,
            "HANDOFF_DEV_WAREHOUSE": str(scratch / f"{DATABASE}.duckdb"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"dbt could not compile the project:\n{done.stdout}\n{done.stderr}")
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return _project(manifest["nodes"], scratch / "seeds" / "policy")


def _project(nodes: Mapping[str, Any], policy_dir: Path) -> Project:
    models = {node["name"]: _node(node) for node in nodes.values() if _is(node, "model")}
    ordered: dict[str, Node] = {}

    def visit(name: str) -> None:
        if name in models and name not in ordered:
            for parent in models[name].parents:
                visit(parent)
            ordered[name] = models[name]

    for name in models:
        visit(name)
    return Project(
        models=ordered,
        data_tests={node["name"]: _node(node) for node in nodes.values() if _is(node, "test")},
        policy_types={
            node["name"]: node["config"]["column_types"]
            for node in nodes.values()
            if _is(node, "seed")
        },
        policy_dir=policy_dir,
    )


def _is(node: Mapping[str, Any], kind: str) -> bool:
    return bool(node["resource_type"] == kind)


def _node(node: Mapping[str, Any]) -> Node:
    return Node(
        name=node["name"],
        relation=node["relation_name"] or "",
        query=node["compiled_code"],
        parents=tuple(key.rsplit(".", 1)[-1] for key in node["depends_on"]["nodes"]),
        columns={name: column["data_type"] for name, column in node["columns"].items()},
    )


class Warehouse:
    """One in-memory warehouse: the policy as it is shipped, and what a test puts into it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.connection = duckdb.connect(config={"threads": 2})
        self.execute(f"attach ':memory:' as {DATABASE}")
        self.execute(f"use {DATABASE}")
        self.execute("set timezone = 'UTC'")
        for schema in SCHEMAS:
            self.execute(f"create schema {schema}")
        ensure_raw_tables(self.connection)
        for name, types in project.policy_types.items():
            self._load_policy(name, types)

    def _load_policy(self, name: str, types: Mapping[str, str]) -> None:
        with (self.project.policy_dir / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        texts = {
            column: pa.array([row[at] or None for row in rows], pa.string())
            for at, column in enumerate(header)
        }
        casts = ", ".join(
            f"cast({column} as {types.get(column, 'varchar')}) as {column}" for column in header
        )
        self.connection.register("policy_rows", pa.table(texts))
        self.execute(f"create table policy.{name} as select {casts} from policy_rows")
        self.connection.unregister("policy_rows")

    def execute(
        self, statement: str, values: Sequence[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Run one statement."""
        return self.connection.execute(statement, values)

    def rows(self, query: str, values: Sequence[Any] | None = None) -> list[Row]:
        """The rows of a query as dictionaries. Bare mart names are looked up in `build`."""
        self.execute("set search_path = 'warehouse.build'")
        found = self.execute(query, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def decide(self, as_of: datetime, tradition: str = "four_stage", **choices: Any) -> None:
        """Write the run's parameters."""
        parameters = raw_schema.RunParameters("build", as_of, tradition, hash_key="key", **choices)
        raw_schema.write_run_parameters(self.connection, parameters)

    def read_export(self, source: FilesSource) -> None:
        """Read an export into raw."""
        ingest(self.connection, source, 1)

    def build(self, names: Iterable[str], given: Iterable[str] = ()) -> None:
        """Build models and all that they are made from, except what is given."""
        wanted = self.project.upstream(names, stop_at=given)
        for name, model in self.project.models.items():
            if name in wanted:
                self.execute(f"create or replace table {model.relation} as {model.query}")

    def build_from_cycles(
        self, names: Iterable[str], cycles: Sequence[Row], reps: Sequence[Row] = ()
    ) -> None:
        """Build marts on these cycles and reps; a column that a row leaves out is null."""
        for name, rows in zip(GIVEN, (cycles, reps), strict=True):
            self._give(self.project.models[name], rows)
        self.build(names, given=GIVEN)

    def _give(self, model: Node, rows: Sequence[Row]) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in model.columns.items())
        self.execute(f"create or replace table {model.relation} ({columns})")
        for row in rows:
            assert row.keys() <= model.columns.keys(), row.keys() - model.columns.keys()
            self.execute(
                f"insert into {model.relation} ({', '.join(row)}) "
                f"values ({', '.join('?' * len(row))})",
                list(row.values()),
            )

    def failing_tests(self, about: Iterable[str]) -> dict[str, int]:
        """The data tests on these models that find something, with the number of rows."""
        names = set(about)
        failing = {}
        for test in self.project.data_tests.values():
            if names & set(test.parents):
                count = len(self.rows(test.query))
                if count:
                    failing[test.name] = count
        return failing
