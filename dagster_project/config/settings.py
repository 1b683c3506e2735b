"""``handoff.yml``: read and validated once, before anything runs.

Secrets never stand in the file: they come from the environment, and a source names the variables
that it reads. An unknown key, a wrong type or a missing file is one line that names the key and
says what is allowed.
"""

import codecs
import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from dagster_project.config.contract import CONTRACT_TABLES, AcceptanceMode, Severity
from dagster_project.config.errors import ConfigError
from dagster_project.config.warehouse import POLICY_DIR, PROJECT_ROOT

DEFAULT_CONFIG = PROJECT_ROOT / "handoff.yml"


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_zone(value: str) -> str:
    """The name of a time zone, as the database of zones has it."""
    import pytz

    if value not in pytz.all_timezones_set:
        raise ValueError(f"{value!r} is no time zone name (such as Europe/Amsterdam)")
    return value


class LifecycleSettings(Section):
    """Which dialect is active and how acceptance works; empty: as the tradition says."""

    tradition: str = "four_stage"
    acceptance: AcceptanceMode | None = None
    acceptance_window_hours: float | None = Field(default=None, ge=0)
    timezone: str = "UTC"
    policy_dir: Path = POLICY_DIR

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _known_zone(value)


class IdentitySettings(Section):
    """Whether the same person in two sources is one lead; off unless ``match_on`` says how."""

    match_on: Literal["email"] | None = None


class WarehouseSettings(Section):
    """Where a run writes and what it may use of the machine."""

    output: Path = Path("var")
    threads: int | None = Field(default=None, ge=1)
    memory_limit: str | None = None


TimeFormats = str | list[str]


# The parts of a table's mapping whose keys are contract columns.
_COLUMN_KEYS = (
    "columns",
    "constants",
    "time_formats",
    "values",
    "decimal_marks",
    "only_when",
)


class TableMapping(Section):
    """How one table of an export fits the contract's table (docs/contracts.md#crm-export).

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
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = "utf-8"
    mode: Literal["snapshot", "append"] | None = None
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    time_formats: dict[str, TimeFormats] = {}
    values: dict[str, dict[str, str]] = {}
    decimal_marks: dict[str, Literal[".", ","]] = {}
    where: dict[str, list[str]] = {}
    only_when: dict[str, dict[str, list[str]]] = {}

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        return _known_encoding(value)


class StageDate(Section):
    """A date column that says when a stage was entered; becomes a stage change.

    ``file``: by default the file of the leads. ``lead_id``: the header that holds the lead's id
    there, by default that of the leads.
    """

    stage: str
    column: str
    file: str | None = None
    lead_id: str | None = None
    time_format: TimeFormats | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        return _known_encoding(value)


class FilesSource(Section):
    """A CRM export: a directory with one file per table.

    ``stage_names``: the export's stage -> stage. ``mode``: ``snapshot`` (the latest load is what
    holds) or ``append`` (every load adds); a table's own ``mode`` goes before it. ``timezone``: of
    times that are written without an offset, as CRMs export them in their user's local time; a
    date alone stays that date. ``watch``: files that arrive start a run, where Dagster's daemon
    runs.
    """

    kind: Literal["files"]
    name: str = "files"
    path: Path
    mode: Literal["snapshot", "append"] = "snapshot"
    timezone: str = "UTC"
    watch: bool = False
    tables: dict[str, TableMapping] = {}
    stage_names: dict[str, str] = {}
    stage_dates: list[StageDate] = []

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _known_zone(value)

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


def _known_encoding(value: str) -> str:
    """The name of a text encoding, as Python knows it."""
    try:
        codecs.lookup(value)
    except LookupError:
        raise ValueError("no such text encoding; such as utf-8, utf-16, cp1252") from None
    return value


class StageField(Section):
    """A CRM field that carries stages, and what its values mean.

    ``map``: the field's value -> stage; ``ignored`` for a value that carries no stage. What is not
    mapped here is looked up in the policy's stage_maps, else it is a stage name as it stands.
    """

    field: str
    map: dict[str, str] = {}


class SalesforceFields(Section):
    """Which Salesforce fields mean what; API names, such as ``Rejection_Reason__c``.

    ``stages``: lead fields that carry stages; of changes in the same second the earlier field in
    the list holds. ``reasons``: lead fields that hold why a lead left. ``loss_reason``: the same
    of an opportunity. ``stage_dates``: stage -> lead field with the date it was entered, used
    where no change was tracked. ``columns``: contract lead column -> lead field.
    """

    stages: list[StageField] = [StageField(field="Status")]
    reasons: list[str] = []
    loss_reason: str | None = None
    stage_dates: dict[str, str] = {}
    columns: dict[
        Literal[
            "company",
            "title",
            "employee_count",
            "industry",
            "country",
            "lead_source",
            "crm_score",
        ],
        str,
    ] = {}


class SalesforceSource(SalesforceFields):
    """A Salesforce org, read by its REST and Bulk 2.0 APIs with client credentials.

    ``domain`` is the My Domain host (``acme.my.salesforce.com``). The client id and secret come
    from the environment variables named here. Queries above ``bulk_above_rows`` rows go by Bulk
    2.0. ``overlap_minutes`` before the newest record of the last load are read again, for changes
    that were committed late.
    """

    kind: Literal["salesforce"]
    name: str = "salesforce"
    domain: str
    client_id_env: str = "SALESFORCE_CLIENT_ID"
    client_secret_env: str = "SALESFORCE_CLIENT_SECRET"
    api_version: str = Field(default="62.0", pattern=r"^\d{2,3}\.0$")
    bulk_above_rows: int = Field(default=50_000, ge=0)
    overlap_minutes: int = Field(default=10, ge=0)

    @field_validator("domain")
    @classmethod
    def _my_domain(cls, value: str) -> str:
        host = re.sub(r"^https?://", "", value).rstrip("/")
        if host in {"login.salesforce.com", "test.salesforce.com"}:
            raise ValueError(
                "client credentials need the org's My Domain host, such as acme.my.salesforce.com"
            )
        is_local = re.match(r"^(localhost|127\.0\.0\.1)(:\d+)?$", host) is not None
        if value.startswith("http://") and not is_local:
            raise ValueError("secrets go over https only; leave http:// out")
        return value.rstrip("/")


class HubSpotStage(Section):
    """A HubSpot property that carries stages, and what its values mean.

    ``property``: of the contact (``lifecyclestage``), or of the leads object when it begins with
    ``leads.`` (``leads.hs_pipeline_stage``). ``map``: the property's value or label -> stage;
    ``ignored`` for one that carries no stage. What is not mapped here is looked up in the policy's
    stage_maps, else it is a stage name as it stands.
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


class HubSpotProperties(Section):
    """Which HubSpot properties mean what.

    ``stages``: the properties that carry stages; of changes in the same moment the earlier one in
    the list holds. ``reason_property``: the contact property that says why a lead left;
    the leads object and deals have one of their own. ``signals``: properties that are engagements.
    ``columns``: contract lead column -> contact property. ``objects``: what is read at all, for
    tokens that may not read everything.
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
    columns: dict[
        Literal[
            "company",
            "title",
            "employee_count",
            "industry",
            "country",
            "lead_source",
            "crm_score",
        ],
        str,
    ] = {}
    objects: list[Literal["contacts", "leads", "deals", "calls", "emails", "meetings"]] = [
        "contacts",
        "leads",
        "deals",
        "calls",
        "emails",
        "meetings",
    ]

    @field_validator("objects")
    @classmethod
    def _with_contacts(cls, value: list[str]) -> list[str]:
        if "contacts" not in value:
            raise ValueError("contacts are what everything else belongs to; add contacts")
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
    base_url: str = "https://api.hubapi.com"
    start_date: date | None = None
    page_size: int = Field(default=50, ge=1, le=50)
    search_page_size: int = Field(default=200, ge=1, le=200)
    overlap_minutes: int = Field(default=10, ge=0)

    @field_validator("base_url")
    @classmethod
    def _safe_for_secrets(cls, value: str) -> str:
        is_local = re.match(r"^http://(localhost|127\.0\.0\.1)(:\d+)?(/|$)", value) is not None
        if not value.startswith("https://") and not is_local:
            raise ValueError("the token goes over https only")
        return value.rstrip("/")


class LandedSource(Section):
    """Tables of a CRM that Fivetran, Airbyte or dlt keep in the warehouse or in another file.

    ``path``: a DuckDB file to read from; without it the tables are in the warehouse file itself.
    ``schema``: where the tool writes. ``tables``: the tool's own table name -> the name it has
    here, where they differ. ``hubspot`` or ``salesforce``: which properties or fields mean what.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

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


class PublishingSettings(Section):
    """What is published beside the DuckDB file, and how many builds are kept."""

    keep_builds: int = Field(default=5, ge=1)
    parquet: bool = True


class CheckThresholds(Section):
    """When a check warns and blocks; empty: as the check's default.

    ``warn`` and ``block``: in the check's unit, for most the share of the cases concerned (5 % is
    0.05), for freshness days. It warns or blocks above the value. Severity ``warning`` never
    blocks.
    """

    warn: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    block: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    severity: Severity | None = None


class ScheduleSettings(Section):
    """When the job runs, where Dagster's daemon does.

    ``cron``: minute, hour, day, month, weekday, in ``timezone``. ``enabled``: on from the start;
    whoever turns it on or off in the UI has the last word. ``look_every_seconds``: how often the
    sensors look for files that arrived and runs that ended.
    """

    cron: str = "0 5 * * *"
    timezone: str = "UTC"
    enabled: bool = False
    look_every_seconds: int = Field(default=30, ge=5)

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        from croniter import CroniterError, croniter

        try:
            fields, _ = croniter.expand(value)
            croniter(value).get_next()
        except CroniterError as error:
            raise ValueError(f"{error}; write such as 0 5 * * *, or @daily") from None
        if len(fields) != 5:
            raise ValueError("five fields: minute, hour, day, month, weekday, such as 0 5 * * *")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _known_zone(value)


ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietHours(Section):
    """When a channel is left in peace: its messages wait until the quiet time ends.

    ``start`` and ``end``: clock times in the zone of the alerts; ``end`` may be the next morning.
    ``weekends``: all of Saturday and Sunday too. ``errors_wait``: errors wait as well; by default
    they go out at once.
    """

    start: ClockTime = "20:00"
    end: ClockTime = "07:00"
    weekends: bool = False
    errors_wait: bool = False


class AlertChannel(Section):
    """One receiver. ``url_env``: the environment variable that holds its apprise URL.

    ``digest``: one message a day or a week (on Mondays) at ``digest_at`` in place of single ones.
    """

    url_env: str
    quiet_hours: QuietHours | None = None
    digest: Literal["daily", "weekly"] | None = None
    digest_at: ClockTime = "08:00"

    @field_validator("url_env")
    @classmethod
    def _name_only(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError("name an environment variable; the URL itself stands there only")
        return value


class AlertRoute(Section):
    """Which incidents go to which channels; an empty list: all of them.

    ``tags``: an incident with any of them: those of ``alerts.tags``, the name of its table, and
    ``check`` or ``pipeline``.
    """

    severities: list[Severity] = []
    owners: list[Literal["marketing", "sales", "data"]] = []
    tags: list[str] = []
    channels: list[str]


class AlertsSettings(Section):
    """Who is told of what fails, and when.

    ``reminder_hours``: tell again while an incident stays open and nobody acknowledged it; empty:
    never. ``growth``: the share by which an incident must grow to be told again; 0: by any case.
    ``lead_url``: a lead's page in the CRM, ``{lead_id}`` in place of the id; ``lead_urls``: by
    source. ``dagster_url``, ``data_docs_url``: where people open the two. ``stale_after_hours``:
    published marts older than this are an incident; empty: never. ``give_up_after_hours``: how
    long a channel that is down is tried. ``tags``: check -> tags of one's own. Without ``routes``
    every channel is told everything.
    """

    timezone: str = "UTC"
    reminder_hours: float | None = Field(default=None, gt=0)
    growth: float = Field(default=0.0, ge=0)
    lead_url: str | None = None
    lead_urls: dict[str, str] = {}
    dagster_url: str | None = None
    data_docs_url: str | None = None
    stale_after_hours: float | None = Field(default=None, gt=0)
    missed_after_minutes: float = Field(default=60, gt=0)
    give_up_after_hours: float = Field(default=72, gt=0)
    channels: dict[str, AlertChannel] = {}
    routes: list[AlertRoute] = []
    tags: dict[str, list[str]] = {}

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _known_zone(value)

    @field_validator("routes")
    @classmethod
    def _known_channels(cls, value: list[AlertRoute], info: ValidationInfo) -> list[AlertRoute]:
        known = info.data.get("channels", {})
        for route in value:
            for name in route.channels:
                if name not in known:
                    raise ValueError(f"no channel {name!r}; known: {', '.join(known) or 'none'}")
        return value


class Settings(Section):
    """The whole of ``handoff.yml``."""

    lifecycle: LifecycleSettings = LifecycleSettings()
    identity: IdentitySettings = IdentitySettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    sources: list[Source] = []
    publishing: PublishingSettings = PublishingSettings()
    checks: dict[str, CheckThresholds] = {}
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertsSettings = AlertsSettings()

    def crms(self) -> set[str]:
        """The CRMs whose own tables the configured sources bring, such as hubspot."""
        return {getattr(source, "crm", source.kind) for source in self.sources}


def load_settings(path: Path | None = None) -> Settings:
    """Read and validate the configuration.

    Relative paths in the file are relative to the file. ``${NAME}`` in a value is replaced from
    the environment. Raises ``ConfigError`` with one line per problem.
    """
    path = path or DEFAULT_CONFIG
    if not path.is_file():
        raise ConfigError(f"{path}: no such configuration file; name one with --config FILE")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "it can't be read as UTF-8 YAML"
        raise ConfigError(f"{path}{line}: {problem}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys such as {', '.join(Settings.model_fields)}")
    content = _expand_environment(content, path)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError([_explain(item, path) for item in error.errors()]) from error
    return _resolve_paths(settings, path.resolve().parent)


def _expand_environment(value: Any, path: Path, key: str = "") -> Any:
    """Replace ``${NAME}`` by the environment's value, wherever a text stands."""
    if isinstance(value, dict):
        return {
            name: _expand_environment(item, path, f"{key}.{name}") for name, item in value.items()
        }
    if isinstance(value, list):
        return [_expand_environment(item, path, f"{key}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        expanded = os.path.expandvars(value)
        if "${" in expanded:
            name = expanded.split("${", 1)[1].split("}", 1)[0]
            raise ConfigError(
                f"{path}: {key.lstrip('.')}: the environment variable {name} is not set"
            )
        return expanded
    return value


def _explain(item: ErrorDetails, path: Path) -> str:
    """One line for one problem that pydantic found."""
    place = [
        part for part in item["loc"] if part not in {"files", "hubspot", "salesforce", "landed"}
    ]
    key = ".".join(str(part) for part in place) or "(top level)"
    if item["type"] == "extra_forbidden":
        allowed = _allowed_keys(place[:-1])
        hint = f"; allowed here: {', '.join(allowed)}" if allowed else ""
        return f"{path}: {key}: unknown key{hint}"
    given = item["input"]
    got = "" if isinstance(given, dict | list | BaseModel) else f" (got {given!r})"
    return f"{path}: {key}: {item['msg'].removeprefix('Value error, ')}{got}"


def _allowed_keys(place: list[int | str]) -> list[str]:
    """The keys that a section at this place of the configuration knows."""
    model: Any = Settings
    for part in place:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = field.annotation
        for candidate in getattr(model, "__args__", ()):
            inner = getattr(candidate, "__args__", (candidate,))[0]
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return sorted(model.model_fields) if hasattr(model, "model_fields") else []


def _resolve_paths(settings: Settings, base: Path) -> Settings:
    """Make the file's relative paths absolute, seen from the file."""
    lifecycle = settings.lifecycle.model_copy(
        update={"policy_dir": base / settings.lifecycle.policy_dir}
    )
    warehouse = settings.warehouse.model_copy(update={"output": base / settings.warehouse.output})
    sources = [
        source.model_copy(update={"path": base / source.path})
        if isinstance(source, FilesSource | LandedSource) and source.path is not None
        else source
        for source in settings.sources
    ]
    return settings.model_copy(
        update={"lifecycle": lifecycle, "warehouse": warehouse, "sources": sources}
    )
