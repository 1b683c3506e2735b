"""The lifecycle models over what a CRM's ingestion landed, in memory."""

import csv
import shutil
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
