"""What changed: how much of a change is mix (who came) and how much is rate (who went on)."""

from collections.abc import Sequence

from dagster_project.reporting.agreement import anchor
from dagster_project.reporting.pages.charts import (
    LINES,
    MUTED,
    are_alike,
    axis_label,
    rows,
    specification,
)
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import Chart, Column, Section, Table, text
from dagster_project.reporting.pages.words import FEWEST_CASES, shown

NEEDED = ("conversion_drivers", "metric_catalog")

_DIMENSIONS = {
    "lead_source": "Lead source",
    "segment": "Segment",
    "owner_id": "Owner",
    "score_band": "Score band",
}
# Contributions of a rate that are drawn, and rates that they are drawn of.
_SHOWN = 3
_RATES = 8
_PARTS = {"mix_part": "mix: more or fewer came", "rate_part": "rate: more or fewer went on"}


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """The newest pair of periods; None where nothing can be compared."""
    del cubes  # A change is split for the whole: a filter would need another split.
    rates = _rates(marts)
    if not rates:
        return None
    judged = [row for row in rates if _cases(row) >= FEWEST_CASES]
    parts = _contributions(marts, [row["metric"] for row in judged][:_RATES])
    first = rates[0]
    return Section(
        anchor="what-changed",
        title="What changed",
        finding=text(_finding(judged)),
        parts=(
            Table(
                caption=text(
                    f"{_days(first, 'current')}, beside the time before: {_days(first, 'previous')}"
                ),
                columns=(
                    Column("label", "Rate", link="anchor"),
                    Column("previous_rate", "Before", "share", "previous_entered"),
                    Column("previous_entered", "of", "count"),
                    Column("current_rate", "Now", "share", "current_entered"),
                    Column("current_entered", "of", "count"),
                    Column("total_change", "Change", "points", "cases"),
                    *(
                        Column(f"mix_{name}", f"Mix by {label.lower()}", "points", "cases")
                        for name, label in _DIMENSIONS.items()
                    ),
                ),
                rows=tuple(rates),
                note="pp: percentage points. What is not mix is rate.",
            ),
            *((_chart(parts),) if parts else ()),
        ),
        marts=("conversion_drivers",),
        definitions=tuple((row["label"], row["anchor"]) for row in rates),
        note=(
            "Both periods are seen in windows of the same length, as known at the end of each. A "
            "change of few cycles may be chance: of what is more than that the two 95 % intervals "
            "do not overlap."
        ),
    )


def _cases(row: Row) -> int:
    return int(min(row["previous_entered"], row["current_entered"]))


def _rates(marts: Marts) -> list[Row]:
    """Each rate before and now, the largest change first, with the mix part by dimension."""
    mix = ", ".join(
        f"any_value(mix_part) filter (where dimension = '{name}') as mix_{name}"
        for name in _DIMENSIONS
    )
    found = marts.rows(
        f"""
        with newest as (
            select period_pair
            from conversion_drivers
            order by current_from desc, period_pair
            limit 1
        ),

        -- Each dimension adds up to the whole.
        wholes as (
            select
                metric, dimension,
                sum(previous_entered) as previous_entered,
                sum(previous_converted) as previous_converted,
                sum(current_entered) as current_entered,
                sum(current_converted) as current_converted,
                sum(mix_part) as mix_part,
                any_value(columns('total_change|_from|_until'))
            from conversion_drivers
            inner join newest using (period_pair)
            group by metric, dimension
        ),

        changes as (
            select
                any_value(columns(* exclude (metric, dimension, mix_part))), metric, {mix}
            from wholes
            group by metric
        )

        select
            changes.*, metric_catalog.label,
            previous_converted / nullif(previous_entered, 0) as previous_rate,
            current_converted / nullif(current_entered, 0) as current_rate
        from changes
        inner join metric_catalog using (metric)
        order by abs(total_change) desc nulls last, metric
        """
    )
    return [
        {**row, "anchor": anchor("metric", row["metric"]), "cases": _cases(row)} for row in found
    ]


def _finding(judged: Sequence[Row]) -> str:
    moved = [row for row in judged if row["total_change"]]
    if not judged:
        return "Too few cycles to compare with an earlier period"
    if not moved:
        return "No rate changed"
    # One that is more than chance goes before a larger change of few cycles.
    row = min(moved, key=lambda row: are_alike(_counts(row)))
    way = "rose" if row["total_change"] > 0 else "fell"
    change = (
        f"{shown(row['previous_rate'], 'share')} of {row['previous_entered']:,.0f} to "
        f"{shown(row['current_rate'], 'share')} of {row['current_entered']:,.0f}"
    )
    period = f"{_length(row, 'current')} beside the {_length(row, 'previous')} before"
    if are_alike(_counts(row)):
        return (
            f"{period}: no rate changed beyond chance (95 % intervals overlap); the largest "
            f"change is that of {row['label']}, from {change}"
        )
    return f"{period}: {row['label']} {way} from {change}, more than chance explains"


def _counts(row: Row) -> list[tuple[float, float]]:
    """Who went on, and of how many, before and now."""
    return [
        (float(row[f"{part}_converted"]), float(row[f"{part}_entered"]))
        for part in ("previous", "current")
    ]


def _length(row: Row, part: str) -> str:
    days = (row[f"{part}_until"] - row[f"{part}_from"]).days + 1
    return f"{days:,} days"


def _days(row: Row, part: str) -> str:
    """The days of a period: first, last and how many."""
    first, last = (shown(row[f"{part}_{end}"]) for end in ("from", "until"))
    return f"{first} to {last} ({_length(row, part)})"


def _contributions(marts: Marts, metrics: Sequence[str]) -> list[Row]:
    """The largest parts of each rate's change: one row for the mix and one for the rate."""
    if not metrics:
        return []
    found = marts.rows(
        f"""
        select
            drivers.*, metric_catalog.label as rate,
            drivers.previous_entered + drivers.current_entered as cases
        from conversion_drivers as drivers
        inner join metric_catalog using (metric)
        where list_contains(?, metric) and change_part <> 0
        qualify
            dense_rank() over (order by current_from desc, period_pair) = 1
            and row_number() over (
                partition by period_pair, metric
                order by abs(change_part) desc, dimension, value
            ) <= {_SHOWN}
        order by list_position(?, metric), abs(change_part) desc, dimension, value
        """,
        list(metrics),
        list(metrics),
    )
    shown_rows = []
    for at, row in enumerate(found):
        # A build of an earlier release has no labels.
        value = row.get("value_label", row["value"])
        what = f"{_DIMENSIONS.get(row['dimension'], row['dimension'])}: {value}"
        axis = axis_label(at, row["rate"], what)
        for part, label in _PARTS.items():
            points = row[part]
            shown_rows.append(
                {**row, "what": what, "axis": axis, "part": label, "points": 100 * points}
            )
    return shown_rows


def _largest(parts: Sequence[Row]) -> str:
    """The part that changed most among those of enough cycles before and now."""
    row = next((row for row in parts if _cases(row) >= FEWEST_CASES), None)
    if row is None:
        return "No part of a change is of enough cycles to tell it from chance"
    chance = "; within chance" if are_alike(_counts(row)) else ""
    return (
        f"{row['what']} adds {shown(row['change_part'], 'points')} to {row['rate']} "
        f"({shown(row['previous_rate'], 'share')} of {row['previous_entered']:,}, then "
        f"{shown(row['current_rate'], 'share')} of {row['current_entered']:,}{chance})"
    )


def _chart(parts: list[Row]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    axis = list(dict.fromkeys(row["axis"] for row in parts))
    labels = list(_PARTS.values())
    bars = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            y=alt.Y("axis:N", sort=axis, title=None).axis(**LINES),
            x=alt.X("points:Q", title="percentage points").axis(format="+.2~f", tickCount=5),
            color=alt.Color("part:N", legend=None).scale(domain=labels),
            tooltip=[
                alt.Tooltip("rate:N", title="Rate"),
                alt.Tooltip("what:N", title="Of"),
                alt.Tooltip("part:N", title="Part"),
                alt.Tooltip("points:Q", title="Points", format="+.1f"),
                alt.Tooltip("previous_entered:Q", title="Came before", format=","),
                alt.Tooltip("current_entered:Q", title="Came now", format=","),
                alt.Tooltip("previous_rate:Q", title="Rate before", format=".1%"),
                alt.Tooltip("current_rate:Q", title="Rate now", format=".1%"),
            ],
        )
    )
    zero = alt.Chart(rows()).mark_rule(color=MUTED).encode(x=alt.datum(0, type="quantitative"))
    return Chart(
        name="what-changed-parts",
        finding=text(_largest(parts)),
        subtitle=f"The {_SHOWN} largest parts of each rate's change, the rate that changed most "
        "first. A cycle counts by its source, segment, owner and band, so parts overlap",
        spec=specification(alt.layer(bars, zero), height=36 * len(axis)),
        legend=tuple(labels),
        table=Table(
            caption=text("Largest parts of the changes"),
            columns=(
                Column("rate", "Rate"),
                Column("what", "Of"),
                Column("part", "Part"),
                Column("points", "pp", "number"),
                Column("previous_entered", "Came before", "count"),
                Column("previous_rate", "Rate before", "share", "previous_entered"),
                Column("current_entered", "Came now", "count"),
                Column("current_rate", "Rate now", "share", "current_entered"),
            ),
            rows=tuple(parts),
        ),
    )
