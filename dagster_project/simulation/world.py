"""What all leads of a simulation share: leads per day, the mix of sources and the sales team.

Built once from the seed. Blocks of leads then draw from their own random streams, so that memory
does not grow with the number of leads.
"""

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation.draws import Floats, Ints, choose
from dagster_project.simulation.scenario import Cause, Scenario
from dagster_project.simulation.working_time import DAY, EPOCH_WEEKDAY, ZONES


class World:
    """The simulated company of one seed and size; without its cause so many leads come."""

    def __init__(self, leads: int, seed: int, scenario: Scenario) -> None:
        self.leads = leads
        self.seed = seed
        self.scenario = scenario
        rng = np.random.default_rng([seed, 0])
        self._build_calendar(rng)
        self.team = Team(leads, self._season(), scenario, rng)
        self._plant()
        # Whole leads per day, by running rounding: the shape of the year is the same at any size.
        self.leads_until_day = np.rint(np.cumsum(self.day_weights) * self.leads).astype(np.int64)
        self.leads_until_day[-1] = self.leads

    def _build_calendar(self, rng: np.random.Generator) -> None:
        """Leads per day, and the mix of sources of each day."""
        scenario = self.scenario
        days = np.arange(scenario.days)
        dates = scenario.start // DAY + days
        month = dates.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
        weekday = (dates + EPOCH_WEEKDAY) % 7
        quiet_months = np.isin(month + 1, given.MONTHS_WITHOUT_EVENTS)
        workdays = np.flatnonzero((weekday < 4) & ~quiet_months)
        event_days = round(given.EVENT_DAYS * scenario.years)
        fairs = rng.choice(workdays, event_days, replace=False)
        webinars = workdays[:: given.WEBINAR_EVERY_DAYS]
        scaled_up = days[scenario.is_sample & (days >= given.SCALED_UP_FROM * len(days))]

        self.mix = np.tile(given.SOURCES.weight, (len(days), 1))
        for days_affected, source, factor in (
            (fairs, "Event", given.EVENT_DAY_FACTOR),
            (webinars, "Webinar", given.WEBINAR_DAY_FACTOR),
            (scaled_up, given.SCALED_UP_SOURCE, given.SCALED_UP_WEIGHT),
        ):
            self.mix[days_affected, given.SOURCES.name == source] *= factor

        weight = np.array(given.MONTH_WEIGHTS)[month]
        weight = weight * np.array(given.WEEKDAY_WEIGHTS)[weekday] * self.mix.sum(axis=1)
        weight = weight * (1 + given.GROWTH_OVER_YEAR * days / given.DAYS_IN_YEAR)
        self.day_weights = weight / weight.sum()

    def _plant(self) -> None:
        """The causes that change how many leads come, and from where."""
        scenario = self.scenario
        midnight = scenario.start + np.arange(scenario.days) * DAY
        overloaded = scenario.has(Cause.OVERLOAD, midnight)
        weight = self.day_weights * np.where(overloaded, given.OVERLOAD, 1)
        self.leads = round(self.leads * weight.sum())
        self.day_weights = weight / weight.sum()
        mixed = scenario.has(Cause.MIX, midnight)
        weak = np.isin(given.SOURCES.name, given.WEAK_SOURCES)
        for sources, share in ((weak, given.WEAK_SHARE), (~weak, 1 - given.WEAK_SHARE)):
            mix = self.mix[np.ix_(mixed, sources)]
            self.mix[np.ix_(mixed, sources)] = mix / mix.sum(axis=1, keepdims=True) * share

    def _season(self) -> Floats:
        """Leads of each week over the average week's; the team is made for them."""
        scenario = self.scenario
        week = np.arange(scenario.days) // 7
        volume = np.bincount(week, self.day_weights, scenario.weeks)
        days = np.bincount(week, minlength=scenario.weeks)
        return volume / np.maximum(days, 1) * scenario.days


class Team:
    """The sales reps: development reps (SDRs) first, then closers; arrays by attribute."""

    def __init__(
        self, leads: int, season: Floats, scenario: Scenario, rng: np.random.Generator
    ) -> None:
        load = leads / scenario.years * given.HANDOFFS_PER_LEAD / 52
        wanted = load / given.HANDOFFS_PER_SDR_WEEK * given.TEAMS.share
        sdrs = np.maximum(np.rint(wanted).astype(int), given.TEAMS.min_sdrs)
        closers = np.maximum(np.rint(sdrs * given.CLOSERS_PER_SDR).astype(int), 1)
        counts = np.concatenate([sdrs, closers])
        total = int(counts.sum())
        self.team = np.repeat(np.tile(np.arange(len(sdrs)), 2), counts)
        place = np.concatenate([np.arange(count) for count in counts])
        zones = np.searchsorted(ZONES, given.TEAMS.zones)
        self.is_sdr = np.arange(total) < sdrs.sum()

        average = load * given.TEAMS.share[self.team] / sdrs[self.team]
        capacity = average * rng.uniform(*given.CAPACITY_RANGE, total)
        capacity *= 1.0 if scenario.is_sample else given.SOUND_ROOM
        leaves = rng.random(total) < given.LEAVER_SHARE
        # Teams of one or two can't spare anybody.
        leaves &= self.is_sdr & (sdrs[self.team] > 2) & scenario.is_sample
        self.is_active = ~leaves
        self.zone = zones[self.team, place % 2]
        self.capacity = np.maximum(np.rint(capacity), 1).astype(np.int64)
        self.strictness = rng.normal(0.0, 0.45, total)
        self.slowness = np.exp(rng.normal(0.0, 0.45, total))
        self.skill = rng.normal(0.0, 0.35, total)
        weeks = scenario.weeks
        self._at_work = np.ones((weeks, total))
        away = rng.integers(0, weeks, (round(given.HOLIDAY_WEEKS * scenario.years), total))
        self._at_work[away, np.arange(total)] = 0.05
        self._at_work[given.LEAVES_AFTER_WEEK :, leaves] = 0.0
        # How much heavier than usual a rep's week is: slows the first touch down.
        self.pressure = np.exp(rng.normal(0.0, 0.25, (weeks, total))) * season[:, None]

    def __len__(self) -> int:
        return len(self.team)

    def assign(self, rng: np.random.Generator, team: Ints, week: Ints | None = None) -> Ints:
        """A rep of the team for each lead: an SDR who is at work in its week, or else a closer."""
        rep = np.empty(len(team), dtype=np.int64)
        for at in range(len(given.TEAMS.name)):
            mine = team == at
            count = int(mine.sum())
            if week is None:
                rep[mine] = rng.choice(np.flatnonzero((self.team == at) & ~self.is_sdr), count)
            else:
                members = np.flatnonzero((self.team == at) & self.is_sdr)
                member = choose(self._at_work[:, members], rng.random(count), week[mine])
                rep[mine] = members[member]
        return rep
