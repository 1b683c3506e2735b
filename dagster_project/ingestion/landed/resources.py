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
    object (some tools keep archived records apart). ``contacts_of``: table, and its columns for
    the record and for the contact. ``not_provided``: what the tool has no table for at all.
    """

    prefix: str
    records: dict[str, tuple[str, ...]]
    history: dict[str, str]
    contacts_of: dict[str, tuple[str, str, str]]
    owners: tuple[str, ...]
    pipeline_stages: str
    merges: str = ""
    not_provided: frozenset[str] = field(default_factory=frozenset)


HUBSPOT: dict[str, HubSpotLayout] = {
    "fivetran": HubSpotLayout(
        prefix="property_",
        records={
            "contacts": ("contact",),
            "leads": ("lead",),
            "deals": ("deal",),
            **{name: (f"engagement_{name[:-1]}",) for name in _ENGAGEMENTS},
        },
        history={f"{name}s": f"{name}_property_history" for name in ("contact", "lead", "deal")},
        contacts_of={
            "leads": ("lead_contact", "lead_id", "contact_id"),
            "deals": ("deal_contact", "deal_id", "contact_id"),
            **dict.fromkeys(_ENGAGEMENTS, ("engagement_contact", "engagement_id", "contact_id")),
        },
        owners=("owner",),
        pipeline_stages="deal_pipeline_stage",
        merges="contact_merge_audit",
    ),
    "airbyte": HubSpotLayout(
        prefix="properties_",
        records={
            "contacts": ("contacts",),
            "leads": ("leads",),
            "deals": ("deals", "deals_archived"),
            **{name: (f"engagements_{name}",) for name in _ENGAGEMENTS},
        },
        history={name: f"{name}_property_history" for name in ("contacts", "deals")},
        contacts_of={
            "leads": ("leads", "id", "contacts"),
            "deals": ("deals", "id", "contacts"),
            **{name: (f"engagements_{name}", "id", "contacts") for name in _ENGAGEMENTS},
        },
        owners=("owners", "owners_archived"),
        pipeline_stages="deal_pipelines",
        merges="contacts_merged_audit",
        not_provided=frozenset({"leads history"}),
    ),
    "dlt": HubSpotLayout(
        prefix="",
        records={"contacts": ("contacts",), "deals": ("deals",)},
        history={name: f"{name}_property_history" for name in ("contacts", "deals")},
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
