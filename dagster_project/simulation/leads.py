"""The leads of one block: who they are, where they come from, how good they are.

A company's size, country and industry follow from its number by hashing, so that two leads
of one company agree in every block of the export.
"""

import numpy as np
import numpy.typing as npt

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.draws import Floats, Ints, choose
from dagster_project.simulation.working_time import (
    DAY,
    HOUR,
    YEAR_END,
    ZONES,
    utc_offset,
)
from dagster_project.simulation.world import World

_COUNTRY_TEAM = np.array([[*given.TEAMS.name].index(team) for team in given.COUNTRIES.team])
_COUNTRY_ZONE = np.array([ZONES.index(zone) for zone in given.COUNTRIES.zone])


class Leads:
    """``count`` leads from number ``first`` on, in the order of their days; arrays by attribute."""

    def __init__(self, world: World, rng: np.random.Generator, first: int, count: int) -> None:
        self.scenario = world.scenario
        self.number = np.arange(first, first + count)
        day = np.searchsorted(world.leads_until_day, self.number, side="right")
        self.source = choose(world.mix, rng.random(count), day)
        self.segment = choose(given.SOURCE_MIX.segments, rng.random(count), self.source)
        companies = max(1, int(world.leads / given.LEADS_PER_COMPANY))
        segments = len(given.SEGMENTS.name)
        self.company = rng.integers(0, companies, count) * segments + self.segment
        self.title = choose(given.TITLES.weight, rng.random(count))
        self.given_name = rng.integers(0, len(given.GIVEN_NAMES), count)
        self.family_name = rng.integers(0, len(given.FAMILY_NAMES), count)

        self.merged_into = _duplicates(rng, count)
        self.is_merged = self.merged_into >= 0
        survivor = self.merged_into[self.is_merged]
        for copied in (self.segment, self.company, self.title, self.given_name, self.family_name):
            copied[self.is_merged] = copied[survivor]

        self.country = choose(given.COUNTRIES.weight, _fraction(self.company, world.seed, 1))
        self.team = _COUNTRY_TEAM[self.country]
        self.zone = _COUNTRY_ZONE[self.country]
        industry = _fraction(self.company, world.seed, 2) * len(given.INDUSTRIES)
        self.industry = industry.astype(np.int64)
        self.employees = self._employees(world.seed)
        self.created_at = self._creation(rng, day)
        self.quality = self._quality(rng)
        noise = rng.normal(0.0, 1.0, count)
        score = np.rint(47 + 16 * (0.75 * self.quality + 0.66 * noise))
        self.crm_score = np.clip(score, 0, 100).astype(np.int64)
        self.is_freemail = rng.random(count) < given.FREEMAIL_SHARE
        self.is_deleted = rng.random(count) < given.DELETED_SHARE
        self.is_deleted |= self.is_merged & (rng.random(count) < given.MERGED_DELETED_SHARE)

    def __len__(self) -> int:
        return len(self.number)

    def _employees(self, seed: int) -> Ints:
        """Headcount, evenly spread over the orders of magnitude of the company's segment."""
        low = np.log(given.SEGMENTS.employees_low.astype(np.float64))
        high = np.log(given.SEGMENTS.employees_high.astype(np.float64))
        part = _fraction(self.company, seed, 3)
        spread = np.exp(low[self.segment] + part * (high - low)[self.segment])
        return np.rint(spread).astype(np.int64)

    def _creation(self, rng: np.random.Generator, day: Ints) -> Ints:
        """When leads of these days are created: by the hours of their own time zone."""
        start = self.scenario.start
        hour = choose(given.HOUR_WEIGHTS, rng.random(len(day)))
        local = start + day * DAY + hour * HOUR + rng.integers(0, HOUR, len(day))
        moment = local - utc_offset(local, self.zone)
        moment = np.where(moment < start, moment + DAY, moment)
        return np.where(moment >= YEAR_END - 60, moment - DAY, moment)

    def _quality(self, rng: np.random.Generator) -> Floats:
        """How good a lead really is, in standard deviations; nobody in the CRM sees it."""
        seen = given.SOURCES.quality[self.source] + given.SEGMENTS.quality[self.segment]
        seen = seen + given.TITLES.quality[self.title]
        start = self.scenario.start
        progress = (self.created_at - start) / (YEAR_END - start)
        scaled_up = (given.SOURCES.name == given.SCALED_UP_SOURCE)[self.source]
        scaled_up &= (progress >= given.SCALED_UP_FROM) & self.scenario.is_sample
        seen = seen + scaled_up * given.SCALED_UP_QUALITY
        quality = seen + rng.normal(0.0, 0.85, len(self))
        return quality + (self.employees < given.TINY_COMPANY) * given.TINY_COMPANY_QUALITY


def _duplicates(rng: np.random.Generator, count: int) -> Ints:
    """For a few leads, the place of the earlier lead that they repeat; -1 for all others."""
    place = np.arange(count)
    is_duplicate = rng.random(count) < given.MERGED_SHARE
    survivor = np.maximum(place - rng.integers(1, 200, count), 0)
    is_duplicate &= ~is_duplicate[survivor] & (survivor < place)
    return np.where(is_duplicate, survivor, -1)


def _fraction(number: Ints, seed: int, salt: int) -> Floats:
    """A number in 0..1 that follows from a company's number (splitmix64)."""
    mixed: npt.NDArray[np.uint64] = number.astype(np.uint64)
    mixed = mixed + np.uint64((seed * 8 + salt) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / float(2**53)
