"""The sample's marts, made once per session."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.ingestion.files.settings import FilesSource
from tests.warehouse import Project, Warehouse

SAMPLE = Path(__file__).parents[2] / "seeds" / "sample_crm"
PUBLISHED = Path(__file__).parents[1] / "published_names.csv"
SAMPLE_AS_OF = datetime(2026, 7, 1)
FUNNEL_MARTS = (
    "funnel_conversion",
    "funnel_trend",
    "funnel_velocity",
    "handoff_sla",
    "rep_acceptance",
    "rejection_reasons",
    "recycling",
    "nurture_queue",
)
OTHER_MARTS = (
    "score_calibration",
    "icp_drift",
    "channel_mix",
    "channel_economics",
    "pipeline_attribution",
    "mql_quality",
    "capacity_thresholds",
    "conversion_drivers",
    "funnel_diagnostics",
    "what_stands_out",
    "calibration_sync",
    "sync_scorecard",
    "metric_catalog",
)


@pytest.fixture(scope="session")
def sample(project: Project) -> Warehouse:
    """Every mart of the sample export. Read only."""
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource(kind="files", path=SAMPLE))
    warehouse.decide(SAMPLE_AS_OF)
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        warehouse.build({row["mart"] for row in csv.DictReader(file)})
    return warehouse


def sample_as_of(project: Project, as_of: datetime) -> Warehouse:
    """The marts of the sample export as a run of that moment makes them."""
    warehouse = Warehouse(project)
    warehouse.read_export(FilesSource(kind="files", path=SAMPLE))
    warehouse.decide(as_of)
    warehouse.build(FUNNEL_MARTS)
    return warehouse


@pytest.fixture
def new_warehouse(project: Project) -> Callable[[], Warehouse]:
    """Makes a warehouse of a test's own."""
    return lambda: Warehouse(project)
