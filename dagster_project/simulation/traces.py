"""What leads and reps leave behind on the way: signals of intent, calls, mails, meetings."""

import numpy as np

from dagster_project.simulation import assumptions as given
from dagster_project.simulation import codes
from dagster_project.simulation.journal import NOBODY, NOTHING, Journal
from dagster_project.simulation.people import Leads
from dagster_project.simulation.waves import Wave, repeat, spread
from dagster_project.simulation.working_time import DAY, HOUR, MINUTE, Bools, Ints
from dagster_project.simulation.world import World, choose, choose_by_row


class Traces:
    """Notes the engagements and activities of one block of leads."""

    def __init__(
        self, world: World, leads: Leads, journal: Journal, rng: np.random.Generator
    ) -> None:
        self.world = world
        self.leads = leads
        self.journal = journal
        self.rng = rng

    def signal_intent(self, wave: Wave, tier: Ints) -> Ints:
        """What the lead did just before the handoff; returns when."""
        lead = wave.lead
        source = self.leads.source[lead]
        kind = codes.TIER_SIGNALS[tier, choose_by_row(self.rng, codes.TIER_SIGNAL_SHARES, tier)]
        kind = np.where((source == codes.OUTBOUND) & (tier == 0), codes.OUTBOUND_SIGNAL, kind)
        kind = np.where(
            (source == codes.PRODUCT) & (tier == codes.HIGH_INTENT), codes.PRODUCT_SIGNAL, kind
        )
        before = np.where(
            tier == 0,
            self.rng.integers(20, 3 * MINUTE, len(lead)),
            np.minimum(spread(self.rng, 40 * MINUTE, 1.3, len(lead)), 20 * HOUR),
        )
        at = np.maximum(wave.at - before.astype(np.int64), self.leads.created_at[lead])
        campaign = np.where(self.rng.random(len(lead)) < 0.4, source, NOTHING)
        self.journal.add(
            "signals", lead, at, kind=kind, channel=codes.SOURCE_CHANNEL[source], campaign=campaign
        )
        return at

    def warm_up(self, wave: Wave, until: Ints, handed: Bools) -> None:
        """What a lead does from its first form to the handoff."""
        source = self.leads.source[wave.lead]
        kind = codes.FIRST_SIGNAL[source]
        known = kind != NOTHING
        self.journal.add(
            "signals",
            wave.lead[known],
            wave.at[known],
            kind=kind[known],
            channel=codes.SOURCE_CHANNEL[source[known]],
            campaign=source[known],
        )
        mean = np.where(handed, given.BACKGROUND_PER_MQL, given.BACKGROUND_PER_OTHER)
        some = repeat(wave, self.rng.poisson(mean))
        end = np.repeat(until, np.diff(some.bounds))
        at = some.wave.at + (self.rng.random(len(end)) * np.maximum(end - some.wave.at, 1)).astype(
            np.int64
        )
        which = choose(self.rng, codes.BACKGROUND_SHARES, len(at))
        own = codes.SOURCE_CHANNEL[self.leads.source[some.wave.lead]]
        channel = np.where(
            codes.BACKGROUND_CHANNEL[which] == NOTHING, own, codes.BACKGROUND_CHANNEL[which]
        )
        self.journal.add(
            "signals",
            some.wave.lead,
            at,
            kind=codes.BACKGROUND_KIND[which],
            channel=channel,
            campaign=NOTHING,
        )
        mailed = self.rng.random(len(wave.lead)) < given.AUTOMATED_EMAIL_SHARE
        self.journal.add(
            "activities",
            wave.lead[mailed],
            wave.at[mailed] + self.rng.integers(60, 2 * DAY, int(mailed.sum())),
            kind=codes.ACTIVITY_INDEX[given.AUTOMATED_EMAIL],
            direction=codes.OUT,
            rep=NOBODY,
        )

    def follow_up(self, wave: Wave, until: Ints, mean: float, rep: Ints) -> None:
        """Calls, mails, meetings and notes between two moments, in the rep's working hours."""
        some = repeat(wave, self.rng.poisson(mean, len(wave.lead)))
        lead, start = some.wave
        end = np.repeat(until, np.diff(some.bounds))
        at = start + 60 + (self.rng.random(len(lead)) * np.maximum(end - start, 1)).astype(np.int64)
        rep = np.repeat(rep, np.diff(some.bounds))
        at = self.world.zones.at_work(
            at, self.world.reps.zone[rep], self.rng.uniform(0, 3 * HOUR, len(lead))
        )
        which = choose(self.rng, codes.FOLLOW_UP_SHARES, len(lead))
        inbound = self.rng.random(len(lead)) < codes.FOLLOW_UP_INBOUND[which]
        self.journal.add(
            "activities",
            lead,
            at,
            kind=codes.FOLLOW_UP_KIND[which],
            direction=np.where(inbound, codes.IN, codes.OUT),
            rep=rep,
        )
