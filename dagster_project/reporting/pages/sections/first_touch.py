"""The first touch: how soon sales answers a handoff, and whether that is as agreed."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from dagster_project.reporting.pages.charts import (
    BAD,
    COLOURS,
    INK,
    rates,
    rows,
    specification,
)
from dagster_project.reporting.pages.cube import Breakdown, Cube, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.owners import MOST_BARS, by_owner, compared, in_order
from dagster_project.reporting.pages.section import (
    Chart,
    Column,
    Only,
    Section,
    Table,
    Tile,
    Value,
    text,
)
from dagster_project.reporting.pages.words import FEWEST_CASES, phrase, shown

NEEDED = ("fct_lead_cycles", "handoff_sla")

# Where the curve has a point, in minutes, beside those of the service levels.
_MOMENTS = (1, 5, 15, 60, 240, 1440, 4320, 10080)
_LONGEST = _MOMENTS[-1]
_WEEKS, _RECENT_WEEKS = 26, 4
_MEASURES = (
    Measure("judged", "judged"),
    Measure("met", "met"),
    Measure("late", "late"),
    Measure("late_share", "late", "judged", "share"),
)
_COUNTS = (
    Column("judged", "Handoffs", "count"),
    Column("met", "In time", "count"),
    Column("late", "Late", "count"),
    Column("late_share", "Late", "share", "late_share_cases"),
)


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """Time to first touch by tier, kept and late by week and owner; None where none is judged."""
    tiers = _tiers(marts)
    if not tiers:
        return None
    touches, weeks = _touch_cube(cubes, tiers), _week_cube(marts, cubes)
    by_tier = Breakdown(
        "first_touch_tiers",
        touches,
        by=("intent_tier",),
        rows=tuple(tiers),
        measures=(*_MEASURES, Measure("met_share", "met", "judged", "share")),
    )
    whole = Breakdown(
        "first_touch",
        touches,
        by=(),
        rows=({},),
        measures=_MEASURES,
    )
    late = tuple(Value(whole, (), name) for name in ("late_share", "late", "judged"))
    return Section(
        anchor="first-touch",
        title="First touch",
        finding=text(
            "Touched late: ", late[0], " (", late[1], " of ", late[2], " judged handoffs)"
        ),
        parts=(
            _curve(touches, by_tier, tiers),
            _by_week(weeks, marts),
            _by_owner(touches, cubes),
        ),
        marts=NEEDED,
        definitions=(
            ("touched in time", "metric-sla_met_rate"),
            ("speed to lead", "metric-speed_to_lead"),
            *((tier["label"], f"tier-{tier['intent_tier']}") for tier in tiers),
        ),
        tiles=(
            Tile(
                label="Touched late",
                value=late[0],
                note=text(late[1], " of ", late[2], " handoffs"),
                anchor="first-touch",
            ),
        ),
        is_filtered=True,
        note=(
            "Of the handoffs that are judged: touched in time, or not touched when the time was "
            "over. Left out are those still within their time, those that ended before it was "
            "over, and those of sources without activities."
        ),
    )


def _tiers(marts: Marts) -> list[Row]:
    """The intent tiers, most urgent first; ``target``: minutes, where it is one for all handoffs.

    Of a clock that stops at night each handoff has a time of its own.
    """
    found = marts.rows(
        """
        select
            cycles.intent_tier,
            min(tiers.tier_rank) as tier_rank,
            min(date_diff('second', handed_off_at, sla_due_at)) / 60 as shortest,
            max(date_diff('second', handed_off_at, sla_due_at)) / 60 as longest
        from fct_lead_cycles as cycles
        left join (select distinct intent_tier, tier_rank from handoff_sla) as tiers
            on cycles.intent_tier = tiers.intent_tier
        where cycles.handed_off_basis = 'explicit' and cycles.sla_status in ('met', 'breached')
        group by cycles.intent_tier
        order by tier_rank, cycles.intent_tier
        """
    )
    return [
        {
            "intent_tier": row["intent_tier"],
            "label": phrase(row["intent_tier"]),
            "target": row["longest"] if row["longest"] == row["shortest"] else None,
        }
        for row in found
    ]


def _judged() -> str:
    return f"""
        select
            source_system, lead_source, segment, owner_id, intent_tier, speed_to_lead_minutes,
            {local_date("handed_off_at")} as happened_on,
            1 as judged, (sla_status = 'met')::int as met, (sla_status = 'breached')::int as late
        from fct_lead_cycles
        where handed_off_basis = 'explicit' and sla_status in ('met', 'breached')
    """


def _moments(tiers: Sequence[Row]) -> list[float]:
    """The minutes that the curves have a point at, those of the service levels among them."""
    return sorted({*_MOMENTS, *(tier["target"] for tier in tiers if tier["target"])})


def _touch_cube(cubes: Cubes, tiers: Sequence[Row]) -> Cube:
    moments = _moments(tiers)
    steps = " ".join(
        f"when speed_to_lead_minutes <= {moment!r} then '{place}'"
        for place, moment in enumerate(moments)
    )
    return cubes.cube(
        "first_touch",
        f"select *, case {steps} else '{len(moments)}' end as moment from ({_judged()})",
        keys=("intent_tier", "moment"),
        sums=("judged", "met", "late"),
    )


def _curve(touches: Cube, by_tier: Breakdown, tiers: Sequence[Row]) -> Chart:
    moments = _moments(tiers)
    limits = [*(f"within {_span(moment)}" for moment in moments), "later or not yet"]
    finding: list[str | Value] = []
    for place, tier in enumerate(tiers):
        limit = f" (within {_span(tier['target'])})" if tier["target"] else ""
        finding += [
            f"{', ' if place else 'Touched in time: '}{tier['label']}{limit} ",
            Value(by_tier, (tier["intent_tier"],), "met_share"),
        ]
    return Chart(
        name="first-touch",
        finding=tuple(finding),
        subtitle=(
            "Share of the judged handoffs touched by then, by intent tier; a dotted line is the "
            "service level of the tier in its colour. "
            + " ".join(
                f"{tier['label'].capitalize()} has a limit of its own for each handoff."
                for tier in tiers
                if not tier["target"]
            )
        ).strip(),
        total="judged",
        spec=_curve_spec([tier["label"] for tier in tiers]),
        table=Table(
            caption=text("Handoffs by the time to their first touch"),
            columns=(
                Column("label", "Tier"),
                Column("limit", "First touch"),
                Column("judged", "Handoffs", "count"),
                Column("met", "In time", "count"),
                Column("late", "Late", "count"),
            ),
            breakdown=Breakdown(
                "first_touch_moments",
                touches,
                by=("intent_tier", "moment"),
                rows=tuple(
                    {**tier, "moment": str(place), "minutes": minutes, "limit": limits[place]}
                    for tier in tiers
                    for place, minutes in enumerate((*moments, None))
                ),
                measures=_MEASURES,
            ),
        ),
    )


def _span(minutes: float) -> str:
    """Minutes as people say them: 5 min, 1 h, 3 d."""
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes >= size and minutes % size == 0:
            return f"{minutes / size:g}\u00a0{unit}"
    return f"{minutes:g}\u00a0min"


def _curve_spec(tiers: list[str]) -> dict[str, Any]:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    ticks = list(_MOMENTS)
    named = ", ".join(f"'{tick}': '{_span(tick)}'" for tick in ticks)
    across = (
        alt.X("minutes:Q", title="time from the handoff to the first touch")
        .scale(type="log", domain=[1, _LONGEST], nice=False)
        .axis(values=ticks, labelExpr=f"{{{named}}}[datum.value]", labelOverlap=True)
    )
    colour = (
        alt.Color("label:N", title=None)
        .scale(domain=tiers, range=list(COLOURS))
        .legend(columns=alt.expr("width < 420 ? 2 : 0"))
    )
    curve = (
        alt.Chart(rows())
        .transform_joinaggregate(of="sum(judged)", groupby=["intent_tier"])
        .transform_filter(f"datum.of >= {FEWEST_CASES}")
        .transform_window(
            by_then="sum(judged)",
            frame=[None, 0],
            groupby=["intent_tier"],
            sort=[alt.SortField("moment_place")],
        )
        .transform_filter("isValid(datum.minutes)")
        .transform_calculate(share="datum.by_then / datum.of")
    )
    curve.transform = [
        alt.CalculateTransform(calculate="toNumber(datum.moment)", **{"as": "moment_place"}),
        *curve.transform,
    ]
    share = alt.Y("share:Q", title=None).axis(format="%", tickCount=5, grid=True)
    share = share.scale(domain=[0, 1])
    at_target = curve.transform_filter("datum.minutes == datum.target")
    return specification(
        alt.layer(
            at_target.mark_rule(strokeDash=[2, 3], strokeWidth=1.5).encode(
                x=across, y=share, y2=alt.datum(0), color=colour
            ),
            curve.mark_line(strokeWidth=2).encode(x=across, y=share, color=colour),
            curve.mark_point(size=90, opacity=0).encode(
                x=across,
                y=share,
                tooltip=[
                    alt.Tooltip("label:N", title="Tier"),
                    alt.Tooltip("limit:N", title="Touched"),
                    alt.Tooltip("share:Q", title="Share", format=".1%"),
                    alt.Tooltip("by_then:Q", title="Handoffs", format=","),
                    alt.Tooltip("of:Q", title="Of", format=","),
                ],
            ),
            at_target.mark_point(filled=True, size=70, opacity=1).encode(
                x=across, y=share, color=colour
            ),
            at_target.mark_text(align="right", dx=-8, dy=-8, color=INK, fontWeight="bold").encode(
                x=across, y=share, text=alt.Text("share:Q", format=".0%")
            ),
        ),
        height=280,
    )


def _mondays(marts: Marts) -> tuple[date, date, date]:
    """The Mondays that the weeks shown, the recent ones of them, and the running one begin with.

    The running week is neither recent nor before: of few days it would count as a whole one.
    """
    last = marts.value(f"select date_trunc('week', {local_date('as_of')})::date from build_info")
    return last - timedelta(weeks=_WEEKS), last - timedelta(weeks=_RECENT_WEEKS), last


def _week_cube(marts: Marts, cubes: Cubes) -> Cube:
    first, recent, running = _mondays(marts)
    return cubes.cube(
        "first_touch_weeks",
        f"""
        select
            *,
            date_trunc('week', happened_on)::date as week,
            case
                when happened_on >= '{running}' then 'running'
                when happened_on >= '{recent}' then 'recent'
                else 'before'
            end as stretch
        from ({_judged()})
        where happened_on >= '{first}'
        """,
        keys=("week", "stretch"),
        sums=("judged", "met", "late"),
    )


def _by_week(cube: Cube, marts: Marts) -> Chart:
    first, _, running = _mondays(marts)
    stretches = Breakdown(
        "first_touch_stretches",
        cube,
        by=("stretch",),
        rows=({"stretch": "recent"}, {"stretch": "before"}),
        measures=_MEASURES,
    )
    now, before = (
        tuple(Value(stretches, (name,), measure) for measure in ("late_share", "late", "judged"))
        for name in ("recent", "before")
    )
    weeks = [first + timedelta(weeks=place) for place in range(_WEEKS + 1)]
    return Chart(
        name="first-touch-weeks",
        finding=text(
            Only(
                "any_time",
                (
                    *(f"Late in the last {_RECENT_WEEKS} whole weeks: ", now[0]),
                    *(" (", now[1], " of ", now[2]),
                    *(f"); in the {_WEEKS - _RECENT_WEEKS} weeks before: ", before[0]),
                    *(" (", before[1], " of ", before[2], ")"),
                ),
            ),
            # Of a period the last weeks may be none, or a part of one.
            Only("period", ("Touched in time and late, by the weeks of the period",)),
        ),
        subtitle="Judged handoffs by week, from its Monday: touched in time and late; "
        f"the running week, from {shown(running)}, so far",
        spec=_week_spec(),
        total="judged",
        table=Table(
            caption=text("Touched in time and late by week"),
            columns=(Column("day", "Week from"), *_COUNTS),
            breakdown=Breakdown(
                "first_touch_by_week",
                cube,
                by=("week",),
                rows=tuple(
                    {
                        "week": week.isoformat(),
                        "day": f"{shown(week)}{' (so far)' if week == running else ''}",
                    }
                    for week in reversed(weeks)
                ),
                measures=_MEASURES,
            ),
        ),
    )


def _week_spec() -> dict[str, Any]:
    import altair as alt  # takes a second

    return specification(
        alt.Chart(rows())
        .transform_fold(["met", "late"], as_=["state", "handoffs"])
        .transform_calculate(kept="datum.state == 'met' ? 'in time' : 'late'")
        .mark_bar()
        .encode(
            x=alt.X("week:O", timeUnit="utcyearmonthdate", title=None).axis(
                format="%-d %b",
                labelOverlap="greedy",
                labelSeparation=8,
                labelBound=True,
                labelAngle=0,
            ),
            y=alt.Y("handoffs:Q", title="handoffs").axis(tickCount=4, grid=True, tickMinStep=1),
            color=alt.Color("kept:N", title=None).scale(
                domain=["in time", "late"], range=[COLOURS[0], BAD]
            ),
            order=alt.Order("kept:N", sort="descending"),
            tooltip=[
                alt.Tooltip("day:N", title="Week from"),
                alt.Tooltip("met:Q", title="In time", format=","),
                alt.Tooltip("late:Q", title="Late", format=","),
                alt.Tooltip("late_share:Q", title="Late", format=".0%"),
            ],
        ),
        height=180,
    )


def _by_owner(cube: Cube, cubes: Cubes) -> Chart:
    owners = by_owner("first_touch_owners", cube, cubes, _MEASURES)
    worst_first = in_order(owners, "late_share")[::-1]
    sentence = "late most often is {first}, least often {last}"
    return Chart(
        name="first-touch-owners",
        finding=compared(worst_first, "late_share", "late", sentence),
        subtitle=(
            "Share of the judged handoffs of each owner that were late, with its 95 % interval; "
            f"owners of fewer than {FEWEST_CASES} are in the table only"
        ),
        spec=rates(
            "owner",
            [row["owner"] for row in worst_first[:MOST_BARS]],
            "late_share",
            ("late", "judged"),
            "late",
            BAD,
        ),
        cases="judged",
        table=Table(
            caption=text("Touched in time and late by owner"),
            columns=(Column("owner", "Owner"), *_COUNTS),
            breakdown=owners,
        ),
    )
