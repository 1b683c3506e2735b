"""What every section of ``handoff.yml`` is built from: its base class and its kinds of values."""

import codecs
import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import pytz
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(frozen=True)
    # Keys of an earlier release: where each is now, and how it is written there.
    moved_keys: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        allowed = sorted(field.alias or name for name, field in cls.model_fields.items())
        for key in data if isinstance(data, dict) else ():
            if key not in (*allowed, *cls.model_fields):
                problem = cls.moved_keys.get(
                    key, f"unknown key; allowed here: {', '.join(allowed)}"
                )
                raise PydanticCustomError(
                    "unknown_key", "{problem}", {"problem": problem, "key": key}
                )
        return data


def web_host(value: str, use: str) -> str:
    """The host of an address, with its port; ``use`` says what to write instead of no address.

    Raises ``ValueError`` when it doesn't begin with https:// or http:// and a host.
    """
    try:
        parts = urlsplit(value)
        is_web = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        is_web = None
    if not is_web:
        raise ValueError(f"not an address that begins with https:// or http://; {use}")
    return parts.netloc


def _known_zone(value: str) -> str:
    if value not in pytz.all_timezones_set:
        raise ValueError(f"{value!r} is not a time zone; use a name such as Europe/Amsterdam")
    return value


def _currency_code(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("not a currency's ISO 4217 code; use one such as USD or EUR")
    return value


def _known_encoding(value: str) -> str:
    try:
        codecs.lookup(value)
    except LookupError:
        raise ValueError("no such text encoding; use one such as utf-8, utf-16 or cp1252") from None
    return value


def _iso_moment(value: Any) -> Any:
    """A date or time as text; YAML has turned what looks like one into an object already."""
    if isinstance(value, dt.date):
        return value.isoformat()
    try:
        dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("not a time; use 2026-06-30 or 2026-06-30T00:00:00Z") from None
    return value


Currency = Annotated[str, AfterValidator(_currency_code)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
Moment = Annotated[str, BeforeValidator(_iso_moment)]
ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
