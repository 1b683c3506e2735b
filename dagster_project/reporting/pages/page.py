"""Fills the templates of pages. What comes from data is text and never acts as markup."""

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dagster_project.config.plain_text import printable
from dagster_project.reporting.pages.section import (
    Chart,
    Link,
    Only,
    Points,
    Section,
    Table,
    Value,
    said,
)
from dagster_project.reporting.pages.words import shown

_TEMPLATES = Path(__file__).parent / "templates"


def _printable(value: Any) -> Any:
    """Texts with signs that would act written out; markup of ours and other values as they are."""
    return printable(value) if type(value) is str else value


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {"shown": shown, "said": said}
    environment.tests |= {
        "chart": lambda part: isinstance(part, Chart),
        "table": lambda part: isinstance(part, Table),
        "points": lambda part: isinstance(part, Points),
        "link": lambda part: isinstance(part, Link),
        "only": lambda part: isinstance(part, Only),
        "value": lambda part: isinstance(part, Value),
    }
    return environment


_PAGES = _environment()


def render(template: str, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """A page of a template that extends ``base.html``.

    ``scripts`` are the only ones that the page may run, in this order; it may ask for nothing.
    """
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts]
    return _PAGES.get_template(template).render(
        style=Markup(asset("style.css")),
        scripts=[Markup(code) for code in scripts],
        script_sources=" ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'",
        **values,
    )


def asset(name: str) -> str:
    """A stylesheet or script of the package."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def packed(value: Any) -> str:
    """A value as compressed JSON in base64, for data that is large."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # Without the time, so that the same build makes the same page.
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def page_data(sections: list[Section], config: dict[str, Any]) -> dict[str, Any]:
    """What the page's script reads: charts, breakdowns and, compressed, their cubes."""
    breakdowns = {item.name: item for section in sections for item in section.breakdowns()}
    cubes = {item.cube.name: item.cube for item in breakdowns.values()}
    return {
        "config": config,
        "charts": {
            chart.name: {
                "spec": chart.spec,
                "cases": chart.cases,
                "total": chart.total,
                "rows": [] if chart.table.breakdown else chart.data,
                "breakdown": chart.table.breakdown.name if chart.table.breakdown else None,
            }
            for section in sections
            for chart in section.charts()
        },
        "breakdowns": {name: item.packed() for name, item in breakdowns.items()},
        "cubes": packed({name: item.packed() for name, item in cubes.items()}),
    }
