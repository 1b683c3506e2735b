"""The dbt project's models in memory: the one executor for tests that look at rows.

dbt compiles the project once per state of its files; every test process reads that result and
executes the compiled SQL in dependency order in a DuckDB of its own, as dbt would, but in about a
second. What a run decides is in `raw.run_parameters`, so the compiled SQL is the same for every
tradition, moment and company.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from filelock import FileLock

from dagster_project.config.contract import CONTRACT_TABLES, ContractTable
from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.dispatch import ensure_raw_tables, ingest_source
from dagster_project.ingestion.raw_load import RawLoad
from tests.lifecycle.company_policy import Policy
from tests.lifecycle.reference import Fact, Row, Run
from tests.lifecycle.texts import given as given_text

# The mutants point this at a project with a deliberate bug.
PROJECT_ROOT = Path(os.environ.get("HANDOFF_TESTED_PROJECT", Path(__file__).parents[1]))
DBT_PROJECT, POLICY_DIR = PROJECT_ROOT / "dbt_project", PROJECT_ROOT / "seeds" / "policy"
DATABASE = "warehouse"
SOURCE_SYSTEM = "files"
FACTS = ("fct_lead_stages", "fct_lead_cycles", "lifecycle_violations", "lead_accounting")
# What `Warehouse.run` builds.
WATCHED = (*FACTS, "int_stage_changes", "quarantine")


@dataclass(frozen=True)
class Node:
    """A compiled model or data test."""

    name: str
    relation: str
    query: str
    parents: tuple[str, ...]
    columns: Mapping[str, str | None]


@dataclass(frozen=True)
class Project:
    """The compiled project: models in dependency order, data tests, the policy tables' types."""

    models: Mapping[str, Node]
    data_tests: Mapping[str, Node]
    policy_types: Mapping[str, Mapping[str, str]]

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

    @cached_property
    def of_the_run(self) -> frozenset[str]:
        """The models that a run's choices reach."""
        found = {"run_parameters"}
        for name, model in self.models.items():
            if found & set(model.parents):
                found.add(name)
        return frozenset(found)

    @cached_property
    def as_read(self) -> frozenset[str]:
        """The contract's tables, where of a run's choices only the zone decides their rows.

        Those of a CRM depend on the tradition, too; then it is none.
        """
        tables = {f"int_contract__{table}" for table in CONTRACT_TABLES}
        of_a_crm = "int_contract__stage_meanings" in self.upstream(tables)
        return frozenset(() if of_a_crm else tables)

    def of_source(self, name: str) -> set[str]:
        """The models over one CRM's own tables."""
        return {model for model in self.models if f"_{name}__" in model}

    def for_files(self) -> Project:
        """The same project where no CRM has rows, so that its models need not be built."""
        empty = {}
        for table in CONTRACT_TABLES:
            files = self.models[f"stg_files__{table}"]
            for name in self.models[f"int_contract__{table}"].parents:
                if name.endswith(f"__{table}") and name != files.name:
                    query = f"select * from {files.relation} where false"
                    empty[name] = replace(self.models[name], query=query, parents=(files.name,))
        return replace(self, models=_in_order({**self.models, **empty}))


@cache
def project() -> Project:
    """The dbt project as it stands, compiled at most once per state of its files."""
    place = PROJECT_ROOT / "var" / "cache" / "compiled_for_tests"
    place.mkdir(parents=True, exist_ok=True)
    stamp, state = place / "state", _state()
    with FileLock(place / "lock"):
        if not stamp.exists() or stamp.read_text() != state:
            stamp.unlink(missing_ok=True)
            _compile(place)
            stamp.write_text(state)
        manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    return _project(manifest["nodes"])


def _state() -> str:
    """Tells one state of the project's files from another; the rows of seeds do not matter."""
    digest = hashlib.sha256(version("dbt-core").encode())
    for directory in (DBT_PROJECT, POLICY_DIR):
        for path in sorted(directory.rglob("*")):
            if path.suffix in {".sql", ".yml", ".md"} and "target" not in path.parts:
                digest.update(str(path.relative_to(PROJECT_ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _compile(place: Path, parse: str = "--partial-parse") -> None:
    """Compile the project; raises RuntimeError with dbt's own words when it doesn't compile."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "--quiet", "compile"),
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", str(place), "--log-path", str(place)),
            *("--no-introspect", "--no-populate-cache", parse),
            *("--exclude", "resource_type:unit_test"),
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HANDOFF_DEV_WAREHOUSE": str(place / f"{DATABASE}.duckdb")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and parse == "--partial-parse":
        # dbt 1.x keeps metrics that a file no longer has.
        _compile(place, "--no-partial-parse")
    elif done.returncode:
        raise RuntimeError(f"dbt could not compile the project:\n{done.stdout}\n{done.stderr}")


def _project(nodes: Mapping[str, Any]) -> Project:
    by_kind: dict[str, dict[str, Any]] = {"model": {}, "test": {}, "seed": {}}
    for node in nodes.values():
        by_kind.setdefault(node["resource_type"], {})[node["name"]] = node
    types = {}
    for name, node in by_kind["seed"].items():
        with (POLICY_DIR / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        named = node["config"]["column_types"]
        types[name] = {column: named.get(column, "varchar") for column in header}
    return Project(
        models=_in_order({name: _node(node) for name, node in by_kind["model"].items()}),
        data_tests={name: _node(node) for name, node in by_kind["test"].items()},
        policy_types=types,
    )


def _node(node: Mapping[str, Any]) -> Node:
    return Node(
        name=node["name"],
        relation=node["relation_name"] or "",
        query=node["compiled_code"],
        parents=tuple(key.rsplit(".", 1)[-1] for key in node["depends_on"]["nodes"]),
        columns={name: column["data_type"] for name, column in node["columns"].items()},
    )


def _in_order(models: Mapping[str, Node]) -> dict[str, Node]:
    """Each model after those that it reads."""
    ordered: dict[str, Node] = {}

    def visit(name: str) -> None:
        if name in models and name not in ordered:
            for parent in models[name].parents:
                visit(parent)
            ordered[name] = models[name]

    for name in models:
        visit(name)
    return ordered


class Warehouse:
    """An in-memory warehouse: the policy that ships, and what a test puts into it."""

    def __init__(self, project: Project, threads: int = 1) -> None:
        self.project = project
        # The zone that the contract's tables, as they are now, were read in.
        self._read_in: str | None = None
        self.connection = duckdb.connect(config={"threads": threads})
        self.execute(f"attach ':memory:' as {DATABASE}")
        self.execute(f"use {DATABASE}")
        self.execute("set timezone = 'UTC'")
        self.execute("set preserve_insertion_order = false")
        # On few rows a good plan costs more than it saves; see optimized().
        self.execute("pragma disable_optimizer")
        for schema in ("raw", "policy", "build", "quality"):
            self.execute(f"create schema {schema}")
        # A bare name is that of a model.
        self.execute(f"set search_path = '{DATABASE}.build'")
        ensure_raw_tables(self.connection)
        self.set_policy(Policy.from_directory(POLICY_DIR))

    def execute(
        self, statement: str, values: Sequence[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Run one statement."""
        return self.connection.execute(statement, values)

    @contextmanager
    def optimized(self) -> Iterator[None]:
        """Plan queries as a run does, for the length of the block."""
        self.execute("pragma enable_optimizer")
        try:
            yield
        finally:
            self.execute("pragma disable_optimizer")

    def rows(self, query: str, values: Sequence[Any] | None = None) -> list[Fact]:
        """The rows of a query, or of the model of that name, as dictionaries."""
        if query in self.project.models:
            query = f"from {self.project.models[query].relation}"
        found = self.execute(query, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def set_policy(self, policy: Policy) -> None:
        """Replace the policy tables; one that the policy leaves out is empty."""
        for name, types in self.project.policy_types.items():
            rows = policy.rows(name)
            texts = {
                column: pa.array([row.get(column) or None for row in rows], pa.string())
                for column in types
            }
            casts = ", ".join(
                f"cast({column} as {kind}) as {column}" for column, kind in types.items()
            )
            self._insert(
                f"create or replace table policy.{name} as select {casts} from given_rows", texts
            )

    def read_export(self, source: Any) -> None:
        """Read a source into raw, as a run does."""
        self._read_in = None
        ingest_source(self.connection, source)

    def decide(self, as_of: datetime, tradition: str = "four_stage", **choices: Any) -> None:
        """Write the run's parameters."""
        parameters = raw_schema.RunParameters("build", as_of, tradition, hash_key="key", **choices)
        raw_schema.write_run_parameters(self.connection, parameters)

    def build(self, names: Iterable[str], given: Iterable[str] = ()) -> None:
        """Build models and all that they are made from, except what is given."""
        wanted = self.project.upstream(names, stop_at=set(given))
        for name, model in self.project.models.items():
            if name in wanted:
                self.execute(f"create or replace table {model.relation} as {model.query}")

    def build_from_cycles(
        self,
        names: Iterable[str],
        cycles: Sequence[Row],
        reps: Sequence[Row] = (),
        leads: Sequence[Row] = (),
        scores: Sequence[Row] = (),
    ) -> None:
        """Build marts on these cycles, reps, leads and what else is known of the cycles' scores.

        A column that a row leaves out is null.
        """
        given = {
            "fct_lead_cycles": cycles,
            "dim_reps": reps,
            "dim_leads": leads,
            "fct_cycle_scores": scores,
        }
        for name, rows in given.items():
            self._give(self.project.models[name], rows)
        self.build(names, given=given)

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

    def load(
        self,
        tables: Mapping[str, Sequence[Row]],
        policy: Policy | None = None,
        stage_map: Mapping[str, str] | None = None,
    ) -> None:
        """Fill the contract's tables and build what does not depend on a run's choices."""
        self._read_in = None
        if policy is not None:
            self.set_policy(policy)
        for table in CONTRACT_TABLES.values():
            self._fill_raw(table, tables.get(table.name, ()))
        self.execute("delete from raw.stage_map")
        for raw, stage in (stage_map or {}).items():
            self.execute("insert into raw.stage_map values (?, ?, ?)", [SOURCE_SYSTEM, raw, stage])
        of_the_run = self.project.of_the_run
        self.build(self.project.upstream(WATCHED) - of_the_run, given=of_the_run)

    def _fill_raw(self, table: ContractTable, rows: Sequence[Row]) -> None:
        systems = [row.get("source_system") or SOURCE_SYSTEM for row in rows]
        loads = {system: RawLoad(self.connection, system, 1) for system in systems}
        columns: dict[str, Any] = {
            "load_id": pa.array([int(row.get("load_id") or 1) for row in rows], pa.int64()),
            "file_id": pa.array(
                [loads[system].file_id(f"{table.name}.csv") for system in systems], pa.int32()
            ),
            "source_row": pa.array(range(1, len(rows) + 1), pa.int64()),
        }
        for column in table.columns:
            columns[column] = pa.array([given_text(row.get(column)) for row in rows], pa.string())
        columns["extra_columns"] = pa.nulls(len(rows), pa.string())
        self.execute(f"delete from raw.{table.name}")
        self._insert(f"insert into raw.{table.name} by name from given_rows", columns)

    def _insert(self, statement: str, columns: Mapping[str, Any]) -> None:
        self.connection.register("given_rows", pa.table(dict(columns)))
        self.execute(statement)
        self.connection.unregister("given_rows")

    def run(self, run: Run) -> dict[str, list[Fact]]:
        """The facts of one run over what is loaded, by name; times in UTC."""
        self.decide(
            run.as_of,
            run.tradition,
            acceptance_mode=run.acceptance_mode,
            acceptance_window_hours=run.window_hours,
            timezone=run.timezone,
        )
        given = self.project.models.keys() - self.project.of_the_run
        if run.timezone == self._read_in:
            given |= self.project.as_read
        self.build(WATCHED, given=given)
        self._read_in = run.timezone
        return {
            name: [
                {column: in_utc(value) for column, value in row.items()} for row in self.rows(name)
            ]
            for name in FACTS
        }

    def failing_tests(self, about: Iterable[str]) -> dict[str, int]:
        """The data tests on these models that find something, with the number of rows."""
        names = set(about)
        found = {
            test.name: len(self.rows(test.query))
            for test in self.project.data_tests.values()
            if names & set(test.parents)
        }
        return {name: count for name, count in found.items() if count}


def in_utc(value: Any) -> Any:
    """A value as read from DuckDB; moments without a zone are UTC."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
