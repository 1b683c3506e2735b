"""The sections of the report, in the order of the page; each is a module of its own.

A section is a function of the marts and the cubes that returns what to show, or None where there is
nothing to say. ``NEEDED`` of its module names the marts without which it is left out.
"""

import logging
from collections.abc import Iterator
from traceback import format_exception

from dagster_project.config.plain_text import printable
from dagster_project.reporting.pages.cube import Cubes
from dagster_project.reporting.pages.marts import Marts
from dagster_project.reporting.pages.section import Section, text
from dagster_project.reporting.pages.sections import (
    acceptance,
    agenda,
    channels,
    cohorts,
    data_quality,
    first_touch,
    funnel,
    recycling,
    score,
    stands_out,
    trend,
    what_changed,
    why_not,
)
from dagster_project.reporting.pages.words import phrase

_LOG = logging.getLogger(__name__)

# In the order of the page.
SECTIONS = (
    stands_out,
    funnel,
    trend,
    cohorts,
    first_touch,
    acceptance,
    why_not,
    recycling,
    score,
    channels,
    what_changed,
    agenda,
    data_quality,
)


def sections(marts: Marts, cubes: Cubes) -> Iterator[Section]:
    """What the report shows; a build of an earlier release may lack some marts.

    A section that fails says so in its place, and why in the log: it costs no other.
    """
    for module in SECTIONS:
        if all(marts.has(mart) for mart in module.NEEDED):
            name = module.__name__.rpartition(".")[-1]
            try:
                section = module.section(marts, cubes)
            except Exception as error:
                cause = printable("".join(format_exception(error)))
                _LOG.error("report: the section %s could not be shown\n%s", name, cause)
                section = _not_shown(name)
            if section is not None:
                yield section


def _not_shown(name: str) -> Section:
    title = phrase(name).capitalize()
    return Section(
        anchor=name.replace("_", "-"),
        title=title,
        finding=text(f"{title} could not be shown"),
        note="The marts have the numbers; the log of what wrote this page says what went wrong.",
    )
