"""The models over Salesforce's own tables, compiled once, run in memory for one source."""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from dagster_project.ingestion import raw_schema
from tests.crm.crm_models import compile_all
from tests.crm.salesforce_world import as_export
from tests.lifecycle import golden
from tests.lifecycle.model_runner import PROJECT_ROOT, Project, Warehouse
from tests.lifecycle.reference import Policy, Run

POLICY = Policy.from_directory(PROJECT_ROOT / "seeds" / "policy")
SOURCE = "salesforce"
# What names an id of the export in the facts.
ID_COLUMNS = ("lead_id", "owner_id", "changed_by")


@cache
def project() -> Project:
    """The whole project as it stands, compiled."""
    scratch = Path(tempfile.mkdtemp(prefix="salesforce_models_"))
    try:
        return compile_all(scratch)
    finally:
        shutil.rmtree(scratch)


def fill(ingest: Callable[[Any], Any]) -> Warehouse:
    """A warehouse whose raw tables ``ingest`` filled, with the models that no run decides."""
    warehouse = Warehouse(project())
    ingest(warehouse.connection)
    raw_schema.write_sources(warehouse.connection, [SOURCE])
    warehouse.load({}, POLICY)
    return warehouse


def facts(
    warehouse: Warehouse, names: dict[str, str], tradition: str
) -> dict[str, list[dict[str, Any]]]:
    """The facts at the golden moment, with the export's ids."""
    found = warehouse.run(Run(as_of=golden.AS_OF, tradition=tradition))
    return {name: as_export(names, rows) for name, rows in found.items()}


def staged(warehouse: Warehouse, names: dict[str, str], table: str) -> list[dict[str, Any]]:
    """The rows of a staging model, with the export's ids."""
    return as_export(names, warehouse.rows(f"int_salesforce__{table}"))
