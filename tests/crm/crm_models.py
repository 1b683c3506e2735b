"""The lifecycle models over what a CRM's ingestion landed, in memory."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.lifecycle.golden import AS_OF
from tests.lifecycle.model_runner import Project, Warehouse, compile_copy
from tests.lifecycle.reference import Fact, Policy, Run

ROOT = Path(__file__).resolve().parents[2]


def compile_all(scratch: Path) -> Project:
    """Compile a copy of the dbt project with the models of every CRM."""
    copy = scratch / "project"
    leave_out = shutil.ignore_patterns("target", "logs", ".user.yml", "*.duckdb*")
    shutil.copytree(ROOT / "dbt_project", copy / "dbt_project", ignore=leave_out)
    shutil.copytree(ROOT / "seeds" / "policy", copy / "seeds" / "policy")
    return compile_copy(copy)


@cache
def project() -> Project:
    """The whole project as it stands, compiled once per session."""
    with tempfile.TemporaryDirectory(prefix="crm_models_") as scratch:
        return compile_all(Path(scratch))


def policy() -> Policy:
    """The policy that ships."""
    return Policy.from_directory(ROOT / "seeds" / "policy")


def staged(warehouse: Warehouse, crm: str) -> None:
    """Build one CRM's staging models over what has landed, and nothing behind them."""
    models = [model for model in warehouse.project.models if f"_{crm}__" in model.relation]
    only = Project(models=models, policy_types=warehouse.project.policy_types)
    full, warehouse.project = warehouse.project, only
    try:
        warehouse.load({}, policy())
    finally:
        warehouse.project = full


def facts(warehouse: Warehouse, tradition: str) -> dict[str, list[Fact]]:
    """The facts of what has landed, under a tradition."""
    warehouse.load({}, policy())
    return warehouse.run(Run(as_of=AS_OF, tradition=tradition))
