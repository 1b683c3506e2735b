"""The top of the report: what it is of, how it was checked, and what is missing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.words import shown

# Of what is noticed the page names what may change a number; ``handoff status`` has the rest.
_TELLING = ("error", "warning")


@dataclass(frozen=True)
class Heading:
    """What stands above the sections; ``missing``: what, and what to do about it."""

    build_id: str
    as_of: datetime
    timezone: str
    handoff_version: str
    facts: list[tuple[str, str]]
    missing: list[tuple[str, str]]
    has_error: bool


def heading(marts: Marts, manifest: Mapping[str, Any]) -> Heading:
    """The facts of a build; ``manifest``: what its manifest says."""
    [build] = marts.rows("select * from build_info")
    version = build["definition_version"]
    notes = [note for note in manifest.get("notes", ()) if note["severity"] in _TELLING]
    facts = [
        ("Definitions", build["tradition_label"] or build["tradition"]),
        (
            "Version",
            f"{version}, since {shown(build['definition_valid_from'])}"
            if version is not None
            else "none",
        ),
        ("Acceptance", _acceptance(build)),
        ("Checks", _checks(manifest.get("checks", ()))),
        ("Leads", _leads(marts)),
        ("Sources", ", ".join(source["name"] for source in manifest.get("sources", ())) or "none"),
    ]
    return Heading(
        build_id=build["build_id"],
        as_of=build["as_of"],
        timezone=build["timezone"],
        handoff_version=str(manifest.get("handoff_version", "")),
        facts=facts,
        missing=[(_note(note), note["what_to_do"] or "") for note in notes],
        has_error=any(note["severity"] == "error" for note in notes),
    )


def _acceptance(build: Mapping[str, Any]) -> str:
    if build["acceptance_window_hours"] is None:
        return str(build["acceptance_mode"])
    return f"{build['acceptance_mode']}, {build['acceptance_window_hours']:g} h"


def _checks(checks: Any) -> str:
    counts = Counter(check["status"] for check in checks)
    order = ("blocked", "errored", "warned", "passed", "not_judged")
    found = [f"{counts[status]:,} {status.replace('_', ' ')}" for status in order if counts[status]]
    return ", ".join(found) or "not audited"


def _leads(marts: Marts) -> str:
    buckets = marts.rows(
        "select bucket, count(*) as leads from lead_accounting group by bucket order by leads desc"
    )
    return ", ".join(f"{row['leads']:,} {row['bucket']}" for row in buckets) or "none"


def _note(note: Mapping[str, Any]) -> str:
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["note"])))
    return f"{place} ({note['row_count']:,})" if note["row_count"] else place
