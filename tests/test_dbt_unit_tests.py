"""The unit tests of the dbt project: one sentence per rule of the lifecycle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.config.warehouse import DBT_PROJECT_DIR, PROJECT_ROOT, connect
from dagster_project.ingestion.landing import ensure_raw_tables

RULES_OF_THE_PAGE = 60


@pytest.mark.timeout(420)
def test_every_sentence_of_the_dbt_project_holds(tmp_path: Path) -> None:
    """dbt builds the models without rows, so that their columns have types, and runs the tests."""
    warehouse = tmp_path / "warehouse.duckdb"
    connection = connect(warehouse)
    ensure_raw_tables(connection)
    connection.close()

    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build", "--empty"),
            *("--exclude-resource-type", "test", "--resource-type", "seed"),
            *("--resource-type", "model", "--resource-type", "unit_test"),
            *("--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)),
            *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
        ],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HANDOFF_DEV_WAREHOUSE": str(warehouse), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    results = json.loads((tmp_path / "target" / "run_results.json").read_text(encoding="utf-8"))
    sentences = [row for row in results["results"] if row["unique_id"].startswith("unit_test.")]
    assert len(sentences) >= RULES_OF_THE_PAGE
    assert {row["status"] for row in sentences} == {"pass"}
