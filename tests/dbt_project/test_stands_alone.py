"""dbt works on the project without Handoff around it, and its two targets stay apart."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dagster_project.config.warehouse import DBT_PROJECT_DIR, warehouse_path
from tests.conftest import GOLDEN_EXPORT, handoff

pytestmark = pytest.mark.starts_runs


def dbt_build(scratch: Path, target: str, *arguments: str) -> Counter[tuple[str, str]]:
    """How many nodes of each kind ended how, after ``dbt build`` as a dbt user types it."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build"),
            *("--target", target, *arguments),
            *("--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")),
        ],
        cwd=DBT_PROJECT_DIR,
        env={
            **os.environ,
            "HANDOFF_WAREHOUSE": str(warehouse_path(scratch)),
            "HANDOFF_DEV_WAREHOUSE": str(warehouse_path(scratch / "dev")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    results = json.loads((scratch / "target" / "run_results.json").read_text(encoding="utf-8"))
    return Counter((row["unique_id"].split(".")[0], row["status"]) for row in results["results"])


def fingerprint(path: Path) -> str:
    """Tells whether a file is byte for byte what it was."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_dbt_builds_and_tests_both_targets_and_dev_leaves_prod_alone(tmp_path: Path) -> None:
    filled = handoff(
        *("warehouse", "--input", GOLDEN_EXPORT, "--output", tmp_path),
        HANDOFF_DEV_WAREHOUSE=str(warehouse_path(tmp_path / "dev")),
    )
    assert filled.returncode == 0, filled.stderr
    before = fingerprint(warehouse_path(tmp_path))

    ended = dbt_build(tmp_path, "dev")
    # One unit test per sentence of docs/lifecycle.md, so there are many.
    assert ended["unit_test", "pass"] > ended["seed", "success"] > 0
    assert ended["model", "success"] > 0
    assert fingerprint(warehouse_path(tmp_path)) == before

    # The same models with other settings: a part of them tells.
    in_prod = dbt_build(tmp_path, "prod", "--select", "+dim_reps", "+dim_stages")
    assert in_prod["model", "success"] > 0
    assert in_prod["test", "pass"] > 0
