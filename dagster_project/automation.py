"""The job and its schedule."""

from typing import TYPE_CHECKING

import dagster as dg

from dagster_project.settings import ScheduleSettings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

JOB_NAME = "lead_lifecycle"


def build_job() -> "UnresolvedAssetJobDefinition":
    """The one job: read, build, check, publish. ``handoff run`` executes this one too.

    In process: starting a process per step would take longer than a step.
    """
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.all(),
        description="Read the CRM, build the marts, audit them, publish them.",
        executor_def=dg.in_process_executor,
    )


def build_schedule(
    settings: ScheduleSettings, job: "UnresolvedAssetJobDefinition"
) -> dg.ScheduleDefinition:
    """The daily run, at the time and in the zone that ``handoff.yml`` names."""
    return dg.ScheduleDefinition(
        name=f"{JOB_NAME}_daily",
        job=job,
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        description="Runs the job with what handoff.yml says.",
    )
