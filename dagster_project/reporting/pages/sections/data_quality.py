"""Data quality: what the checks found, now and before, the rules that are broken, every lead."""

from collections import Counter
from collections.abc import Sequence

from dagster_project.reporting.agreement import anchor
from dagster_project.reporting.pages.charts import LINES, axis_label, rows, specification
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.section import (
    Chart,
    Column,
    Part,
    Section,
    Squares,
    Table,
    text,
)
from dagster_project.reporting.pages.words import phrase, shown
from expectations.check import STATUS_WORDS, Status, whole_name

NEEDED = ("lead_accounting", "lifecycle_violations")

# What `write_report` adds to the marts: the audit of this build, and of those before it.
CHECKS, HISTORY = "audit_checks", "audit_history"

# The worst first.
_STATUSES: tuple[Status, ...] = ("blocked", "errored", "warned", "passed", "not_judged")
_FAILING = _STATUSES[:3]
# Warnings in sight; the rest is in the table of all checks.
_SHOWN = 10
# Rules that a heading names.
_NAMED = 2


def section(marts: Marts, cubes: Cubes) -> Section:
    """The audit, the broken rules, and where each lead is."""
    del cubes  # Checks are of the whole.
    checks = _checks(marts)
    in_sight = _in_sight(checks)
    violations = _violations(marts)
    builds = len({row["build_id"] for row in _history(marts)})
    parts: list[Part] = []
    if in_sight:
        caption = "What blocks and what warns, most failing rows first"
        parts.append(_check_table(in_sight, builds, caption))
    if checks:
        caption = f"All {len(checks):,} checks"
        parts.append(_check_table(checks, builds, caption, is_folded=True))
    if violations:
        parts.append(_rule_chart(violations))
    return Section(
        anchor="data-quality",
        title="Data quality",
        finding=text(_finding(checks)),
        parts=(*parts, _accounting(marts)),
        marts=("lead_accounting", "lifecycle_violations"),
        definitions=(("rules", "rules"), ("checks", "data-checks"), ("who counts", "leads")),
        note="A square is a build, the newest last. Data Docs have the failing leads of a check."
        if checks
        else "",
    )


def _history(marts: Marts) -> list[Row]:
    if not marts.has(HISTORY):
        return []
    return marts.rows(f"select *, {local_date('as_of')} as as_of_day from {HISTORY}")


def _checks(marts: Marts) -> list[Row]:
    """The checks of the build, the worst first, each with its history."""
    if not marts.has(CHECKS):
        return []
    history: dict[str, list[tuple[str, str]]] = {}
    for row in _history(marts):
        words = f"{shown(row['as_of_day'])}: {STATUS_WORDS[row['status']]}"
        history.setdefault(row["check_name"], []).append((row["status"], words))
    found = [
        {
            **row,
            "label": phrase(row["check_name"]),
            "state": STATUS_WORDS[row["status"]],
            # Tests of the data have no owner, and no entry in the definitions.
            "anchor": anchor("check", row["check_name"]) if row.get("owner") else None,
            "found": row["message"].partition("; ")[0],
            "history": _squares(history.get(row["check_name"], [])),
        }
        for row in marts.rows(f"select * from {CHECKS}")
    ]
    return sorted(found, key=_worst_first)


def _squares(marks: Sequence[tuple[str, str]]) -> Squares:
    counts = Counter(status for status, _ in marks)
    words = ", ".join(f"{counts[name]} {STATUS_WORDS[name]}" for name in _STATUSES if counts[name])
    return Squares(tuple(marks), f"{len(marks)} builds: {words}" if marks else "no history")


def _worst_first(row: Row) -> tuple[int, float, str]:
    return _STATUSES.index(row["status"]), -(row["failing_rows"] or 0), row["check_name"]


def _in_sight(checks: Sequence[Row]) -> list[Row]:
    """What stops the build, and the largest warnings; of both windows of a check one."""
    found: dict[str, Row] = {}
    for row in checks:
        if row["status"] in _FAILING:
            found.setdefault(whole_name(row["check_name"]), row)
    stops = sum(row["status"] != "warned" for row in found.values())
    return list(found.values())[: max(_SHOWN, stops)]


def _finding(checks: Sequence[Row]) -> str:
    if not checks:
        return "This build was not audited"
    counts = Counter(row["status"] for row in checks)
    stops = counts["blocked"] + counts["errored"]
    blocking = f"{stops:,} stop the build" if stops else "none blocks"
    return f"Of {len(checks):,} checks {blocking}, {counts['warned']:,} warn"


def _check_table(
    checks: Sequence[Row], builds: int, caption: str, *, is_folded: bool = False
) -> Table:
    last = "Last build" if builds == 1 else f"Last {builds:,} builds"
    return Table(
        caption=text(caption),
        columns=(
            Column("label", "Check", link="anchor"),
            *((Column("history", last, "squares"),) if builds else ()),
            Column("state", "Status"),
            Column("found", "Found", is_long=True),
            Column("owner", "Owner"),
        ),
        rows=tuple(checks),
        is_folded=is_folded,
    )


def _violations(marts: Marts) -> list[Row]:
    found = marts.rows(
        f"""
        select
            rule, any_value(severity) as severity, count(*) as findings,
            count(distinct (source_system, lead_id)) as leads,
            {local_date("max(occurred_at)")} as newest
        from lifecycle_violations
        group by rule
        order by findings desc, rule
        """
    )
    return [
        {
            **row,
            "label": phrase(row["rule"]),
            "axis": axis_label(at, phrase(row["rule"])),
            "anchor": anchor("rule", row["rule"]),
        }
        for at, row in enumerate(found)
    ]


def _rule_chart(violations: list[Row]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    severities = sorted({row["severity"] for row in violations})
    drawn = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            y=alt.Y("axis:N", sort=[row["axis"] for row in violations], title=None).axis(**LINES),
            x=alt.X("findings:Q", title="findings").axis(format=",d", tickCount=5, tickMinStep=1),
            color=alt.Color("severity:N", legend=None).scale(domain=severities),
            tooltip=[
                alt.Tooltip("label:N", title="Rule"),
                alt.Tooltip("severity:N", title="Severity"),
                alt.Tooltip("findings:Q", title="Findings", format=","),
                alt.Tooltip("leads:Q", title="Leads", format=","),
            ],
        )
    )
    total = sum(row["findings"] for row in violations)
    named = ", ".join(f"{row['findings']:,} {row['label']}" for row in violations[:_NAMED])
    return Chart(
        name="broken-rules",
        finding=text(
            f"{total:,} finding{'' if total == 1 else 's'} against the lifecycle's rules: {named}"
        ),
        subtitle="Findings by rule, coloured by the severity of the rule",
        spec=specification(drawn, height=34 * len(violations)),
        legend=tuple(severities),
        table=Table(
            caption=text("Findings by rule"),
            columns=(
                Column("label", "Rule", link="anchor"),
                Column("severity", "Severity"),
                Column("findings", "Findings", "count"),
                Column("leads", "Leads", "count"),
                Column("newest", "Newest", "date"),
            ),
            rows=tuple(violations),
        ),
    )


def _accounting(marts: Marts) -> Table:
    """Every lead of the sources in one bucket, and their sum."""
    found = marts.rows(
        """
        select bucket, count(*) as leads
        from lead_accounting
        group by bucket
        order by leads desc, bucket
        """
    )
    total = sum(row["leads"] for row in found)
    return Table(
        caption=text("Every lead of the sources is in one place"),
        columns=(
            Column("bucket", "Where"),
            Column("leads", "Leads", "count"),
            Column("share", "Share", "share"),
        ),
        rows=(
            *({**row, "share": row["leads"] / total} for row in found),
            *(
                [{"bucket": "all leads of the sources", "leads": total, "share": 1}]
                if total
                else []
            ),
        ),
    )
