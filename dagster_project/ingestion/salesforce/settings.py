"""Salesforce in the ``sources`` of ``handoff.yml``: how it is reached, what its fields mean."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dagster_project.config.section import Section
from dagster_project.config.sources import LeadColumn, SourceSection, is_this_machine


class StageField(Section):
    """A Salesforce field that carries stages, and what its values mean.

    ``map``: the field's value -> stage; ``ignored`` for a value that carries no stage. A value that
    is not mapped here is looked up in the policy's stage_maps, else it is taken as a stage name.
    """

    field: str
    map: dict[str, str] = {}


class SalesforceFields(Section):
    """Which Salesforce fields mean what; API names, such as ``Rejection_Reason__c``.

    ``stages``: lead fields that carry stages; of changes in the same second the earlier field in
    the list wins. ``reasons``: lead fields that hold why a lead left. ``loss_reason``: the same
    of an opportunity. ``stage_dates``: stage -> lead field with the date it was entered, used
    where no change was tracked. ``columns``: contract lead column -> lead field.
    """

    stages: list[StageField] = [StageField(field="Status")]
    reasons: list[str] = []
    loss_reason: str | None = None
    stage_dates: dict[str, str] = {}
    columns: dict[LeadColumn, str] = {}


def _my_domain(value: str) -> str:
    host = re.sub(r"^https?://", "", value).rstrip("/")
    if host in {"login.salesforce.com", "test.salesforce.com"}:
        raise ValueError(
            "client credentials need the org's My Domain host, such as acme.my.salesforce.com"
        )
    if value.startswith("http://") and not is_this_machine(host):
        raise ValueError("secrets are sent over https only; leave http:// out")
    return value.rstrip("/")


class SalesforceSource(SalesforceFields, SourceSection):
    """A Salesforce org, read by its REST and Bulk 2.0 APIs with client credentials.

    ``domain`` is the My Domain host (``acme.my.salesforce.com``). The client id and secret come
    from the environment variables named here. Queries above ``bulk_above_rows`` rows use Bulk
    2.0. ``overlap_minutes`` before the newest record of the last load are read again, for changes
    that were committed late.
    """

    kind: Literal["salesforce"]
    name: str = "salesforce"
    domain: Annotated[str, AfterValidator(_my_domain)]
    client_id_env: str = "SALESFORCE_CLIENT_ID"
    client_secret_env: str = "SALESFORCE_CLIENT_SECRET"
    api_version: str = Field(default="62.0", pattern=r"^\d{2,3}\.0$")
    bulk_above_rows: int = Field(default=50_000, ge=0)
    overlap_minutes: int = Field(default=10, ge=0)


Source = SalesforceSource
