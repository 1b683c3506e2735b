"""The ``sources`` section of ``handoff.yml``: what is read, and what its columns and values mean.

Secrets are never in the file: a source names the environment variables that hold them.
"""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from dagster_project.config.contract import CONTRACT_TABLES
from dagster_project.config.section import Encoding, Moment, Section, TimeZone

TimeFormats = str | list[str]
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
LoadMode = Literal["snapshot", "append"]

# The lead columns that a CRM read by API may fill from a field of the user's choice.
LeadColumn = Literal[
    "company", "title", "employee_count", "industry", "country", "lead_source", "crm_score"
]

# The parts of a table's mapping whose keys are contract columns.
_COLUMN_KEYS = ("columns", "constants", "time_formats", "values", "decimal_marks", "only_when")


class TableMapping(Section):
    """How one table of an export fits the table of the contract (docs/contracts.md).

    ``file``: by default the table's name with ``.csv``, ``.csv.gz``, ``.parquet`` or ``.jsonl``.
    ``columns``: contract column -> the export's header. ``constants``: contract column -> value of
    every row. ``time_formats``: contract column -> strptime format, or several to try in order
    (also ``epoch`` and ``epoch_ms``). ``values``: contract column -> {the export's value, whatever
    its case: the contract's value, empty for none}. ``decimal_marks``: contract column -> the
    decimal mark of its numbers; other marks and currency signs are dropped. ``where``: header ->
    the values of the rows to read (others are not rows of this table). ``only_when``: contract
    column -> {header: the values beside which the column counts, else it is empty}.
    """

    file: str | None = None
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"
    mode: LoadMode | None = None
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    time_formats: dict[str, TimeFormats] = {}
    values: dict[str, dict[str, str]] = {}
    decimal_marks: dict[str, Literal[".", ","]] = {}
    where: dict[str, list[str]] = {}
    only_when: dict[str, dict[str, list[str]]] = {}


class StageDate(Section):
    """A date column that says when a stage was entered; becomes a stage change.

    ``file``: by default the file of the leads. ``lead_id``: the header of the lead's id there, by
    default that of the leads.
    """

    stage: str
    column: str
    file: str | None = None
    lead_id: str | None = None
    time_format: TimeFormats | None = None
    delimiter: Delimiter | None = None
    encoding: Encoding = "utf-8"


class FilesSource(Section):
    """A CRM export: a directory with one file per table.

    ``stage_names``: the export's stage -> stage. ``mode``: ``snapshot`` (the latest load is the
    truth) or ``append`` (every load adds); a table's own ``mode`` overrides it. ``timezone``: of
    times written without an offset, as CRMs export them in the user's local time; a date alone
    stays that date. ``as_of``: when the export was taken, the default moment of a run; only for
    the only source. ``watch``: new files start a run where Dagster's daemon runs.
    """

    kind: Literal["files"]
    name: str = "files"
    path: Path
    as_of: Moment | None = None
    mode: LoadMode = "snapshot"
    timezone: TimeZone = "UTC"
    watch: bool = False
    tables: dict[str, TableMapping] = {}
    stage_names: dict[str, str] = {}
    stage_dates: list[StageDate] = []

    @field_validator("tables")
    @classmethod
    def _known_columns(cls, value: dict[str, TableMapping]) -> dict[str, TableMapping]:
        for name, mapping in value.items():
            if name not in CONTRACT_TABLES:
                raise ValueError(f"no table {name!r}; allowed: {', '.join(CONTRACT_TABLES)}")
            allowed = CONTRACT_TABLES[name].columns
            for key in _COLUMN_KEYS:
                for column in getattr(mapping, key):
                    if column not in allowed:
                        raise ValueError(
                            f"{name}.{key}: no column {column!r}; allowed: {', '.join(allowed)}"
                        )
        return value


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


def _is_local(host: str) -> bool:
    return re.match(r"^(localhost|127\.0\.0\.1)(:\d+)?(/|$)", host) is not None


def _my_domain(value: str) -> str:
    host = re.sub(r"^https?://", "", value).rstrip("/")
    if host in {"login.salesforce.com", "test.salesforce.com"}:
        raise ValueError(
            "client credentials need the org's My Domain host, such as acme.my.salesforce.com"
        )
    if value.startswith("http://") and not _is_local(host):
        raise ValueError("secrets are sent over https only; leave http:// out")
    return value.rstrip("/")


def _safe_for_secrets(value: str) -> str:
    is_local = value.startswith("http://") and _is_local(value.removeprefix("http://"))
    if not value.startswith("https://") and not is_local:
        raise ValueError("the token is sent over https only")
    return value.rstrip("/")


class SalesforceSource(SalesforceFields):
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


class HubSpotSource(HubSpotProperties):
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


class LandedSource(Section):
    """Tables of a CRM that Fivetran, Airbyte or dlt keep in the warehouse or in another file.

    ``path``: a DuckDB file to read from; without it the tables are in the warehouse file itself.
    ``schema``: where the tool writes. ``tables``: the tool's own table name -> the name it has
    here, where they differ. ``hubspot`` or ``salesforce``: which properties or fields mean what.
    """

    model_config = {"populate_by_name": True}

    kind: Literal["landed"]
    name: str
    crm: Literal["hubspot", "salesforce"]
    tool: Literal["fivetran", "airbyte", "dlt"]
    path: Path | None = None
    schema_name: str = Field(alias="schema")
    tables: dict[str, str] = {}
    hubspot: HubSpotProperties = HubSpotProperties()
    salesforce: SalesforceFields = SalesforceFields()


Source = Annotated[
    FilesSource | HubSpotSource | SalesforceSource | LandedSource, Field(discriminator="kind")
]
