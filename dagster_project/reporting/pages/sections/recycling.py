"""Recycling: who left, went back to nurture, came back, and what the second pass was worth."""

from dagster_project.reporting.pages.charts import LINES, axis_label, rows, specification
from dagster_project.reporting.pages.cube import NOBODY, Breakdown, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.section import Chart, Column, Section, Table, Value, text

NEEDED = ("fct_lead_cycles", "recycling", "nurture_queue", "dim_reasons", "dim_milestones")

# Milestones of the second pass, as the columns of the marts name them.
_SECOND_PASS = ("accepted", "sales_qualified", "won")
_PASSES = f"""
    select
        passes.source_system, passes.lead_source, passes.segment, passes.owner_id,
        {local_date("passes.exited_at")} as happened_on,
        coalesce(passes.reason_code, '{NOBODY}') as reason_code,
        1 as exited,
        cast(passes.is_recycled as integer) as recycled,
        cast(passes.requalified_at is not null as integer) as requalified,
        {
    ", ".join(
        f"cast(passes.requalified_at is not null and again.{name}_at is not null as integer) "
        f"as second_pass_{name}"
        for name in _SECOND_PASS
    )
},
        case when passes.requalified_at is not null then again.won_amount end as revenue,
        case
            when passes.is_recycled then epoch(
                coalesce(passes.requalified_at, build_info.as_of)
                - coalesce(passes.recycled_at, passes.exited_at)
            ) / 86400
        end as nurture_days,
        cast(queue.lead_cycle_id is not null as integer) as due
    from fct_lead_cycles as passes
    cross join build_info
    left join fct_lead_cycles as again
        on
            passes.source_system = again.source_system
            and passes.lead_id = again.lead_id
            and passes.cycle_number + 1 = again.cycle_number
    left join nurture_queue as queue on passes.lead_cycle_id = queue.lead_cycle_id
    where passes.exited_at is not null
"""
_COUNTS = ("exited", "recycled", "requalified", *(f"second_pass_{name}" for name in _SECOND_PASS))


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """From the exit to the second pass; None where nothing left."""
    reasons = marts.rows(
        """
        select
            reason_code, any_value(reason_label) as label, sum(exited) as cycles
        from recycling
        group by reason_code
        order by cycles desc, reason_code
        """
    )
    if not reasons:
        return None
    labels = marts.milestones()
    second = {name: labels[name] for name in _SECOND_PASS if name in labels}
    cube = cubes.cube(
        "passes",
        _PASSES,
        keys=("reason_code",),
        sums=(*_COUNTS, "revenue", "nurture_days", "due"),
    )
    measures = (
        *(Measure(name, name) for name in (*_COUNTS, "due")),
        Measure("recycled_share", "recycled", "exited", "share"),
        Measure("requalified_share", "requalified", "exited", "share"),
        Measure("mean_days", "nurture_days", "recycled", "days"),
        Measure("revenue", "revenue", kind="amount"),
    )
    whole = Breakdown("recycling", cube, by=(), rows=({},), measures=measures)
    by_reason = Breakdown(
        "recycling-reasons",
        cube,
        by=("reason_code",),
        rows=tuple(reasons),
        measures=measures,
    )
    return Section(
        anchor="recycling",
        title="Recycling",
        finding=text(
            *(Value(whole, (), "exited"), " cycles ended without a win; "),
            *(Value(whole, (), "requalified"), " came back ("),
            *(Value(whole, (), "requalified_share"), "), "),
            *(Value(whole, (), "second_pass_won"), " of them were won, worth "),
            *(Value(whole, (), "revenue"), f" {marts.currency or ''}".rstrip() + "; "),
            *("due another look: ", Value(whole, (), "due")),
        ),
        parts=(
            _steps(cubes, second, whole),
            Table(
                caption=text("By the reason of the exit"),
                columns=(
                    Column("label", "Reason"),
                    Column("exited", "Ended", "count"),
                    Column("recycled", "To nurture", "count"),
                    Column("requalified", "Back", "count"),
                    Column("requalified_share", "Share back", "share", "requalified_share_cases"),
                    *(
                        Column(f"second_pass_{name}", f"2nd pass {label}", "count")
                        for name, label in second.items()
                    ),
                    Column("revenue", marts.in_currency("Recovered"), "amount"),
                    Column("mean_days", "Mean days in nurture", "days"),
                    Column("due", "Due now", "count"),
                ),
                breakdown=by_reason,
            ),
        ),
        marts=("recycling", "nurture_queue", "fct_lead_cycles"),
        definitions=(("recycling", "recycling"), ("reasons", "reasons")),
        is_filtered=True,
        note=(
            "The period is that of the exit. Recovered: known amounts won in the next pass. Time "
            "in nurture: until the lead came back, or until now. nurture_queue lists who is due."
        ),
    )


def _steps(cubes: Cubes, second: dict[str, str], whole: Breakdown) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    steps: list[Row] = [
        {"step": "exited", "label": "Ended without a win", "base": "exited"},
        {"step": "recycled", "label": "Back to nurture", "base": "exited"},
        {"step": "requalified", "label": "Came back", "base": "exited"},
        *(
            {
                "step": f"second_pass_{name}",
                "label": f"{label} in the second pass",
                "base": "requalified",
            }
            for name, label in second.items()
        ),
    ]
    axis = [axis_label(at, row["label"]) for at, row in enumerate(steps)]
    one_each = " union all ".join(
        f"select *, '{row['step']}' as step, {row['step']} as cases, {row['base']} as base "
        "from passes"
        for row in steps
    )
    cube = cubes.cube(
        "passes-by-step",
        f"with passes as ({_PASSES}) {one_each}",
        keys=("step",),
        sums=("cases", "base"),
    )
    breakdown = Breakdown(
        "recycling-steps",
        cube,
        by=("step",),
        rows=tuple({**row, "axis": label} for row, label in zip(steps, axis, strict=True)),
        measures=(
            Measure("cases", "cases"),
            Measure("base", "base"),
            Measure("share", "cases", "base", "share"),
        ),
    )
    drawn = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            y=alt.Y("axis:N", sort=axis, title=None).axis(**LINES),
            x=alt.X("cases:Q", title="cycles").axis(format=",d", tickCount=5, tickMinStep=1),
            tooltip=[
                alt.Tooltip("label:N", title="Step"),
                alt.Tooltip("cases:Q", title="Cycles", format=","),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
                alt.Tooltip("base:Q", title="Of", format=","),
            ],
        )
    )
    return Chart(
        name="recycling-steps",
        finding=text(
            *(Value(whole, (), "recycled"), " of "),
            *(Value(whole, (), "exited"), " went back to nurture, "),
            *(Value(whole, (), "requalified"), " came back"),
        ),
        subtitle="Cycles that ended without a win, went back to nurture and came back, and their "
        "second pass",
        spec=specification(drawn, height=34 * len(steps)),
        table=Table(
            caption=text("From the exit to the second pass"),
            columns=(
                Column("label", "Step"),
                Column("cases", "Cycles", "count"),
                Column("base", "Of", "count"),
                Column("share", "Share", "share", "share_cases"),
            ),
            breakdown=breakdown,
        ),
    )
