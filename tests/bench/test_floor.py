"""The floor that runs are measured against makes the same rows as the models."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from bench.steps import run_floor
from dagster_project.ingestion.files.settings import FilesSource
from dagster_project.simulation import simulate
from tests.lifecycle.company_policy import Policy
from tests.warehouse import Project, Warehouse

YEAR_END = datetime(2026, 7, 1, tzinfo=UTC)
MID_YEAR = datetime(2026, 1, 12, 10, 30, tzinfo=UTC)
# The facts, with the columns that the floor has for itself.
WORKING_COLUMNS = {
    "fct_lead_stages": {
        *("lead_key", "moment", "rank", "start_kind"),
        *("is_captured_after_exit", "is_before_creation"),
    },
    "fct_lead_cycles": {"lead_key"},
    "lifecycle_violations": set(),
}
# What shipped when the floor was written, of the tables that it reads: it takes some of that for
# granted, which a company's policy may change.
POLICY = Path(__file__).with_name("policy")

# What the simulation does not show: a deal won without a date, merges in a row and in a circle, a
# stage that only the lead itself names, a reason given on a later change of a visit, owners routed
# after the handoff, leads that got in touch themselves.
ODD_ROWS = {
    "opportunities": """
        update odd set closed_at = null
        where opportunity_id in (select min(opportunity_id) from odd where is_won)
    """,
    "leads": """
        update odd set
            merged_into_lead_id = case lead_id
                when 'L0000010' then 'L0000011' when 'L0000011' then 'L0000012'
                when 'L0000013' then 'L0000014' when 'L0000014' then 'L0000013'
                else merged_into_lead_id
            end,
            current_stage = if(lead_id = 'L0000020', 'Zombie', current_stage)
    """,
    "stage_changes": """
        insert into odd by name
        select
            * replace (change_id || 'b' as change_id, 'No budget' as reason, from_stage as to_stage)
        from odd where from_stage = 'MQL' and to_stage = 'SAL' limit 10
    """,
    "owner_changes": """
        update odd set changed_at = changed_at + interval 20 minutes where lead_id < 'L0000300'
    """,
    "activities": "update odd set direction = 'inbound' where lead_id < 'L0000100'",
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated export with a few odd rows."""
    directory = tmp_path_factory.mktemp("export")
    simulate(700, 7, directory, file_format="parquet")
    with duckdb.connect() as connection:
        for table, change in ODD_ROWS.items():
            path = directory / f"{table}.parquet"
            connection.execute(f"create or replace table odd as from '{path}'")
            connection.execute(change)
            connection.execute(f"copy odd to '{path}'")
    return directory


@pytest.fixture(scope="module")
def models(project: Project, export: Path) -> Warehouse:
    """A warehouse that holds the export."""
    warehouse = Warehouse(project)
    warehouse.set_policy(Policy.from_directory(POLICY))
    warehouse.read_export(FilesSource(kind="files", path=export))
    return warehouse


@pytest.fixture
def floor() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own."""
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize("as_of", [YEAR_END, MID_YEAR])
def test_the_floor_makes_the_rows_of_the_models(
    models: Warehouse,
    floor: duckdb.DuckDBPyConnection,
    export: Path,
    as_of: datetime,
) -> None:
    models.decide(as_of)
    models.build(WORKING_COLUMNS)
    run_floor(floor, export, POLICY, as_of)
    for name, working in WORKING_COLUMNS.items():
        described = floor.execute(f"describe {name}").fetchall()
        query = f"select {', '.join({column for column, *_ in described} - working)} from {name}"
        expected = Counter(models.execute(query).fetchall())
        found = Counter(floor.execute(query).fetchall())
        assert expected, name
        assert not found - expected, name
        assert not expected - found, name


def test_every_rule_of_the_floor_is_compared(
    models: Warehouse, floor: duckdb.DuckDBPyConnection, export: Path
) -> None:
    run_floor(floor, export, POLICY, YEAR_END)
    models.build(["int_rules"])
    rules = {row["rule"] for row in models.rows("int_rules")}
    found = {rule for (rule,) in floor.execute("select rule from lifecycle_violations").fetchall()}
    # The tradition of the floor asks for no explicit intent.
    assert rules - found == {"handoff_without_explicit_intent"}
