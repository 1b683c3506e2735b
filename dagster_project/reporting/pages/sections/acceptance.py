"""Acceptance: what sales takes of what it is handed, by owner, score band and load."""

from collections.abc import Sequence
from typing import Any

from dagster_project.reporting.pages.charts import COLOURS, rates
from dagster_project.reporting.pages.cube import NOBODY, Breakdown, Cube, Cubes, Measure
from dagster_project.reporting.pages.marts import Marts, Row, local_date
from dagster_project.reporting.pages.owners import MOST_BARS, by_owner, compared, in_order
from dagster_project.reporting.pages.section import (
    Chart,
    Column,
    Section,
    Table,
    Value,
    text,
)
from dagster_project.reporting.pages.words import shown

NEEDED = ("fct_lead_cycles", "rep_acceptance")

# Bands of the load, in parts of the capacity; the last has no end.
_LOAD_STEP, _LOAD_BANDS = 0.25, 7
_MEASURES = (
    Measure("handed_off", "handed_off"),
    Measure("accepted", "accepted"),
    Measure("rejected", "rejected"),
    Measure("pending", "pending"),
    Measure("rate", "accepted", "handed_off", "share"),
)
_COUNTS = (
    Column("handed_off", "Handed off", "count"),
    Column("accepted", "Accepted", "count"),
    Column("rejected", "Rejected", "count"),
    Column("pending", "Pending", "count"),
    Column("rate", "Accepted", "share", "rate_cases"),
)


def section(marts: Marts, cubes: Cubes) -> Section | None:
    """Rates with their intervals; None where nothing was handed off."""
    cube = _cube(cubes)
    total = cube.added_up(()).get(())
    if not total:
        return None
    whole = Breakdown("acceptance", cube, by=(), rows=({},), measures=_MEASURES)
    rate, accepted, handed_off, rejected, pending = (
        Value(whole, (), name) for name in ("rate", "accepted", "handed_off", "rejected", "pending")
    )
    by_load = _by_load(marts)
    return Section(
        anchor="acceptance",
        title="Acceptance",
        finding=text(
            *("Accepted by sales: ", rate, " (", accepted, " of ", handed_off, " handoffs), "),
            *(rejected, " rejected, ", pending, " pending"),
        ),
        parts=(
            _by_band(cube),
            _by_owner(cube, cubes),
            *((by_load,) if by_load else ()),
        ),
        marts=NEEDED,
        definitions=(("acceptance", "metric-acceptance_rate"),),
        is_filtered=True,
        note=(
            "Of the handoffs that happened in their own right. Pending ones count as handed off, "
            "so a young period looks lower than it will be."
        ),
    )


def _cube(cubes: Cubes) -> Cube:
    statuses = ", ".join(
        f"(acceptance_status = '{status}')::int as {status}"
        for status in ("accepted", "rejected", "pending")
    )
    return cubes.cube(
        "acceptance",
        f"""
        select
            source_system, lead_source, segment, owner_id,
            {local_date("handed_off_at")} as happened_on,
            score_band, 1 as handed_off, {statuses}
        from fct_lead_cycles
        where handed_off_basis = 'explicit'
        """,
        keys=("score_band",),
        sums=("handed_off", "accepted", "rejected", "pending"),
    )


def _rates(field: str, order: Sequence[str]) -> dict[str, Any]:
    return rates(field, order, "rate", ("accepted", "handed_off"), "accepted", COLOURS[0])


def _by_band(cube: Cube) -> Chart:
    found = sorted(band for (band,) in cube.added_up(("score_band",)))
    bands = Breakdown(
        "acceptance_bands",
        cube,
        by=("score_band",),
        rows=tuple(
            {"score_band": band, "label": "no score" if band == NOBODY else f"band {band}"}
            for band in found
        ),
        measures=_MEASURES,
    )
    finding: list[str | Value] = []
    for place, row in enumerate(bands.rows):
        key = (row["score_band"],)
        finding += [
            *(
                f"{', ' if place else 'Accepted by score: '}{row['label']} ",
                Value(bands, key, "rate"),
            ),
            *(" of ", Value(bands, key, "handed_off")),
        ]
    return Chart(
        name="acceptance-bands",
        finding=tuple(finding),
        subtitle="Share of the handoffs accepted, by score band at the handoff; 95 % interval",
        spec=_rates("label", [row["label"] for row in bands.rows]),
        cases="handed_off",
        table=Table(
            caption=text("Acceptance by score band"),
            columns=(Column("label", "Score band"), *_COUNTS),
            breakdown=bands,
        ),
    )


def _by_owner(cube: Cube, cubes: Cubes) -> Chart:
    owners = by_owner("acceptance_owners", cube, cubes, _MEASURES)
    told = in_order(owners, "rate")
    return Chart(
        name="acceptance-owners",
        finding=compared(told, "rate", "accepted", "{first} accepts least, {last} most"),
        subtitle="Share of each owner's handoffs accepted; 95 % interval",
        spec=_rates("owner", [row["owner"] for row in told[:MOST_BARS]]),
        cases="handed_off",
        table=Table(
            caption=text("Acceptance by owner"),
            columns=(Column("owner", "Owner"), *_COUNTS),
            breakdown=owners,
        ),
    )


def _by_load(marts: Marts) -> Chart | None:
    """Acceptance in the months of owners below and above their capacity; not with filters."""
    found = marts.rows(
        f"""
        select
            least(floor(capacity_used / {_LOAD_STEP}), {_LOAD_BANDS - 1})::int as band,
            count(distinct (owner_id, period_start)) as owner_months,
            sum(handed_off)::bigint as handed_off, sum(accepted)::bigint as accepted,
            sum(rejected)::bigint as rejected, sum(pending)::bigint as pending,
            sum(accepted) / nullif(sum(handed_off), 0) as rate
        from rep_acceptance
        where capacity_used is not null and handed_off > 0
        group by band
        order by band
        """
    )
    if not found:
        return None
    bands = [{**row, "label": _load(row["band"]), "rate_cases": row["handed_off"]} for row in found]
    return Chart(
        name="acceptance-load",
        finding=text(_load_finding(bands)),
        subtitle=(
            "Share of the handoffs accepted, by how full the owner's month was (handoffs a week "
            "of the weekly capacity); 95 % interval; for all leads, whatever the filters"
        ),
        spec=_rates("label", [row["label"] for row in bands]),
        cases="handed_off",
        table=Table(
            caption=text("Acceptance by load"),
            columns=(
                Column("label", "Of the capacity"),
                Column("owner_months", "Months of owners", "count"),
                *_COUNTS,
            ),
            rows=tuple(bands),
        ),
    )


def _load(band: int) -> str:
    first, end = (f"{(band + more) * _LOAD_STEP:.0%}".replace("%", "\u00a0%") for more in (0, 1))
    if band == 0:
        return f"below {end}"
    return f"from {first}" if band == _LOAD_BANDS - 1 else f"{first} to {end}"


def _load_finding(bands: Sequence[Row]) -> str:
    """Whether owners who are full accept less."""
    full = [row for row in bands if row["band"] * _LOAD_STEP >= 1]
    others = [row for row in bands if row not in full]
    told = []
    for name, part in (("at or above capacity", full), ("below it", others)):
        accepted, cases = (sum(row[count] for row in part) for count in ("accepted", "handed_off"))
        rate = shown(accepted / cases if cases else None, "share", cases)
        told.append(f"{name} {rate} ({accepted:,} of {cases:,})")
    return f"Accepted over all leads: {', '.join(told)}"
