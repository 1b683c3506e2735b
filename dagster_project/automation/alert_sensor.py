"""The sensor that looks at finished runs, whoever started them, and sends alerts.

Dagster's open-source edition sends nothing by itself.
"""

from datetime import UTC, datetime

import dagster as dg

from dagster_project.alerting.intake import look
from dagster_project.config.locations import config_path
from dagster_project.config.settings import ScheduleSettings, load_settings


def build_alert_sensor(settings: ScheduleSettings) -> dg.SensorDefinition:
    """The sensor; it runs as soon as the daemon does."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=settings.look_every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns checks and failures of finished runs into incidents and messages.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        since = datetime.fromisoformat(context.cursor) if context.cursor else None
        # Channels and thresholds may have changed since the code was loaded.
        current = load_settings(config_path())
        lines, through = look(context.instance, current, since, datetime.now(UTC))
        context.update_cursor(through.isoformat())
        for line in lines:
            context.log.info(line)
        return dg.SkipReason("; ".join(lines) or "nothing new")

    return alerts
