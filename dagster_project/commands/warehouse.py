"""``handoff warehouse``: raw tables for working on the dbt project, without a run."""

import os
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.commands.options import ConfigOption, InputOption, OutputOption, say
from dagster_project.config.sql_text import literal
from dagster_project.config.warehouse import connect, copy_raw_tables, warehouse_path
from dagster_project.running.output_lock import hold_output
from dagster_project.running.plan import RunOptions, plan_run
from dagster_project.running.reading import read_sources, write_choices


def warehouse(
    config: ConfigOption = None, input_directory: InputOption = None, output: OutputOption = None
) -> None:
    """Read the sources into the raw tables and copy them to the warehouse of dbt's target dev.

    Builds and publishes nothing: `dbt build` in dbt_project/ does, on a file of its own.

    \b
    Examples:
      handoff warehouse
      handoff warehouse --input ~/crm_export
    """
    now = datetime.now(UTC)
    plan = plan_run(RunOptions.from_paths(config, input_directory, output), now=now)
    prod = warehouse_path(plan.output)
    with hold_output(plan.output), connect(prod) as connection:
        read_sources(connection, plan, say, say)
        write_choices(connection, plan, f"{now:%Y%m%dT%H%M%S}-dbt")
    dev = Path(os.environ.get("HANDOFF_DEV_WAREHOUSE") or warehouse_path(plan.output / "dev"))
    dev.parent.mkdir(parents=True, exist_ok=True)
    with connect(dev) as connection:
        connection.execute(f"attach {literal(prod)} as prod (read_only)")
        copy_raw_tables(connection, "prod")
    say(f"prod  {prod}\ndev   {dev}")
    say("Then: cd dbt_project && dbt build (target dev; --target prod for the other)")
