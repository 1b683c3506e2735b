"""How values are written on pages. ``report.js`` writes the same when a filter changes them."""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

# ``written``: a number that is text already.
Kind = Literal[
    "text",
    "written",
    "count",
    "share",
    "points",
    "days",
    "minutes",
    "number",
    "amount",
    "date",
    "squares",
]

# Below this many cases a rate would tell of chance alone: the page says so in its place.
FEWEST_CASES = 10
TOO_FEW = "too few"
NOTHING = "–"
# Keeps a number and its unit on one line.
_SPACE = "\u00a0"


def shown(value: Any, kind: Kind = "text", cases: float | None = None) -> str:
    """A value as a reader sees it.

    ``share`` and ``points`` (a change between shares) are parts of 1. ``cases``: what a share is
    of; below ``FEWEST_CASES`` it reads "too few".
    """
    if kind in {"share", "points"} and cases is not None and cases < FEWEST_CASES:
        return TOO_FEW
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if kind == "share":
        return f"{_percent(float(value))}{_SPACE}%"
    if kind == "points":
        points = _rounded(float(value) * 100, 1)
        is_rise = value > 0 and points != _rounded(0, 1)
        return f"{'+' if is_rise else ''}{points}{_SPACE}pp"
    if kind == "count":
        return f"{value:,.0f}"
    if kind == "amount":
        return _amount(float(value))
    if kind == "days":
        return f"{_rounded(float(value), 1)}{_SPACE}d"
    if kind == "minutes":
        return _minutes(float(value))
    if kind == "number":
        return _rounded(float(value), 2)
    if isinstance(value, datetime):
        return f"{value:%-d %B %Y, %H:%M}"
    if isinstance(value, date):
        return f"{value:%-d %B %Y}"
    return str(value)


def phrase(code: str) -> str:
    """A code of the marts as words: ``paid_search`` as "paid search"."""
    return code.replace("_", " ")


def plain(value: Any) -> Any:
    """A value as JSON has it; dates as ISO text."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date | datetime) else value


def _percent(share: float) -> str:
    is_small = 0 < abs(share) < 0.0995
    return _rounded(share * 100, 1 if is_small else 0)


def _rounded(value: float, places: int) -> str:
    """Halves go up, as they do in a browser."""
    scale = 10**places
    return f"{math.floor(value * scale + 0.5) / scale:,.{places}f}"


def _amount(value: float) -> str:
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size * 10 or (size > 1e3 and abs(value) >= size):
            return f"{_rounded(value / size, 1 if abs(value) < size * 100 else 0)}{_SPACE}{unit}"
    return _rounded(value, 0)


def _minutes(value: float) -> str:
    if value < 120:
        return f"{_rounded(value, 0)}{_SPACE}min"
    if value < 48 * 60:
        return f"{_rounded(value / 60, 1)}{_SPACE}h"
    return f"{_rounded(value / 1440, 1)}{_SPACE}d"
