"""The funnel: step by step, and how far those came that reached its first milestone."""

from dagster_project.config.sql_text import literal
from dagster_project.reporting.pages.charts import rows, specification
from dagster_project.reporting.pages.cube import Breakdown, Cube, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row
from dagster_project.reporting.pages.section import (
    Chart,
    Column,
    Section,
    Table,
    Tile,
    Value,
    text,
)
from dagster_project.reporting.pages.words import FEWEST_CASES

NEEDED = ("fct_conversions", "fct_lead_cycles", "dim_leads", "dim_milestones")

_DIMENSIONS = "source_system, lead_source, segment, owner_id, start_kind"


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """From the first milestone to the last; None where there is no lead."""
    steps = _next_steps(marts)
    if not steps:
        return _without_rates(marts)
    by_step = _by_step(cubes, steps)
    cube = _cohort_cube(cubes, steps)
    labels = {steps[0]["from_milestone"]: steps[0]["from_label"]}
    labels |= {step["to_milestone"]: step["to_label"] for step in steps}
    cohort = Breakdown(
        "cohort",
        cube,
        by=("milestone",),
        rows=tuple({"milestone": name, "label": label} for name, label in labels.items()),
        measures=_COHORT,
    )
    first, last = steps[0]["from_label"], steps[-1]["to_milestone"]
    has_window = marts.has("build_info", "conversion_window_days")
    window = marts.value("select conversion_window_days from build_info") if has_window else None
    within = f"Within {window:,} days" if window else "Within the window"
    return Section(
        anchor="funnel",
        title="Funnel",
        finding=text(
            f"{first} to {labels[last]}, to date: ",
            *(Value(cohort, (last,), "share"), " ("),
            *(Value(cohort, (last,), "reached"), " of "),
            *(Value(cohort, (last,), "cohort"), " cycles)"),
        ),
        parts=(
            Table(
                caption=text(
                    "Step by step: of those that reached a milestone, who reached the next"
                ),
                columns=(
                    Column("label", "Step"),
                    Column("entered", "Reached the first", "count"),
                    Column("converted", "Went on", "count"),
                    Column("rate", "Rate to date", "share", "rate_cases"),
                    Column("rate_in_window", within, "share", "rate_in_window_cases"),
                ),
                breakdown=by_step,
            ),
            Table(
                caption=text(f"From the start: of those that reached {first}, who came how far"),
                columns=(
                    Column("label", "Milestone"),
                    Column("reached", "Reached", "count"),
                    Column("cohort", f"Of all at {first}", "count"),
                    Column("share", "Rate to date", "share", "share_cases"),
                ),
                breakdown=cohort,
            ),
            _by_kind(cube, labels),
        ),
        marts=("fct_conversions", "fct_lead_cycles"),
        definitions=(
            ("milestones", "milestones"),
            *((row["label"], f"metric-{row['metric']}") for row in by_step.rows),
        ),
        tiles=tuple(
            Tile(
                label=row["label"],
                value=Value(by_step, (row["metric"],), "rate"),
                note=text(
                    *(Value(by_step, (row["metric"],), "converted"), " of "),
                    *(Value(by_step, (row["metric"],), "entered"), " to date"),
                ),
                anchor="funnel",
            )
            for row in by_step.rows
        ),
        is_filtered=True,
        note=(
            "A cycle is one pass of a lead. A rate is of the cycles that reached a milestone in "
            "their own right, whichever month that was. To date: whenever they went on; recent "
            f"ones may still. {within}: the rate that targets and the trend are about."
        ),
    )


def _without_rates(marts: Marts) -> Section | None:
    """What to say where no lead reached a milestone that a rate begins with."""
    leads = marts.value("select count(*) from dim_leads")
    if not leads:
        return None
    labels = ", ".join(dict.fromkeys(marts.milestones().values()))
    return Section(
        anchor="funnel",
        title="Funnel",
        finding=text(f"No lead got far enough for a rate (0 of {leads:,})"),
        marts=("fct_conversions", "dim_leads"),
        definitions=(("milestones", "milestones"),),
        note=(
            f"The milestones are {labels}. A lead reaches one by the stages that its source tells, "
            "or by a deal; handoff doctor lists stages that no map knows."
        ),
    )


def _next_steps(marts: Marts) -> list[Row]:
    """The named pairs that make a chain: from each milestone to the nearest one after it."""
    return marts.rows(
        """
        select distinct
            metric, from_milestone, from_label, to_milestone, to_label, starts.milestone_rank
        from fct_conversions
        inner join dim_milestones as starts on starts.milestone = from_milestone
        inner join dim_milestones as ends on ends.milestone = to_milestone
        qualify dense_rank() over (partition by from_milestone order by ends.milestone_rank) = 1
        order by starts.milestone_rank
        """
    )


def conversions(cubes: Cubes) -> Cube:
    """Entries and conversions of every named pair, by the day of the entry."""
    return cubes.cube(
        "conversions",
        f"""
        select
            {_DIMENSIONS}, entered_date as happened_on, metric,
            entered, converted, converted_in_window, mature
        from fct_conversions
        """,
        keys=("metric",),
        sums=("entered", "converted", "converted_in_window", "mature"),
    )


def _by_step(cubes: Cubes, steps: list[Row]) -> Breakdown:
    return Breakdown(
        "steps",
        conversions(cubes),
        by=("metric",),
        rows=tuple(
            {"metric": step["metric"], "label": f"{step['from_label']} to {step['to_label']}"}
            for step in steps
        ),
        measures=(
            Measure("entered", "entered"),
            Measure("converted", "converted"),
            Measure("rate", "converted", "entered", "share"),
            Measure("rate_in_window", "converted_in_window", "entered", "share"),
        ),
    )


_COHORT = (
    Measure("reached", "reached"),
    Measure("cohort", "cohort"),
    Measure("share", "reached", "cohort", "share"),
)


def _cohort_cube(cubes: Cubes, steps: list[Row]) -> Cube:
    """How far those came that reached the first milestone in their own right."""
    first, metric = steps[0]["from_milestone"], literal(steps[0]["metric"])
    reached = [f'reached_{milestone} as "{milestone}"' for milestone in _ends(steps)]
    milestones = ", ".join(f'"{milestone}"' for milestone in (first, *_ends(steps)))
    return cubes.cube(
        "cohort",
        f"""
        select {_DIMENSIONS}, happened_on, milestone, reached, 1 as cohort
        from (
            select
                {", ".join(f"entries.{name}" for name in _DIMENSIONS.split(", "))},
                entries.entered_date as happened_on, 1 as "{first}", {", ".join(reached)}
            from fct_conversions as entries
            inner join fct_lead_cycles as cycles using (lead_cycle_id)
            where entries.metric = {metric} and entries.entered = 1
        )
        unpivot (reached for milestone in ({milestones}))
        """,
        keys=("milestone", "start_kind"),
        sums=("reached", "cohort"),
    )


def _ends(steps: list[Row]) -> list[str]:
    return [step["to_milestone"] for step in steps]


def _by_kind(cube: Cube, labels: dict[str, str]) -> Chart:
    # Takes a second to import; commands that write no page do without.
    import altair as alt

    first, *_, last = labels
    sizes = {
        kind: sums["cohort"]
        for (milestone, kind), sums in cube.added_up(("milestone", "start_kind")).items()
        if milestone == first
    }
    kinds = sorted(sizes, key=lambda kind: -sizes[kind])
    breakdown = Breakdown(
        "cohort_by_kind",
        cube,
        by=("milestone", "start_kind"),
        rows=tuple(
            {"milestone": name, "start_kind": kind, "label": label}
            for name, label in labels.items()
            for kind in kinds
        ),
        measures=_COHORT,
    )
    finding: list[str | Value] = []
    for kind in kinds:
        finding += [
            f"{', ' if finding else f'To {labels[last]}: '}{kind} ",
            *(Value(breakdown, (last, kind), "share"), " ("),
            *(Value(breakdown, (last, kind), "reached"), " of "),
            *(Value(breakdown, (last, kind), "cohort"), ")"),
        ]
    drawn = (
        alt.Chart(rows())
        .mark_bar(height={"band": 0.82})
        .encode(
            y=alt.Y("label:N", sort=list(labels.values()), title=None).scale(paddingInner=0.28),
            yOffset=alt.YOffset("start_kind:N", sort=kinds),
            x=alt.X("share:Q", title="of those that reached the first milestone")
            .axis(format="%", tickCount=5)
            .scale(domain=[0, 1]),
            # A kind keeps its colour when a filter leaves another out.
            color=alt.Color("start_kind:N", title=None).scale(domain=kinds),
            tooltip=[
                alt.Tooltip("label:N", title="Milestone"),
                alt.Tooltip("start_kind:N", title="Pass"),
                alt.Tooltip("share:Q", title="Cumulative rate", format=".1%"),
                alt.Tooltip("reached:Q", title="Reached", format=","),
                alt.Tooltip("cohort:Q", title="Of", format=","),
            ],
        )
    )
    return Chart(
        name="funnel-by-kind",
        finding=tuple(finding),
        subtitle=(
            f"Share of the cycles from {labels[first]} that reached each milestone, by kind of "
            f"pass; kinds of fewer than {FEWEST_CASES} cycles are in the table only"
        ),
        spec=specification(drawn, height=60 * len(labels)),
        cases="cohort",
        table=Table(
            caption=text("Cumulative rate by kind of pass"),
            columns=(
                Column("label", "Milestone"),
                Column("start_kind", "Pass"),
                Column("reached", "Reached", "count"),
                Column("cohort", f"Of all at {labels[first]}", "count"),
                Column("share", "Cumulative rate", "share", "share_cases"),
            ),
            breakdown=breakdown,
        ),
    )
