"""The semantic layer as written, and the SQL on the marts that says the same."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import yaml

from tests.warehouse import PROJECT_ROOT

MODELS = PROJECT_ROOT / "dbt_project" / "models"
AGGREGATES = {
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "median": "median({})",
    "sum": "sum({})",
    "sum_boolean": "count_if({})",
}


def everywhere(section: str) -> list[dict[str, Any]]:
    """The entries of a section of all YAML files of the models."""
    return [item for content in _contents() for item in content.get(section, [])]


@cache
def _contents() -> list[dict[str, Any]]:
    # Read by libyaml, which takes a tenth of the time: every test worker begins with this.
    return [
        yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) or {} for path in MODELS.rglob("*.yml")
    ]


def marts_of(text: str) -> list[str]:
    """The models that a text refers to."""
    return re.findall(r"ref\('(\w+)'\)", text)


SEMANTIC_MODELS = everywhere("semantic_models")
MEASURES = {
    measure["name"]: (model, measure)
    for model in SEMANTIC_MODELS
    for measure in model.get("measures", [])
}
METRICS: dict[str, dict[str, Any]] = {
    name: {"type": "simple", "type_params": {"measure": name}}
    for name, (_, measure) in MEASURES.items()
    if measure.get("create_metric")
} | {item["name"]: item for item in everywhere("metrics")}


def parts(metric: str) -> tuple[str, ...]:
    """The metrics that one is made of: numerator and denominator of a rate, else itself."""
    given = METRICS[metric]["type_params"]
    return (given["numerator"], given["denominator"]) if "numerator" in given else (metric,)


def model_of(metric: str) -> dict[str, Any]:
    """The semantic model that a metric counts; of a rate, that of its numerator."""
    model, _ = MEASURES[METRICS[parts(metric)[0]]["type_params"]["measure"]]
    return model


def time_of(metric: str) -> str:
    """The column that dates what a metric counts."""
    model, measure = MEASURES[METRICS[metric]["type_params"]["measure"]]
    named: str = measure.get("agg_time_dimension", model["defaults"]["agg_time_dimension"])
    return named


def figure(metric: str) -> str:
    """The aggregate over its mart that a simple metric is."""
    _, measure = MEASURES[METRICS[metric]["type_params"]["measure"]]
    aggregate = AGGREGATES[measure["agg"]].format(measure["expr"])
    condition = METRICS[metric].get("filter")
    if not condition:
        return aggregate
    condition = re.sub(r"{{ Dimension\('\w+?__(\w+)'\) }}", r"\1", condition)
    return f"{aggregate} filter (where {condition})"
