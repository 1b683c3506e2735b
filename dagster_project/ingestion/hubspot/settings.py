"""HubSpot in the ``sources`` of ``handoff.yml``: how it is reached, what its properties mean."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from dagster_project.config.section import Section
from dagster_project.config.sources import LeadColumn, SourceSection, is_this_machine


class HubSpotStage(Section):
    """A HubSpot property that carries stages, and what its values mean.

    ``property``: of the contact (``lifecyclestage``), or of the leads object when it begins with
    ``leads.`` (``leads.hs_pipeline_stage``). ``map``: the property's value or label -> stage;
    ``ignored`` for one that carries no stage. A value that is not mapped here is looked up in the
    policy's stage_maps, else it is taken as a stage name.
    """

    property: str
    map: dict[str, str] = {}


class HubSpotSignal(Section):
    """A contact property whose values are engagements, such as the last form that was filled in.

    ``map``: the property's value -> engagement kind. ``kind``: the kind of every other value;
    without it the value itself is the kind.
    """

    property: str
    map: dict[str, str] = {}
    kind: str | None = None


HubSpotObject = Literal["contacts", "leads", "deals", "calls", "emails", "meetings"]


class HubSpotProperties(Section):
    """Which HubSpot properties mean what.

    ``stages``: the properties that carry stages; of changes in the same moment the earlier one in
    the list wins. ``reason_property``: the contact property that says why a lead left; the leads
    object and deals have one of their own. ``signals``: properties that are engagements.
    ``columns``: contract lead column -> contact property. ``objects``: which objects are read, for
    tokens that may not read all of them.
    """

    stages: list[HubSpotStage] = [
        HubSpotStage(property="lifecyclestage"),
        HubSpotStage(property="hs_lead_status"),
        HubSpotStage(property="leads.hs_pipeline_stage"),
    ]
    reason_property: str | None = None
    lead_reason_property: str = "hs_lead_disqualification_reason"
    loss_reason_property: str = "closed_lost_reason"
    signals: list[HubSpotSignal] = []
    columns: dict[LeadColumn, str] = {}
    objects: list[HubSpotObject] = ["contacts", "leads", "deals", "calls", "emails", "meetings"]

    @field_validator("objects")
    @classmethod
    def _with_contacts(cls, value: list[HubSpotObject]) -> list[HubSpotObject]:
        if "contacts" not in value:
            raise ValueError("everything else belongs to a contact; add contacts")
        return value


def _safe_for_secrets(value: str) -> str:
    is_local = value.startswith("http://") and is_this_machine(value.removeprefix("http://"))
    if not value.startswith("https://") and not is_local:
        raise ValueError("the token is sent over https only")
    return value.rstrip("/")


class HubSpotSource(HubSpotProperties, SourceSection):
    """A HubSpot account, read by its API with the token of a private app.

    The token comes from the environment variable ``token_env``. ``start_date``: leave out what did
    not change since. ``page_size``: records per call (HubSpot allows 50 with history).
    ``overlap_minutes``: how long before the last load changed records are looked for again, since
    HubSpot's search shows them late.
    """

    kind: Literal["hubspot"]
    name: str = "hubspot"
    token_env: str = "HUBSPOT_TOKEN"
    base_url: Annotated[str, AfterValidator(_safe_for_secrets)] = "https://api.hubapi.com"
    start_date: date | None = None
    page_size: int = Field(default=50, ge=1, le=50)
    search_page_size: int = Field(default=200, ge=1, le=200)
    overlap_minutes: int = Field(default=10, ge=0)


Source = HubSpotSource
