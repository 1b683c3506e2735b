"""The leads of one block: who they are, where they come from, how good they are.

A company's name, size, country and industry follow from its number by hashing, so that two leads
of one company agree wherever they stand in the export. Names are made up from syllables, addresses
lie in domains that are reserved for examples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.working_time import DAY, Bools, Floats, Ints
from dagster_project.simulation.world import COUNTRY_ZONE, World, choose, choose_by_row, shares

_SEGMENT_SHARES = shares([source.segments for source in given.SOURCES])
_COUNTRY_SHARES = shares([row[3] for row in given.COUNTRIES])
_TITLE_SHARES = shares([row[1] for row in given.TITLES])
_HOUR_SHARES = shares(given.HOUR_WEIGHTS)
_SOURCE_QUALITY = np.array([source.quality for source in given.SOURCES])
_TITLE_QUALITY = np.array([row[2] for row in given.TITLES])
_SEGMENT_QUALITY = np.array(given.SEGMENT_QUALITY)


@dataclass
class Leads:
    """One block of leads, in the order of their days; one array per attribute."""

    created_at: Ints
    source: Ints
    segment: Ints
    company: Ints
    country: Ints
    industry: Ints
    employees: Ints
    title: Ints
    given_name: Ints
    family_name: Ints
    is_freemail: Bools
    quality: Floats
    crm_score: Ints
    merged_into: Ints
    is_deleted: Bools

    def __len__(self) -> int:
        return len(self.created_at)

    @property
    def zone(self) -> Ints:
        """Time zone of each lead."""
        return COUNTRY_ZONE[self.country]


def make_leads(world: World, rng: np.random.Generator, first: int, count: int) -> Leads:
    """The leads numbered ``first`` and on of the world."""
    number = np.arange(first, first + count)
    day = np.searchsorted(world.leads_until_day, number, side="right")
    source = choose_by_row(rng, world.source_shares, day)
    segment = choose_by_row(rng, _SEGMENT_SHARES, source)
    companies = max(1, int(world.leads / given.LEADS_PER_COMPANY))
    company = rng.integers(0, companies, count) * len(given.SEGMENT_EMPLOYEES) + segment
    title = choose(rng, _TITLE_SHARES, count)
    given_name = rng.integers(0, len(given.GIVEN_NAMES), count)
    family_name = rng.integers(0, len(given.FAMILY_NAMES), count)

    merged_into = _duplicates(rng, count)
    duplicate = np.flatnonzero(merged_into >= 0)
    for attribute in (segment, company, title, given_name, family_name):
        attribute[duplicate] = attribute[merged_into[duplicate]]

    country = np.searchsorted(_COUNTRY_SHARES, _fraction(company, world.seed, 1), side="right")
    created_at = _moments(world, rng, day, COUNTRY_ZONE[country])
    employees = _employees(company, segment, world.seed)
    quality = _quality(world, rng, created_at, source, segment, title)
    quality += (employees < given.TINY_COMPANY) * given.TINY_COMPANY_QUALITY
    noise = rng.normal(0.0, 1.0, count)
    crm_score = np.clip(np.rint(47 + 16 * (0.75 * quality + 0.66 * noise)), 0, 100)
    return Leads(
        created_at=created_at,
        source=source,
        segment=segment,
        company=company,
        country=country,
        industry=(_fraction(company, world.seed, 2) * len(given.INDUSTRIES)).astype(np.int64),
        employees=employees,
        title=title,
        given_name=given_name,
        family_name=family_name,
        is_freemail=rng.random(count) < given.FREEMAIL_SHARE,
        quality=quality,
        crm_score=crm_score.astype(np.int64),
        merged_into=merged_into,
        is_deleted=(rng.random(count) < given.DELETED_SHARE)
        | ((merged_into >= 0) & (rng.random(count) < 0.5)),
    )


def _duplicates(rng: np.random.Generator, count: int) -> Ints:
    """For a few leads, the place of the earlier lead that they repeat; -1 for all others."""
    merged_into = np.full(count, -1, dtype=np.int64)
    is_duplicate = rng.random(count) < given.MERGED_SHARE
    back = rng.integers(1, 200, count)
    survivor = np.maximum(np.arange(count) - back, 0)
    place = np.flatnonzero(is_duplicate & ~is_duplicate[survivor] & (survivor < np.arange(count)))
    merged_into[place] = survivor[place]
    return merged_into


def _moments(world: World, rng: np.random.Generator, day: Ints, zone: Ints) -> Ints:
    """When leads of these days are created: by the hours of their own time zone."""
    hour = choose(rng, _HOUR_SHARES, len(day))
    local = world.start + day * DAY + hour * 3_600 + rng.integers(0, 3_600, len(day))
    moment = local - world.zones.offset(local, zone)
    moment = np.where(moment < world.start, moment + DAY, moment)
    return np.where(moment >= world.end - 60, moment - DAY, moment)


def _quality(
    world: World,
    rng: np.random.Generator,
    created_at: Ints,
    source: Ints,
    segment: Ints,
    title: Ints,
) -> Floats:
    """How good a lead really is, in standard deviations; nobody in the CRM sees it."""
    seen = _SOURCE_QUALITY[source] + _SEGMENT_QUALITY[segment] + _TITLE_QUALITY[title]
    scaled_up = source == given.SOURCE_INDEX[given.SCALED_UP_SOURCE]
    scaled_up &= world.progress_of_year(created_at) >= given.SCALED_UP_FROM
    return seen + scaled_up * given.SCALED_UP_QUALITY + rng.normal(0.0, 0.85, len(source))


def _employees(company: Ints, segment: Ints, seed: int) -> Ints:
    """Headcount of a company, evenly spread over the orders of magnitude of its segment."""
    low, high = np.log(np.array(given.SEGMENT_EMPLOYEES, dtype=np.float64)).T
    part = _fraction(company, seed, 3)
    return np.rint(np.exp(low[segment] + part * (high - low)[segment])).astype(np.int64)


def _fraction(number: Ints, seed: int, salt: int) -> Floats:
    """A number in 0..1 that follows from a company's number (splitmix64)."""
    mixed: npt.NDArray[np.uint64] = number.astype(np.uint64)
    mixed = mixed + np.uint64((seed * 8 + salt) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / float(2**53)
