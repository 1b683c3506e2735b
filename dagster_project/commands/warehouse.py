"""``handoff warehouse``: raw tables for working on the dbt project, without a run."""

import os
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.commands.options import ConfigOption, InputOption, OutputOption, say
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import (
    DBT_PROJECT_DIR,
    connect,
    copy_raw_tables,
    warehouse_path,
)
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, plan_run
from dagster_project.running.publishing import published_manifest
from dagster_project.running.reading import read_sources, write_choices


def warehouse(
    config: ConfigOption = None, input_directory: InputOption = None, output: OutputOption = None
) -> None:
    """Read the sources into the raw tables of dbt's target dev, beside what prod holds already.

    Builds and publishes nothing: `dbt build` in dbt_project/ does. Prod gets the same raw tables
    until a run has published from it; then it stays as it is.

    \b
    Examples:
      handoff warehouse
      handoff warehouse --input seeds/sample_crm
    """
    now = datetime.now(UTC)
    plan = plan_run(RunOptions.from_paths(config, input_directory, output), now=now)
    prod = warehouse_path(plan.output)
    dev = Path(os.environ.get("HANDOFF_DEV_WAREHOUSE") or warehouse_path(plan.output / "dev"))
    dev.parent.mkdir(parents=True, exist_ok=True)
    with hold_output(plan.output):
        is_built = published_manifest(plan.output) is not None
        if is_built:
            _copy_raw(prod, dev)
        with connect(dev) as connection:
            read_sources(connection, plan, say, say)
            write_choices(connection, plan, f"{now:%Y%m%dT%H%M%S}-dbt")
        if not is_built:
            _copy_raw(dev, prod)
    say(f"export HANDOFF_DEV_WAREHOUSE={dev} HANDOFF_WAREHOUSE={prod}")
    say(f"cd {DBT_PROJECT_DIR} && dbt build     target dev; --target prod for the other")


def _copy_raw(source: Path, target: Path) -> None:
    with connect(target) as connection:
        connection.execute(f"attach {literal(source)} as given (read_only)")
        copy_raw_tables(connection, "given")
