"""The semantic layer says what the marts say, and every mart serves somebody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dagster_project.config import policy
from dagster_project.ingestion.files.settings import FilesSource
from tests.conftest import GOLDEN_EXPORT
from tests.dbt_project.semantic_layer import (
    METRICS,
    SEMANTIC_MODELS,
    everywhere,
    figure,
    marts_of,
    model_of,
    parts,
)
from tests.dbt_project.test_published_names import contracts
from tests.lifecycle.reference import Row
from tests.warehouse import POLICY_DIR, PROJECT_ROOT, Project, Warehouse


def value(warehouse: Warehouse, metric: str) -> Any:
    """What a simple metric is over all of its mart."""
    (mart,) = marts_of(model_of(metric)["model"])
    ((answer,),) = [row.values() for row in warehouse.rows(f"select {figure(metric)} from {mart}")]
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
    for name in METRICS:
        for part in parts(name):
            value(golden, part)


@pytest.mark.parametrize("tradition", policy.traditions())
def test_every_metric_is_alive_in_every_tradition(project: Project, tradition: str) -> None:
    """One lead goes through every stage of the tradition, with all that belongs to it."""
    stages = [row for row in policy.cells(POLICY_DIR, "stages") if row["tradition"] == tradition]
    path = [row for row in stages if row["milestone"]]
    moments = [datetime(2026, 2, day) for day in range(1, len(path) + 1)]
    proven = {row["evidence"]: moment for row, moment in zip(path, moments, strict=True)}
    rows: dict[str, list[Row]] = {
        "leads": [{"created_at": moments[0], "current_stage": "no such stage"}],
        "stage_changes": [
            {"changed_at": moment, "to_stage": row["stage"]}
            for row, moment in zip(path, moments, strict=True)
        ],
        "activities": [
            {"kind": "call", "occurred_at": moment + timedelta(hours=1)} for moment in moments
        ],
        "engagements": [{"kind": "demo_request", "occurred_at": moments[0]}],
        "opportunities": [
            {
                "opportunity_id": "O",
                "created_at": proven["opportunity"],
                "closed_at": proven["won"],
                "is_won": "true",
                "amount": 1000,
            }
        ],
    }
    tables = {name: [{"lead_id": "A", **row} for row in given] for name, given in rows.items()}
    spend = {"spend_date": "2026-02-01", "channel": "unknown", "amount": 100}
    warehouse = Warehouse(project)
    warehouse.load({**tables, "channel_spend": [spend]})
    warehouse.decide(datetime(2026, 6, 30), tradition)
    warehouse.build({mart for model in SEMANTIC_MODELS for mart in marts_of(model["model"])})
    assert {name for name in METRICS if not value(warehouse, parts(name)[-1])} == set()


def test_rates_of_the_layer_are_those_of_the_facts(golden: Warehouse) -> None:
    pairs = golden.rows(
        """
        select
            from_milestone || '_to_' || to_milestone || '_rate' as metric,
            sum(entered) as entered,
            sum(converted) as converted
        from fct_conversions
        group by from_milestone, to_milestone
        """
    )
    assert len(pairs) >= 5
    for pair in pairs:
        numerator, denominator = parts(pair["metric"])
        found = (value(golden, denominator), value(golden, numerator))
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
