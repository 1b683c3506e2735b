"""What all leads of a simulation share: the year's calendar, the companies and the sales team.

Built once from the seed. Blocks of leads then draw from their own random streams, so that memory
does not grow with the number of leads.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.working_time import DAY, Bools, Floats, Ints, Zones

ZONE_NAMES = tuple(
    sorted({row[2] for row in given.COUNTRIES} | {name for row in given.TEAM_ZONES for name in row})
)
ZONE_INDEX = {name: at for at, name in enumerate(ZONE_NAMES)}
# Deals run past the year's end before they are cut off; the offsets reach that far.
HORIZON_DAYS = 3 * given.DAYS_IN_YEAR
COUNTRY_TEAM = np.array([given.TEAMS.index(row[1]) for row in given.COUNTRIES])
COUNTRY_ZONE = np.array([ZONE_INDEX[row[2]] for row in given.COUNTRIES])


def shares(weights: object) -> Floats:
    """Running shares of weights, along the last axis, that end at exactly 1."""
    table = np.asarray(weights, dtype=np.float64)
    running = np.cumsum(table, axis=-1) / table.sum(axis=-1, keepdims=True)
    running[..., -1] = 1.0
    return running


def choose(rng: np.random.Generator, running: Floats, size: int) -> Ints:
    """Draw so many choices from running shares (one row for all)."""
    return np.searchsorted(running, rng.random(size), side="right").astype(np.int64)


def choose_by_row(rng: np.random.Generator, running: Floats, row: Ints) -> Ints:
    """Draw one choice for each ``row`` of a table of running shares."""
    # Rows laid end to end, each one unit long, are one sorted list: one search serves all.
    laid_out = (running + np.arange(len(running))[:, None]).ravel()
    at = np.searchsorted(laid_out, row + rng.random(len(row)), side="right")
    return np.minimum(at - row * running.shape[1], running.shape[1] - 1)


@dataclass
class Reps:
    """The sales team, one position per rep: development reps first, then closers."""

    role: list[str]
    team: Ints
    zone: Ints
    capacity: Ints
    is_active: Bools
    strictness: Floats
    slowness: Floats
    skill: Floats

    def __len__(self) -> int:
        return len(self.role)


class World:
    """The simulated company: calendar, source mix by day, team, zones."""

    def __init__(self, leads: int, seed: int, year_end: datetime) -> None:
        self.leads = leads
        self.seed = seed
        self.end = int(year_end.timestamp())
        self.start = self.end - given.DAYS_IN_YEAR * DAY
        rng = np.random.default_rng([seed, 0])
        first = year_end - timedelta(days=given.DAYS_IN_YEAR + 45)
        self.zones = Zones(ZONE_NAMES, first, HORIZON_DAYS)
        self._build_calendar(rng)
        self._build_team(rng)

    def week(self, at: Ints) -> Ints:
        """Week of the year, 0 and up."""
        last = given.DAYS_IN_YEAR // 7
        return np.clip((at - self.start) // (7 * DAY), 0, last)

    def progress_of_year(self, at: Ints) -> Floats:
        """How much of the year has passed, 0 to 1."""
        return np.clip((at - self.start) / (self.end - self.start), 0.0, 1.0)

    def _build_calendar(self, rng: np.random.Generator) -> None:
        """Leads per day, and the mix of sources of each day."""
        days = np.arange(given.DAYS_IN_YEAR)
        dates = [datetime.fromtimestamp(self.start + int(at) * DAY, UTC) for at in days]
        month = np.array([date.month for date in dates])
        weekday = np.array([date.weekday() for date in dates])
        workdays = np.flatnonzero((weekday < 4) & ~np.isin(month, (8, 12)))
        fair_days = np.zeros(len(days), dtype=bool)
        fair_days[rng.choice(workdays, given.EVENT_DAYS, replace=False)] = True
        webinar_days = np.zeros(len(days), dtype=bool)
        webinar_days[workdays[:: given.WEBINAR_EVERY_DAYS]] = True

        mix = np.tile([source.weight for source in given.SOURCES], (len(days), 1))
        mix[fair_days, given.SOURCE_INDEX["Event"]] *= given.EVENT_DAY_FACTOR
        mix[webinar_days, given.SOURCE_INDEX["Webinar"]] *= given.WEBINAR_DAY_FACTOR
        late = days >= given.SCALED_UP_FROM * given.DAYS_IN_YEAR
        mix[late, given.SOURCE_INDEX[given.SCALED_UP_SOURCE]] *= given.SCALED_UP_WEIGHT
        self.mix = mix
        self.source_shares = shares(mix)

        weight = np.array(given.MONTH_WEIGHTS)[month - 1]
        weight = weight * np.array(given.WEEKDAY_WEIGHTS)[weekday] * mix.sum(axis=1)
        weight = weight * (1 + given.GROWTH_OVER_YEAR * days / len(days))
        self.day_weights = weight / weight.sum()
        # Whole leads per day, by running rounding: the shape of the year is the same at any size.
        until = np.rint(np.cumsum(self.day_weights) * self.leads).astype(np.int64)
        until[-1] = self.leads
        self.leads_until_day = until

    def _build_team(self, rng: np.random.Generator) -> None:
        """Reps with their habits, and who is at work in which week."""
        load = self.leads * given.HANDOFFS_PER_LEAD / 52
        wanted = load / given.HANDOFFS_PER_SDR_WEEK * np.array(given.TEAM_SHARES)
        sdrs = np.maximum(np.rint(wanted).astype(int), given.SDRS_AT_LEAST)
        closers = np.maximum(np.rint(sdrs * given.CLOSERS_PER_SDR).astype(int), 1)
        counts = np.concatenate([sdrs, closers])
        total = int(counts.sum())
        team = np.repeat(np.tile(np.arange(len(given.TEAMS)), 2), counts)
        place = np.concatenate([np.arange(count) for count in counts])
        zones = np.array([[ZONE_INDEX[name] for name in pair] for pair in given.TEAM_ZONES])
        is_sdr = np.arange(total) < sdrs.sum()

        average = load * np.array(given.TEAM_SHARES)[team] / sdrs[team]
        spread = rng.uniform(*given.CAPACITY_RANGE, total)
        leaves = rng.random(total) < given.LEAVER_SHARE
        # Teams of one or two can't spare anybody.
        leaves &= is_sdr & (sdrs[team] > 2)
        self.reps = Reps(
            role=["sdr" if sdr else "ae" for sdr in is_sdr],
            team=team,
            zone=zones[team, place % 2],
            capacity=np.maximum(np.rint(average * spread), 1).astype(np.int64),
            is_active=~leaves,
            strictness=rng.normal(0.0, 0.45, total),
            slowness=np.exp(rng.normal(0.0, 0.45, total)),
            skill=rng.normal(0.0, 0.35, total),
        )
        weeks = given.DAYS_IN_YEAR // 7 + 1
        at_work = np.ones((weeks, total))
        away = rng.integers(0, weeks, (given.HOLIDAY_WEEKS, total))
        at_work[away, np.arange(total)] = 0.05
        at_work[given.LEAVES_AFTER_WEEK :, leaves] = 0.0
        # How much heavier than usual a rep's week is: slows the first touch down.
        self.pressure = np.exp(rng.normal(0.0, 0.25, (weeks, total))) * self._season(weeks)[:, None]
        self.sdrs = [np.flatnonzero((team == at) & is_sdr) for at in range(len(given.TEAMS))]
        self.closers = [np.flatnonzero((team == at) & ~is_sdr) for at in range(len(given.TEAMS))]
        self._sdr_shares = [shares(at_work[:, members]) for members in self.sdrs]

    def _season(self, weeks: int) -> Floats:
        """Leads of each week over the average week's."""
        week = np.arange(given.DAYS_IN_YEAR) // 7
        volume = np.bincount(week, self.day_weights, weeks)
        days = np.bincount(week, minlength=weeks)
        return volume / np.maximum(days, 1) * given.DAYS_IN_YEAR

    def assign(self, rng: np.random.Generator, team: Ints, week: Ints) -> Ints:
        """A development rep of the team who is at work that week, for each lead."""
        rep = np.empty(len(team), dtype=np.int64)
        for at, members in enumerate(self.sdrs):
            mine = team == at
            rep[mine] = members[choose_by_row(rng, self._sdr_shares[at], week[mine])]
        return rep

    def assign_closer(self, rng: np.random.Generator, team: Ints) -> Ints:
        """A closer of the team, for each lead."""
        rep = np.empty(len(team), dtype=np.int64)
        for at, members in enumerate(self.closers):
            mine = team == at
            rep[mine] = members[rng.integers(0, len(members), int(mine.sum()))]
        return rep
