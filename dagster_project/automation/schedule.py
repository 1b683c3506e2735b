"""The schedule: runs at the times that ``handoff.yml`` names."""

import dagster as dg

from dagster_project.automation.job import UNATTENDED_TAGS
from dagster_project.config.settings import ScheduleSettings
from dagster_project.running.execute import JOB_NAME, SCHEDULE_NAME


def build_schedule(settings: ScheduleSettings) -> dg.ScheduleDefinition:
    """The schedule, on from the start if the configuration says so."""
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name=SCHEDULE_NAME,
        job_name=JOB_NAME,
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        default_status=status.RUNNING if settings.enabled else status.STOPPED,
        tags=UNATTENDED_TAGS,
        description="Runs the job as handoff.yml says.",
    )
