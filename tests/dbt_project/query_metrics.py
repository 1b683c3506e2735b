"""Has MetricFlow validate the semantic layer and answer every metric, and compares with SQL.

It needs a warehouse that `handoff run` has built, and takes a minute, so it is a task of its own
(`make metrics`) and no test.

    python -m tests.dbt_project.query_metrics WAREHOUSE
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from tests.dbt_project.semantic_layer import (
    METRICS,
    SEMANTIC_MODELS,
    figure,
    marts_of,
    model_of,
    parts,
    time_of,
)
from tests.warehouse import DBT_PROJECT

TOTAL, BY_MONTH = "", "metric_time__month"
# Dimensions of another mart than that of the metric, through the entity that both have.
JOINED = ("lead__industry", "owner__team")

# Metric -> the text of a group -> its value there.
Answers = dict[str, dict[str, float]]


def metrics_by(group: str) -> list[str]:
    """The metrics that can be grouped so."""
    entity = group.partition("__")[0]
    return [name for name in METRICS if group in {TOTAL, BY_MONTH} or _key(model_of(name), entity)]


def ask_metricflow(group: str, metrics: Sequence[str], warehouse: Path) -> Answers:
    """What `mf query` answers."""
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "answers.csv"
        grouped = ["--group-by", group] if group else []
        query = ["mf", "query", "--metrics", ",".join(metrics), *grouped]
        run([*query, "--csv", str(table), "--quiet"], warehouse)
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    return {
        name: {_text(row.get(group)): float(row[name]) for row in rows if row[name]}
        for name in metrics
    }


def ask_sql(group: str, metrics: Sequence[str], connection: duckdb.DuckDBPyConnection) -> Answers:
    """What SQL on the marts answers."""
    answers = {}
    for name in metrics:
        numerators, *denominators = (_ask_mart(group, part, connection) for part in parts(name))
        for entered in denominators:
            numerators = {
                key: value / entered[key] for key, value in numerators.items() if entered.get(key)
            }
        answers[name] = numerators
    return answers


def _ask_mart(group: str, metric: str, connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """A simple metric by group, where there is one."""
    model = model_of(metric)
    (mart,) = marts_of(model["model"])
    key, source = "null", f"build.{mart}"
    if group == BY_MONTH:
        key = f"date_trunc('month', {time_of(metric)})"
    elif group:
        entity, _, column = group.partition("__")
        (other,) = (
            item
            for item in SEMANTIC_MODELS
            if any((one["name"], one["type"]) == (entity, "primary") for one in _entities(item))
        )
        (joined,) = marts_of(other["model"])
        key = "joined_value"
        source += f""" left join (
            select {_key(other, entity)} as joined_key, {column} as joined_value
            from build.{joined}
        ) as joined on {_key(model, entity)} = joined_key"""
    rows = connection.execute(f"select {key}, {figure(metric)} from {source} group by 1")
    return {_text(value): float(number) for value, number in rows.fetchall() if number is not None}


def _entities(model: dict[str, Any]) -> list[dict[str, Any]]:
    return model.get("entities") or []


def _key(model: dict[str, Any], entity: str) -> str:
    """The SQL of an entity in a semantic model; empty where it has none of that name."""
    return next((one["expr"] for one in _entities(model) if one["name"] == entity), "")


def _text(value: Any) -> str:
    """A group as both sides write it: a month as its first day, none as nothing."""
    return "" if value is None else str(value).removesuffix(" 00:00:00")


def run(command: list[str], warehouse: Path) -> None:
    """Run dbt or MetricFlow of this environment on a warehouse; exits when it fails."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        # The target that MetricFlow takes.
        "HANDOFF_DEV_WAREHOUSE": str(warehouse),
    }
    done = subprocess.run(
        command, cwd=DBT_PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Exit with 1 and the differences when MetricFlow and the marts do not say the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warehouse", type=Path)
    warehouse = parser.parse_args().warehouse.resolve(strict=True)
    # MetricFlow reads no other place.
    run(["dbt", "parse", "--quiet", "--target-path", "target"], warehouse)
    run(["mf", "validate-configs"], warehouse)
    compared, differences = 0, []
    for group in (TOTAL, BY_MONTH, *JOINED):
        metrics = metrics_by(group)
        found = ask_metricflow(group, metrics, warehouse)
        with duckdb.connect(warehouse, read_only=True) as connection:
            expected = ask_sql(group, metrics, connection)
        for name in metrics:
            for key in sorted(found[name].keys() | expected[name].keys()):
                compared += 1
                pair = found[name].get(key), expected[name].get(key)
                if None in pair or not math.isclose(*pair, rel_tol=1e-9):
                    differences.append(f"{name} {group} {key}: {pair[0]}, SQL says {pair[1]}")
    if differences:
        sys.exit("\n".join(["MetricFlow answers otherwise than the marts:", *differences]))
    print(f"{len(METRICS)} metrics, {compared} answers of MetricFlow are those of the marts")


if __name__ == "__main__":
    main()
