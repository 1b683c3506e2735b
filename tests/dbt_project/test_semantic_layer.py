"""The semantic layer says what the marts say, and every mart serves somebody."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
import yaml

from dagster_project.ingestion.files.settings import FilesSource
from tests.conftest import GOLDEN_EXPORT
from tests.dbt_project.test_published_names import contracts
from tests.warehouse import PROJECT_ROOT, Project, Warehouse

MODELS = PROJECT_ROOT / "dbt_project" / "models"
AGGREGATES = {
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "median": "median({})",
    "sum": "coalesce(sum({}), 0)",
    "sum_boolean": "count_if({})",
}


def everywhere(section: str) -> list[dict[str, Any]]:
    """The entries of a section of all YAML files of the models."""
    files = (yaml.safe_load(path.read_text("utf-8")) or {} for path in MODELS.rglob("*.yml"))
    return [item for content in files for item in content.get(section, [])]


def marts_of(text: str) -> list[str]:
    return re.findall(r"ref\('(\w+)'\)", text)


SEMANTIC_MODELS = everywhere("semantic_models")
METRICS = {item["name"]: item for item in everywhere("metrics")}
MEASURES = {
    measure["name"]: (marts_of(model["model"])[0], measure)
    for model in SEMANTIC_MODELS
    for measure in model.get("measures", [])
}


def value(warehouse: Warehouse, measure_name: str) -> Any:
    mart, measure = MEASURES[measure_name]
    figure = AGGREGATES[measure["agg"]].format(measure["expr"])
    ((answer,),) = [
        row.values() for row in warehouse.rows(f"select {figure} as answer from {mart}")
    ]
    return answer


@pytest.fixture(scope="module", params=["four_stage", "handoff_first"])
def golden(project: Project, request: pytest.FixtureRequest) -> Warehouse:
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource(kind="files", path=GOLDEN_EXPORT))
    warehouse.decide(datetime(2026, 6, 30), request.param)
    warehouse.build({mart for model in SEMANTIC_MODELS for mart in marts_of(model["model"])})
    return warehouse


def test_every_expression_can_be_asked_of_its_mart(golden: Warehouse) -> None:
    for model in SEMANTIC_MODELS:
        (mart,) = marts_of(model["model"])
        for item in [*model.get("entities", []), *model["dimensions"]]:
            golden.rows(f"select {item.get('expr', item['name'])} as asked from {mart}")
        keys = [item["expr"] for item in model.get("entities", []) if item["type"] == "primary"]
        for key in keys:
            assert not golden.rows(f"select {key} as k from {mart} group by k having count(*) > 1")
    for name in MEASURES:
        value(golden, name)


def test_rates_of_the_layer_are_those_of_the_funnel(golden: Warehouse) -> None:
    pairs = golden.rows(
        """
        select
            from_milestone || '_to_' || to_milestone || '_rate' as metric,
            sum(entered) as entered,
            sum(converted) as converted
        from funnel_conversion
        where period = 'month' and dimension = 'all'
        group by from_milestone, to_milestone
        """
    )
    assert len(pairs) >= 5
    for pair in pairs:
        parts = METRICS[pair["metric"]]["type_params"]
        found = (value(golden, parts["denominator"]), value(golden, parts["numerator"]))
        assert found == (pair["entered"], pair["converted"]), pair["metric"]


def test_every_rate_that_a_tradition_names_is_in_the_layer() -> None:
    pairs = (PROJECT_ROOT / "seeds" / "policy" / "conversion_pairs.csv").read_text("utf-8")
    for line in pairs.splitlines()[1:]:
        _, _, from_milestone, to_milestone, _ = line.split(",")
        assert f"{from_milestone}_to_{to_milestone}_rate" in METRICS


def test_every_mart_serves_an_exposure_whose_owner_is_a_group() -> None:
    exposures = everywhere("exposures")
    served = {mart for item in exposures for text in item["depends_on"] for mart in marts_of(text)}
    assert served == {mart for mart, _, _ in contracts()}
    owners = [group["owner"] for group in everywhere("groups")]
    assert all(item["owner"] in owners for item in exposures)
