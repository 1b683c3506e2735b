"""The cohorts: of those that entered in a period, how many went on within the window."""

from datetime import date
from typing import Any

from dagster_project.reporting.pages.charts import COLOURS, INK, MUTED, rows, specification
from dagster_project.reporting.pages.cube import Breakdown, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import Chart, Column, Section, Table, Text, Value, text
from dagster_project.reporting.pages.sections.funnel import conversions
from dagster_project.reporting.pages.words import FEWEST_CASES, shown

NEEDED = ("fct_conversions", "funnel_conversion")

# As many as a page of paper holds.
_MOST_PERIODS = 24
# A heading names the first steps, the drawing has all.
_MOST_NAMED = 3


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """A heat map of periods and named pairs; None where nothing entered."""
    pairs = marts.rows(
        """
        select distinct
            metric, from_label || ' to ' || to_label as label,
            from_label || ' to\n' || to_label as step, sort_order
        from fct_conversions
        where entered = 1
        order by sort_order
        """
    )
    if not pairs:
        return None
    periods = {
        str(code): _name(start, cubes.period)
        for code, start in enumerate(cubes.periods[:_MOST_PERIODS])
    }
    breakdown = Breakdown(
        "cohorts",
        conversions(cubes),
        by=("period", "metric"),
        rows=tuple(
            {**pair, "period": code, "cohort": cohort}
            for code, cohort in periods.items()
            for pair in pairs
        ),
        measures=(
            Measure("entered", "entered"),
            Measure("converted", "converted_in_window"),
            Measure("mature", "mature"),
            Measure("rate", "converted_in_window", "entered", "share"),
        ),
    )
    return Section(
        anchor="cohorts",
        title="Cohorts",
        finding=text(_finding(marts, cubes.period)),
        parts=(
            Chart(
                name="cohorts",
                finding=_newest(marts, breakdown, cubes.period),
                subtitle=(
                    "Share in %, the darker the higher within a step; dashed: not all have had "
                    f"their time yet, so it may rise; empty: fewer than {FEWEST_CASES}"
                ),
                spec=_spec(list(periods.values()), [pair["step"] for pair in pairs]),
                cases="entered",
                table=Table(
                    caption=text("Rate within the window by cohort"),
                    columns=(
                        Column("cohort", "Entered in"),
                        Column("label", "Step"),
                        Column("entered", "Entered", "count"),
                        Column("mature", "With their time over", "count"),
                        Column("converted", "Went on in time", "count"),
                        Column("rate", "Rate", "share", "rate_cases"),
                    ),
                    breakdown=breakdown,
                ),
            ),
        ),
        marts=NEEDED,
        definitions=tuple((pair["label"], f"metric-{pair['metric']}") for pair in pairs),
        is_filtered=True,
    )


def _finding(marts: Marts, period: str) -> str:
    """The widest range that is final, among those whose cohorts have enough cases."""
    found = marts.rows(
        """
        with final_cohorts as (
            select * from funnel_conversion
            where period = ? and dimension = 'all' and is_mature and entered >= ?
        )

        select
            from_label || ' to ' || to_label as label,
            count(*) as cohorts,
            max_by(period_start, rate_in_window) as best, max(rate_in_window) as highest,
            min_by(period_start, rate_in_window) as worst, min(rate_in_window) as lowest,
            max_by(rate_in_window_lower, rate_in_window)
            > min_by(rate_in_window_upper, rate_in_window) as differs
        from final_cohorts
        group by metric, label, sort_order
        having cohorts > 1
        order by differs desc, sort_order
        """,
        period,
        FEWEST_CASES,
    )
    if not found:
        return "Too few cohorts are final to compare them"
    told = found[0]
    spread = f"{told['label']} was between {_named(told, 'lowest', 'worst', period)}"
    spread += f" and {_named(told, 'highest', 'best', period)}"
    apart = "do not overlap" if told["differs"] else "overlap"
    return f"{spread} over all leads; their 95 % intervals {apart}"


def _named(row: Row, rate: str, start: str, period: str) -> str:
    return f"{shown(row[rate], 'share')} ({_name(row[start], period)})"


def _name(start: date, period: str) -> str:
    return f"{start.year} Q{(start.month + 2) // 3}" if period == "quarter" else f"{start:%b %Y}"


def _newest(marts: Marts, breakdown: Breakdown, period: str) -> Text:
    """What the newest cohort came to that is final; the filters change it."""
    start = marts.value(
        "select max(period_start) from funnel_conversion where period = ? and is_mature", period
    )
    rows_of = [row for row in breakdown.rows if start and row["cohort"] == _name(start, period)]
    if not rows_of:
        return text("No cohort is final yet")
    found: list[str | Value] = [f"The newest that is final, {rows_of[0]['cohort']}: "]
    for place, row in enumerate(rows_of[:_MOST_NAMED]):
        found += [
            f"{', ' if place else ''}{row['label']} ",
            Value(breakdown, (row["period"], row["metric"]), "rate"),
        ]
    return tuple(found)


def _spec(cohorts: list[str], steps: list[str]) -> dict[str, Any]:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    is_final = "datum.mature >= datum.entered"
    cells = (
        alt.Chart(rows())
        .transform_joinaggregate(highest="max(rate)", groupby=["metric"])
        .transform_calculate(
            # Never so strong that the number in it is hard to read.
            strength="datum.highest > 0 ? 0.06 + 0.4 * datum.rate / datum.highest : 0.06",
            state=f"{is_final} ? 'final' : 'so far'",
        )
        .encode(
            # A cell keeps its place when a filter leaves others out.
            x=alt.X("step:N", title=None)
            .scale(domain=steps)
            .axis(
                orient="top",
                labelExpr="split(datum.label, '\\n')",
                labelAngle=alt.expr("width < 560 ? -90 : 0"),
                labelAlign=alt.expr("width < 560 ? 'left' : 'center'"),
                labelBaseline=alt.expr("width < 560 ? 'middle' : 'bottom'"),
                labelLineHeight=13,
                labelPadding=alt.expr("width < 560 ? 6 : 19"),
            ),
            y=alt.Y("cohort:N", title=None).scale(domain=cohorts),
            tooltip=[
                alt.Tooltip("cohort:N", title="Entered in"),
                alt.Tooltip("label:N", title="Step"),
                alt.Tooltip("rate:Q", title="Went on in time", format=".1%"),
                alt.Tooltip("converted:Q", title="Cycles", format=","),
                alt.Tooltip("entered:Q", title="Of", format=","),
                alt.Tooltip("state:N", title="State"),
            ],
        )
    )
    final, young = (cells.transform_filter(test) for test in (is_final, f"!({is_final})"))
    return specification(
        alt.layer(
            final.mark_rect(color=COLOURS[0]).encode(opacity=alt.Opacity("strength:Q", scale=None)),
            young.mark_rect(fill="transparent", stroke=MUTED, strokeDash=[3, 3]),
            final.mark_text(color=INK).encode(text=alt.Text("rate:Q", format=".0%")),
            young.mark_text(color=MUTED).encode(text=alt.Text("rate:Q", format=".0%")),
        ),
        height=26 * len(cohorts) + 10,
    )
