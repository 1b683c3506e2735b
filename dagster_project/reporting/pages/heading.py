"""The top of the report: what it is of, how it was checked, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.reporting.pages.marts import Marts, local_date
from dagster_project.reporting.pages.words import shown
from expectations.check import STATUS_WORDS, counted

# Of what is noticed the page names what may change a number; ``handoff status`` has the rest.
TELLING = ("error", "warning")
_MOST_SOURCES = 4
# How a check ends that holds a build back.
STOPPING = ("blocked", "errored")


@dataclass(frozen=True)
class Heading:
    """What stands above the sections.

    ``as_of``: in the time zone of the build. ``blocked``: the checks that block it, if it was
    published all the same. ``missing``: what, and what to do about it.
    """

    build_id: str
    as_of: datetime
    timezone: str
    handoff_version: str
    checks: str
    facts: list[tuple[str, str]]
    missing: list[tuple[str, str]]
    has_error: bool
    blocked: tuple[str, ...] = ()


def heading(marts: Marts, manifest: Mapping[str, Any]) -> Heading:
    """The facts of a build; ``manifest``: what its manifest says."""
    [build] = marts.rows("select * from build_info")
    version = build["definition_version"]
    notes = [note for note in manifest.get("notes", ()) if note["severity"] in TELLING]
    checks = check_counts(manifest.get("checks", ()))
    facts = [
        ("Definitions", build["tradition_label"] or build["tradition"]),
        (
            "Version",
            f"{version}, since {shown(build['definition_valid_from'])}"
            if version is not None
            else "none",
        ),
        ("Acceptance", _acceptance(build)),
        ("Checks", checks),
        ("Leads", _leads(marts)),
        ("Sources", ", ".join(source["name"] for source in manifest.get("sources", ())) or "none"),
        *_coverage(marts),
    ]
    return Heading(
        build_id=build["build_id"],
        as_of=build["as_of"].replace(tzinfo=UTC).astimezone(ZoneInfo(build["timezone"])),
        timezone=build["timezone"],
        handoff_version=str(manifest.get("handoff_version", "")),
        checks=checks,
        facts=facts,
        missing=[(noticed(note), note["what_to_do"] or "") for note in notes],
        has_error=any(note["severity"] == "error" for note in notes),
        blocked=_blocked(manifest),
    )


def _acceptance(build: Mapping[str, Any]) -> str:
    if build["acceptance_window_hours"] is None:
        return str(build["acceptance_mode"])
    return f"{build['acceptance_mode']}, {build['acceptance_window_hours']:g} h"


def _blocked(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The checks and tests that would hold a build back, of one that is published."""
    found = (*manifest.get("checks", ()), *manifest.get("data_tests", ()))
    return tuple(check["check_name"] for check in found if check["status"] in STOPPING)


def check_counts(checks: Any) -> str:
    """How many checks ended how, counted and worded as everywhere."""
    counts = counted(check["status"] for check in checks)
    if not sum(counts.values()):
        return "not audited"
    return ", ".join(f"{count:,} {STATUS_WORDS[name]}" for name, count in counts.items())


def _leads(marts: Marts) -> str:
    buckets = marts.rows(
        "select bucket, count(*) as leads from lead_accounting group by bucket order by leads desc"
    )
    return ", ".join(f"{row['leads']:,} {row['bucket']}" for row in buckets) or "none"


def _coverage(marts: Marts) -> list[tuple[str, str]]:
    """From when to when each source has what; of many sources the largest."""
    found = marts.rows(
        f"""
        with moments as (
            select source_system, 1 as place, 'leads created' as what, created_at as happened_at
            from dim_leads
            union all
            select source_system, 2, 'stages entered', entered_at from fct_lead_stages
            union all
            select source_system, 3, 'first touches', first_touch_at from fct_lead_cycles
        )

        select
            source_system, what,
            min({local_date("happened_at")}) as first_day,
            max({local_date("happened_at")}) as last_day
        from moments
        where happened_at is not null
        group by source_system, place, what
        order by sum(count(*)) over (partition by source_system) desc, source_system, place
        """
    )
    told: dict[str, dict[str, list[str]]] = {}
    for row in found:
        days = f"{shown(row['first_day'])} to {shown(row['last_day'])}"
        told.setdefault(row["source_system"], {}).setdefault(days, []).append(row["what"])
    facts = [
        (
            f"Coverage of {source}",
            "; ".join(f"{', '.join(kinds)}: {days}" for days, kinds in spans.items()),
        )
        for source, spans in told.items()
    ]
    more = len(facts) - _MOST_SOURCES
    if more > 0:
        facts[_MOST_SOURCES:] = [("Coverage", f"of {more:,} more sources in the marts")]
    return facts


def noticed(note: Mapping[str, Any]) -> str:
    """What was noticed, where and how often."""
    place = ": ".join(filter(None, (note["source_system"], note["place"], note["note"])))
    return f"{place} ({note['row_count']:,})" if note["row_count"] else place
