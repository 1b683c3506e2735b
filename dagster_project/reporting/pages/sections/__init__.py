"""The sections of the report, in the order of the page; each is a module of its own.

A section is a function of the marts and the cubes that returns what to show, or None where there is
nothing to say. ``NEEDED`` of its module names the marts without which it is left out.
"""

from collections.abc import Iterator

from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Section
from dagster_project.reporting.pages.sections import funnel, stands_out

# In the order of the page.
SECTIONS = (stands_out, funnel)


def sections(marts: Marts, cubes: Cubes) -> Iterator[Section]:
    """What the report shows; a build of an earlier release may lack some marts."""
    for module in SECTIONS:
        if all(marts.has(mart) for mart in module.NEEDED):
            section = module.section(marts, cubes)
            if section is not None:
                yield section
