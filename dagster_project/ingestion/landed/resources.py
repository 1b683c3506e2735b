"""What each tool calls the tables of a CRM, and what it has no table for.

A landed source fills the raw tables of its CRM, so it has none of its own.
"""

from dataclasses import dataclass, field

TABLES: dict[str, tuple[str, ...]] = {}

_ENGAGEMENTS = ("calls", "emails", "meetings")


@dataclass(frozen=True)
class HubSpotLayout:
    """How one tool lays HubSpot out: tables by the object that they hold.

    ``prefix``: what stands before a property's name in a column. ``records``: all tables of an
    object (some tools keep archived records apart). ``renamed``: properties of an object that have
    a column of another name. ``history``: tables of past values; one without a column for the
    property is about the deal's stage. ``entered``: a table of the moments at which an object's
    records entered their stages. ``contacts_of``: table, and its columns for the record and for the
    contact. ``merges``: table, and its columns for the record that is left and for the one that it
    swallowed. ``not_provided``: what the tool has no table for at all.
    """

    prefix: str
    records: dict[str, tuple[str, ...]]
    history: dict[str, tuple[str, ...]]
    contacts_of: dict[str, tuple[str, str, str]]
    owners: tuple[str, ...]
    pipeline_stages: str
    renamed: dict[str, dict[str, str]] = field(default_factory=dict)
    entered: dict[str, str] = field(default_factory=dict)
    merges: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    not_provided: frozenset[str] = field(default_factory=frozenset)


# Properties without which the records of an object say less than they seem to.
HUBSPOT_NEEDED = {
    "contacts": ("createdate", "hubspot_owner_id"),
    "leads": ("hs_pipeline_stage",),
    "deals": ("dealstage", "pipeline", "amount", "createdate", "hubspot_owner_id"),
    "calls": ("hs_timestamp", "hubspot_owner_id", "hs_call_direction"),
    "emails": ("hs_timestamp", "hubspot_owner_id", "hs_email_direction"),
    "meetings": ("hs_meeting_start_time", "hubspot_owner_id"),
}


HUBSPOT: dict[str, HubSpotLayout] = {
    "fivetran": HubSpotLayout(
        prefix="property_",
        records={
            "contacts": ("contact",),
            "leads": ("lead",),
            "deals": ("deal",),
            **{name: (f"engagement_{name[:-1]}",) for name in _ENGAGEMENTS},
        },
        renamed={
            "deals": {
                "dealstage": "deal_pipeline_stage_id",
                "pipeline": "deal_pipeline_id",
                "hubspot_owner_id": "owner_id",
            },
            # The columns of connections that were set up before HubSpot's API version 3.
            "meetings": {
                "hs_meeting_start_time": "start_time",
                "hs_meeting_outcome": "meeting_outcome",
            },
        },
        history={
            "contacts": ("contact_property_history",),
            "leads": ("lead_property_history",),
            "deals": ("deal_property_history", "deal_stage"),
        },
        contacts_of={
            "leads": ("lead_contact", "lead_id", "contact_id"),
            "deals": ("deal_contact", "deal_id", "contact_id"),
            **dict.fromkeys(_ENGAGEMENTS, ("engagement_contact", "engagement_id", "contact_id")),
        },
        owners=("owner",),
        pipeline_stages="deal_pipeline_stage",
        merges={
            "contacts": ("contact_merge_audit", "canonical_vid", "vid_to_merge"),
            "deals": ("merged_deal", "deal_id", "merged_deal_id"),
        },
    ),
    "airbyte": HubSpotLayout(
        prefix="properties_",
        records={
            "contacts": ("contacts", "contacts_archived"),
            "leads": ("leads",),
            "deals": ("deals", "deals_archived"),
            **{name: (f"engagements_{name}",) for name in _ENGAGEMENTS},
        },
        history={name: (f"{name}_property_history",) for name in ("contacts", "deals")},
        contacts_of={
            "leads": ("leads", "id", "contacts"),
            "deals": ("deals", "id", "contacts"),
            **{name: (f"engagements_{name}", "id", "contacts") for name in _ENGAGEMENTS},
        },
        owners=("owners", "owners_archived"),
        pipeline_stages="deal_pipelines",
        merges={"contacts": ("contacts_merged_audit", "canonical_vid", "vid_to_merge")},
        not_provided=frozenset({"leads history"}),
    ),
    "dlt": HubSpotLayout(
        prefix="",
        records={"contacts": ("contacts",), "deals": ("deals",)},
        history={name: (f"{name}_property_history",) for name in ("contacts", "deals")},
        entered={"deals": "stages_timing_deals"},
        contacts_of={"deals": ("contacts__deals", "deals_id", "value")},
        owners=("owners",),
        pipeline_stages="pipelines_deals__stages",
        not_provided=frozenset({"leads", "leads history", *_ENGAGEMENTS}),
    ),
}
# Salesforce's tables are called like its objects, with these exceptions.
SALESFORCE_NAMES = {("dlt", "User"): "sf_user"}
SALESFORCE_NOT_PROVIDED = {"dlt": frozenset({"LeadHistory", "OpportunityHistory", "EmailMessage"})}
# Fields whose absence is no loss.
SALESFORCE_OPTIONAL = frozenset({"CurrencyIsoCode", "DataType"})
# Fields that are dates, without a time.
SALESFORCE_DATES = frozenset({"ConvertedDate", "CloseDate", "ActivityDate", "FirstRespondedDate"})
