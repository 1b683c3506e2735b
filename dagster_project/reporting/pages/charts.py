"""The look of charts, and the library that draws them.

Colours are the stylesheet's custom properties: one set for all charts, light and dark, that also
changes on paper. A colour scale that has to be computed uses opacity instead.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

# Told apart by who sees few colours, too; ``style.css`` has their values.
COLOURS = tuple(f"var(--c{number})" for number in range(1, 7))
INK, MUTED, LINE, GOOD, BAD = (f"var(--{name})" for name in ("ink", "muted", "line", "good", "bad"))

# What the page calls of the library.
_OFFERED = "window.vegaEmbed = vegaEmbed;"
# Named, not inherited: Vega measures its labels with it.
_FONT = "system-ui, sans-serif"
CONFIG: dict[str, Any] = {
    "background": None,
    "font": _FONT,
    "padding": 0,
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
    spec: dict[str, Any] = chart.to_dict()
    spec.pop("config", None)
    # Facets and concatenations have no width of their own.
    if "mark" in spec or "layer" in spec:
        spec["width"] = "container"
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
        if height:
            spec["height"] = height
    return spec


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
