"""The macros of the dbt project, asked of DuckDB before any model runs.

They are rendered here as dbt renders them, so that what readers and proposals decide is what a run
does. dbt has no public way to render a macro without a project to parse, which takes seconds. So
these are read by Jinja alone, and of dbt there is only what is given below: ``adapter.dispatch`` to
DuckDB, ``return`` at the end of a macro (it does not leave one early) and the variable ``no_id``.
A macro that asks for ``ref``, ``dbt.``, a package or ``target`` fails when it is called. A test
compares each macro that is used here with what dbt compiles.
"""

import functools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from jinja2.nativetypes import NativeEnvironment

from dagster_project.config.contract import NO_ID
from dagster_project.config.warehouse import DBT_PROJECT_DIR

_FILES = ("engine/text", "engine/time", "engine/values", "currency", "salesforce")


def _joined(values: Iterable[Any]) -> Any:
    """What a macro gives: what it returns as it is, else its text."""
    parts = list(values)
    return parts[0] if len(parts) == 1 else "".join(map(str, parts))


class _Templates(NativeEnvironment):
    concat = staticmethod(_joined)


@functools.cache
def macros() -> Any:
    """The project's macros, as functions from SQL to SQL."""

    def dispatch(name: str) -> Any:
        return getattr(module, f"duckdb__{name}")

    environment = _Templates(extensions=["jinja2.ext.do"])
    environment.globals.update(
        {
            "adapter": SimpleNamespace(dispatch=dispatch),
            "return": lambda value: value,
            "var": {"no_id": NO_ID}.__getitem__,
        }
    )
    directory = DBT_PROJECT_DIR / "macros"
    text = "".join((directory / f"{name}.sql").read_text(encoding="utf-8") for name in _FILES)
    module = environment.from_string(text).make_module()
    return module
