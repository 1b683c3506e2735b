"""One world, every route: the golden export as a Salesforce org, by API and as landed tables."""

from collections.abc import Callable
from typing import Any

import pytest

from dagster_project.ingestion import raw_schema
from dagster_project.ingestion.landed import load as landed
from dagster_project.ingestion.landed.settings import LandedSource
from dagster_project.ingestion.rest import Patience
from dagster_project.ingestion.salesforce import load as salesforce
from dagster_project.ingestion.salesforce.settings import SalesforceSource
from tests.crm.salesforce_landed import TOOLS, land
from tests.crm.salesforce_server import CLIENT_ID, CLIENT_SECRET, SalesforceServer
from tests.crm.salesforce_world import FIELDS, SOURCE, STAGE_DATES, World, as_export
from tests.lifecycle import golden
from tests.lifecycle.reference import Run
from tests.warehouse import Project, Warehouse

PATIENCE = Patience(attempts=3, backoff=0.01, longest=0.05, timeout=5)
ROUTES = ("rest", "bulk", *TOOLS)

# Leads whose story a route can't carry, each with the reason.
CANT_CARRY: dict[str, dict[str, str]] = {
    "dlt": {
        "expansion": "without history a stage has one date: two passes are told as one",
        "recycled_then_won": "without history a stage has one date: two passes are told as one",
        "messy": "without history a stage that is not mapped leaves no trace",
        "history_starts_late": "without history the stage before the first date is not known",
        "accepted_before_history": "without history the stage before the first date is not known",
        "gone_cold": "without EmailMessage an e-mail that came in looks like one that went out",
    }
}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", CLIENT_SECRET)


def _by_api(world: World, bulk_above_rows: int) -> Callable[[Any], Any]:
    def ingest(connection: Any) -> Any:
        with SalesforceServer(world.org(rest_page=7, bulk_page=9)) as server:
            source = SalesforceSource.model_validate(
                {
                    "kind": "salesforce",
                    "name": SOURCE,
                    "domain": server.url,
                    "bulk_above_rows": bulk_above_rows,
                    **FIELDS,
                }
            )
            return salesforce.ingest(connection, source, 1, patience=PATIENCE)

    return ingest


def landed_source(tool: str, **options: Any) -> LandedSource:
    """The configuration for the tables of a tool; without history the date fields must do."""
    fields = dict(FIELDS)
    if tool == "dlt":
        fields["stage_dates"] = STAGE_DATES
    return LandedSource.model_validate(
        {
            "kind": "landed",
            "name": SOURCE,
            "crm": "salesforce",
            "tool": tool,
            "schema": "crm",
            "salesforce": fields,
            **options,
        }
    )


def _landed(world: World, tool: str) -> Callable[[Any], Any]:
    def ingest(connection: Any) -> Any:
        if tool == "dlt":
            _date_closings(world)
        land(connection, world, tool, "crm")
        return landed.ingest(connection, landed_source(tool), 1)

    return ingest


def _date_closings(world: World) -> None:
    """Without OpportunityHistory the moment of closing is in LastStageChangeDate."""
    for deal, record in zip(
        world.export["opportunities"], world.records["Opportunity"], strict=True
    ):
        record["LastStageChangeDate"] = deal["closed_at"].replace("Z", ".000+0000") or None


@pytest.fixture(scope="module")
def _filled() -> dict[str, tuple[Warehouse, dict[str, str]]]:
    return {}


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def filled(
    crm_project: Project, route: str, _filled: dict[str, tuple[Warehouse, dict[str, str]]]
) -> tuple[Warehouse, dict[str, str]]:
    """The models over one route, and the translation of its ids."""
    if route not in _filled:
        world = World()
        if route in TOOLS:
            ingest = _landed(world, route)
        else:
            ingest = _by_api(world, 0 if route == "bulk" else 100_000)
        warehouse = Warehouse(crm_project)
        ingest(warehouse.connection)
        raw_schema.write_sources(warehouse.connection, {SOURCE: None})
        warehouse.load({})
        _filled.clear()
        _filled[route] = warehouse, world.ids.names
    return _filled[route]


def _told(rows: list[dict[str, Any]], route: str) -> list[dict[str, Any]]:
    """The rows of the leads that a route can carry."""
    return [row for row in rows if row["lead_id"] not in CANT_CARRY.get(route, {})]


@pytest.mark.parametrize("tradition", golden.TRADITIONS)
def test_facts_equal_the_golden_ones(
    filled: tuple[Warehouse, dict[str, str]], route: str, tradition: str
) -> None:
    warehouse, names = filled
    facts = warehouse.run(Run(as_of=golden.AS_OF, tradition=tradition))
    for fact in ("fct_lead_stages", "fct_lead_cycles"):
        expected = golden.expected(tradition, fact)
        found = as_export(names, facts[fact])
        assert golden.same_columns(_told(found, route), expected) == golden.same_columns(
            _told(expected, route), expected
        ), fact


def test_staged_rows_equal_the_export(filled: tuple[Warehouse, dict[str, str]], route: str) -> None:
    warehouse, names = filled
    warehouse.decide(golden.AS_OF)
    warehouse.build(warehouse.project.of_source("salesforce"))
    export = golden.export()
    for table, columns in {
        "leads": "lead_id created_at email company title employee_count industry country "
        "lead_source owner_id merged_into_lead_id updated_at",
        "activities": "activity_id lead_id rep_id kind occurred_at direction",
        "engagements": "engagement_id lead_id kind occurred_at",
        "opportunities": "opportunity_id lead_id created_at amount closed_at loss_reason owner_id",
    }.items():
        found = _told(as_export(names, warehouse.rows(f"int_salesforce__{table}")), route)
        assert _plain(found, columns) == _plain(_told(export[table], route), columns), table


def _plain(rows: list[dict[str, Any]], columns: str) -> list[tuple[str, ...]]:
    """Rows as sorted tuples of text; times without fractions and zone, amounts without cents."""
    return sorted(
        tuple(_plain_value(column, row[column]) for column in columns.split()) for row in rows
    )


def _plain_value(column: str, value: Any) -> str:
    text = str(value or "")
    if column.endswith("_at"):
        return text[:19].replace(" ", "T")
    return text.removesuffix(".0")
