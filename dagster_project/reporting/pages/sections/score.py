"""Score against outcomes: whether higher scores win more, and what was handed off below the bar."""

from datetime import date
from typing import Any

from dagster_project.reporting.pages.charts import LINES, MUTED, axis_label, rows, specification
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import Chart, Column, Section, Table, text
from dagster_project.reporting.pages.words import FEWEST_CASES, phrase, shown

NEEDED = ("score_calibration",)

# The kinds of score that the mart has, as people call them, in order.
_SCORES = {
    "qualification": "our score at qualification",
    "handoff": "our score at the handoff",
    "crm": "the CRM's score",
}
# Quarters side by side that a phone has room for.
_SHOWN_QUARTERS = 8
_TOSS = 0.5
# The narrowest and the widest that the chance of a right order can be.
_WHOLE = (0, 1)


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """Win rates by band and how well each score sorts; None without scored cycles."""
    del cubes  # An interval is of the whole: no filter changes it.
    quarters = _quarters(marts)
    if not quarters:
        return None
    judged = [row for row in quarters if row["is_mature"] and row["auc_lower"] is not None]
    newest = max((row["period_start"] for row in judged), default=None)
    latest = [row for row in judged if row["period_start"] == newest]
    bands = _bands(marts, newest) if newest else []
    return Section(
        anchor="score",
        title="Score",
        finding=text(_finding(latest)),
        parts=(
            *((_band_chart(bands, newest),) if newest and bands else ()),
            *((_quarter_chart(quarters),) if judged else ()),
            *_below_the_bar(marts),
        ),
        marts=("score_calibration", *(("mql_quality",) if marts.has("mql_quality") else ())),
        definitions=(("score", "score"), ("AUC", "metric-auc")),
        note=(
            "A win counts within the conversion window. AUC: the chance that of a won and another "
            "cycle the won one has the higher score; 0.5 is a coin toss, 1 always right. Intervals "
            "are of 95 %. A quarter is mature when its window has passed."
        ),
    )


def _quarters(marts: Marts) -> list[Row]:
    """One row per score and quarter, with what to call them."""
    found = marts.rows(
        """
        select distinct
            score_kind, score_basis, period_start, quarter_cycles, quarter_won_in_window,
            auc, auc_lower, auc_upper, is_monotonic, is_mature
        from score_calibration
        order by period_start, score_basis
        """
    )
    first = sorted({row["period_start"] for row in found})[-_SHOWN_QUARTERS:][:1]
    return [
        {
            **row,
            "score": _score(row),
            "quarter": _quarter(row["period_start"]),
            "axis": axis_label(0, *reversed(_quarter(row["period_start"]).split())),
            "state": "mature" if row["is_mature"] else "not yet mature",
            "sorted": {True: "yes", False: "no", None: ""}[row["is_monotonic"]],
        }
        for row in sorted(found, key=_order)
        if row["period_start"] >= first[0]
    ]


def _order(row: Row) -> int:
    kinds = list(_SCORES)
    return kinds.index(row["score_kind"]) if row["score_kind"] in kinds else len(kinds)


def _score(row: Row) -> str:
    name = _SCORES.get(row["score_kind"], phrase(row["score_kind"]))
    return f"{name} as of today" if row["score_basis"] == "as_of_today" else name


def _quarter(start: date) -> str:
    return f"{start.year} Q{(start.month + 2) // 3}"


def _reading(row: Row) -> str:
    if row["auc_lower"] > _TOSS:
        return "tells winners from others"
    if row["auc_upper"] < _TOSS:
        return "puts winners last"
    return "is no better than chance"


def _finding(latest: list[Row]) -> str:
    """What the newest mature quarter says of each score."""
    if not latest:
        return "Too few wins in a mature quarter to tell whether the scores sort leads"
    said = [f"{row['score']} {_reading(row)} ({_auc(row)})" for row in latest]
    return f"{latest[0]['quarter']}: {'; '.join(said)}"


def _auc(row: Row) -> str:
    lower, upper = shown(row["auc_lower"], "number"), shown(row["auc_upper"], "number")
    return f"AUC {shown(row['auc'], 'number')}, {lower} to {upper}"


def _bands(marts: Marts, quarter: date) -> list[Row]:
    found = marts.rows(
        """
        select
            score_kind, score_basis, band, band_order, cycles, won_in_window, acceptance_rate,
            qualification_rate, win_rate, win_rate_lower, win_rate_upper, lift
        from score_calibration
        where period_start = ? and is_mature
        order by score_basis, band_order
        """,
        quarter,
    )
    return [
        # Two scores may have bands of the same name.
        {
            **row,
            "score": _score(row),
            "axis": axis_label(_order(row), f"{phrase(row['band'])} ({row['cycles']:,})"),
        }
        for row in sorted(found, key=_order)
    ]


def _band_chart(bands: list[Row], quarter: date) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    scores = list(dict.fromkeys(row["score"] for row in bands))
    best = [next(row for row in bands if row["score"] == score) for score in scores]
    base = alt.Chart(rows()).encode(
        y=alt.Y("axis:N", sort=[row["axis"] for row in bands], title=None).axis(**LINES),
        color=alt.Color("score:N", legend=None).scale(domain=scores),
        tooltip=_tooltips(
            ("score:N", "Score", None),
            ("band:N", "Band", None),
            ("win_rate:Q", "Win rate", ".1%"),
            ("win_rate_lower:Q", "from", ".1%"),
            ("win_rate_upper:Q", "to", ".1%"),
            ("won_in_window:Q", "Won", ","),
            ("cycles:Q", "Of", ","),
        ),
    )
    whiskers = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("win_rate_lower:Q", title="won within the window").axis(format="%", tickCount=5),
        x2="win_rate_upper:Q",
    )
    points = base.mark_point(filled=True, opacity=1, size=70).encode(x="win_rate:Q")
    said = [
        f"{shown(row['win_rate'], 'share', row['cycles'])} of {phrase(row['band'])} "
        f"({row['won_in_window']:,} of {row['cycles']:,}) by {row['score']}"
        for row in best
    ]
    return Chart(
        name="score-bands",
        finding=text(f"Won of the best band: {'; '.join(said)}"),
        subtitle=f"Win rate with interval by band, best first, {_quarter(quarter)}; in brackets "
        f"the cycles. Bands of fewer than {FEWEST_CASES} are in the table only",
        spec=specification(alt.layer(whiskers, points), height=26 * len(bands)),
        cases="cycles",
        legend=tuple(scores),
        table=Table(
            caption=text("Outcomes by band"),
            columns=(
                Column("score", "Score"),
                Column("band", "Band"),
                Column("cycles", "Cycles", "count"),
                Column("acceptance_rate", "Accepted", "share", "cycles"),
                Column("qualification_rate", "Qualified", "share", "cycles"),
                Column("won_in_window", "Won", "count"),
                Column("win_rate", "Win rate", "share", "cycles"),
                Column("win_rate_lower", "from", "share", "cycles"),
                Column("win_rate_upper", "to", "share", "cycles"),
                Column("lift", "Over average", "number"),
            ),
            rows=tuple(bands),
        ),
    )


def _quarter_chart(quarters: list[Row]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    scores = list(dict.fromkeys(row["score"] for row in quarters))
    axis = [row["axis"] for row in sorted(quarters, key=lambda row: row["period_start"])]
    base = alt.Chart(rows()).encode(
        x=alt.X("axis:N", sort=axis, title=None).axis(labelAngle=0, labelExpr=LINES["labelExpr"]),
        xOffset=alt.XOffset("score:N", sort=scores),
        color=alt.Color("score:N", legend=None).scale(domain=scores),
        opacity=alt.condition("datum.is_mature", alt.value(1), alt.value(0.45)),
        tooltip=_tooltips(
            ("score:N", "Score", None),
            ("quarter:N", "Quarter", None),
            ("auc:Q", "AUC", ".2f"),
            ("auc_lower:Q", "from", ".2f"),
            ("auc_upper:Q", "to", ".2f"),
            ("quarter_won_in_window:Q", "Won", ","),
            ("quarter_cycles:Q", "Of", ","),
            ("state:N", "Quarter is", None),
        ),
    )
    whiskers = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("auc_lower:Q", title="AUC").scale(domain=_WHOLE),
        y2="auc_upper:Q",
    )
    points = base.mark_point(filled=True, size=70).encode(y="auc:Q")
    toss = (
        alt.Chart(rows())
        .mark_rule(strokeDash=[4, 3], color=MUTED)
        .encode(y=alt.datum(_TOSS, type="quantitative"))
    )
    judged = [row for row in quarters if row["is_mature"] and row["auc_lower"] is not None]
    better = sum(row["auc_lower"] > _TOSS for row in judged)
    return Chart(
        name="score-quarters",
        finding=text(
            f"Better than a coin toss in {better:,} of {len(judged):,} mature quarters and scores"
        ),
        subtitle="How well each score sorts winners before others (AUC), by quarter, with "
        "interval; dashed: a coin toss; faint: not yet mature",
        spec=specification(alt.layer(toss, whiskers, points), height=240),
        legend=tuple(scores),
        table=Table(
            caption=text("How well each score sorts"),
            columns=(
                Column("quarter", "Quarter"),
                Column("score", "Score"),
                Column("quarter_cycles", "Cycles", "count"),
                Column("quarter_won_in_window", "Won", "count"),
                Column("auc", "AUC", "number"),
                Column("auc_lower", "from", "number"),
                Column("auc_upper", "to", "number"),
                Column("sorted", "Each band above the next"),
                Column("state", "Quarter is"),
            ),
            rows=tuple(quarters),
        ),
    )


def _tooltips(*fields: tuple[str, str, str | None]) -> list[Any]:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    return [
        alt.Tooltip(name, title=title, format=form) if form else alt.Tooltip(name, title=title)
        for name, title, form in fields
    ]


def _below_the_bar(marts: Marts) -> tuple[Table, ...]:
    """What was handed off although it misses a part of the agreed definition."""
    if not marts.has("mql_quality"):
        return ()
    found = marts.rows(
        """
        select
            requirement_label as label, sum(judged) as judged, sum(below) as below,
            sum(below) / nullif(sum(judged), 0) as share
        from mql_quality
        group by requirement, requirement_label
        order by requirement <> 'all', below desc, label
        """
    )
    if not found:
        return ()
    return (
        Table(
            caption=text("Handed off below the agreed definition, by requirement"),
            columns=(
                Column("label", "Requirement"),
                Column("judged", "Judged", "count"),
                Column("below", "Below", "count"),
                Column("share", "Share below", "share", "judged"),
            ),
            rows=tuple(found),
        ),
    )
