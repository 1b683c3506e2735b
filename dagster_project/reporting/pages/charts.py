"""The look of charts, and the library that draws them.

Colours are the stylesheet's custom properties: one set for all charts, light and dark, that also
changes on paper. A colour scale that has to be computed uses opacity instead.
"""

import math
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import NormalDist
from typing import Any

from rich.cells import cell_len

# Told apart by who sees few colours, too; ``style.css`` has their values.
COLOURS = tuple(f"var(--c{number})" for number in range(1, 9))
INK, MUTED, LINE, GOOD, BAD = (f"var(--{name})" for name in ("ink", "muted", "line", "good", "bad"))

# An axis whose labels are of ``axis_label``: the middle of two lines is where that of one would be.
LINES: dict[str, Any] = {
    "labelExpr": "split(slice(datum.label, indexof(datum.label, '|') + 1), '\\n')",
    "labelOffset": {
        "condition": {"test": "indexof(datum.label, '\\n') >= 0", "value": -7},
        "value": 0,
    },
}
# Letters of a line of such a label; Chinese, Japanese and Korean ones take the room of two.
_LINE = 24
# What the page calls of the library.
_OFFERED = "window.vegaEmbed = vegaEmbed;"
# Named, not inherited: Vega measures its labels with it.
_FONT = "system-ui, sans-serif"
CONFIG: dict[str, Any] = {
    "background": None,
    "font": _FONT,
    # What hangs below the letters of an axis title would be cut.
    "padding": {"left": 0, "top": 2, "right": 2, "bottom": 4},
    "view": {"stroke": None},
    # The table beside it says the same, in order.
    "aria": False,
    "mark": {"color": COLOURS[0]},
    "range": {"category": list(COLOURS)},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": LINE,
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelPadding": 6,
        "labelLimit": 160,
    },
    # Labels of a narrow chart that would nearly touch: every other one is left out.
    "axisX": {"labelSeparation": 8},
    "axisY": {"grid": False},
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "symbolType": "square",
        "offset": 8,
        "columnPadding": 16,
    },
    "header": {"labelColor": INK, "title": None, "labelFontSize": 12},
    "text": {"color": INK, "fontSize": 12},
    "rule": {"color": MUTED},
}


def specification(chart: Any, height: int | None = None) -> dict[str, Any]:
    """A chart of altair, made over ``rows()``, as the page embeds it; as wide as its place."""
    # Checking them against the schema takes longer than all else; tests have altair do it.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("config", None)
    # Facets and concatenations have no width of their own.
    if "mark" in spec or "layer" in spec:
        spec["width"] = "container"
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
        if height:
            spec["height"] = height
    return spec


def axis_label(number: int, *lines: str) -> str:
    """A label for an axis with ``LINES``; one line alone becomes two where it is long.

    ``number`` tells apart what would read the same.
    """
    [*first, last] = lines
    width = max(1, _LINE * len(last) // max(1, cell_len(last)))
    wrapped = textwrap.wrap(last, width)
    room = 1 if first else 2
    if len(wrapped) > room:
        wrapped = [*wrapped[: room - 1], f"{wrapped[room - 1]}…"]
    return f"{number}|" + "\n".join([*first, *wrapped])


def with_interval(chart: Any, successes: str, trials: str) -> Any:
    """A chart of altair with the fields ``lower`` and ``upper`` beside two fields with counts.

    They are the bounds of the 95 % Wilson interval, as the marts have it, of what is drawn: under a
    filter of what that leaves.
    """
    deviate = NormalDist().inv_cdf(0.975)
    cases, square = f"datum.{trials}", f"{deviate**2!r}"
    centre = f"(datum.{successes} + {square} / 2) / ({cases} + {square})"
    spread = f"datum.{successes} * ({cases} - datum.{successes}) / {cases} + {square} / 4"
    half = f"{deviate!r} * sqrt({spread}) / ({cases} + {square})"
    return chart.transform_calculate(
        lower=f"max(0, {centre} - {half})", upper=f"min(1, {centre} + {half})"
    )


def interval(successes: float, trials: float) -> tuple[float, float]:
    """The bounds of the 95 % Wilson interval of a rate, as ``with_interval`` draws them."""
    deviate = NormalDist().inv_cdf(0.975)
    centre = (successes + deviate**2 / 2) / (trials + deviate**2)
    spread = successes * (trials - successes) / trials + deviate**2 / 4
    half = deviate * math.sqrt(spread) / (trials + deviate**2)
    return max(0.0, centre - half), min(1.0, centre + half)


def are_alike(counts: Sequence[tuple[float, float]]) -> bool:
    """Whether the intervals of all rates overlap, so that they may differ by chance alone.

    ``counts``: successes and trials of each.
    """
    lowest, highest = zip(*(interval(*one) for one in counts), strict=True)
    return max(lowest) <= min(highest)


def rates(
    field: str, order: Sequence[str], rate: str, counts: tuple[str, str], title: str, colour: str
) -> dict[str, Any]:
    """A point with its 95 % interval for each value of a field, in an order, from 0 to 100 %.

    ``rate``: the field with the rate; ``counts``: those with its numerator and denominator.
    """
    # Takes a second to import; a command that writes no page does without.
    import altair as alt

    counted, of = counts
    base = (
        with_interval(alt.Chart(rows()), counted, of)
        .transform_filter(alt.FieldOneOfPredicate(field=field, oneOf=list(order)))
        .encode(
            # A value keeps its place when a filter leaves others out.
            y=alt.Y(f"{field}:N", title=None).scale(domain=list(order)),
            tooltip=[
                alt.Tooltip(f"{field}:N", title="Of"),
                alt.Tooltip(f"{rate}:Q", title=title.capitalize(), format=".1%"),
                alt.Tooltip("lower:Q", title="95 % from", format=".1%"),
                alt.Tooltip("upper:Q", title="to", format=".1%"),
                alt.Tooltip(f"{counted}:Q", title="Cases", format=","),
                alt.Tooltip(f"{of}:Q", title="Of", format=","),
            ],
        )
    )
    across = alt.X("lower:Q", title=title).axis(format="%", tickCount=5).scale(domain=[0, 1])
    return specification(
        alt.layer(
            base.mark_rule(strokeWidth=2, color=MUTED).encode(x=across, x2="upper:Q"),
            base.mark_point(filled=True, size=80, opacity=1, color=colour).encode(x=f"{rate}:Q"),
        ),
        height=24 * max(len(order), 1) + 10,
    )


def rows() -> Any:
    """The data of a chart, which the page fills."""
    # Takes a second to import; a command that writes no page does without.
    import altair

    return altair.NamedData("rows")


def drawing_library(cache: Path) -> str:
    """The JavaScript of Vega, Vega-Lite and vega-embed, kept in a directory by version."""
    file = cache / f"vega-{version('vl-convert-python')}.js"
    if not file.is_file():
        # Has a JavaScript engine inside, which is needed once per version.
        import vl_convert

        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(vl_convert.javascript_bundle(_OFFERED), encoding="utf-8")
        part.replace(file)
    return file.read_text(encoding="utf-8")
