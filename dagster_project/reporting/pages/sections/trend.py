"""The trend of each named rate: how it moved, and whether the change is more than chance."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from dagster_project.reporting.pages.charts import (
    INK,
    LINE,
    MUTED,
    rows,
    specification,
    with_interval,
)
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import Chart, Column, Section, Table, text
from dagster_project.reporting.pages.words import FEWEST_CASES, shown

NEEDED = ("funnel_trend", "fct_conversions")

# A point a week shows the trend; the mart has every day.
_DAYS_BETWEEN = 7
_MOVED = {"rise": "rose", "drop": "fell"}


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """A chart for each named pair: first those that changed, then in the policy's order."""
    del cubes  # Rolling windows can't be added up from what the filters leave.
    if not marts.has("build_info", "conversion_window_days"):
        return None
    window = int(marts.value("select conversion_window_days from build_info"))
    latest = marts.rows(
        """
        select * from funnel_trend
        where dimension = 'all'
        qualify day = max(day) over ()
        order by is_significant desc, sort_order
        """
    )
    if not latest:
        return None
    points = _points(marts, window)
    changes = [
        row["day"]
        for row in marts.rows(
            "select distinct day from funnel_trend where has_definition_change order by day"
        )
    ]
    return Section(
        anchor="trend",
        title="Trend",
        finding=text(_finding(latest, window)),
        parts=tuple(
            _chart(
                row,
                [point for point in points if point["metric"] == row["metric"]],
                changes,
                window,
            )
            for row in latest
        ),
        marts=NEEDED,
        definitions=tuple((_label(row), f"metric-{row['metric']}") for row in latest),
        note=" ".join((_HOW.format(window=window), *_definitions_changed(changes))),
    )


_HOW = (
    "Each point is the rate of the cycles that entered in the {window} days up to it, counting "
    "those that went on within {window} days of their own entry. The band is the 95 % interval. "
    "In the shaded part not all have had that long yet: the dashed line may still rise. A change "
    "compares the newest {window} days that are final with the {window} days before them."
)


def _label(row: Row) -> str:
    return f"{row['from_label']} to {row['to_label']}"


def _finding(latest: Sequence[Row], window: int) -> str:
    judged = [row for row in latest if row["trend"] != "too_few"]
    changed = [row for row in judged if row["is_significant"]]
    if not judged:
        return "Too few cases to tell whether a rate changed"
    if not changed:
        return (
            f"No rate changed within {window} days beyond what chance explains: "
            f"{len(judged):,} of {len(latest):,} had enough cases to tell"
        )
    told = "; ".join(
        f"{_label(row)} {_MOVED[row['trend']]} from {shown(row['earlier_rate'], 'share')} "
        f"to {shown(row['mature_rate'], 'share')}"
        for row in changed
    )
    others = len(judged) - len(changed)
    return told + (f"; the other {others:,} are within chance" if others else "")


def _chart_finding(row: Row) -> str:
    label, entered = _label(row), row["mature_entered"]
    if entered < FEWEST_CASES:
        return f"{label}: too few cases that are final ({entered:,})"
    now = f"{shown(row['mature_rate'], 'share')} ({row['mature_converted']:,} of {entered:,})"
    if row["trend"] == "too_few":
        return f"{label} is at {now}; too few cases to tell whether it changed"
    change = shown(row["rate_change"], "points")
    if row["is_significant"]:
        return f"{label} {_MOVED[row['trend']]} to {now}: {change}, more than chance explains"
    return f"{label} is at {now}; the change of {change} is within chance"


def _definitions_changed(changes: Sequence[date]) -> list[str]:
    days = ", ".join(shown(day) for day in changes)
    said = f"The definitions changed on {days}: rates before and after differ by that, too."
    return [said] if changes else []


def _points(marts: Marts, window: int) -> list[Row]:
    """A point a week, newest first: final from the trend, younger ones from what is known so far.

    The mart dates a rate by the day on which it is final, the page by the last entry.
    """
    return marts.rows(
        f"""
        with bounds as (
            select max(day) as last_day, max(day) - {window} - 1 as final_day
            from funnel_trend
        ),

        final_points as (
            select
                metric, day - {window} - 1 as until,
                mature_entered as entered, mature_converted as converted, true as is_final
            from funnel_trend
            where dimension = 'all' and mature_entered > 0
        ),

        days as (
            select unnest(generate_series(final_day + 1, last_day, interval 1 day))::date as until
            from bounds
        ),

        young_points as (
            select
                metric, until, sum(entered) as entered,
                sum(converted_in_window) as converted, false as is_final
            from days
            inner join fct_conversions
                on entered_date > until - {window} and entered_date <= until
            where entered = 1
            group by metric, until
        )

        select metric, until, entered::bigint as entered, converted::bigint as converted, is_final
        from (from final_points union all from young_points)
        cross join bounds
        where (if(is_final, final_day, last_day) - until) % {_DAYS_BETWEEN} = 0
        order by metric, until desc
        """
    )


def _chart(row: Row, points: Sequence[Row], changes: Sequence[date], window: int) -> Chart:
    return Chart(
        name=f"trend-{row['metric']}",
        finding=text(_chart_finding(row)),
        subtitle=(
            f"Of the cycles that reached {row['from_label']} in {window} days, the share that "
            f"reached {row['to_label']} within {window} days"
        ),
        spec=_spec(points, changes),
        cases="entered",
        table=Table(
            caption=text(_label(row)),
            columns=(
                Column("day", "Entered up to"),
                Column("entered", "Entered", "count"),
                Column("converted", "Went on in time", "count"),
                Column("rate", "Rate", "share", "entered"),
                Column("state", "State"),
            ),
            rows=tuple(_drawn(points)),
        ),
    )


def _drawn(points: Sequence[Row]) -> list[Row]:
    """What the chart and its table show of the points; the line so far begins where final ends."""
    last_final = next((point["until"] for point in points if point["is_final"]), None)
    found = []
    for point in points:
        rate = point["converted"] / point["entered"]
        is_final, until = point["is_final"], point["until"]
        found.append(
            {
                "until": until,
                "day": shown(until),
                "entered": point["entered"],
                "converted": point["converted"],
                "rate": rate,
                "final_rate": rate if is_final else None,
                "rate_so_far": None if is_final and until != last_final else rate,
                "state": "final" if is_final else "so far",
            }
        )
    return found


def _spec(points: Sequence[Row], changes: Sequence[date]) -> dict[str, Any]:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    drawn = with_interval(alt.Chart(rows()), "converted", "entered")
    across = (
        alt.X("until:T", title=None)
        .scale(type="utc")
        .axis(format="%b %Y", tickCount={"interval": "month", "step": 3}, labelFlush=True)
    )
    rate = alt.Y("final_rate:Q", title=None).axis(format="%", tickCount=4, grid=True)
    young = drawn.transform_filter("isValid(datum.rate_so_far)")
    layers = [
        *_shaded(points),
        drawn.transform_filter("isValid(datum.final_rate)")
        .mark_area(opacity=0.2)
        .encode(x=across, y=alt.Y("lower:Q", title=None), y2="upper:Q"),
        drawn.transform_filter("isValid(datum.final_rate)")
        .mark_line(strokeWidth=2)
        .encode(x=across, y=rate),
        young.mark_line(strokeWidth=2, strokeDash=[4, 3]).encode(x=across, y="rate_so_far:Q"),
        # What is pointed at: lines are thin.
        drawn.mark_rule(strokeWidth=8, opacity=0).encode(
            x=across,
            tooltip=[
                alt.Tooltip("day:N", title="Entered up to"),
                alt.Tooltip("rate:Q", title="Rate", format=".1%"),
                alt.Tooltip("lower:Q", title="95 % from", format=".1%"),
                alt.Tooltip("upper:Q", title="to", format=".1%"),
                alt.Tooltip("converted:Q", title="Went on", format=","),
                alt.Tooltip("entered:Q", title="Of", format=","),
                alt.Tooltip("state:N", title="State"),
            ],
        ),
    ]
    return specification(alt.layer(*layers, *_marked(points, changes)), height=180)


def _shaded(points: Sequence[Row]) -> list[Any]:
    """The part where not all have had their time yet."""
    import altair as alt  # takes a second

    young = [point["until"] for point in points if not point["is_final"]]
    if not young:
        return []
    final = [point["until"] for point in points if point["is_final"]]
    first = max(final, default=min(young))
    part = [{"first": first.isoformat(), "last": max(young).isoformat()}]
    return [
        alt.Chart(alt.InlineData(values=part))
        .mark_rect(color=LINE, opacity=0.45)
        .encode(x=alt.X("first:T").scale(type="utc"), x2="last:T")
    ]


def _marked(points: Sequence[Row], changes: Sequence[date]) -> list[Any]:
    """Where the definitions changed."""
    import altair as alt  # takes a second

    days = [point["until"] for point in points]
    layers = []
    for place, change in enumerate(changes):
        if not days or not min(days) <= change <= max(days):
            continue
        mark = alt.Chart(alt.InlineData(values=[{"changed": change.isoformat()}])).encode(
            x=alt.X("changed:T").scale(type="utc")
        )
        # Beside the line, where there is room, and below the one before.
        is_early = change - min(days) < max(days) - change
        said = mark.mark_text(
            text="definitions changed",
            align="left" if is_early else "right",
            dx=4 if is_early else -4,
            baseline="top",
            color=MUTED,
        )
        layers += [
            mark.mark_rule(color=INK, strokeDash=[2, 2]),
            said.encode(y=alt.value(2 + place % 4 * 15)),
        ]
    return layers
