"""Table of contents: every asset, check, job, schedule, sensor and resource, by name.

Evaluated when Dagster loads it, never at import: the assets are read from the parsed dbt project
and the configuration.
"""

import dagster as dg

from dagster_project.assets.checks import build_checks
from dagster_project.assets.dbt_models import HandoffTranslator, build_dbt_assets
from dagster_project.assets.published import build_published_asset
from dagster_project.assets.raw_tables import build_raw_tables
from dagster_project.assets.run_resource import HandoffRun
from dagster_project.automation.alert_sensor import build_alert_sensor
from dagster_project.automation.file_sensor import build_file_sensor
from dagster_project.automation.freshness import with_freshness
from dagster_project.automation.job import job
from dagster_project.automation.schedule import build_schedule
from dagster_project.config.locations import config_path
from dagster_project.config.settings import Settings, load_settings
from dagster_project.running.dbt import parsed_project


@dg.definitions
def defs() -> dg.Definitions:
    """Everything that Dagster shows and runs, by the configuration."""
    return load(load_settings(config_path()))


def load(settings: Settings) -> dg.Definitions:
    """Everything that Dagster shows and runs under these settings."""
    project = parsed_project()
    crms = settings.crms()
    translator = HandoffTranslator(project, crms)
    checks = build_checks()
    return dg.Definitions(
        assets=with_freshness(
            [
                *build_raw_tables(project, translator, crms),
                *build_dbt_assets(project, translator),
                build_published_asset(
                    project.manifest,
                    translator,
                    checked={key.asset_key for key in checks.check_keys},
                ),
            ],
            settings,
        ),
        asset_checks=[checks],
        jobs=[job],
        schedules=[build_schedule(settings.schedule)],
        sensors=[build_alert_sensor(settings.schedule), build_file_sensor(settings)],
        resources={"run": HandoffRun()},
        executor=dg.in_process_executor,
    )
