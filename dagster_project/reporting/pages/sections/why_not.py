"""Why not: the reasons that leads left for, which leak they point to, and where none is given."""

import json
from collections.abc import Sequence

from dagster_project.reporting.agreement import anchor
from dagster_project.reporting.pages.charts import LINES, axis_label, rows, specification
from dagster_project.reporting.pages.cube import NOBODY, Breakdown, Cube, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.section import (
    Chart,
    Column,
    Only,
    Section,
    Table,
    Text,
    Value,
    text,
)
from dagster_project.reporting.pages.words import phrase

NEEDED = ("fct_lead_cycles", "rejection_reasons", "dim_reasons")

_NO_REASON, _NO_LEAK = "no reason given", "no known leak"
_COUNTED = (
    Measure("exited", "exited"),
    Measure("share", "exited", "exited", "share", is_of_all=True),
    Measure("late", "late"),
)
# So many reasons are named in a heading.
_NAMED = 3


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """Why cycles left without being won; None where none did."""
    outcomes = _totals(marts, "outcome, outcome as label")
    if not outcomes:
        return None
    cube = _cube(cubes)
    by_outcome = Breakdown(
        "why-not-outcomes",
        cube,
        by=("outcome",),
        rows=tuple({**row, "label": phrase(row["label"])} for row in outcomes),
        measures=(
            Measure("exited", "exited"),
            Measure("missing", "missing"),
            Measure("missing_share", "missing", "exited", "share"),
            Measure("unknown", "unknown"),
            Measure("late", "late"),
        ),
    )
    whole = Breakdown(
        "why-not",
        cube,
        by=(),
        rows=({},),
        measures=(
            Measure("exited", "exited"),
            Measure("missing", "missing"),
            Measure("missing_share", "missing", "exited", "share"),
            Measure("unknown", "unknown"),
            Measure("unknown_share", "unknown", "exited", "share"),
        ),
    )
    leaks = _by_leak(marts, cube)
    # Which one leads is known of all leads: a filter may leave another.
    first = next((row["leak"] for row in leaks.rows if row["leak"] != _NO_REASON), None)
    leading: Text = (
        (
            Only(
                "all",
                ("; reasons point most to ", first, " (", Value(leaks, (first,), "share"), ")"),
            ),
        )
        if first
        else ()
    )
    unknown: Text = (
        (
            *("; with a reason that the policy does not know: ", Value(whole, (), "unknown_share")),
            *(" (", Value(whole, (), "unknown"), ")"),
        )
        if whole.row()["unknown"]
        else ()
    )
    return Section(
        anchor="why-not",
        title="Why not",
        finding=text(
            *(Value(whole, (), "exited"), " cycles ended without a win"),
            *leading,
            *("; without a reason: ", Value(whole, (), "missing_share"), " ("),
            *(Value(whole, (), "missing"), ")"),
            *unknown,
        ),
        parts=(
            _leaks(cube, leaks, [row["outcome"] for row in outcomes]),
            _reasons(marts, cube),
            Table(
                caption=text(
                    "What is missing: cycles that ended without a reason, with one that is not in "
                    "the policy, and those rejected late (after silence had accepted them)"
                ),
                columns=(
                    Column("label", "Ended as"),
                    Column("exited", "Cycles", "count"),
                    Column("missing", "No reason", "count"),
                    Column("missing_share", "Share without", "share", "missing_share_cases"),
                    Column("unknown", "Unknown reason", "count"),
                    Column("late", "Rejected late", "count"),
                ),
                breakdown=by_outcome,
                note=(
                    "A cycle counts once, by how it ended. The check of missing reasons counts "
                    "each visit to a stage that needs one, so its rate is of another number."
                ),
            ),
        ),
        marts=("rejection_reasons", "fct_lead_cycles", "dim_reasons"),
        definitions=(("reasons", "reasons"), ("exits", "exits")),
        is_filtered=True,
        note="The period is that of the exit. A reason points to where the funnel leaks.",
    )


def _totals(marts: Marts, columns: str) -> list[Row]:
    return marts.rows(
        f"""
        select {columns}, sum(exited) as cycles
        from rejection_reasons
        group by all
        order by cycles desc, 1
        """
    )


def _cube(cubes: Cubes) -> Cube:
    return cubes.cube(
        "exits",
        f"""
        select
            source_system, lead_source, segment, owner_id, outcome,
            {local_date("exited_at")} as happened_on,
            coalesce(reason_code, '{NOBODY}') as reason_code,
            {_leak("reason_code", "dim_reasons.leak")} as leak,
            1 as exited,
            cast(reason_code is null as integer) as missing,
            cast(reason_code is not null and reason_group = 'unknown' as integer) as unknown,
            cast(coalesce(is_late_rejection, false) as integer) as late
        from fct_lead_cycles
        left join dim_reasons using (reason_code)
        where outcome in (select outcome from rejection_reasons)
        """,
        keys=("outcome", "reason_code", "leak"),
        sums=("exited", "missing", "unknown", "late"),
    )


def _leak(reason: str, leak: str) -> str:
    """SQL: the leak that a reason points to; none given is told apart from one that has none."""
    return (
        f"case when nullif({reason}, '{NOBODY}') is null then '{_NO_REASON}' "
        f"when coalesce({leak}, 'unknown') = 'unknown' then '{_NO_LEAK}' "
        f"else replace({leak}, '_', ' ') end"
    )


def _by_leak(marts: Marts, cube: Cube) -> Breakdown:
    leaks = _totals(marts, f"{_leak('reason_code', 'leak')} as leak")
    return Breakdown("why-not-leak", cube, by=("leak",), rows=tuple(leaks), measures=_COUNTED)


def _leaks(cube: Cube, by_leak: Breakdown, outcomes: list[str]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    leaks = [row["leak"] for row in by_leak.rows]
    breakdown = Breakdown(
        "why-not-leaks",
        cube,
        by=("leak", "outcome"),
        rows=tuple(
            {"leak": leak, "outcome": outcome, "label": phrase(outcome)}
            for leak in leaks
            for outcome in outcomes
        ),
        measures=_COUNTED,
    )
    labels = [phrase(outcome) for outcome in outcomes]
    drawn = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            y=alt.Y("leak:N", sort=leaks, title=None),
            x=alt.X("exited:Q", title="cycles").axis(format=",d", tickCount=5, tickMinStep=1),
            color=alt.Color("label:N", legend=None).scale(domain=labels),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("leak:N", title="Points to"),
                alt.Tooltip("label:N", title="Ended as"),
                alt.Tooltip("exited:Q", title="Cycles", format=","),
                alt.Tooltip("share:Q", title="Of all", format=".1%"),
            ],
        )
        .transform_calculate(place=f"indexof({json.dumps(labels)}, datum.label)")
    )
    return Chart(
        name="why-not-by-leak",
        finding=_listed(text("Reasons point to "), [(leak, by_leak, (leak,)) for leak in leaks]),
        subtitle="Cycles that ended without a win, by the leak that their reason points to and how",
        spec=specification(drawn, height=34 * len(leaks)),
        legend=tuple(labels),
        table=Table(
            caption=text("Exits by leak and outcome"),
            columns=(
                Column("leak", "Points to"),
                Column("label", "Ended as"),
                Column("exited", "Cycles", "count"),
                Column("share", "Of all", "share", "share_cases"),
                Column("late", "Rejected late", "count"),
            ),
            breakdown=breakdown,
        ),
    )


def _reasons(marts: Marts, cube: Cube) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    columns = f"reason_code, reason_label as label, {_leak('reason_code', 'leak')} as leak"
    agreed = marts.rows("select reason_code from dim_reasons where applies_to is not null")
    anchors = {row["reason_code"]: anchor("reason", row["reason_code"]) for row in agreed}
    found = [
        {
            **row,
            "axis": axis_label(at, row["label"]),
            "anchor": anchors.get(row["reason_code"]),
        }
        for at, row in enumerate(_totals(marts, columns))
    ]
    leaks = list(dict.fromkeys(row["leak"] for row in found))
    axis = [row["axis"] for row in found]
    breakdown = Breakdown(
        "why-not-reasons", cube, by=("reason_code",), rows=tuple(found), measures=_COUNTED
    )
    drawn = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            y=alt.Y("axis:N", sort=axis, title=None).axis(**LINES),
            x=alt.X("exited:Q", title="cycles").axis(format=",d", tickCount=5, tickMinStep=1),
            color=alt.Color("leak:N", legend=None).scale(domain=leaks),
            tooltip=[
                alt.Tooltip("label:N", title="Reason"),
                alt.Tooltip("leak:N", title="Points to"),
                alt.Tooltip("exited:Q", title="Cycles", format=","),
                alt.Tooltip("share:Q", title="Of all", format=".1%"),
            ],
        )
    )
    named = [(row["label"], breakdown, (row["reason_code"],)) for row in found[:_NAMED]]
    return Chart(
        name="why-not-by-reason",
        finding=_listed(
            text(
                Only("all", ("By reason: ",)),
                Only("filtered", ("By reason, in the order of all leads: ",)),
            ),
            named,
        ),
        subtitle="Cycles that ended without a win, by reason and the leak that it points to",
        spec=specification(drawn, height=34 * len(found)),
        legend=tuple(leaks),
        table=Table(
            caption=text("Exits by reason"),
            columns=(
                Column("label", "Reason", link="anchor"),
                Column("leak", "Points to"),
                Column("exited", "Cycles", "count"),
                Column("share", "Of all", "share", "share_cases"),
                Column("late", "Rejected late", "count"),
            ),
            breakdown=breakdown,
        ),
    )


def _listed(start: Text, named: Sequence[tuple[str, Breakdown, tuple[str, ...]]]) -> Text:
    """Names with their shares, in a row."""
    parts = list(start)
    for place, (label, breakdown, key) in enumerate(named):
        parts += [f"{', ' if place else ''}{label} (", Value(breakdown, key, "share"), ")"]
    return tuple(parts)
