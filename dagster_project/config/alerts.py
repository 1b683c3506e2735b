"""The ``alerts`` section of ``handoff.yml``: who is notified of what, and when."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from dagster_project.config.contract import Severity
from dagster_project.config.section import ClockTime, Section, TimeZone, web_host


def _variable_name(value: str) -> str:
    if not (value.isascii() and value.isidentifier()):
        raise ValueError("name an environment variable; only the variable holds the URL itself")
    return value


def _report_folder(value: str | None) -> str | None:
    """The address of the report's folder, with its last slash, so that a page's name can follow."""
    if not value:
        return None
    use = "use the folder's address, such as https://files.example.com/published/report"
    if not value.isprintable() or " " in value or set("?#") & set(value):
        raise ValueError(f"an address without spaces, ? and #, since names of pages follow; {use}")
    web_host(value, use)
    if value.endswith(".html"):
        raise ValueError(f"a page, not the folder that it is in; {use}")
    return value if value.endswith("/") else f"{value}/"


class QuietHours(Section):
    """When messages of a channel wait until the quiet time ends.

    ``start`` and ``end``: clock times in the time zone of the alerts; ``end`` may be the next
    morning. ``weekends``: all of Saturday and Sunday too. ``errors_wait``: errors wait as well;
    by default they are sent at once.
    """

    start: ClockTime = "20:00"
    end: ClockTime = "07:00"
    weekends: bool = False
    errors_wait: bool = False


class AlertChannel(Section):
    """One receiver. ``url_env``: the environment variable that holds its apprise URL.

    ``digest``: one message a day or a week (on Mondays) at ``digest_at`` instead of single ones.
    ``mentions``: by severity, whom a message calls, in the channel's own spelling: ``<@U012AB3CD>``
    or ``<!here>`` in Slack, ``<@&4711>`` in Discord, ``@anna`` in Mattermost.
    """

    url_env: Annotated[str, AfterValidator(_variable_name)]
    quiet_hours: QuietHours | None = None
    mentions: dict[Severity, str] = {}
    digest: Literal["daily", "weekly"] | None = None
    digest_at: ClockTime = "08:00"


class AlertRoute(Section):
    """Which incidents go to which channels; an empty list means all of them.

    ``tags``: an incident with any of them: those of ``alerts.tags``, the name of its table, and
    ``check`` or ``pipeline``.
    """

    severities: list[Severity] = []
    owners: list[Literal["marketing", "sales", "data"]] = []
    tags: list[str] = []
    channels: list[str]


class AlertsSettings(Section):
    """Who is notified of what fails, and when.

    ``reminder_hours``: remind while an incident stays open and nobody acknowledged it; empty:
    never. ``growth``: the share by which an incident must grow to be reported again; 0: by any
    case. ``dagster_url``, ``data_docs_url``, ``report_url``: where people open Dagster, the Data
    Docs and the pages in ``published/report``. ``stale_after_hours``: published marts older than
    this are an incident; empty: never. ``give_up_after_hours``: how long a channel that is down is
    retried. ``tags``: check -> tags of your own. Without ``routes`` every channel gets everything.
    """

    moved_keys: ClassVar[Mapping[str, str]] = {
        "lead_url": "this key is crm_links.lead now; write at the top level of the file "
        "crm_links: {lead: 'https://crm.example.com/leads/{lead_id}'}",
        "lead_urls": "these are crm_links.sources now; write at the top level of the file "
        "crm_links: {sources: {SOURCE: {lead: 'https://crm.example.com/leads/{lead_id}'}}}",
    }

    timezone: TimeZone = "UTC"
    reminder_hours: float | None = Field(default=None, gt=0)
    growth: float = Field(default=0.0, ge=0)
    dagster_url: str | None = None
    data_docs_url: str | None = None
    report_url: Annotated[str | None, AfterValidator(_report_folder)] = None
    stale_after_hours: float | None = Field(default=None, gt=0)
    missed_after_minutes: float = Field(default=60, gt=0)
    give_up_after_hours: float = Field(default=72, gt=0)
    channels: dict[str, AlertChannel] = {}
    routes: list[AlertRoute] = []
    tags: dict[str, list[str]] = {}

    @field_validator("routes")
    @classmethod
    def _known_channels(cls, value: list[AlertRoute], info: ValidationInfo) -> list[AlertRoute]:
        known = info.data.get("channels", {})
        for name in (name for route in value for name in route.channels):
            if name not in known:
                raise ValueError(f"no channel {name!r}; known: {', '.join(known) or 'none'}")
        return value
