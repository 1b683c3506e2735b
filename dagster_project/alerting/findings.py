"""What can be wrong: failing checks of a build and failures of the pipeline itself.

A **report** is what one occasion (a run, a look at the clock) says: which checks it judged, and
which of them fail. What it did not judge stays as it was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dagster_project.config.contract import Severity
from dagster_project.config.errors import (
    AuditBlocked,
    BuildError,
    ConfigError,
    HandoffError,
    NoLeads,
    SourceError,
)
from dagster_project.running import publishing

SOURCE_DOWN = "source_cannot_be_read"
CONFIGURATION_WRONG = "configuration_is_wrong"
BUILD_FAILED = "build_failed"
PUBLICATION_BLOCKED = "publication_is_blocked"
NO_LEAD = "there_is_no_lead"
DATA_STALE = "published_data_is_stale"
SCHEDULE_MISSED = "schedule_was_missed"

# By failure: its headline, and what to do about it.
_PIPELINE = {
    SOURCE_DOWN: (
        "a source could not be read",
        "Run `handoff doctor`: it tries each source and says what is wrong. The next run that "
        "reads the source resolves this.",
    ),
    CONFIGURATION_WRONG: (
        "the configuration is wrong, so nothing ran",
        "Fix the named setting or policy row; `handoff doctor` checks it.",
    ),
    BUILD_FAILED: (
        "the run failed before it could publish",
        "Open the run and look at the failed step; run again once the cause is fixed.",
    ),
    PUBLICATION_BLOCKED: (
        "the marts were not updated, since a check blocks",
        "Fix what the blocking checks found in the source, or publish once anyway with "
        "`handoff run --audit warn`.",
    ),
    NO_LEAD: (
        publishing.NO_LEAD,
        "Look for an export that is empty or cut off, a filter that fits no row, or a permission "
        "that changed. The last good build stays published.",
    ),
    DATA_STALE: (
        "the published marts are old",
        "Look at the last runs in Dagster: did they start, and did they publish?",
    ),
    SCHEDULE_MISSED: (
        "the scheduled run did not start",
        "Check that the Dagster daemon runs and that the schedule is turned on.",
    ),
}

_FAILURES: dict[type[HandoffError], str] = {
    NoLeads: NO_LEAD,
    AuditBlocked: PUBLICATION_BLOCKED,
    SourceError: SOURCE_DOWN,
    ConfigError: CONFIGURATION_WRONG,
    BuildError: BUILD_FAILED,
}


@dataclass(frozen=True)
class Member:
    """One failing case. ``label``: its keys and other helpful columns, for people."""

    label: str
    source_system: str | None = None
    lead_id: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that fails: a check and the place where it does.

    ``headline``: what is wrong, in a few words and figures. ``effect``: what it means for the
    marts, if anything. ``observed``: lines for people, one per window. ``before``: the value in
    the previous build. ``failing``: the number of failing cases, if it has cases. ``members``: the
    failing cases by a key that stays the same from build to build; None where only their number is
    followed. ``windows``: which of the check's windows fail, by name; empty: it has one only.
    ``meaning``: which of the things that the check ever judged under its name.
    """

    check: str
    place: str
    severity: Severity
    owner: str
    status: str
    headline: str
    description: str
    runbook: str
    effect: str = ""
    observed: tuple[str, ...] = ()
    before: str | None = None
    failing: int | None = None
    members: Mapping[str, Member] | None = None
    tags: frozenset[str] = frozenset()
    windows: tuple[str, ...] = ()
    meaning: int = 1


@dataclass(frozen=True)
class Report:
    """What one occasion judged, as (check, place), and what fails of it.

    A place of ``*`` judges all places of a check. ``run_id``: the Dagster run, None for a look at
    the clock. ``build_id``: the build that was audited, if one was. ``known``: after an audit with
    every check, their names; a check that is not among them is gone. ``has_built``: the models in
    the warehouse are this run's. ``not_judged``: by check the keys of the cases that it could say
    nothing of, while it judged others. ``lacks_rows``: rows that there were before are gone, so
    what passes has shown nothing. ``is_past``: the run looked at an earlier moment than one before
    it, or another came after it, so it says nothing about now.
    """

    judged: frozenset[tuple[str, str]] = frozenset()
    findings: tuple[Finding, ...] = ()
    run_id: str | None = None
    build_id: str | None = None
    known: frozenset[str] = frozenset()
    has_built: bool = False
    not_judged: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lacks_rows: bool = False
    is_past: bool = False

    def judges(self, check: str, place: str) -> bool:
        """True when this occasion can say whether the check passes there."""
        if self.known and check not in self.known | _PIPELINE.keys():
            return True
        return (check, place) in self.judged or (check, "*") in self.judged

    def without_passes(self) -> "Report":
        """This report, as judging nothing but what fails."""
        failing = {name for it in self.findings for name in (it.windows or (it.check,))}
        return replace(self, judged=frozenset((name, "*") for name in failing))

    def merged(self, other: "Report") -> "Report":
        """This report, with what another one about the same occasion judged and found."""
        judged, findings = self.judged | other.judged, self.findings + other.findings
        return replace(self, judged=judged, findings=findings)


def pipeline_report(
    output: Path, error: HandoffError | None, run_id: str | None, *, has_built: bool = False
) -> Report:
    """How a run ended, as a report. A failure judges only what the run got to.

    A run that ended well judges everything if it published; a part of the job may have left out
    what failed before.
    """
    if error is None:
        judged = (SOURCE_DOWN, CONFIGURATION_WRONG, BUILD_FAILED, PUBLICATION_BLOCKED, NO_LEAD)
        return Report(
            frozenset((check, "*") for check in judged if _has_published(output, run_id)),
            run_id=run_id,
        )
    failed = next((check for kind, check in _FAILURES.items() if isinstance(error, kind)), None)
    if failed is None:
        # Refused because another run holds the output: nothing failed.
        return Report(run_id=run_id)
    place = "pipeline"
    if failed == SOURCE_DOWN:
        named = re.match(r"source (\S+?):", error.problems[0]) if error.problems else None
        place = f"source {named[1]}" if named else "sources"
    passed = {CONFIGURATION_WRONG}
    # A part of the job may have audited what another run read and built.
    if failed == PUBLICATION_BLOCKED and has_built:
        passed |= {SOURCE_DOWN, BUILD_FAILED, NO_LEAD}
    # One source down says nothing of another that was down before.
    checks = {(check, "*") for check in passed - {failed}} | {(failed, place)}
    finding = pipeline_finding(failed, place, error.problems)
    return Report(frozenset(checks), (finding,), run_id=run_id)


def pipeline_finding(check: str, place: str, observed: list[str]) -> Finding:
    """A failure of the pipeline; its owner is the data team."""
    headline, runbook = _PIPELINE[check]
    members = None
    if place.startswith("source "):
        headline = f"{place} could not be read"
    if check == NO_LEAD:
        observed = observed[1:] or observed  # the first line is the headline
    if check == PUBLICATION_BLOCKED:
        members = {line.partition(":")[0]: Member(line) for line in observed}
    return Finding(
        check=check,
        place=place,
        severity="error",
        owner="data",
        status="blocked" if check == PUBLICATION_BLOCKED else "failed",
        headline=headline,
        description="",
        runbook=runbook,
        observed=tuple(observed[:10]),
        failing=None if members is None else len(members),
        members=members,
        tags=frozenset({"pipeline"}),
    )


def _has_published(output: Path, run_id: str | None) -> bool:
    build_id = (publishing.published_manifest(output) or {}).get("build_id", "")
    return run_id is not None and build_id.endswith(f"-{run_id[:8]}")
