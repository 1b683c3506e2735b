"""The one job: read, build, check, publish. ``handoff run`` executes this one too."""

import dagster as dg

from dagster_project.running.execute import JOB_NAME

job = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.all(),
    description="Read the CRM, build the marts, audit them, publish them.",
    # In process: starting a process per step would take longer than a step.
    executor_def=dg.in_process_executor,
)

# For runs that nobody watches: one whose process died is started again by the daemon; one that
# failed for a reason is not.
UNATTENDED_TAGS = {
    "dagster/max_retries": "1",
    "dagster/retry_on_asset_or_op_failure": "false",
    # Whole: a build is read, built and audited under one id.
    "dagster/retry_strategy": "ALL_STEPS",
}
