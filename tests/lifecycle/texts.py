"""What a CRM's texts mean: times, numbers, truth values, and words as policy compares them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?"
)

SCIENTIFIC = re.compile(r"\d([.,]\d+)?[eE]\+\d+")
NUMBERS_DATE = re.compile(r"(\d\d?)[/-](\d\d?)[/-](\d{4})")


def given(text: Any) -> str | None:
    """The text as received; null when it is empty or spaces only."""
    if text is None or not str(text).strip():
        return None
    return str(text)


def plain(text: str | None) -> str | None:
    """The text as it is compared with policy: without case and outer spaces."""
    return None if given(text) is None else str(text).strip().lower()


def as_time(text: str | None, zone: str = "UTC") -> datetime | None:
    """A moment in UTC; null when the text can't be read.

    A time without an offset is one of the zone, a date alone its midnight there.
    """
    match = ISO_TIME.fullmatch(_day_last(text.strip())) if text else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")),
            tzinfo=UTC if offset else ZoneInfo(zone),
            # Of an hour that comes twice in autumn, the second.
            fold=1,
        )
    except ValueError:
        return None
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        moment += shift if offset[0] == "-" else -shift
    return moment.astimezone(UTC)


def _day_last(text: str) -> str:
    """A date of which one part can only be the day (31/12/2025) as ISO writes it."""
    match = NUMBERS_DATE.match(text)
    if match is None:
        return text
    first, second, year = match.groups()
    day, month = (first, second) if int(first) > 12 else (second, first)
    return f"{year}-{month.zfill(2)}-{day.zfill(2)}{text[match.end() :]}"


def as_id(text: str | None) -> str | None:
    """The id as it came; null when a spreadsheet wrote it in scientific notation."""
    return None if SCIENTIFIC.fullmatch((text or "").strip()) else text


def as_flag(text: str | None) -> bool | None:
    """True or false; null when the text can't be read as either."""
    word = plain(text)
    if word in {"true", "t", "yes", "y", "1"}:
        return True
    return False if word in {"false", "f", "no", "n", "0"} else None


def as_number(text: str | None) -> Decimal | None:
    """A decimal number; null when the text can't be read."""
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_bytes(text: str | None) -> bytes:
    """The key that orders texts byte by byte; null counts as empty."""
    return (text or "").encode()
