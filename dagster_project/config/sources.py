"""The ``sources`` section of ``handoff.yml``: the settings of a source belong to its kind.

A source kind is a package of ``dagster_project.ingestion``, found by its folder. Its modules are
``settings`` (``Source``: its section of the file), ``client`` (how it is reached), ``resources``
(``TABLES``: its raw tables beside the contract's) and ``load`` (``ingest``, and ``check`` for the
doctor).

Secrets are never in the file: a source names the environment variables that hold them.
"""

import importlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from dagster_project.config.section import Section

# The lead columns that a CRM read by API may fill from a field of the user's choice.
LeadColumn = Literal[
    "company", "title", "employee_count", "industry", "country", "lead_source", "crm_score"
]


class SourceSection(Section):
    """What every source says: which kind it is, and the name that its rows carry."""

    kind: str
    name: str


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, to which secrets may go without https."""
    return re.match(r"^(localhost|127\.0\.0\.1)(:\d+)?(/|$)", host) is not None


def source_kinds() -> list[str]:
    """The names of all source kinds."""
    folder = Path(__file__).resolve().parents[1] / "ingestion"
    return sorted(path.parent.name for path in folder.glob("*/settings.py"))


def module_of(kind: str, name: str) -> Any:
    """A module of a source kind's package."""
    return importlib.import_module(f"dagster_project.ingestion.{kind}.{name}")


def _of_its_kind(value: Any) -> Any:
    """A source of the file as the section of its kind."""
    if not isinstance(value, dict):
        return value
    kind, known = value.get("kind"), source_kinds()
    if kind not in known:
        raise ValueError(f"kind {kind!r} is not a source kind; allowed: {', '.join(known)}")
    return module_of(kind, "settings").Source.model_validate(value)


Source = Annotated[SourceSection, BeforeValidator(_of_its_kind)]
