"""What a run writes into raw beside the sources' rows."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.config.warehouse import SAMPLE_DIR
from dagster_project.ingestion.dispatch import ensure_raw_tables
from dagster_project.running.plan import RunOptions, plan_run
from dagster_project.running.reading import write_choices


def test_a_full_refresh_drops_an_older_warehouse_whoever_writes_first(tmp_path: Path) -> None:
    options = RunOptions.from_paths(None, SAMPLE_DIR, tmp_path / "output")
    plan = plan_run(replace(options, full_refresh=True), now=datetime(2026, 7, 1, tzinfo=UTC))
    with duckdb.connect() as connection:
        ensure_raw_tables(connection)
        connection.execute("alter table raw.leads drop column created_at_utc")
        write_choices(connection, plan, "b1")
        assert connection.execute("select build_id from raw.run_parameters").fetchall() == [("b1",)]


def test_what_is_published_of_the_staff_is_a_choice_of_the_run(tmp_path: Path) -> None:
    config = tmp_path / "handoff.yml"
    config.write_text("publishing: {staff_names: false}\n", "utf-8")
    options = RunOptions.from_paths(config, SAMPLE_DIR, tmp_path / "output")
    plan = plan_run(options, now=datetime(2026, 7, 1, tzinfo=UTC))
    with duckdb.connect() as connection:
        write_choices(connection, plan, "b1")
        assert connection.execute("select staff_names from raw.run_parameters").fetchall() == [
            (False,)
        ]
