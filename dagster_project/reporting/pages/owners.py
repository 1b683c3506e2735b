"""A rate by owner: who differs from whom, as far as not by chance."""

from collections.abc import Sequence

from dagster_project.reporting.pages.charts import are_alike
from dagster_project.reporting.pages.cube import Breakdown, Cube, Cubes, Measure
from dagster_project.reporting.pages.marts import Row
from dagster_project.reporting.pages.section import Text, text
from dagster_project.reporting.pages.words import FEWEST_CASES, shown

# Owners that a chart has bars for; the table has all.
MOST_BARS = 20


def by_owner(name: str, cube: Cube, cubes: Cubes, measures: Sequence[Measure]) -> Breakdown:
    """The measures of a cube by owner; a row has ``owner``, the name that is shown."""
    return Breakdown(
        name,
        cube,
        by=("owner_id",),
        rows=tuple(
            {"owner_id": str(code), "owner": shown_name}
            for code, shown_name in enumerate(cubes.filter("owner_id").values)
        ),
        measures=tuple(measures),
    )


def in_order(owners: Breakdown, rate: str) -> list[Row]:
    """The owners of enough cases, those with the lowest rate first, over all leads.

    A filter changes the bars of a chart, not their order.
    """
    told = [row for row in owners.filled if row[f"{rate}_cases"] >= FEWEST_CASES]
    return sorted(told, key=lambda row: row[rate])


def compared(told: Sequence[Row], rate: str, successes: str, sentence: str) -> Text:
    """Who is first and last of the owners, in a ``sentence`` with ``{first}`` and ``{last}``."""
    if len(told) < 2:
        return text("Too few owners with enough handoffs to compare them")
    if are_alike([(row[successes], row[f"{rate}_cases"]) for row in told]):
        return text(f"Over all leads, the {len(told):,} owners do not differ beyond chance")
    first, last = (
        f"{row['owner']} ({shown(row[rate], 'share')} of {row[f'{rate}_cases']:,})"
        for row in (told[0], told[-1])
    )
    return text(f"Over all leads, {sentence.format(first=first, last=last)}")
