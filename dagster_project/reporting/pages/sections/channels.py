"""Channels: where leads come from, month by month, and what each milestone costs."""

import math
from collections.abc import Sequence
from datetime import date

from dagster_project.reporting.pages.charts import LINES, axis_label, rows, specification
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import Chart, Column, Part, Section, Table, text
from dagster_project.reporting.pages.words import FEWEST_CASES, phrase, shown

NEEDED = ("channel_mix", "channel_economics", "dim_milestones")

# As many sources as there are colours; the rest is one.
_SOURCES = 5
_OTHERS = "other sources"
_MONTHS = 24
# From so many powers of ten on an axis has no steps between them.
_MOST_DECADES = 5
# What stands for the whole among channels.
_ALL = "all"


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """The mix and the cost; None where there is neither."""
    del cubes  # Spend is by channel alone: no filter of leads changes a cost.
    mix = _mix(marts)
    costs = _costs(marts)
    if not mix and not costs:
        return None
    labels = {
        name: label
        for name, label in marts.milestones().items()
        if marts.has("channel_economics", f"cost_per_{name}") and _is_own(marts, name)
    }
    parts: list[Part] = [_mix_chart(mix)] if mix else []
    if costs:
        parts += [
            *_cost_chart(marts, costs, labels),
            _cost_table(marts, costs, labels),
        ]
    return Section(
        anchor="channels",
        title="Channels",
        finding=text(_finding(marts, mix, costs)),
        parts=tuple(parts),
        marts=("channel_mix", "channel_economics"),
        definitions=(
            ("milestones", "milestones"),
            ("customer acquisition cost", "metric-customer_acquisition_cost"),
        ),
        note=_note(marts, costs),
    )


def _is_own(marts: Marts, milestone: str) -> bool:
    """Whether a milestone is one of its own here, and not counted as another."""
    return bool(
        marts.value(
            "select counted_as = milestone from dim_milestones where milestone = ?", milestone
        )
    )


def _mix(marts: Marts) -> list[Row]:
    """Cycles that marketing qualified, by month and source; small sources are one."""
    return [
        {
            **row,
            "month_label": f"{row['period_start']:%b %Y}",
            "axis": axis_label(0, f"{row['period_start']:%b}", f"{row['period_start']:%Y}"),
        }
        for row in marts.rows(
            f"""
            with largest as (
                select lead_source
                from channel_mix
                group by lead_source
                order by sum(marketing_qualified) desc, lead_source
                limit {_SOURCES}
            ),

            months as (
                select distinct period_start
                from channel_mix
                order by period_start desc
                limit {_MONTHS}
            )

            select
                period_start,
                coalesce(largest.lead_source, '{_OTHERS}') as source,
                sum(marketing_qualified) as cycles,
                any_value(all_marketing_qualified) as of_all,
                sum(marketing_qualified) / any_value(all_marketing_qualified) as share
            from channel_mix
            inner join months using (period_start)
            left join largest using (lead_source)
            group by all
            order by period_start, cycles desc
            """
        )
    ]


def _sources(mix: Sequence[Row]) -> list[str]:
    """The sources of the mix, largest first, the others last."""
    totals: dict[str, int] = {}
    for row in mix:
        totals[row["source"]] = totals.get(row["source"], 0) + row["cycles"]
    return sorted(totals, key=lambda source: (source == _OTHERS, -totals[source], source))


def _costs(marts: Marts) -> list[Row]:
    """The newest year that is complete, or else all there is: the whole first, then channels."""
    found = marts.rows(
        """
        with periods as (
            select distinct period, period_start
            from channel_economics
            where period in ('rolling_12_months', 'all') and is_complete
            order by period = 'all', period_start desc
            limit 1
        )

        select channel_economics.*
        from channel_economics
        inner join periods using (period, period_start)
        order by dimension <> 'all', spend_amount desc nulls last, channel
        """
    )
    return [
        {**row, "label": "All channels" if row["dimension"] == _ALL else phrase(row["channel"])}
        for row in found
    ]


def _finding(marts: Marts, mix: Sequence[Row], costs: Sequence[Row]) -> str:
    said = []
    if mix:
        totals = marts.rows(
            """
            select lead_source, sum(marketing_qualified) as cycles,
                sum(sum(marketing_qualified)) over () as of_all
            from channel_mix
            group by lead_source
            order by cycles desc, lead_source
            limit 1
            """
        )
        [top] = totals
        of_all = top["of_all"]
        share = shown(top["cycles"] / of_all, "share")
        part = share if of_all >= FEWEST_CASES else f"{top['cycles']:,}"
        said.append(
            f"{top['lead_source']} brings most ({part} of {of_all:,} cycles that marketing "
            "qualified)"
        )
    whole = next((row for row in costs if row["dimension"] == _ALL), None)
    if whole and whole["customer_acquisition_cost"] is not None:
        wins = whole["won_new_with_spend"]
        said.append(
            f"a new customer costs {_money(marts, whole['customer_acquisition_cost'])} "
            f"({wins:,} won with spend{', too few to rely on' if wins < FEWEST_CASES else ''})"
        )
    elif costs:
        said.append("no spend is known, so no cost is")
    return "; ".join(said)


def _money(marts: Marts, value: float) -> str:
    return (
        f"{shown(value, 'amount')}\u00a0{marts.currency}"
        if marts.currency
        else shown(value, "amount")
    )


def _mix_chart(mix: list[Row]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    sources = _sources(mix)
    months = list(dict.fromkeys(row["axis"] for row in mix))
    newest = max(row["period_start"] for row in mix)
    latest = sorted(
        (row for row in mix if row["period_start"] == newest and row["source"] != _OTHERS),
        key=lambda row: -row["cycles"],
    )
    drawn = (
        alt.Chart(rows())
        .mark_bar()
        .encode(
            x=alt.X("axis:O", sort=months, title=None).axis(
                labelAngle=0, labelOverlap=True, labelExpr=LINES["labelExpr"]
            ),
            y=alt.Y("cycles:Q", stack="normalize", title="share of the month").axis(
                format="%", tickCount=5, grid=True
            ),
            color=alt.Color("source:N", legend=None).scale(domain=sources),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("month_label:N", title="Month"),
                alt.Tooltip("source:N", title="Source"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
                alt.Tooltip("cycles:Q", title="Cycles", format=","),
                alt.Tooltip("of_all:Q", title="Of", format=","),
            ],
        )
    )
    said = ", ".join(
        f"{row['source']} {shown(row['share'], 'share', row['of_all'])}" for row in latest[:3]
    )
    placed = [{**row, "place": sources.index(row["source"])} for row in mix]
    return Chart(
        name="channel-mix",
        finding=text(f"{_month(newest)}: {said} of {latest[0]['of_all'] if latest else 0:,}"),
        subtitle="Share of the cycles that marketing qualified in a month, by source; "
        f"the {_SOURCES} largest and the rest",
        spec=specification(drawn, height=240),
        legend=tuple(sources),
        table=Table(
            caption=text("Marketing qualified by month and source"),
            columns=(
                Column("month_label", "Month"),
                Column("source", "Source"),
                Column("cycles", "Cycles", "count"),
                Column("of_all", "Of", "count"),
                Column("share", "Share", "share", "of_all"),
            ),
            rows=tuple(placed),
        ),
    )


def _month(start: date) -> str:
    return f"{start:%B %Y}"


def _cost_chart(marts: Marts, costs: list[Row], labels: dict[str, str]) -> tuple[Chart, ...]:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    drawn_rows = [
        {
            "label": row["label"],
            "axis": axis_label(at, row["label"]),
            "milestone": label,
            "cost": row[f"cost_per_{name}"],
            "cases": row[f"{name}_with_spend"],
        }
        for at, row in enumerate(costs)
        for name, label in labels.items()
        # More refunds than spend are no cost that a logarithmic axis has a place for.
        if (row[f"cost_per_{name}"] or 0) > 0
    ]
    if not drawn_rows:
        return ()
    milestones = list(labels.values())
    costly = [row["cost"] for row in drawn_rows if row["cases"] >= FEWEST_CASES] or [1]
    domain = (min(costly) * 0.8, max(costly) * 1.25)
    axis = list(dict.fromkeys(row["axis"] for row in drawn_rows))
    drawn = (
        alt.Chart(rows())
        .mark_point(filled=True, opacity=1, size=80)
        .encode(
            y=alt.Y("axis:N", sort=axis, title=None).axis(**LINES, grid=True),
            x=alt.X("cost:Q", title=marts.in_currency("cost of one, log"))
            .scale(type="log", domain=domain, nice=False)
            .axis(format="~s", values=_steps(*domain)),
            color=alt.Color("milestone:N", legend=None).scale(domain=milestones),
            tooltip=[
                alt.Tooltip("label:N", title="Channel"),
                alt.Tooltip("milestone:N", title="Milestone"),
                alt.Tooltip("cost:Q", title=marts.in_currency("Cost of one"), format=",.0f"),
                alt.Tooltip("cases:Q", title="Reached", format=","),
            ],
        )
    )
    return (
        Chart(
            name="channel-costs",
            finding=text(_cheapest(marts, drawn_rows, milestones)),
            subtitle="What one cycle that reached a milestone costs, by channel; of fewer than "
            f"{FEWEST_CASES} cycles it is in the table only",
            spec=specification(drawn, height=32 * len(axis)),
            cases="cases",
            legend=tuple(milestones),
            table=Table(
                caption=text("Cost of one by channel and milestone"),
                columns=(
                    Column("label", "Channel"),
                    Column("milestone", "Milestone"),
                    Column("cost", marts.in_currency("Cost of one"), "amount"),
                    Column("cases", "Reached", "count"),
                ),
                rows=tuple(drawn_rows),
            ),
        ),
    )


def _steps(lowest: float, highest: float) -> list[float]:
    """Round numbers for a logarithmic axis: as many as fit."""
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    leads = (1, 2, 5) if len(decades) < _MOST_DECADES else (1,)
    steps = [lead * 10.0**decade for decade in decades for lead in leads]
    return [step for step in steps if lowest <= step <= highest]


def _cheapest(marts: Marts, drawn: list[Row], milestones: list[str]) -> str:
    """Between which channels the cost of the first milestone is spread."""
    first = [
        row
        for row in drawn
        if row["milestone"] == milestones[0]
        and row["cases"] >= FEWEST_CASES
        and row["label"] != "All channels"
    ]
    if len(first) < 2:
        return "Cost of a milestone by channel"
    low, *_, high = sorted(first, key=lambda row: row["cost"])
    return (
        f"One {milestones[0]} costs from {_money(marts, low['cost'])} ({low['label']}, "
        f"{low['cases']:,}) to {_money(marts, high['cost'])} ({high['label']}, {high['cases']:,})"
    )


def _cost_table(marts: Marts, costs: list[Row], labels: dict[str, str]) -> Table:
    is_known = any(row["spend_amount"] is not None for row in costs)
    brought = (
        Column("won_new", "New customers", "count"),
        Column("revenue_amount", marts.in_currency("Revenue"), "amount"),
    )
    return Table(
        caption=text(
            f"What each channel {'cost and ' if is_known else ''}brought, "
            f"{shown(costs[0]['period_start'])} to {shown(costs[0]['period_end'])}"
        ),
        columns=(
            Column("label", "Channel"),
            Column("spend_amount", marts.in_currency("Spend"), "amount"),
            *(
                Column(f"cost_per_{name}", f"Per {label}", "amount")
                for name, label in labels.items()
            ),
            *brought,
            Column("won_new_with_spend", "New customers with spend", "count"),
            Column("return_on_spend", "Revenue per spend", "number"),
            Column("cac", marts.in_currency("Acquisition cost"), "written"),
        )
        if is_known
        else (Column("label", "Channel"), *brought),
        rows=tuple({**row, "cac": _acquisition(row)} for row in costs),
        note=f"(few): an acquisition cost of fewer than {FEWEST_CASES} new customers, which the "
        "next one may change a lot. With spend: won on days that spend is known for, which costs "
        f"are of. Spend counts for the customers won {costs[0]['spend_lag_days']:,} days later "
        f"({phrase(costs[0]['spend_lag_basis'])})."
        if is_known and costs[0]["spend_lag_days"] is not None
        else "",
    )


def _acquisition(row: Row) -> str:
    cost, wins = row["customer_acquisition_cost"], row["won_new_with_spend"]
    if cost is None:
        return shown(None)
    few = wins < FEWEST_CASES
    return f"{shown(cost, 'amount')}{' (few)' if few else ''}"


def _note(marts: Marts, costs: list[Row]) -> str:
    if marts.currency or not costs:
        return ""
    return "Amounts are in the company's currency; handoff.yml can name it."
