"""One world, every route: the golden cases told by HubSpot give the golden facts.

What a route can't carry is listed with its reason. The list is exact: a cell that is listed and
equal all the same fails as well.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.ingestion.hubspot import load as hubspot
from dagster_project.ingestion.hubspot.settings import HubSpotSource
from dagster_project.ingestion.landed import load as landed
from dagster_project.ingestion.landed.settings import LandedSource
from tests.crm import hubspot_tables
from tests.crm.hubspot_server import TOKEN, HubSpotServer
from tests.crm.hubspot_world import LIFECYCLE, PROPERTIES, World
from tests.lifecycle import golden
from tests.lifecycle.reference import Fact, Run
from tests.warehouse import Project, Warehouse

NUMBERS = {"fct_lead_stages": "visit_number", "fct_lead_cycles": "cycle_number"}


@dataclass(frozen=True)
class Gap:
    """Cells that a route can't carry: of some columns, of some leads (all, if none is named)."""

    reason: str
    fact: str
    columns: tuple[str, ...]
    leads: tuple[str, ...] = ()


FIRST_VALUE = (
    "HubSpot keeps the value that a contact began with as a change like any other; what the export "
    "only says as the stage before the first change is observed here"
)
MERGED_HISTORY = (
    "HubSpot writes the histories of merged contacts into one, so that no move in it is known to "
    "come from a merge"
)
ALL_ROUTES = (
    Gap(
        FIRST_VALUE,
        "fct_lead_stages",
        ("history_quality",),
        ("history_starts_late", "accepted_before_history"),
    ),
    Gap(
        FIRST_VALUE,
        "fct_lead_cycles",
        ("handed_off_basis", "marketing_qualified_basis", "sla_status"),
        ("history_starts_late",),
    ),
    Gap(FIRST_VALUE, "fct_lead_cycles", ("acceptance_kind",), ("accepted_before_history",)),
    Gap(
        MERGED_HISTORY,
        "fct_lead_stages",
        ("transition_kind", "is_valid_transition"),
        ("survivor",),
    ),
)
NO_LEADS_OBJECT = (
    "dlt's source does not read the leads object, which tells of this disqualification"
)
NO_ACTIVITIES = "dlt's source reads no calls, e-mails or meetings"
GAPS: dict[str, tuple[Gap, ...]] = {
    "api": ALL_ROUTES,
    "fivetran": ALL_ROUTES,
    "airbyte": ALL_ROUTES,
    "dlt": (
        *(gap for gap in ALL_ROUTES if "sla_status" not in gap.columns),
        Gap(
            FIRST_VALUE,
            "fct_lead_cycles",
            ("handed_off_basis", "marketing_qualified_basis"),
            ("history_starts_late",),
        ),
        Gap(NO_LEADS_OBJECT, "fct_lead_stages", ("exited_at", "is_current"), ("screened_out",)),
        Gap(
            NO_LEADS_OBJECT,
            "fct_lead_cycles",
            ("exited_at", "exit_stage", "exit_kind", "outcome", "reason_code"),
            ("screened_out",),
        ),
        Gap(
            NO_ACTIVITIES,
            "fct_lead_cycles",
            (
                *("first_touch_at", "touched_before_handoff", "speed_to_lead_minutes"),
                *("request_to_touch_minutes", "sla_status"),
            ),
        ),
    ),
}
# Rows that a route can't carry: the disqualification that only the leads object tells of.
MISSING_ROWS = {"dlt": {("fct_lead_stages", "screened_out", "2")}}


@pytest.fixture(params=list(GAPS))
def route(
    request: pytest.FixtureRequest,
    crm_project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, World, Warehouse]:
    """The golden world as it lands from one of its routes."""
    world, warehouse = World(), Warehouse(crm_project)
    if request.param == "api":
        monkeypatch.setenv("HUBSPOT_TOKEN", TOKEN)
        with HubSpotServer(world.account).running() as server:
            source = HubSpotSource(kind="hubspot", base_url=server.url, **PROPERTIES)
            hubspot.ingest(warehouse.connection, source, 1)
    else:
        schema, write = hubspot_tables.LAYOUTS[request.param]
        write(world.account, tmp_path / "tables.duckdb")
        landed.ingest(
            warehouse.connection,
            landed_source(request.param, tmp_path / "tables.duckdb", schema=schema),
            1,
        )
    return request.param, world, warehouse


def landed_source(tool: str, path: Path | None, **settings: Any) -> LandedSource:
    """A source that reads a route; no tool lands the labels of values, so the map has values."""
    properties = PROPERTIES | {
        "stages": [
            {"property": "lifecyclestage", "map": {LIFECYCLE["SAL"]: "sal"}},
            {"property": "hs_lead_status", "map": {"REJECTED": "rejected"}},
            {"property": "leads.hs_pipeline_stage"},
        ]
    }
    return LandedSource(
        kind="landed",
        name="hubspot",
        crm="hubspot",
        tool=tool,
        path=path,
        hubspot=settings.pop("hubspot", properties),
        **settings,
    )


def facts(warehouse: Warehouse, tradition: str) -> dict[str, list[Fact]]:
    """The facts of what has landed, under a tradition."""
    warehouse.load({})
    return warehouse.run(Run(as_of=golden.AS_OF, tradition=tradition))


def test_the_golden_facts_come_out(route: tuple[str, World, Warehouse]) -> None:
    name, world, warehouse = route
    differing: set[tuple[str, str, str]] = set()
    for tradition in golden.TRADITIONS:
        found = facts(warehouse, tradition)
        for fact in NUMBERS:
            ours = {_key(fact, row): row for row in _translated(found[fact], world)}
            theirs = {_key(fact, row): row for row in golden.expected(tradition, fact)}
            missing = {(fact, *key) for key in theirs if key not in ours}
            assert missing == {row for row in MISSING_ROWS.get(name, set()) if row[0] == fact}
            assert set(ours) <= set(theirs)
            for key, row in ours.items():
                for column, expected in theirs[key].items():
                    if golden.as_text(row[column]) != expected:
                        differing.add((fact, key[0], column))
    listed = {
        (gap.fact, lead, column): gap.reason
        for gap in GAPS[name]
        for column in gap.columns
        for lead in gap.leads or [lead for fact, lead, _ in differing if fact == gap.fact]
    }
    assert differing - set(listed) == set()
    assert {cell for cell in listed if _is_named(cell, name)} <= differing


def _is_named(cell: tuple[str, str, str], route: str) -> bool:
    """Whether a cell is listed with its lead: then it must differ, or the list is stale."""
    return any(cell[1] in gap.leads and cell[2] in gap.columns for gap in GAPS[route])


def _key(fact: str, row: dict[str, Any]) -> tuple[str, str]:
    return row["lead_id"], str(row[NUMBERS[fact]])


def _translated(rows: list[dict[str, Any]], world: World) -> Iterator[dict[str, Any]]:
    """Rows with the export's ids in the place of HubSpot's."""
    for row in rows:
        names = {
            column: world.names.get(row[column], row[column])
            for column in ("lead_id", "owner_id", "changed_by")
            if column in row
        }
        yield row | names


def test_every_lead_of_the_export_is_accounted_for(route: tuple[str, World, Warehouse]) -> None:
    _, world, warehouse = route
    found = facts(warehouse, "four_stage")["lead_accounting"]
    buckets = {world.names[row["lead_id"]]: row["bucket"] for row in found}
    assert set(buckets) == {lead["lead_id"] for lead in world.export["leads"]}
    assert buckets["deleted"] == "deleted"
    assert buckets["merged_once"] == buckets["merged_twice"] == "merged"


def test_the_list_of_gaps_names_real_columns() -> None:
    for gaps in GAPS.values():
        for gap in gaps:
            with (golden.DIRECTORY / "four_stage" / f"{gap.fact}.csv").open() as file:
                assert set(gap.columns) <= set(next(csv.reader(file)))
